"""The sync expert against sounds that were moved by a known number of frames."""

import numpy as np
import pytest
import torch

from atvg.config import SyncNetConfig
from atvg.data.pack import Clip
from atvg.evaluation import sync
from atvg.evaluation.sync import SyncExpert, accuracy, trials
from atvg.nets.sync_net import SyncNet


class KnowsBest(torch.nn.Module):
    """A network to which the moment is written in the picture's brightness and in the sound's first coefficient."""

    def see(self, mouths: torch.Tensor, centred: bool = False) -> torch.Tensor:
        return self._code(mouths.mean(dim=(2, 3))[:, 2:-2])

    def hear(self, rows: torch.Tensor) -> torch.Tensor:
        return self._code(rows[:, 12:-12:4, 0])

    @staticmethod
    def _code(angle: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.cos(9 * angle), torch.sin(9 * angle)], dim=-1)


def clip_of(frames: int, seed: int = 0, late: int = 0, source: str = "made") -> Clip:
    """A clip whose picture and sound tell the same random numbers, the sound `late` frames later."""
    levels = np.random.default_rng(seed).integers(40, 216, frames)
    pictures = np.broadcast_to(levels[:, None, None, None], (frames, 128, 128, 3)).astype(np.uint8)
    told = np.roll(levels, late) / 127.5 - 1 - (levels / 127.5 - 1).mean()
    rows = np.zeros((4 * frames + 24, 20), np.float32)
    rows[12:-12, 0] = np.repeat(told, 4)
    landmarks, transforms = np.zeros((frames, 68, 3), np.float32), np.zeros((frames, 2, 3), np.float32)
    return Clip("key", source, "somebody", "val", True, pictures, landmarks, transforms, rows)


@pytest.fixture
def expert() -> SyncExpert:
    return SyncExpert(KnowsBest())


class TestMeasuring:
    @pytest.mark.parametrize("late", [-7, -1, 0, 3, 12])
    def test_finds_by_how_much_the_sound_is_late(self, expert, late):
        clip = clip_of(80, late=late)
        found = expert.measure(clip.frames, clip.mfcc)
        assert found.offset == late
        assert found.distance == pytest.approx(0, abs=0.05) and found.confidence > 0.8
        assert (found.aligned < 0.1) == (late == 0)

    def test_what_belongs_to_nothing_is_far_from_everything(self, expert):
        clip, other = clip_of(80), clip_of(80, seed=1)
        found = expert.measure(clip.frames, other.mfcc)
        assert found.distance > 0.8 and found.confidence < 0.5

    def test_half_of_the_looks_remain_at_the_farthest_lag(self, expert):
        clip = clip_of(24)  # 20 looks
        assert len(expert.distances(clip.frames, clip.mfcc)) == 2 * 10 + 1
        assert len(expert.distances(clip.frames, clip.mfcc, reach=4)) == 2 * 4 + 1

    def test_of_a_few_frames_nothing_can_be_said(self, expert):
        assert expert.measure(clip_of(12).frames, clip_of(12).mfcc) is None
        assert expert.measure(clip_of(1).frames, clip_of(1).mfcc) is None

    def test_stretches_make_no_difference(self, monkeypatch):
        torch.manual_seed(0)
        expert = SyncExpert(SyncNet(SyncNetConfig()).requires_grad_(False))
        random = np.random.default_rng(0)
        frames = random.integers(0, 256, (40, 128, 128, 3), np.uint8)
        rows = random.standard_normal((4 * 40 + 24, 20)).astype(np.float32)
        whole = expert.distances(frames, rows)
        monkeypatch.setattr(sync, "_STRETCH", 7)
        np.testing.assert_allclose(expert.distances(frames, rows), whole, atol=1e-5)


class TestTrials:
    def test_both_tracks_come_from_within_the_clip(self):
        clip = clip_of(300)
        found = list(trials([clip]))
        assert len(found) == 5 and len({late for _, late in found}) > 1
        for part, late in found:
            assert len(part) == 50 and part.mfcc.shape == (4 * 50 + 24, 20) and abs(late) <= 10

    def test_short_clips_are_moved_by_less(self):
        found = [late for seed in range(20) for _, late in trials([clip_of(30)], seed)]
        assert len(found) == 20 and max(map(abs, found)) == 5

    def test_an_expert_that_knows_finds_all_and_says_what_chance_would(self, expert, monkeypatch):
        clips = [clip_of(300, source="long"), clip_of(30, 1, source="short")]
        monkeypatch.setattr(sync, "read_pack", lambda *_: iter(clips))
        found = accuracy(expert, None, "val")
        assert {source: (of["trials"], of["within"], of["error"]) for source, of in found.items()} == {
            "long": (5, 1.0, 0.0), "short": (1, 1.0, 0.0), "all": (6, 1.0, 0.0),
        }  # fmt: skip
        assert found["long"]["chance"] == pytest.approx(3 / 31)
        assert found["short"]["chance"] == pytest.approx(3 / 17)

    def test_no_clip_is_long_enough(self, expert, monkeypatch):
        monkeypatch.setattr(sync, "read_pack", lambda *_: iter([clip_of(10)]))
        assert accuracy(expert, None, "val") == {}
