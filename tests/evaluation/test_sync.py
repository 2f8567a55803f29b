"""The sync expert against sounds that were moved by a known number of frames."""

import numpy as np
import pytest
import torch

from atvg.checkpoint import load_ear, locate
from atvg.config import SyncNetConfig
from atvg.data.pack import Clip
from atvg.evaluation import sync
from atvg.evaluation.sync import SyncExpert, accuracy, trials
from atvg.nets.sync_net import SyncNet


class KnowsBest(torch.nn.Module):
    """A network to which the moment is written in the picture's brightness and in the sound."""

    lead = 0

    def see(self, mouths: torch.Tensor) -> torch.Tensor:
        return self._code(mouths.mean(dim=(2, 3))[:, 2:-2])

    def length(self, frames: int) -> int:
        return 2 * frames

    def squeeze(self, features: torch.Tensor) -> torch.Tensor:
        return features

    def hear(self, heard: torch.Tensor) -> torch.Tensor:
        return self._code(heard[:, ::2, 0])

    @staticmethod
    def _code(angle: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.cos(1.5 * angle), torch.sin(1.5 * angle)], dim=-1)


class Plain(torch.nn.Module):
    """An ear that hands the first coefficient of every second row on."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = torch.zeros(1500, 1)

    def forward(self, mfcc: torch.Tensor, layers: object, start: int) -> torch.Tensor:
        return mfcc[:, ::2, :1]


def clip_of(frames: int, seed: int = 0, late: int = 0, source: str = "made") -> Clip:
    """A clip whose picture and sound tell the same random numbers, the sound `late` frames later."""
    levels = np.random.default_rng(seed).integers(40, 216, frames)
    pictures = np.broadcast_to(levels[:, None, None, None], (frames, 128, 128, 3)).astype(np.uint8)
    told = np.roll((levels - levels.mean()) / max(1, levels.std()), late)
    rows = np.zeros((4 * frames, 80), np.float32)
    rows[:, 0] = np.repeat(told, 4)
    landmarks, transforms = np.zeros((frames, 68, 3), np.float32), np.zeros((frames, 2, 3), np.float32)
    old = np.zeros((4 * frames + 24, 20), np.float32)
    return Clip("key", source, "somebody", "val", True, pictures, landmarks, transforms, old, rows)


@pytest.fixture
def expert() -> SyncExpert:
    return SyncExpert(KnowsBest(), Plain())


class TestMeasuring:
    @pytest.mark.parametrize("late", [-7, -1, 0, 3, 12])
    def test_finds_by_how_much_the_sound_is_late(self, expert, late):
        clip = clip_of(80, late=late)
        found = expert.measure(clip.frames, expert.hear(clip.mfcc80))
        assert found.offset == late
        assert found.distance == pytest.approx(0, abs=0.05) and found.confidence > 0.8
        assert (found.aligned < 0.1) == (late == 0)

    def test_what_belongs_to_nothing_is_far_from_everything(self, expert):
        clip, other = clip_of(80), clip_of(80, seed=1)
        found = expert.measure(clip.frames, expert.hear(other.mfcc80))
        assert found.distance > 0.8 and found.confidence < 0.5

    def test_half_of_the_looks_remain_at_the_farthest_lag(self, expert):
        clip = clip_of(24)  # 20 looks
        heard = expert.hear(clip.mfcc80)
        assert len(expert.distances(clip.frames, heard)) == 2 * 10 + 1
        assert len(expert.distances(clip.frames, heard, reach=4)) == 2 * 4 + 1

    def test_of_a_few_frames_nothing_can_be_said(self, expert):
        for clip in (clip_of(12), clip_of(1)):
            assert expert.measure(clip.frames, expert.hear(clip.mfcc80)) is None

    def test_stretches_make_no_difference(self, monkeypatch):
        torch.manual_seed(0)
        expert = SyncExpert(SyncNet(SyncNetConfig()).requires_grad_(False), load_ear(locate()))
        random = np.random.default_rng(0)
        frames = random.integers(0, 256, (40, 128, 128, 3), np.uint8)
        heard = expert.hear(random.standard_normal((4 * 40, 80)).astype(np.float32))
        assert heard.shape == (40, 128)
        whole = expert.distances(frames, heard)
        monkeypatch.setattr(sync, "_STRETCH", 7)
        np.testing.assert_allclose(expert.distances(frames, heard), whole, atol=1e-5)


class TestTrials:
    def test_both_tracks_come_from_within_the_clip(self):
        clip = clip_of(300)
        found = list(trials([clip]))
        assert len(found) == 5 and len({late for _, late in found}) > 1
        for part, late in found:
            assert len(part) == 50 and part.mfcc80.shape == (4 * 50, 80) and abs(late) <= 10

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
