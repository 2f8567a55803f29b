"""``atvg animate`` as a user meets it: every option, and one line for whatever cannot be."""

import re
import struct
import zlib
from functools import cache

import cv2
import numpy as np
import pytest
import soundfile

from atvg import Animator
from atvg.bench.samples import sample_voice
from atvg.checkpoint import locate
from atvg.cli import main
from atvg.cli.animate import seconds
from atvg.face.landmarks import RIGID
from tests.marks import quick
from tests.synthetic import Robot


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """The same weights, detector and engine are the same animator: to load and compile one takes two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Animator, "from_pretrained", cache(Animator.from_pretrained))
        yield


@pytest.fixture
def half_second(tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, sample_voice(0.52), 16_000)
    return path


def count_frames(path) -> tuple[int, tuple[int, int]]:
    video = cv2.VideoCapture(str(path))
    count, size = 0, (0, 0)
    while True:
        ok, frame = video.read()
        if not ok:
            return count, size
        count, size = count + 1, (frame.shape[1], frame.shape[0])


def test_animate_writes_video_panels_and_arrays(astronaut_path, half_second, tmp_path, capsys):
    out, panels, arrays = tmp_path / "out.mp4", tmp_path / "panels.mp4", tmp_path / "a.npz"
    status = main(
        [
            "animate",
            str(astronaut_path),
            str(half_second),
            "-o",
            str(out),
            "--panels",
            str(panels),
            "--arrays",
            str(arrays),
        ]
    )
    assert status == 0, capsys.readouterr().err
    assert count_frames(out) == (13, (512, 512))
    assert count_frames(panels)[0] == 13
    with np.load(arrays) as saved:
        assert saved["frames"].shape == saved["motion"].shape == (13, 128, 128, 3)
        assert saved["attention"].shape == (13, 128, 128)
        assert saved["landmarks"].shape == (13, 68, 2) and saved["landmarks"].dtype == np.float32
        assert saved["example_landmarks"].shape == (68, 2)
        assert saved["matrix"].shape == (2, 3)
        assert len(saved["codes"]) == 13 and saved["fps"] == 25


def test_animate_every_other_option(astronaut_path, half_second, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    options = "--frame crop --teeth 0.5 --beta 1 --yaw 10 --pitch -5 --roll 3 --mouth-gain 1.5 --smoothing 0 --natural"
    options += " --seed 7 --liveliness 1.5 --detector mediapipe --start 0:00.12 --end 0.44"
    assert main(["animate", str(astronaut_path), str(half_second), "-o", str(out), *options.split()]) == 0
    assert count_frames(out) == (8, (128, 128))


@pytest.mark.parametrize("text, expected", [("75.5", 75.5), ("1:15.5", 75.5), ("1:02:03", 3723), ("0", 0)])
def test_times_are_seconds_or_minutes_and_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["1:75", "1:2:3:4", "soon", "", "2:-1"])
def test_what_is_no_time_is_refused(text, capsys):
    assert main(["animate", "a.png", "a.wav", "-o", "a.mp4", "--start", text]) == 2
    assert "M:SS" in capsys.readouterr().err


def test_animate_a_close_up_in_the_photos_own_pixels(astronaut_path, half_second, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert main(["animate", str(astronaut_path), str(half_second), "-o", str(out), "--frame", "face"]) == 0
    assert count_frames(out) == (13, (156, 156))


def typed(numbers) -> str:
    return ",".join(f"{number:g}" for number in np.ravel(numbers))


@pytest.mark.parametrize("option", quick(["box", "points"], "box"))
def test_a_drawing_without_a_face_for_the_detector_is_placed_by_hand(option, half_second, tmp_path, capsys):
    robot, photo, out, arrays = Robot(), tmp_path / "robot.png", tmp_path / "out.mp4", tmp_path / "a.npz"
    cv2.imwrite(str(photo), robot.picture[..., ::-1])
    command = ["animate", str(photo), str(half_second), "-o", str(out), "--detector", "mediapipe"]
    assert main(command) == 2
    assert "box" in capsys.readouterr().err and not out.exists()
    place = typed(getattr(robot, option))
    assert main([*command, f"--{option}", place, "--arrays", str(arrays)]) == 0
    assert count_frames(out) == (13, (360, 300))
    with np.load(arrays) as saved:
        corners = np.column_stack([robot.points[3:], [1, 1]]) @ saved["matrix"].T  # where they are in the crop
        assert np.abs(saved["example_landmarks"][[48, 54]] - corners).max() < (12 if option == "box" else 0.01)


@pytest.mark.long
def test_a_box_chooses_among_faces(astronaut, half_second, tmp_path, capsys):
    twins, out, arrays = tmp_path / "twins.png", tmp_path / "out.mp4", tmp_path / "a.npz"
    cv2.imwrite(str(twins), np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)[..., ::-1])
    command = ["animate", str(twins), str(half_second), "-o", str(out), "--arrays", str(arrays)]
    assert main(command) == 2
    for box, middle in (("170,75,110,110", 224), ("745,75,110,110", 800)):
        assert main([*command, "--box", box]) == 0, capsys.readouterr().err
        with np.load(arrays) as saved:
            (a, b, x), (_, _, y) = saved["matrix"]
            nose = np.linalg.inv([[a, b], [-b, a]]) @ (saved["example_landmarks"][30] - [x, y])
        assert abs(nose[0] - middle) < 20


@pytest.mark.long
def test_natural_motion_is_asked_for(astronaut_path, half_second, tmp_path, capsys):
    landmarks = {}
    for option in ("", "--natural", "--natural --seed 1"):
        arrays = tmp_path / f"{len(landmarks)}.npz"
        command = ["animate", str(astronaut_path), str(half_second), "-o", str(tmp_path / "out.mp4"), *option.split()]
        assert main([*command, "--arrays", str(arrays)]) == 0, capsys.readouterr().err
        with np.load(arrays) as saved:
            landmarks[option] = saved["landmarks"][:, RIGID]
    assert count_frames(tmp_path / "out.mp4") == (13, (512, 512))
    still, natural, other = landmarks.values()
    assert np.ptp(still, axis=0).max() < 1e-3 < 0.02 < np.ptp(natural, axis=0).max()
    assert np.abs(natural - other).max() > 0.01


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be huge; no pixel follows."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def bad_inputs(tmp_path, photo, voice) -> dict[str, list[str]]:
    """Arguments of `animate` that cannot work, by name."""
    text = tmp_path / "text.txt"
    text.write_text("neither a picture nor a sound")
    fake_image, fake_audio = tmp_path / "fake.jpg", tmp_path / "fake.wav"
    fake_image.write_text("hello")
    fake_audio.write_text("hello")
    empty = tmp_path / "empty.wav"
    empty.touch()
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_header(30_000, 30_000))
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in locate(None).glob("*_net*"):
        (bare / file.name).symlink_to(file)
    short = tmp_path / "short.wav"
    soundfile.write(short, sample_voice(0.1), 16_000)
    return {
        "no face": [noise, voice],
        "text as image": [text, voice],
        "text named .jpg": [fake_image, voice],
        "huge image": [bomb, voice],
        "missing image": [tmp_path / "no.png", voice],
        "folder as image": [tmp_path, voice],
        "text as audio": [photo, text],
        "text named .wav": [photo, fake_audio],
        "image as audio": [photo, photo],
        "empty audio": [photo, empty],
        "0.1 s of audio": [photo, short],
        "missing audio": [photo, tmp_path / "no.wav"],
        "folder as audio": [photo, tmp_path],
        "url as photo": ["https://example.org/face.jpg", voice],
        "nan pose": [photo, voice, "--yaw", "nan"],
        "far pose": [photo, voice, "--pitch", "200"],
        "bad beta": [photo, voice, "--beta", "-1"],
        "word as gain": [photo, voice, "--mouth-gain", "much"],
        "more than all teeth": [photo, voice, "--teeth", "1.1"],
        "nan teeth": [photo, voice, "--teeth", "nan"],
        "unknown frame": [photo, voice, "--frame", "poster"],
        "unknown detector": [photo, voice, "--detector", "eyes"],
        "unknown option": [photo, voice, "--wings"],
        "natural without idle motion": [photo, voice, "--natural", "--weights", bare],
        "missing weights": [photo, voice, "--weights", tmp_path / "nowhere"],
        "wrong arrays ending": [photo, voice, "--arrays", tmp_path / "a.txt"],
        "word as box": [photo, voice, "--box", "here"],
        "three numbers as box": [photo, voice, "--box", "1,2,3"],
        "nan in box": [photo, voice, "--box", "1,2,nan,4"],
        "flat box": [photo, voice, "--box", "100,100,90,0"],
        "box outside": [photo, voice, "--box", "2000,100,90,90"],
        "tiny box": [photo, voice, "--box", "10,400,9,9"],
        "four points": [photo, voice, "--points", "1,2,3,4,5,6,7,8"],
        "mirrored points": [photo, voice, "--points", "240,100,200,100,220,120,240,140,205,140"],
        "box and points": [photo, voice, "--box", "1,2,30,40", "--points", "1,2,3,4,5,6,7,8,9,10"],
    }


CASES = (
    "no face", "text as image", "text named .jpg", "huge image", "missing image", "folder as image", "text as audio",
    "text named .wav", "image as audio", "empty audio", "0.1 s of audio", "missing audio", "folder as audio",
    "url as photo", "nan pose", "far pose", "bad beta", "word as gain", "more than all teeth", "nan teeth",
    "unknown frame", "unknown detector",
    "unknown option", "natural without idle motion", "missing weights", "wrong arrays ending",
    "word as box", "three numbers as box", "nan in box",
    "flat box", "box outside", "tiny box", "four points", "mirrored points", "box and points",
)  # fmt: skip


@pytest.mark.parametrize(
    "case",
    quick(
        CASES,
        "no face",
        "text as image",
        "text as audio",
        "0.1 s of audio",
        "bad beta",
        "unknown option",
        "missing weights",
        "box outside",
        "box and points",
    ),
)
def test_bad_input_is_one_line_exit_2_and_no_file(case, astronaut_path, half_second, tmp_path, capsys):
    arguments = bad_inputs(tmp_path, astronaut_path, half_second)[case]
    before = sorted(tmp_path.rglob("*"))
    assert main(["animate", *map(str, arguments), "-o", str(tmp_path / "out.mp4")]) == 2
    printed = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]+\n", printed.err)
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["out.avi", "nowhere/out.mp4", "."])
def test_an_output_that_cannot_be_written_is_known_first(name, astronaut_path, half_second, tmp_path, capsys):
    assert main(["animate", str(astronaut_path), str(half_second), "-o", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_text_is_spoken_and_every_format_comes_of_one_rendering(astronaut_path, tmp_path, capsys):
    files = {name: tmp_path / f"o.{name}" for name in ("gif", "webp", "webm", "srt")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    out, close_up = str(tmp_path / "out.mp4"), str(tmp_path / "close.mp4")
    status = main(["animate", str(astronaut_path), "--say", "Hello.", "-o", out, "--close-up", close_up, *options])
    assert status == 0, capsys.readouterr().err
    frames, _ = count_frames(out)
    assert frames > 15 and count_frames(close_up) == (frames, (156, 156))
    assert "Hello." in files["srt"].read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "close.mp4", *(p.name for p in files.values())}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "--say"),
        (["voice.wav", "--say", "Hello."], "either"),
        (["voice.wav", "--srt", "s.srt"], "--say"),
        (["--say", "Hello.", "--speaker", "Klingon"], "choose from"),
        (["--say", "Hello.", "--gif", "a.png"], ".gif"),
        (["--say", "Hello.", "--close-up", "out.mp4"], "the same"),
    ],
)
def test_what_goes_not_together_is_said_at_once(astronaut_path, tmp_path, monkeypatch, capsys, given, words):
    monkeypatch.chdir(tmp_path)
    assert main(["animate", str(astronaut_path), *given, "-o", "out.mp4"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
