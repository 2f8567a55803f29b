"""Nothing that is brought breaks ATVG: one clear line, or a right result; in time, and nothing is left behind."""

import contextlib
import faulthandler
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from atvg import Animator, Pose
from atvg.cli import main
from atvg.errors import ATVGError, BadAudioError, BadSettingError, CheckpointError
from atvg.studio.page import build
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk
from atvg.voice.audio import load_audio
from tests import bad_inputs as bad
from tests.bad_inputs import Case, Kit
from tests.marks import quick
from tests.server import launched, visitor

LIMIT = 20.0  # seconds for one case by one route
_TOLD = re.compile(r"error: [^\n]+\n")


_EVERYWHERE = {
    "text as jpg", "png that claims 50 000²", "two faces", "photo is bytes", "photo: a pipe that nobody writes to",
    "concat list, beside", "text as wav", "wav with NaN", "film without", "rubbish as mp4", "only sound in an mp4",
    "film without a face", "film of two faces",
}  # fmt: skip


# Those of their kind that take longest; "20000×40", the mp3 of ten minutes and other channels stay.
_SLOW = {
    "20000×1500 pixels", "ten minutes and more in a small flac", "ten minutes and more in a small m4a",
    "ten minutes and more in a small mka", "wav of 256 channels at 16000 Hz", "wav of 600 channels at 16000 Hz",
    "wav of 1 channels at 2147483647 Hz", "wav of 255 channels at 2147483647 Hz",
}  # fmt: skip


def named(cases: list[Case], everywhere: bool = False) -> Any:
    """Cases that are brought by one way; of those that come `everywhere`, make test brings a few."""
    chosen = [case for case in cases if (case.name in _EVERYWHERE if everywhere else case.name not in _SLOW)]
    return pytest.mark.parametrize("case", quick(cases, *chosen), ids=[case.name for case in cases])


def in_time(work: Callable[[], Any], limit: float = LIMIT) -> Any:
    """What `work` gives or raises; fails if it takes longer than `limit`.

    It is done in another thread, which a hang leaves behind. If it hangs in a C library that never lets another thread
    run, the process ends with a traceback of all threads.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:
            outcome["error"] = error

    faulthandler.dump_traceback_later(3 * limit, exit=True, file=sys.__stderr__)
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(limit)
        assert not thread.is_alive(), f"still busy after {limit:g} s"
    finally:
        faulthandler.cancel_dump_traceback_later()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def assert_clear(message: str, words: str = "") -> None:
    """One printable line that says what is wrong, and then what to do."""
    assert message.isprintable() and "Traceback" not in message.replace("a Traceback", ""), repr(message)
    assert 20 < len(message) < 700
    assert re.search(r"[;,:(] ?\w", message), f"does not say what to do: {message}"
    assert words in message, f"{words!r} is not in: {message}"


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path_factory, monkeypatch) -> Iterator[Path]:
    """Temporary files go to a new folder, which must be empty afterwards."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert left_in(folder) == []


@pytest.fixture(scope="module")
def portrait(astronaut) -> np.ndarray:
    return np.ascontiguousarray(astronaut[: bad.SIDE, 96 : 96 + bad.SIDE])


@pytest.fixture(scope="module")
def own_face(animator, portrait) -> Any:
    return animator.read_face(portrait)


@pytest.fixture
def kit(tmp_path, portrait, own_face) -> Kit:
    folder = tmp_path / "brought"
    folder.mkdir()
    return Kit(folder, portrait, own_face.landmarks[:, :2])


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def good(kit) -> SimpleNamespace:
    """Paths of a portrait and of a voice, and what the command line needs to animate them quickly."""
    photo, voice = kit.folder / "good.jpg", kit.wav("good.wav", bad.voice())
    kit.picture.save(photo, quality=95)
    return SimpleNamespace(photo=str(photo), voice=str(voice))


@pytest.fixture
def command(animator, monkeypatch, capsys) -> Callable[..., str]:
    """Runs the command line with the shared animator; it must refuse, and what it says is given."""
    monkeypatch.setattr(Animator, "from_pretrained", lambda *_, **__: animator)

    def run(*arguments: Any) -> str:
        assert in_time(lambda: main(["animate", "--frame", "crop", *map(str, arguments)])) == 2
        printed = capsys.readouterr()
        assert _TOLD.fullmatch(printed.err) and printed.out == ""
        return printed.err[len("error: ") : -1]

    return run


def settle(case: Case, kit: Kit, work: Callable[[], Any]) -> None:
    """Does the work, and checks that the result is right, or that the error is of an allowed kind and clear."""
    try:
        result = in_time(work)
    except ATVGError as error:
        assert type(error) in case.error, f"{type(error).__name__}: {error}"
        assert_clear(str(error), case.words)
    else:
        assert case.check, f"{case.name} passed for a good one"
        case.check(kit, result)


_HEAVY = ("20000×1500", "ten minutes and more in a small m")  # what takes a second is tried once


def refused(cases: list[Case]) -> list[Case]:
    """Cases that are wrong by every route."""
    return [case for case in cases if case.check is None and not case.name.startswith(_HEAVY)]


def test_there_are_enough_cases():
    places = [*bad.PLACES, *bad.CHUNKS, *bad.OPTIONS]
    names = [case.name for case in (*bad.PHOTOS, *bad.SOUNDS, *bad.FILMS, *bad.WEIGHTS)]
    assert len(set(names)) == len(names)
    assert len(names) + len(bad.NUMBERS) * len(bad.NO_NUMBERS) + len(places) >= 120
    assert min(map(len, (bad.PHOTOS, bad.SOUNDS, bad.FILMS, bad.WEIGHTS))) >= 40


def test_the_time_limit_fires():
    ended = threading.Event()
    with pytest.raises(AssertionError, match="still busy"):
        in_time(ended.wait, 0.2)
    ended.set()
    with pytest.raises(KeyError):
        in_time(lambda: {}["what it raises is raised"])


class TestPhotos:
    @named(bad.PHOTOS)
    def test_in_python(self, case, kit, animator):
        brought = case.make(kit)
        settle(case, kit, lambda: animator.read_face(brought))

    @named(refused(bad.PHOTOS), everywhere=True)
    def test_on_the_command_line(self, case, kit, good, command, out):
        brought = case.make(kit)
        if not isinstance(brought, (str, Path)):
            pytest.skip("cannot be typed")
        assert_clear(command(brought, good.voice, "-o", out / "o.mp4"), case.words)
        assert left_in(out) == []


class TestSounds:
    @named(bad.SOUNDS)
    def test_in_python(self, case, kit, animator, own_face):
        brought = case.make(kit)
        settle(case, kit, lambda: load_audio(brought) if case.check else animator.stream(own_face, brought))

    @named(refused(bad.SOUNDS), everywhere=True)
    def test_on_the_command_line(self, case, kit, good, command, out):
        brought = case.make(kit)
        if not isinstance(brought, (str, Path)):
            pytest.skip("cannot be typed")
        assert_clear(command(good.photo, brought, "-o", out / "o.mp4"), case.words)
        assert left_in(out) == []

    def test_in_silence_the_mouth_is_at_rest(self, animator, own_face):
        (silent,) = animator.stream(own_face, np.zeros(6_400, np.float32))
        moved = np.linalg.norm(np.diff(silent.landmarks[:, 48:], axis=0), axis=2)
        assert len(silent) == 10 and moved.max() < 0.05
        (loud,) = animator.stream(own_face, bad.voice())
        assert np.linalg.norm(np.diff(loud.landmarks[:, 48:], axis=0), axis=2).max() > 2 * moved.max()

    @pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
    def test_the_film_is_as_long_as_the_sound(self, rate, kit, animator, own_face):
        path = kit.wav("a.wav", bad.voice(bad.SECONDS, rate), rate)
        assert sum(map(len, animator.stream(own_face, path))) == 10

    def test_lists_that_name_a_good_sound_would_work_without_the_fence(self, kit, monkeypatch):
        """Or the cases above would prove nothing: ffmpeg itself does open the other file, outside the box."""
        monkeypatch.setattr("atvg.box.command.HERE", False)
        kit.wav("hidden.wav", bad.voice())
        path = kit.file("list.mp3", bad.lists(kit, "concat", "hidden.wav"))
        with pytest.raises(BadAudioError):
            load_audio(path)
        monkeypatch.setattr("atvg.voice.decoding._CONTAINERS", "concat,wav")
        assert np.abs(load_audio(path)).max() > 0.02

    def test_a_list_is_refused_as_the_sound_of_a_film_too(self, kit, out):
        from atvg.film.video import VideoWriter

        kit.wav("hidden.wav", bad.voice())
        path = kit.file("list.mp3", bad.lists(kit, "concat", "hidden.wav"))
        with pytest.raises(BadAudioError), VideoWriter(out / "o.mp4", (64, 64), path):
            pass
        assert left_in(out) == []

    def test_a_file_that_takes_for_ever_is_given_up(self, kit, out, monkeypatch):
        """A decoder that never ends stands in for a file that nobody knows yet."""
        from atvg.film.video import VideoWriter

        endless = kit.file("ffmpeg", "#!/bin/sh\nexec sleep 60\n")
        endless.chmod(0o755)
        monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(endless))
        for module in ("voice.decoding", "film.video"):
            monkeypatch.setattr(f"atvg.{module}.PATIENCE", 0.3)
        path = kit.wav("a.wav", bad.voice())
        with pytest.raises(BadAudioError, match="too long to decode"):
            in_time(lambda: load_audio(path), 5)
        with pytest.raises(BadAudioError, match="too long to decode"):
            in_time(lambda: VideoWriter(out / "o.mp4", (64, 64), path).__enter__(), 5)
        assert left_in(out) == []

    @pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, "600", None, True, 10**30])
    def test_a_limit_that_is_none(self, seconds, refuses):
        with refuses(BadSettingError, "max_seconds"):
            load_audio(bad.voice(), seconds)


class TestFilms:
    @named(bad.FILMS)
    def test_in_python(self, case, kit, animator):
        brought = case.make(kit)
        settle(case, kit, lambda: animator.read_film(brought))

    @named(refused(bad.FILMS), everywhere=True)
    def test_on_the_command_line(self, case, kit, good, command, out):
        """What is no film at all is refused as a photo."""
        brought = case.make(kit)
        if not isinstance(brought, (str, Path)):
            pytest.skip("cannot be typed")
        assert_clear(command(brought, good.voice, "-o", out / "o.mp4"))
        assert left_in(out) == []

    def test_what_only_photos_have_is_refused(self, kit, good, command, out):
        path = kit.film("a.mp4")
        for option in (
            "--yaw=1",
            "--natural",
            "--seed=1",
            "--liveliness=0",
            "--points=1,2",
            "--detector=face-alignment",
        ):
            assert_clear(command(path, good.voice, "-o", out / "o.mp4", option), "for photos; leave it out")
        assert_clear(command(good.photo, good.voice, "-o", out / "o.mp4", "--hold"), "for films")

    @pytest.mark.parametrize("box", ["here", "1,2,3", "0,0,9,9", "900,900,80,80"])
    def test_places_of_a_face(self, box, kit, good, command, out):
        assert_clear(command(kit.film("a.mp4"), good.voice, "-o", out / "o.mp4", f"--box={box}"))
        assert left_in(out) == []


class TestSettings:
    @pytest.mark.parametrize("value", bad.NO_NUMBERS.values(), ids=bad.NO_NUMBERS.keys())
    @pytest.mark.parametrize("name", bad.NUMBERS)
    def test_in_python(self, name, value, animator, own_face, refuses):
        with refuses(BadSettingError, name.replace("_", " ")):
            if name in ("yaw", "pitch", "roll"):
                Pose(**{name: value})
            animator.stream(own_face, bad.voice(), **{name: value})

    @pytest.mark.parametrize(
        "settings", [{"pose": 3}, {"pose": None}, {"natural": "yes"}, {"wings": 2}, {"chunk": 10**30}]
    )
    def test_of_other_kinds(self, settings, animator, own_face, refuses):
        if "chunk" in settings:
            assert len(next(animator.stream(own_face, bad.voice(), **settings))) == 10
            return
        with refuses(BadSettingError):
            animator.stream(own_face, bad.voice(), **settings)

    @pytest.mark.parametrize("chunk", bad.CHUNKS, ids=repr)
    def test_frames_at_once(self, chunk, animator, own_face, refuses):
        with refuses(BadSettingError, "chunk"):
            animator.stream(own_face, bad.voice(), chunk=chunk)

    @pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "much", "", "[1]", "1,5", "0x10"])
    @pytest.mark.parametrize("option", ["--beta", "--yaw", "--mouth-gain", "--smoothing", "--seed"])
    def test_numbers_on_the_command_line(self, option, text, good, command, out):
        said = command(good.photo, good.voice, "-o", out / "o.mp4", f"{option}={text}")
        assert option.strip("-").replace("-", " ") in said.replace("-", " ")
        assert left_in(out) == []

    @pytest.mark.parametrize("options", bad.OPTIONS.values(), ids=bad.OPTIONS.keys())
    def test_other_options(self, options, good, command, out, monkeypatch):
        monkeypatch.chdir(out)
        assert_clear(command(good.photo, good.voice, "-o", "o.mp4", *options))
        assert left_in(out) == []

    @pytest.mark.parametrize("place", bad.PLACES.values(), ids=bad.PLACES.keys())
    def test_places_of_a_face(self, place, good, command, out):
        option, text = place
        said = command(good.photo, good.voice, "-o", out / "o.mp4", f"--{option}={text}")
        assert_clear(said, "pixels of the photo")
        assert left_in(out) == []

    @pytest.mark.parametrize(
        "value", [7, "here", [1, 2, 3], [[1, 2], [3]], None.__class__, [None] * 4, ["a"] * 4, np.full(4, np.nan), {}]
    )
    @pytest.mark.parametrize("name", ["box", "points"])
    def test_places_in_python(self, name, value, portrait, animator, refuses):
        with refuses(BadSettingError, "pixels of the photo"):
            animator.read_face(portrait, **{name: value})

    @pytest.mark.parametrize("name", ["eyes", "", None, 3, []])
    def test_detectors(self, name, refuses):
        with refuses(BadSettingError, "choose from"):
            Animator.from_pretrained(detector=name)

    @pytest.mark.parametrize(
        "name",
        ["o.avi", "o", ".mp4", "no/where/o.mp4", ".", "o\0.mp4", f"{'o' * 5_000}.mp4", "/dev/null", "/proc/o.mp4"],
    )
    def test_outputs(self, name, good, command, out):
        assert_clear(command(good.photo, good.voice, "-o", name if name[0] == "/" else f"{out}/{name}"))
        assert left_in(out) == []

    @pytest.mark.parametrize("names", [("-photo.jpg", "good.wav"), ("good.jpg", "-voice.wav")])
    def test_names_that_look_like_options(self, names, kit, good, command, out, monkeypatch):
        monkeypatch.chdir(kit.folder)
        kit.image("-photo.jpg"), kit.wav("-voice.wav", bad.voice())
        assert "--help" in command(*names, "-o", out / "o.mp4")


class TestWeights:
    @named(bad.WEIGHTS)
    def test_in_python(self, case, kit):
        brought = case.make(kit)
        before = _resident()
        settle(case, kit, lambda: Animator.from_pretrained(brought, detector="mediapipe"))
        assert _resident() - before < 300, "MB: memory was taken for weights that are not there"
        assert not (kit.folder / "sprung").exists(), "a pickle was run"

    def test_on_the_command_line(self, kit, good, out, capsys):
        for case in [
            case for case in bad.WEIGHTS if "pickle" in case.name or case.name in ("an empty folder", "a file")
        ]:
            brought = case.make(kit)
            arguments = ["animate", good.photo, good.voice, "-o", str(out / "o.mp4"), "--weights", str(brought)]
            assert in_time(lambda arguments=arguments: main(arguments)) == 2
            printed = capsys.readouterr()
            assert _TOLD.fullmatch(printed.err) and printed.out == ""
            assert left_in(out) == [] and not (kit.folder / "sprung").exists()

    def test_the_trap_is_one(self, tmp_path):
        """Or the cases above would prove nothing."""
        import pickle

        pickle.loads(pickle.dumps(bad._Trap(tmp_path / "sprung"))).close()
        assert (tmp_path / "sprung").exists()


def _resident() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# -- a process of its own ----------------------------------------------------------------------------------------

_ALONE = ["text as jpg", "photo: a pipe that nobody writes to", "concat list, beside"]


@pytest.mark.parametrize("name", quick(_ALONE, "concat list, beside"))
def test_as_a_program(name, kit, good, out):
    case = next(case for case in (*bad.PHOTOS, *bad.SOUNDS) if case.name == name)
    pair = [case.make(kit), good.voice] if case in bad.PHOTOS else [good.photo, case.make(kit)]
    command = [sys.executable, "-m", "atvg", "animate", *map(str, pair), "-o", str(out / "o.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and _TOLD.fullmatch(done.stderr) and done.stdout == ""
    assert left_in(out) == []


# -- the app -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talk(cache, animator) -> Talk:
    return Talk(Studio(animator))


@pytest.fixture
def uploads(cache, portrait, own_face, request) -> Kit:
    """A kit whose files lie where Gradio puts uploads."""
    import hashlib

    folder = cache / hashlib.sha256(request.node.name.encode()).hexdigest()
    folder.mkdir()
    return Kit(folder, portrait, own_face.landmarks[:, :2])


def upload(path: Any) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def explained(work: Callable[[], Any]) -> str:
    """What the app says of something that it will not do."""
    import gradio as gr

    with pytest.raises(gr.Error) as caught:
        in_time(work)
    assert caught.value.print_exception is False
    return str(caught.value.message)


def runs_in(cache: Path) -> list[Path]:
    return list(cache.glob("atvg-*/*/*.mp4"))


class TestApp:
    @named(refused(bad.PHOTOS), everywhere=True)
    def test_photos(self, case, uploads, talk, cache):
        import gradio as gr

        brought = case.make(uploads)
        if not isinstance(brought, (str, Path)):
            brought = {"path": brought}
        photo = brought if isinstance(brought, dict) else upload(brought)
        with contextlib.suppress(gr.Error):  # what is not in the folder of uploads is none
            picture, said, report = in_time(lambda: talk.photo.check_face(photo))
            assert not report["found"] and "\n" not in said.strip() and len(said) < 900

    @named(refused(bad.PHOTOS)[::8], everywhere=True)
    def test_films_of_photos(self, case, uploads, talk, cache):
        brought = case.make(uploads)
        photo = upload(brought) if isinstance(brought, (str, Path)) else {"path": brought}
        message = explained(lambda: list(talk.animate(photo, None)))
        assert "\n" not in message and len(message) < 400
        assert runs_in(cache) == []

    @named(refused(bad.SOUNDS), everywhere=True)
    def test_sounds(self, case, uploads, talk, cache):
        import gradio as gr

        brought = case.make(uploads)
        audio = upload(brought) if isinstance(brought, (str, Path)) else {"path": brought}
        with contextlib.suppress(gr.Error):
            said = in_time(lambda: talk.voice.check_voice(audio))
            assert said.startswith("✗") and "\n" not in said

    @named(refused(bad.SOUNDS)[::8], everywhere=True)
    def test_films_with_sounds(self, case, uploads, talk, cache):
        brought = case.make(uploads)
        audio = upload(brought) if isinstance(brought, (str, Path)) else {"path": brought}
        photo = upload(uploads.image("good.png"))
        message = explained(lambda: list(talk.animate(photo, audio)))
        assert "\n" not in message and len(message) < 400
        assert runs_in(cache) == []

    @pytest.mark.parametrize(
        "what",
        quick(
            ["/etc/passwd", "../../etc/passwd", "/proc/self/environ", "/dev/zero", "~", "."],
            "/etc/passwd", "../../etc/passwd",
        ),
    )  # fmt: skip
    def test_files_that_are_no_uploads(self, what, uploads, talk):
        good = upload(uploads.image("good.png"))
        for pair in ((upload(what), None), (good, upload(what))):
            assert "\n" not in explained(lambda pair=pair: list(talk.animate(*pair)))

    @pytest.mark.parametrize(
        "what",
        quick([None, {}, [], 7, "photo.png", {"path": None}, {"path": 3}, {"path": "a\0b"}], None, 7, {"path": "a\0b"}),
    )
    def test_what_is_no_file_at_all(self, what, uploads, talk):
        good = upload(uploads.image("good.png"))
        assert "photo" in explained(lambda: list(talk.animate(what, None)))
        assert "voice" in explained(lambda: list(talk.animate(good, what)))

    @pytest.mark.parametrize("value", quick([float("nan"), float("inf"), "much", None, 10**30], "much"), ids=repr)
    @pytest.mark.parametrize("name", bad.NUMBERS)
    def test_numbers(self, name, value, uploads, talk, cache):
        photo, voice = upload(uploads.image("good.png")), upload(uploads.wav("good.wav", bad.voice()))
        said = explained(lambda: list(talk.animate(photo, voice, frame="crop", **{name: value})))
        assert name.replace("_", " ") in said and "\n" not in said
        assert runs_in(cache) == []

    @pytest.mark.parametrize(
        "settings",
        quick(
            [{"frame": "poster"}, {"frame": []}, {"frame": None}, {"box": "1,2"}, {"points": [1]}, {"natural": 3}],
            {"frame": "poster"}, {"points": [1]}, {"natural": 3},
        ),
        ids=repr,
    )  # fmt: skip
    def test_other_settings(self, settings, uploads, talk, cache):
        photo, voice = upload(uploads.image("good.png")), upload(uploads.wav("good.wav", bad.voice()))
        assert "\n" not in explained(lambda: list(talk.animate(photo, voice, **settings)))
        assert runs_in(cache) == []


class TestServer:
    """The same from outside, through a running server."""

    @pytest.fixture(scope="class")
    def client(self, cache, animator) -> Iterator[Any]:

        with launched(build(animator)) as page:
            yield visitor(page.local_url)

    @pytest.mark.parametrize(
        "name",
        quick(["text as jpg", "png that claims 50 000²", "two faces", "photo is bytes"], "text as jpg", "two faces"),
    )
    def test_photos(self, name, kit, client, good):
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        case = next(case for case in bad.PHOTOS if case.name == name)
        brought = case.make(kit)
        photo = handle_file(brought) if isinstance(brought, Path) else {"path": "photo.jpg"}
        with pytest.raises(AppError) as caught:
            client.predict(photo, handle_file(good.voice), api_name="/animate")
        assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)

    @pytest.mark.parametrize(
        "name", quick(["concat list, beside", "text as wav", "wav with NaN", "film without"], "concat list, beside")
    )
    def test_sounds(self, name, kit, client, good):
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        case = next(case for case in bad.SOUNDS if case.name == name)
        voice = handle_file(case.make(kit))
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(good.photo), voice, api_name="/animate")
        assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)

    def test_a_file_of_the_server(self, client, good):
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        with pytest.raises(AppError) as caught:
            client.predict(upload("/etc/passwd"), handle_file(good.voice), api_name="/animate")
        assert "root:" not in str(caught.value)


def test_errors_are_one_printable_line_whatever_they_repeat():
    message = str(CheckpointError("no such file: a\nb\x1b[31m\t\udcff" + "x" * 9_000 + "; check the path"))
    assert message.isprintable() and len(message) < 700
    assert message.startswith("no such file") and message.endswith("check the path")
