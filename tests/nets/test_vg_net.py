"""VG-net: one photo + landmarks → frames, blended by attention."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from atvg.config import VGNetConfig
from atvg.nets.vg_net import VGNet, landmark_maps

SMALL = VGNetConfig(photo_widths=(8, 12, 16, 16), landmark_widths=(8, 12, 16), decoder_widths=(8, 12, 16), hidden=16)


def make(config: VGNetConfig, seed: int = 0) -> VGNet:
    """A network whose normalisation has seen some data, so that nothing is trivially constant."""
    torch.manual_seed(seed)
    net = VGNet(config)
    with torch.no_grad():
        for _ in range(3):
            net(net.encode_photo(torch.rand(2, 3, 128, 128) * 2 - 1, faces(2, 1)[:, 0]), faces(2, 2))
    return net.eval()


def faces(batch: int, steps: int, seed: int = 0) -> torch.Tensor:
    """Landmarks somewhere in the crop, (batch, steps, 68, 2)."""
    return torch.rand(batch, steps, 68, 2, generator=torch.Generator().manual_seed(seed)) * 100 + 14


@pytest.fixture(scope="module")
def net() -> VGNet:
    return make(SMALL).requires_grad_(False)


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture(scope="module")
def code(net, photo):
    return net.encode_photo(photo, faces(2, 1, seed=4)[:, 0])


class TestFrames:
    def test_shapes(self, net, code):
        made, state = net(code, faces(2, 3))
        assert made.frame.shape == made.motion.shape == (2, 3, 3, 128, 128)
        assert made.attention.shape == (2, 3, 1, 128, 128)
        assert state.shape == (2, 16, 8, 8)

    def test_the_frame_is_the_posters_equation(self, net, code, photo):
        made, _ = net(code, faces(2, 3))
        expected = made.attention * made.motion + (1 - made.attention) * photo[:, None]
        assert torch.equal(made.frame, expected)

    def test_attention_and_motion_stay_in_their_ranges(self, net, code):
        made, _ = net(code, faces(2, 3))
        assert made.attention.min() >= 0 and made.attention.max() <= 1
        assert made.motion.min() >= -1 and made.motion.max() <= 1
        assert made.attention.std() > 0 and made.motion.std() > 0

    def test_an_untrained_network_begins_near_the_photo(self, photo):
        torch.manual_seed(0)
        net = VGNet(SMALL).eval()
        with torch.no_grad():
            made, _ = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2))
        assert made.attention.mean() < 0.4

    def test_photo_example_and_landmarks_all_matter(self, net, photo):
        example, landmarks = faces(2, 1, seed=4)[:, 0], faces(2, 3)
        base = net(net.encode_photo(photo, example), landmarks)[0].motion
        for changed in (
            net(net.encode_photo(-photo, example), landmarks),
            net(net.encode_photo(photo, example.flip(1)), landmarks),
            net(net.encode_photo(photo, example), landmarks.flip(2)),
        ):
            assert (changed[0].motion - base).abs().max() > 0.01


class TestTime:
    @pytest.mark.parametrize("cut", [1, 3])
    def test_two_stretches_give_what_one_gives(self, net, code, cut):
        landmarks = faces(2, 5)
        whole, end = net(code, landmarks)
        first, state = net(code, landmarks[:, :cut])
        second, state = net(code, landmarks[:, cut:], state)
        for one, two, both in zip(first, second, whole, strict=True):
            torch.testing.assert_close(torch.cat([one, two], dim=1), both, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(state, end, atol=1e-5, rtol=1e-4)

    def test_the_past_matters(self, net, photo):
        """In double precision, where rounding cannot pass for a memory: untrained, it is a faint one."""
        net = copy.deepcopy(net).double()
        code = net.encode_photo(photo.double(), faces(2, 1, seed=4)[:, 0].double())
        landmarks = faces(2, 4).double()
        changed = landmarks.clone()
        changed[:, 0] = landmarks[:, 0].flip(1)
        before, after = net(code, landmarks)[0].motion, net(code, changed)[0].motion
        assert (before[:, 3] - after[:, 3]).abs().amax(dim=(1, 2, 3)).min() > 1e-6

    def test_the_future_does_not(self, net, code):
        landmarks = faces(2, 4)
        changed = landmarks.clone()
        changed[:, 3] = landmarks[:, 3].flip(1)
        before, after = net(code, landmarks)[0].motion, net(code, changed)[0].motion
        torch.testing.assert_close(before[:, :3], after[:, :3])

    def test_without_recurrence_there_is_no_past(self, photo):
        net = make(VGNetConfig(**{**vars(SMALL), "recurrent": False})).requires_grad_(False)
        code = net.encode_photo(photo, faces(2, 1, seed=4)[:, 0])
        landmarks = faces(2, 3)
        whole, _ = net(code, landmarks)
        alone, _ = net(code, landmarks[:, 2:])
        torch.testing.assert_close(whole.motion[:, 2:], alone.motion, atol=1e-6, rtol=0)
        assert (whole.motion[:, 0] - whole.motion[:, 2]).abs().max() > 1e-3

    def test_samples_of_a_batch_do_not_meet(self, net, photo):
        example, landmarks = faces(2, 1, seed=4)[:, 0], faces(2, 2)
        whole, _ = net(net.encode_photo(photo, example), landmarks)
        alone, _ = net(net.encode_photo(photo[1:], example[1:]), landmarks[1:])
        torch.testing.assert_close(whole.frame[1:], alone.frame, atol=1e-5, rtol=1e-4)


class TestLandmarkMaps:
    def test_peaks_lie_on_the_landmarks(self):
        """Crop pixel p lies at cell (p + ½)/4 − ½: pixel 1.5 is cell 0, pixel 65.5 is cell 16."""
        landmarks = torch.full((68, 2), 1.5)
        landmarks[5] = torch.tensor([65.5, 13.5])  # x, y
        maps = landmark_maps(landmarks, sigma=1.0)
        assert maps.shape == (68, 32, 32)
        row, column = np.unravel_index(maps[5].argmax(), (32, 32))
        assert (row, column) == (3, 16)
        assert maps[5].max() == pytest.approx(1.0)
        assert maps[0].argmax() == 0

    def test_heights_by_hand(self):
        maps = landmark_maps(torch.full((68, 2), 65.5), sigma=2.0)
        assert maps[0, 16, 18] == pytest.approx(np.exp(-0.5))  # one σ away
        assert maps[0, 18, 18] == pytest.approx(np.exp(-1))
        assert maps[0, 16, 17] == pytest.approx(np.exp(-0.125))

    def test_between_two_cells_both_are_equal(self):
        maps = landmark_maps(torch.full((68, 2), 63.5), sigma=1.0)
        assert maps[0, 15, 15] == pytest.approx(float(maps[0, 16, 16]))

    def test_leading_axes_are_kept(self):
        assert landmark_maps(torch.zeros(2, 3, 68, 2), 1.0).shape == (2, 3, 68, 32, 32)


class TestLearning:
    def test_gradients_reach_every_parameter(self, photo):
        net = make(SMALL).train()
        made, _ = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 3))
        made.frame.square().mean().backward()
        dead = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
        assert dead == []

    def test_gradients_reach_the_landmarks_and_the_photo(self, net, photo):
        pictures, landmarks = photo.clone().requires_grad_(), faces(2, 2).requires_grad_()
        made, _ = net(net.encode_photo(pictures, faces(2, 1)[:, 0]), landmarks)
        made.motion.square().mean().backward()
        assert landmarks.grad.abs().sum() > 0 and pictures.grad.abs().sum() > 0


class TestSize:
    @pytest.fixture(scope="class")
    def full(self) -> VGNet:
        torch.manual_seed(0)
        return VGNet(VGNetConfig()).eval().requires_grad_(False)

    def test_the_full_network_has_at_most_6_million_parameters(self, full):
        assert 4e6 < sum(p.numel() for p in full.parameters()) <= 6e6

    def test_a_frame_costs_at_most_0_9_gmac(self, full):
        """Multiply-accumulates of all convolutions, counted by hooks; the photo's share is paid once."""
        total = 0

        def count(layer: nn.Conv2d, inputs: tuple, output: torch.Tensor) -> None:
            nonlocal total
            kernel = layer.kernel_size[0] * layer.kernel_size[1]
            total += output.numel() * kernel * layer.in_channels // layer.groups

        layers = [layer for layer in full.modules() if isinstance(layer, nn.Conv2d)]
        assert not any(isinstance(layer, (nn.Linear, nn.ConvTranspose2d)) for layer in full.modules())
        for layer in layers:
            layer.register_forward_hook(count)
        code = full.encode_photo(torch.zeros(1, 3, 128, 128), torch.zeros(1, 68, 2))
        total, once = 0, total
        full(code, torch.zeros(1, 2, 68, 2))
        assert 0.3e9 < total / 2 <= 0.9e9
        assert 0.05e9 < once < 0.9e9

    def test_convolutions_run_at_64_or_below(self, full):
        sides = []
        for layer in full.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda _layer, inputs, output: sides.append(output.shape[-1]))
        full(full.encode_photo(torch.zeros(1, 3, 128, 128), torch.zeros(1, 68, 2)), torch.zeros(1, 1, 68, 2))
        assert max(sides) == 64
