"""``atvg animate`` with a film in the photo's place."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from atvg import Animator
from atvg.bench.samples import sample_voice
from atvg.cli import main
from atvg.dub.footage import frames, open_footage
from atvg.film.video import COMMENT
from tests.dub.films import FFMPEG, save


@pytest.fixture(autouse=True)
def shared(animator, monkeypatch):
    """Weights are loaded once."""
    monkeypatch.setattr(Animator, "from_pretrained", lambda *_, **__: animator)


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, sample_voice(0.4), 16_000)
    return path


def swaying(picture: np.ndarray, count: int, side: int = 256) -> list[np.ndarray]:
    """A portrait seen through a window that moves to the right, a pixel a frame."""
    return [picture[:side, 90 + i : 90 + i + side] for i in range(count)]


@pytest.fixture
def film(astronaut, tmp_path):
    """Eight frames at 30 a second; in the last three nobody is seen."""
    return save(tmp_path / "film.mp4", swaying(astronaut, 5) + [np.full((256, 256, 3), 90, np.uint8)] * 3, 30)


def made_of(tmp_path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()} - {"film.mp4", "voice.wav", "two.mp4"}


def test_a_film_is_dubbed_and_what_was_left_alone_is_told(film, voice, tmp_path, capsys):
    out, close_up, arrays = tmp_path / "out.mp4", tmp_path / "close.mp4", tmp_path / "a.npz"
    command = ["animate", film, voice, "-o", out, "--close-up", close_up, "--arrays", arrays, "--hold"]
    assert main([*map(str, command), "--beta", "0.6", "--mouth-gain", "1.2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}: 12 frames, 3 of the film's left as they were (the person is not seen)\n"
    assert made_of(tmp_path) == {"out.mp4", "close.mp4", "a.npz"}
    found = open_footage(out)
    assert found.fps == 30 and found.size == (256, 256) and len(list(frames(found))) == 12
    with np.load(arrays) as saved:
        assert saved["fps"] == 30 and len(saved["frames"]) == 12
        assert np.abs(saved["attention"][5:]).max() == 0 < saved["attention"][:5].max()


def test_it_is_labelled_as_ai_generated(film, voice, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert main(["animate", str(film), str(voice), "-o", str(out)]) == 0
    assert COMMENT in subprocess.run([FFMPEG, "-i", out], capture_output=True, text=True).stderr
    filmed, made = (np.stack(list(frames(open_footage(path)))).astype(int) for path in (film, out))
    apart = np.abs(made[:8] - filmed)[:, 100:, :].mean(axis=(0, 3))
    assert apart[-30:].max() > 40 > apart[:20].max(), "the words are in its lower corner"


@pytest.mark.parametrize("frame, size", [("face", None), ("crop", (128, 128))])
def test_the_face_alone(film, voice, tmp_path, capsys, frame, size):
    out = tmp_path / "out.mp4"
    assert main(["animate", str(film), str(voice), "-o", str(out), "--frame", frame]) == 0
    width, height = open_footage(out).size
    assert width == height and (size is None or size == (width, height))


def test_a_text_is_spoken(film, tmp_path, capsys):
    out, srt = tmp_path / "out.mp4", tmp_path / "out.srt"
    assert main(["animate", str(film), "--say", "Yes.", "-o", str(out), "--srt", str(srt)]) == 0
    assert "Yes." in srt.read_text(encoding="utf-8")


def test_one_of_several_people_is_chosen_by_a_box_that_the_error_tells(astronaut, voice, tmp_path, capsys):
    pictures = [np.concatenate([p, p[:, ::-1]], axis=1) for p in swaying(astronaut, 10)]
    two, out = save(tmp_path / "two.mp4", pictures), tmp_path / "out.mp4"
    command = ["animate", str(two), str(voice), "-o", str(out)]
    assert main(command) == 2
    said = capsys.readouterr().err
    boxes = re.findall(r"--box (\S+)", said)
    assert said.count("\n") == 1 and len(boxes) == 2 and not out.exists()
    arrays = tmp_path / "a.npz"
    for box in boxes:
        assert main([*command, "--box", box, "--arrays", str(arrays)]) == 0
        with np.load(arrays) as saved:
            turn, shift = saved["matrix"][:, :2], saved["matrix"][:, 2]
            nose = np.linalg.inv(turn) @ (saved["example_landmarks"][30] - shift)
        x, y, width, height = map(float, box.split(","))
        assert x < nose[0] < x + width and y < nose[1] < y + height


def test_help_and_completion_know_films(capsys):
    with pytest.raises(SystemExit):
        main(["animate", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "or a film" in said and "--hold" in said
    assert main(["completion", "bash"]) == 0
    assert "--hold" in capsys.readouterr().out


@pytest.mark.parametrize("when", ["looking", "drawing"])
def test_ctrl_c_leaves_nothing(film, voice, tmp_path, monkeypatch, capsys, when):
    class Bar:
        n = 0

        def __init__(self, desc: str, **_):
            self._stops = desc == when

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, _):
            if self._stops:
                raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm", Bar)
    assert main(["animate", str(film), str(voice), "-o", str(tmp_path / "out.mp4")]) == 130
    assert capsys.readouterr().err == "error: stopped\n"
    assert made_of(tmp_path) == set()


@pytest.mark.long
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing(film, tmp_path, number, status):
    """To the whole group of processes, as a terminal sends it: ffmpeg hears it too."""
    soundfile.write(tmp_path / "voice.wav", sample_voice(60), 16_000)
    command = [sys.executable, "-m", "atvg", "animate", str(film), str(tmp_path / "voice.wav"), "-o"]
    run = subprocess.Popen([*command, str(tmp_path / "out.mp4")], start_new_session=True, stderr=subprocess.PIPE)
    for _ in range(600):
        if any(path.stat().st_size > 1000 for path in tmp_path.glob(".atvg-*/silent.mp4")):
            break
        time.sleep(0.1)
    assert run.poll() is None and made_of(tmp_path), "or nothing is proved"
    os.killpg(run.pid, number)
    run.communicate(timeout=30)
    assert run.returncode == status
    assert made_of(tmp_path) == set()
