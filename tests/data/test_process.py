"""One clip becomes what a pack stores of it: whose sound it is."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import wavfile

from atvg.data.layouts import ClipInfo
from atvg.data.process import process_clip
from atvg.data.video import Unusable
from tests import synthetic


class TestSeparateSound:
    """A silent video with a recording beside it, as in GRID and VoxCeleb."""

    def clip(self, folder, seconds: float) -> ClipInfo:
        wavfile.write(folder / "sound.wav", 16_000, synthetic.tone(seconds, np.ones(round(25 * seconds))))
        return ClipInfo("", "k", "grid", "grid-s3", "train", audio=str(folder / "sound.wav"))

    def test_serves_a_video_without_any(self, tmp_path, tiny_clips):
        clip = replace(self.clip(tmp_path, 0.8), path=str(tiny_clips / "odd/mute.mp4"))
        members = process_clip(clip)
        assert "audio" not in json.loads(members["json"])
        with np.load(io.BytesIO(members["npz"])) as arrays:
            assert arrays["mfcc"][:, 0].std() > 0

    def test_a_video_with_its_own_keeps_it(self, tmp_path, tiny_clips):
        own = ClipInfo(str(tiny_clips / "hopper/a.mp4"), "k", "grid", "grid-s3", "train")
        both = replace(own, audio=self.clip(tmp_path, 1.0).audio)
        assert process_clip(own)["npz"] == process_clip(both)["npz"]

    def test_that_was_trimmed_is_refused(self, tmp_path, tiny_clips):
        clip = replace(self.clip(tmp_path, 2.0), path=str(tiny_clips / "odd/mute.mp4"))
        with pytest.raises(Unusable, match="2.0 s but its picture 0.8 s"):
            process_clip(clip)
