"""Whether motion follows a voice is told of motion that does and of motion that does not."""

import json

import numpy as np
import pytest

from atvg.checkpoint import locate
from atvg.cli import main
from atvg.data.pack import NO_FRAMES, Clip
from atvg.errors import PackError
from atvg.evaluation.listening import evaluate_listening, measure
from atvg.voice.mel import clip_mfcc80
from atvg.voice.prosody import loudness_of_rows
from tests import synthetic

FRAMES = 200


@pytest.fixture(scope="module")
def clip(face68) -> Clip:
    """Somebody who says a second of noise, then nothing for a second, and so on."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(640 * FRAMES).astype(np.float32)
    noise[np.arange(len(noise)) // 16_000 % 2 == 1] = 0
    points = np.repeat(face68[None], FRAMES, axis=0).astype(np.float32)
    transforms = np.repeat(np.eye(2, 3, dtype=np.float32)[None], FRAMES, axis=0)
    rows = np.zeros((4 * FRAMES + 24, 20), np.float32)
    return Clip("a", "made", "a", "val", True, NO_FRAMES, points, transforms, rows, clip_mfcc80(noise, FRAMES))


def turning(speed: np.ndarray) -> np.ndarray:
    """(T, 3) degrees of a head that turns at so many degrees a frame."""
    return np.cumsum(np.stack([speed, np.zeros(FRAMES), np.zeros(FRAMES)], axis=1), axis=0)


def test_a_head_that_follows_and_one_that_does_not(clip):
    loud = loudness_of_rows(clip.mfcc80)
    ahead = np.where(np.roll(loud, -4) > -0.7, 1.0, 0.1)
    follows, does_not = (
        measure([(clip, (turning(speed), np.zeros(0, int)))])
        for speed in (ahead, np.random.default_rng(1).uniform(0.1, 1, FRAMES))
    )
    assert follows["speed_r"] > 0.8 and abs(does_not["speed_r"]) < 0.3
    assert follows["pauses_to_speech"] < 0.5 < 0.8 < does_not["pauses_to_speech"] < 1.25
    assert follows["speed"] == pytest.approx(25 * ahead.mean(), rel=0.05)


def test_blinks_in_pauses_are_counted(clip):
    blinks = np.array([35, 85, 135, 185, 60])
    found = measure([(clip, (turning(np.ones(FRAMES)), blinks))])
    assert found["blinks"] == pytest.approx(5 / (FRAMES / 25 / 60))
    assert found["blinks_in_pauses"] == pytest.approx(4, rel=0.1)


def test_a_head_that_stands_has_no_correlation(clip):
    found = measure([(clip, (np.zeros((FRAMES, 3)), np.zeros(0, int)))])
    assert np.isnan(found["speed_r"]) and found["speed"] == found["blinks"] == 0


def test_the_command_writes_a_table(clip, tmp_path, capsys):
    pack = synthetic.write_pack(tmp_path / "pack", [clip])
    assert main(f"evaluate -p {pack} --motion -o {tmp_path}/report.json".split()) == 0
    found = json.loads((tmp_path / "report.json").read_text())
    assert list(found["motion"]) == ["real", "not listening", "liveliness 0.5", "liveliness 1", "liveliness 1.5"]
    assert found["motion"]["liveliness 0.5"]["speed"] < found["motion"]["liveliness 1.5"]["speed"]
    assert "| liveliness 1 |" in capsys.readouterr().out


def test_clips_too_short_to_tell(clip, tmp_path, refuses):
    pack = synthetic.write_pack(tmp_path / "pack", [clip.first(74)])
    with refuses(PackError, "at least 75 frames"):
        evaluate_listening(pack, "val", locate(None))


@pytest.mark.parametrize("more", ["--frames 40", "--photos .", "--closures"])
def test_it_is_measured_alone(more, tmp_path, capsys):
    assert main(f"evaluate -p {tmp_path} -o {tmp_path}/report.json --motion {more}".split()) == 2
    assert "measures nothing else" in capsys.readouterr().err
