"""The ablation that knows no landmarks: photo and sound → frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atvg.animate.torch_engine import draw_direct
from atvg.checkpoint import DIRECT_NET, load_net, save_net
from atvg.config import VGNetConfig
from atvg.errors import BadSettingError, CheckpointError
from atvg.motion.carry import Carried
from atvg.nets.direct_net import DirectNet, make_net
from atvg.nets.ground import Turned
from atvg.nets.vg_net import VGNet

WIDTHS = {"photo_widths": (8, 12, 16, 16), "landmark_widths": (8, 12, 16), "decoder_widths": (8, 12, 16)}
SMALL = VGNetConfig(**WIDTHS, hidden=16, driver="audio", warp=False)


@pytest.fixture(scope="module")
def net() -> DirectNet:
    torch.manual_seed(0)
    net = DirectNet(SMALL)
    net.mfcc_mean.copy_(torch.linspace(-5, 5, 20))
    net.mfcc_std.copy_(torch.linspace(4, 1, 20))
    for layer in net.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = None  # the mean of what it has seen: three batches tell enough
    with torch.no_grad():
        for seed in range(3):
            net(net.encode_photo(pictures(2)), sound(2, 3, seed))
    return net.eval().requires_grad_(False)


def pictures(batch: int) -> torch.Tensor:
    coarse = torch.rand(batch, 3, 12, 12, generator=torch.Generator().manual_seed(3)) * 1.8 - 0.9
    return torch.nn.functional.interpolate(coarse, size=128, mode="bilinear")


def sound(batch: int, steps: int, seed: int = 0) -> torch.Tensor:
    """MFCC windows (batch, steps, 28, 20) that have nothing to do with each other."""
    return 5 * torch.randn(batch, steps, 28, 20, generator=torch.Generator().manual_seed(seed))


def rows(frames: int) -> np.ndarray:
    return 5 * np.random.default_rng(0).standard_normal((4 * frames + 24, 20)).astype(np.float32)


@pytest.fixture
def photo() -> np.ndarray:
    return ((pictures(1)[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)


class TestFrames:
    def test_shapes(self, net):
        made, state = net(net.encode_photo(pictures(2)), sound(2, 3))
        assert made.frame.shape == made.motion.shape == (2, 3, 3, 128, 128)
        assert made.attention.shape == (2, 3, 1, 128, 128) and state.shape == (2, 16, 8, 8)
        assert made.motion.abs().max() <= 1

    def test_sound_matters_and_landmarks_are_not_read(self, net):
        code, with_landmarks = net.encode_photo(pictures(2)), net.encode_photo(pictures(2), torch.full((2, 68, 2), 9.0))
        before = net(code, sound(2, 3))[0].frame
        assert torch.equal(before, net(with_landmarks, sound(2, 3))[0].frame)
        assert (before - net(code, sound(2, 3, seed=1))[0].frame).abs().max() > 1e-3

    def test_features_are_standardised(self, net):
        other = DirectNet(SMALL).eval().requires_grad_(False)
        other.load_state_dict(net.state_dict())
        other.mfcc_mean.add_(2)
        code = net.encode_photo(pictures(2))
        for one, two in zip(net(code, sound(2, 2))[0], other(code, sound(2, 2) + 2)[0], strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=0)

    def test_the_rest_of_a_frame_is_the_turned_photo(self, net):
        turned = Turned(-pictures(2)[:, None].expand(-1, 2, -1, -1, -1), torch.zeros(2, 2, 68, 2))
        made, _ = net(net.encode_photo(pictures(2)), sound(2, 2), turned=turned)
        expected = made.attention * made.motion + (1 - made.attention) * turned.photo
        assert torch.equal(made.frame, expected)

    def test_gradients_reach_every_parameter(self):
        torch.manual_seed(0)
        net = DirectNet(SMALL)
        net(net.encode_photo(pictures(2)), sound(2, 3))[0].frame.square().mean().backward()
        dead = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
        assert dead == []


class TestDrawing:
    def test_frames_are_those_of_each_frames_window(self, net, photo):
        heard = rows(13)
        windows = np.stack([heard[4 * t : 4 * t + 28] for t in range(13)])
        picture = torch.tensor(photo).permute(2, 0, 1)[None] / 127.5 - 1
        made, _ = net(net.encode_photo(picture), torch.tensor(windows)[None])
        drawn = draw_direct(net, photo, heard)
        assert drawn.shape == (13, 128, 128, 3) and drawn.dtype == np.uint8
        expected = (made.frame[0].permute(0, 2, 3, 1).numpy() + 1) * 127.5
        assert np.abs(drawn - expected).max() <= 0.51

    def test_the_head_moves_with_its_control_points(self, net, photo):
        corners = np.array([[0, 0], [127, 0], [0, 127], [127, 127]], np.float32)
        sources = np.tile(np.concatenate([np.full((68, 2), 60, np.float32), corners]), (3, 1, 1))
        sources[:, :68] += np.random.default_rng(0).uniform(-20, 20, (68, 2)).astype(np.float32)
        targets = sources.copy()
        targets[:, :68] += 8
        still, same = draw_direct(net, photo, rows(3)), draw_direct(net, photo, rows(3), Carried(sources, sources))
        assert np.abs(still.astype(int) - same).max() <= 1
        moved = draw_direct(net, photo, rows(3), Carried(sources, targets))
        assert np.abs(still.astype(int) - moved).max() > 20


class TestConfig:
    def test_the_driver_says_which_network_it_is(self):
        assert type(make_net(SMALL)) is DirectNet
        assert type(make_net(replace(SMALL, driver="landmarks"))) is VGNet

    def test_without_landmarks_there_is_nothing_to_warp_by(self, refuses):
        with refuses(BadSettingError, "warp=false"):
            VGNetConfig(driver="audio")

    def test_a_config_driven_by_landmarks_is_refused(self):
        with pytest.raises(ValueError, match="audio"):
            DirectNet(replace(SMALL, driver="landmarks"))

    def test_it_is_saved_with_its_statistics_and_loaded(self, net, tmp_path):
        save_net(tmp_path, DIRECT_NET, net, {"beta": 0.5})
        loaded = load_net(tmp_path, DIRECT_NET, DirectNet, VGNetConfig)
        assert loaded.config == SMALL and not loaded.training
        torch.testing.assert_close(loaded.mfcc_mean, net.mfcc_mean, atol=1e-2, rtol=0)
        code = net.encode_photo(pictures(1))
        torch.testing.assert_close(
            loaded(code, sound(1, 2))[0].frame, net(code, sound(1, 2))[0].frame, atol=2e-2, rtol=0
        )

    def test_it_is_not_taken_for_a_network_of_another_kind(self, net, tmp_path, refuses):
        save_net(tmp_path, DIRECT_NET, net, {})
        with refuses(CheckpointError, "do not fit"):
            load_net(tmp_path, DIRECT_NET, VGNet, VGNetConfig)
