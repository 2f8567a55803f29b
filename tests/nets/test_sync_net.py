"""The sync expert's network: where it looks, what it forgets, and how long its codes are."""

import pytest
import torch

from atvg.config import SyncNetConfig
from atvg.nets.sync_net import SyncNet, mouths

FRAMES = 9


@pytest.fixture(scope="module")
def net() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet(SyncNetConfig()).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(2, FRAMES, 48, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_every_look_and_every_frame_of_sound_has_a_code_of_length_one(net, clip):
    seen, heard = net.see(clip), net.hear(torch.randn(2, 4 * FRAMES + 24, 20))
    assert seen.shape == (2, FRAMES - 4, 128) and heard.shape == (2, FRAMES, 128)
    for codes in (seen, heard):
        torch.testing.assert_close(codes.norm(dim=-1), torch.ones(codes.shape[:2]))


def test_a_look_is_five_frames(net, clip):
    changed = clip.clone()
    changed[:, 6] = clip[:, 6].flip(-1)  # the clip's mean stays
    different = (net.see(clip) - net.see(changed)).abs().amax(dim=(0, 2)) > 1e-4
    assert different.tolist() == [False, False, True, True, True]  # looks 2, 3 and 4 reach frame 6


@pytest.mark.parametrize("frame", [0, 4, 8])
def test_a_sound_is_heard_around_its_frame(net, frame):
    rows = torch.randn(1, 4 * FRAMES + 24, 20, generator=torch.Generator().manual_seed(2))
    changed = rows.clone()
    changed[:, 4 * frame + 12 : 4 * frame + 16] += 2  # the frame's own 40 ms
    different = (net.hear(rows) - net.hear(changed)).abs().amax(dim=(0, 2)) > 1e-5
    assert different[frame] and different.tolist() == [abs(t - frame) <= 3 for t in range(FRAMES)]


def test_light_does_not_matter(net, clip):
    torch.testing.assert_close(net.see(clip), net.see(clip + 0.3), atol=1e-5, rtol=0)


def test_colours_are_seen_as_grey():
    picture = torch.zeros(3, 128, 128)
    picture[1] = 1.0
    assert mouths(picture).shape == (48, 64)
    torch.testing.assert_close(mouths(picture), torch.full((48, 64), 0.587))


def test_the_mouth_lies_where_it_looks():
    picture = torch.zeros(3, 128, 128)
    picture[:, 88, 64] = 1.0  # the middle of the lips in the canonical crop
    assert (mouths(picture) > 0.9).nonzero().tolist() == [[20, 32]]


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="128"):
        mouths(torch.zeros(3, 64, 64))
