"""Sound of any length goes through the ear in overlapping stretches, of which nobody notices anything."""

import numpy as np
import pytest
import torch

from atvg.checkpoint import load_ear
from atvg.config import ATNetConfig, EarConfig
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.voice import audio, hearing
from atvg.voice.mel import clip_mfcc80


@pytest.fixture(scope="module")
def small() -> Ear:
    torch.manual_seed(0)
    return Ear(EarConfig(width=16, heads=2, layers=1, positions=1500)).eval().requires_grad_(False)


@pytest.mark.parametrize("frames", [1, 99, 100, 101, 500, 15_000])
def test_stretches_follow_each_other(frames):
    found = list(hearing.stretches(frames))
    assert found[0][0] == 0 and found[-1][1] == frames
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))
    assert found[0][1] <= hearing.FIRST and all(0 < last - first <= hearing.LENGTH for first, last in found)


def test_no_stretch_is_longer_than_the_ear_has_places():
    assert 2 * (hearing.LENGTH + 2 * hearing.AROUND) <= EarConfig().positions
    assert hearing.place(0, 300, 1500) == 0
    assert hearing.place(800, 300, 1500) == 800
    assert hearing.place(29_000, 1000, 1500) == 500


def test_only_a_stretch_is_in_memory(small):
    asked = []

    def rows(first: int, count: int) -> np.ndarray:
        asked.append(count)
        return np.zeros((count, 80), np.float32)

    heard = sum(len(stretch) for stretch in hearing.listen(small, rows, 15_000))  # 10 minutes
    assert heard == 15_000
    assert max(asked) <= 4 * (hearing.LENGTH + 2 * hearing.AROUND)


def test_stretches_hear_what_one_pass_hears(voice_path):
    """Of 12 s of speech that are 6 stretches' worth of borders apart, features differ by a fraction of their spread."""
    ear = load_ear()
    speech = audio.load_audio(voice_path)
    wave = np.tile(speech, 3)
    frames = audio.n_video_frames(wave)
    rows = clip_mfcc80(wave, frames)
    with torch.inference_mode():
        whole = ear(torch.from_numpy(rows)[None])[0]
    parts = hearing.features_of(ear, rows)
    assert parts.shape == whole.shape == (2 * frames, 512)
    assert ((parts - whole) / whole.std(dim=0)).square().mean().sqrt() < 0.25


class TestWhatATNetWants:
    @pytest.fixture
    def net(self) -> ATNet:
        net = ATNet(ATNetConfig(ear_layers=(4,), squeezed=4, around=7))
        net.ear_basis.zero_()
        net.ear_basis[:, :4] = torch.eye(4)
        return net

    def stretch(self, first: int, last: int, begin: int, end: int) -> hearing.Stretch:
        """Features that say which they are."""
        features = torch.zeros(2 * (end - begin), 512)
        features[:, 0] = torch.arange(2 * begin, 2 * end)
        return hearing.Stretch(first, last, features, 2 * begin)

    def test_a_frame_hears_the_features_around_its_centre(self, net):
        found = self.stretch(10, 13, 5, 20).for_net(net)
        assert found.shape == (1, net.length(3), 4)
        assert found[0, :, 0].tolist() == list(range(2 * 10 + 1 - 3, 2 * 12 + 1 + 3 + 1))

    def test_the_ends_of_the_sound_go_on(self, net):
        found = self.stretch(0, 3, 0, 3).for_net(net)[0, :, 0]
        assert found.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5]

    def test_own_features_leave_out_what_lies_around(self):
        assert self.stretch(10, 13, 5, 20).own()[:, 0].tolist() == [20, 21, 22, 23, 24, 25]


def test_live_hears_a_little_around_the_newest_frames(small):
    asked = []

    def rows(first: int, count: int) -> np.ndarray:
        asked.append((first // 4, (first + count) // 4))
        return np.zeros((count, 80), np.float32)

    found = [(stretch.first, stretch.last) for stretch in hearing.listen_live(small, rows, 103)]
    assert found[:2] == [(0, 5), (5, 10)] and found[-1] == (100, 103)
    assert asked[0] == (0, 10) and asked[12] == (20, 70) and asked[-1] == (60, 103)
