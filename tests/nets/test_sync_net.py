"""The sync expert's network: where it looks, what it forgets, and how long its codes are."""

import pytest
import torch

from atvg.config import SyncNetConfig
from atvg.nets.sync_net import SyncNet, evened, mouths

FRAMES = 9


@pytest.fixture(scope="module")
def net() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet(SyncNetConfig()).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(2, FRAMES, 48, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


def sound(net: SyncNet, seed: int = 2) -> torch.Tensor:
    config = net.config
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, net.length(FRAMES), config.squeezed, generator=generator)


def test_every_look_and_every_frame_of_sound_has_a_code_of_length_one(net, clip):
    seen, heard = net.see(clip), net.hear(sound(net))
    assert seen.shape == (2, FRAMES - 4, 128) and heard.shape == (1, FRAMES, 128)
    for codes in (seen, heard):
        torch.testing.assert_close(codes.norm(dim=-1), torch.ones(codes.shape[:2]))


def test_a_look_is_five_frames(net, clip):
    changed = clip.clone()
    changed[:, 6] = clip[:, 6].flip(-1)
    different = (net.see(clip) - net.see(changed)).abs().amax(dim=(0, 2)) > 1e-4
    assert different.tolist() == [False, False, True, True, True]  # looks 2, 3 and 4 reach frame 6


def test_looks_may_be_anywhere(net, clip):
    seen = net.look(torch.stack([clip[:, 3:8], clip[:, 0:5]], dim=1))
    torch.testing.assert_close(seen, net.see(clip)[:, [3, 0]])


@pytest.mark.parametrize("frame", [0, 4, 8])
def test_a_sound_is_heard_around_its_frame(net, frame):
    heard = sound(net)
    changed = heard.clone()
    own = net.lead + 2 * frame
    changed[:, own : own + 2] += 2  # the two features that lie in the frame
    different = (net.hear(heard) - net.hear(changed)).abs().amax(dim=(0, 2)) > 1e-5
    reach = net.config.around // 4
    assert different[frame] and different.tolist() == [abs(t - frame) <= reach for t in range(FRAMES)]


def test_the_ears_features_are_squeezed(net):
    features = torch.randn(3, 5, 512)
    assert net.squeeze(features).shape == (3, 5, net.config.squeezed)


def test_light_and_contrast_do_not_matter(clip):
    torch.testing.assert_close(evened(clip), evened(0.5 * clip + 0.3), atol=1e-5, rtol=0)
    still = evened(clip[:1])
    assert still.mean().abs() < 1e-5 and still.std() == pytest.approx(1)
    assert evened(torch.full((1, 5, 48, 64), 0.4)).abs().max() < 1e-4, "of nothing nothing is made"


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
