"""What all commands of the command line have in common: one line for whatever goes wrong, and help."""

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from atvg.cli import main


def test_a_real_process_prints_one_line_whatever_the_native_libraries_say(voice_path, tmp_path):
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.full((200, 200, 3), 90, np.uint8))
    command = [sys.executable, "-m", "atvg", "animate", str(noise), str(voice_path), "-o", str(tmp_path / "o.mp4")]
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
        "evaluate -p nowhere -o report.json --workers 0",
        "evaluate -p nowhere -o report.json --photos nowhere",
        "evaluate -p nowhere -o report.json --photos .",
        "paper -p nowhere -o out --parts table",
        "paper -p nowhere -o out --parts fig9",
        "paper -p nowhere -o out --frames 1",
        "bench --runs 0",
        "bench --seconds 0",
        "bench --seconds nan",
        "bench --against everybody",
        "bench --engine steam",
        "animate photo.png voice.wav -o out.mp4 --engine steam",
    ],
)
def test_other_commands_fail_the_same_way(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    assert re.fullmatch(r"error: [^\n]+\n", capsys.readouterr().err)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("animate", "prepare", "train", "evaluate", "paper", "bench", "app"))


def test_everything_that_can_be_trained_has_a_command(capsys):
    from atvg.train.run import KINDS

    for name in KINDS:
        assert main(["train", name, "-p", "nowhere", "-o", "run"]) == 2
        assert "nowhere is not a pack" in capsys.readouterr().err
