"""A link sets what it says, and whatever it says wrongly does no harm."""

import pytest

from atvg.studio.link import Link


@pytest.fixture(scope="module")
def read(page):
    """What a page that is opened with a query sets, by name; as its own event does it."""
    function = next(fn for fn in page.fns.values() if getattr(fn.fn, "__name__", "") == "read")
    link: Link = function.fn.__self__
    names = [*link._controls, *link._fields, "tab"]

    def ask(query: str) -> dict:
        return {name: said for name, said in zip(names, link.read(query), strict=True) if not _skipped(said)}

    return ask


def _skipped(said) -> bool:
    return isinstance(said, dict) and set(said) == {"__type__"}


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("gradio.Warning", said.append)
    return said


def test_every_setting_is_set(read, warnings):
    said = read("?yaw=12&pitch=-4&mouth_gain=1.35&natural=false&frame=face&beta=0.2&ear=none&seed=7&end=2.5")
    assert said == {
        "yaw": 12, "pitch": -4, "mouth_gain": 1.35, "natural": False, "frame": "face", "beta": 0.2, "ear": "none",
        "seed": 7, "end": 2.5,
    }  # fmt: skip
    assert not warnings and read("") == {}


def test_an_example_is_chosen_by_its_name_and_a_file_never(read, warnings):
    said = read("?photo=grace_hopper&voice=heath_ledger&tab=inside")
    assert said["photo"].endswith("grace_hopper.jpg") and said["voice"].endswith("heath_ledger.mp3")
    assert said["tab"].selected == "inside" if hasattr(said["tab"], "selected") else said["tab"]["selected"] == "inside"
    for name in ("/etc/passwd", "../grace_hopper", "grace_hopper.jpg"):
        assert "photo" not in read(f"?photo={name}")
    assert len(warnings) == 3


@pytest.mark.parametrize(
    ("query", "left", "told"),
    [
        ("yaw=900&smoothing=-3&seed=1.6", {"yaw": 45, "smoothing": 0, "seed": 2}, 0),
        ("yaw=nan&pitch=inf&roll=left&yaw=3&tab=secret&frame=half&natural=perhaps", {"yaw": 3}, 1),
        ("seed=1e300", {"seed": 2**32 - 1}, 0),
        ("%%%&=&;;&yaw", {}, 0),
        ("&".join(["a=1"] * 900), {}, 0),
        ("yaw=" + "9" * 3000, {}, 1),
    ],
)
def test_what_it_says_wrongly_does_no_harm(read, warnings, query, left, told):
    assert read(f"?{query}") == left
    assert len(warnings) == told
