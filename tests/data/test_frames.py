"""Clips are decoded in a box, and what comes out of it is not believed."""

import os

import numpy as np
import pytest

from atvg.box import command, decoders
from atvg.box.layers import layers
from atvg.data import video
from atvg.data.video import Unusable, read_frames
from tests import synthetic


@pytest.fixture
def clip(tmp_path) -> str:
    frames = np.repeat(np.arange(0, 200, 10, np.uint8), 64 * 64 * 3).reshape(20, 64, 64, 3)
    return str(synthetic.write_video(tmp_path / "clip.mp4", frames))


def test_frames_are_the_same_with_and_without(clip, monkeypatch):
    inside = read_frames(clip)
    assert inside.shape == (20, 64, 64, 3)
    monkeypatch.setattr(command, "HERE", False)
    np.testing.assert_array_equal(inside, read_frames(clip))


def test_its_name_does_not_matter(clip, tmp_path):
    wrong = tmp_path / "clip.txt"
    os.rename(clip, wrong)
    assert len(read_frames(str(wrong))) == 20


@pytest.mark.parametrize("boxed", [True, False])
def test_a_list_of_other_files_is_none(clip, tmp_path, monkeypatch, boxed):
    monkeypatch.setattr(command, "HERE", boxed)
    path = tmp_path / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile clip.mp4\n")
    with pytest.raises(Unusable, match="not readable"):
        read_frames(str(path))


@pytest.mark.skipif(not all(layers()), reason="this system lacks seccomp or Landlock")
def test_only_its_own_file_has_a_name(clip, tmp_path):
    """A decoder of clips may open files, so that OpenCV can; of all files it is this one."""
    from tests.box import deeds

    other = tmp_path / "other"
    other.write_bytes(b"a face")
    with pytest.raises(decoders.Broken, match="PermissionError"):
        decoders.run(deeds.read_named, clip, 0, names=True, other=str(other))
    with pytest.raises(decoders.Broken, match="PermissionError"):
        decoders.run(deeds.fork, clip, 0, names=True)
    assert decoders.run(deeds.read_named, clip, 0, names=True, other="")[0] == 1


@pytest.mark.parametrize(
    "said",
    [
        None, [], {}, {"fps": "25"}, {"fps": 25.0}, {"fps": 25.0, "shape": [20, 64, 64, 3], "read": 20},
        {"fps": 25.0, "shape": [19, 64, 64, 3], "read": 20, "announced": 20.0, "ended": False},
        {"fps": 25.0, "shape": [-20, -64, 64, 3], "read": 20, "announced": 20.0, "ended": False},
        {"fps": 25.0, "shape": [20, 64, 3, 64], "read": 20, "announced": 20.0, "ended": False},
    ],
)  # fmt: skip
def test_an_answer_that_lies_is_refused(clip, said, monkeypatch):
    monkeypatch.setattr(video.decoders, "run", lambda *_, **__: (said, bytes(20 * 64 * 64 * 3)))
    with pytest.raises(Unusable, match="not readable"):
        read_frames(clip)
