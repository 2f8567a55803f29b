"""A clip's file becomes frames at 25 a second, whatever its rate."""

import numpy as np
import pytest

from atvg.data.video import Unusable, read_frames
from tests import synthetic


class TestReadFrames:
    """Each frame of a test video shows its own time as a brightness."""

    @pytest.mark.parametrize("fps", [12.5, 25, 29.97, 50])
    def test_any_rate_becomes_25(self, tmp_path, fps):
        count = round(2 * fps)
        brightness = 20 + 200 * np.arange(count) / count
        frames = np.broadcast_to(brightness[:, None, None, None], (count, 64, 64, 3)).astype(np.uint8)
        path = synthetic.write_video(tmp_path / "clip.mp4", frames, fps=fps)
        read = read_frames(str(path))
        assert abs(len(read) - 50) <= 1
        expected = 20 + 200 * (np.arange(len(read)) + 0.5) / 50  # what the clock shows at the frame's centre
        tolerance = 4 + 100 / fps  # codec, and the time a source frame lasts
        assert np.abs(read.mean(axis=(1, 2, 3)) - expected).max() < tolerance

    def test_too_few_frames_are_refused(self, tmp_path):
        path = synthetic.write_video(tmp_path / "clip.mp4", np.zeros((10, 64, 64, 3), np.uint8))
        with pytest.raises(Unusable, match="shorter"):
            read_frames(str(path))
