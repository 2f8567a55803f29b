"""The documents name what there is: tests, folders in their order, packages, and where their links lead."""

import re
from pathlib import Path

import pytest

from tests.test_structure import STATIONS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "checkpoints" / "README.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_test_that_security_names_is_there():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = {part for name in re.findall(r"`((?:test_|Test)[\w.]+)`", read("SECURITY.md")) for part in name.split(".")}
    named -= {"py"}
    assert len(named) > 20
    files = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {name for name in named - files if not re.search(rf"(def|class) {name}\b", tests)}


def test_every_file_of_tests_that_security_names_is_there():
    named = re.findall(r"`([\w/]+/test_\w+\.py)`", read("SECURITY.md"))
    assert len(named) > 5
    assert not [name for name in named if not (ROOT / "tests" / name.removeprefix("tests/")).is_file()]


def test_the_map_has_the_order_in_which_files_may_import():
    rows = read("README.md").partition("| folder | station |")[2].partition("\n\n")[0].splitlines()[2:]
    names = [name for row in rows for name in re.findall(r"`(?:atvg/)?(\w+)(?:\.py|/)`", row.split("|")[1])]
    assert [name for name in names if name in STATIONS] == STATIONS


def test_every_package_that_is_required_has_a_row_of_systems():
    lines = [line.partition("#")[0].strip() for line in read("requirements.txt").splitlines()]
    rows = re.findall(r"^\| `([^`]+)` \|", read("docs/platforms.md"), re.MULTILINE)
    assert not [line for line in lines if line and line not in rows]


def anchors(path: Path) -> set[str]:
    """Of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
