"""The command line as a user meets it."""

import json
import re
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
import soundfile

from atvg.bench import sample_voice
from atvg.cli import main


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
    options = "--frame crop --beta 1 --yaw 10 --pitch -5 --roll 3 --mouth-gain 1.5 --smoothing 0 --seed 7"
    options += " --detector mediapipe"
    assert main(["animate", str(astronaut_path), str(half_second), "-o", str(out), *options.split()]) == 0
    assert count_frames(out) == (13, (128, 128))


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
        "unknown frame": [photo, voice, "--frame", "poster"],
        "unknown detector": [photo, voice, "--detector", "eyes"],
        "unknown option": [photo, voice, "--wings"],
        "missing weights": [photo, voice, "--weights", tmp_path / "nowhere"],
        "wrong arrays ending": [photo, voice, "--arrays", tmp_path / "a.txt"],
    }


CASES = (
    "no face", "text as image", "text named .jpg", "huge image", "missing image", "folder as image", "text as audio",
    "text named .wav", "image as audio", "empty audio", "0.1 s of audio", "missing audio", "folder as audio",
    "url as photo", "nan pose", "far pose", "bad beta", "word as gain", "unknown frame", "unknown detector",
    "unknown option", "missing weights", "wrong arrays ending",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
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


def test_a_real_process_prints_one_line_whatever_the_native_libraries_say(half_second, tmp_path):
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.full((200, 200, 3), 90, np.uint8))
    command = [sys.executable, "-m", "atvg", "animate", str(noise), str(half_second), "-o", str(tmp_path / "o.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "line",
    [
        "",
        "sing",
        "prepare nowhere -o pack",
        "train at -p nowhere -o run",
        "train vg -p nowhere -o run --set wings=2",
        "train vg -p nowhere -o run --set lr",
        "train vg -p nowhere -o run --set lr=fast",
        "train at -p nowhere -o run --minutes -1",
        "evaluate -p nowhere -o report.json",
        "bench --runs 0",
        "bench --seconds 0",
    ],
)
def test_other_commands_fail_the_same_way(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    assert re.fullmatch(r"error: [^\n]+\n", capsys.readouterr().err)


def test_bench_prints_every_stage_as_json(capsys):
    assert main(["bench", "--json", "--runs", "1", "--seconds", "0.4"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"detect", "at_net", "vg_net", "paste_back", "encode", "end_to_end"} <= set(result["stages"])
    assert result["stages"]["vg_net"]["real_time_factor"] > 0


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("animate", "prepare", "train", "evaluate", "bench", "app"))
