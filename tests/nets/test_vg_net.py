"""VG-net: one photo + landmarks → frames, blended by attention."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from atvg.config import VGNetConfig
from atvg.motion.teeth import fit_teeth, load_donors
from atvg.motion.warp import border, warp
from atvg.nets.ground import Turned
from atvg.nets.vg_net import VGNet, landmark_maps
from tests import synthetic

SMALL = VGNetConfig(photo_widths=(8, 12, 16, 16), landmark_widths=(8, 12, 16), decoder_widths=(8, 12, 16), hidden=16)
CONFIGS = {
    "full": SMALL,
    "one sheet": replace(SMALL, layers=False),
    "no warp": replace(SMALL, warp=False),
    "vector": replace(SMALL, landmark_maps=False),
    "no memory": replace(SMALL, recurrence="none"),
    "memory over the batch": replace(SMALL, recurrence="batch"),
    "static attention": replace(SMALL, attention="static"),
    "no attention": replace(SMALL, attention="none"),
    "authors": replace(SMALL, warp=False, landmark_maps=False, recurrence="none"),
}


def make(config: VGNetConfig, seed: int = 0) -> VGNet:
    """A network whose normalisation has seen some data and whose motion head draws, so that nothing is constant."""
    torch.manual_seed(seed)
    net = VGNet(config)
    nn.init.normal_(net.motion_head[0].weight, std=0.03)
    with torch.no_grad():
        for _ in range(3):
            net(net.encode_photo(pictures(2), faces(2, 1)[:, 0]), faces(2, 2))
    return net.eval()


def faces(batch: int, steps: int, seed: int = 0) -> torch.Tensor:
    """Landmarks of faces that differ by a few pixels in every point, (batch, steps, 68, 2)."""
    wobble = torch.randn(batch, steps, 68, 2, generator=torch.Generator().manual_seed(seed))
    return torch.tensor(synthetic.face68()[:, :2], dtype=torch.float32) + 1.5 * wobble


def pictures(batch: int, seed: int = 3) -> torch.Tensor:
    """Smooth photos in [−0.9, 0.9], (batch, 3, 128, 128)."""
    coarse = torch.rand(batch, 3, 12, 12, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9
    return nn.functional.interpolate(coarse, size=128, mode="bilinear")


@pytest.fixture(scope="module")
def net() -> VGNet:
    return make(SMALL).requires_grad_(False)


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return pictures(2)


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

    def test_in_use_motion_ends_at_black_and_white_in_training_it_does_not(self, photo):
        """Cut off in training, it would get no gradient that brings it back."""
        net = make(SMALL)
        nn.init.constant_(net.motion_head[0].bias, 1.5)
        code, landmarks = net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2)
        assert net(code, landmarks)[0].motion.max() == 1
        motion = net.train()(code, landmarks)[0].motion
        assert motion.max() > 1
        motion[motion > 1].sum().backward()
        assert net.motion_head[0].bias.grad.abs().min() > 0

    def test_photo_example_and_landmarks_all_matter(self, net, photo):
        example, landmarks = faces(2, 1, seed=4)[:, 0], faces(2, 3)
        base = net(net.encode_photo(photo, example), landmarks)[0].motion
        for changed in (
            net(net.encode_photo(-photo, example), landmarks),
            net(net.encode_photo(photo, example.flip(1)), landmarks),
            net(net.encode_photo(photo, example), landmarks.flip(2)),
        ):
            assert (changed[0].motion - base).abs().max() > 0.01


class TestWarp:
    """Without layers motion is drawn over the photo warped by the landmarks, as one sheet."""

    @pytest.fixture(scope="class")
    def untrained(self) -> VGNet:
        torch.manual_seed(0)
        return VGNet(CONFIGS["one sheet"]).eval().requires_grad_(False)

    def test_an_untrained_network_attends_little(self, untrained, photo):
        made, _ = untrained(untrained.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2))
        assert 0 < made.attention.mean() < 0.4

    def test_an_untrained_network_shows_the_photo_where_nothing_moves(self, untrained, photo):
        example = faces(2, 1)
        made, _ = untrained(untrained.encode_photo(photo, example[:, 0]), example.expand(-1, 3, -1, -1))
        for shown in (made.motion, made.frame):
            torch.testing.assert_close(shown, photo[:, None].expand(-1, 3, -1, -1, -1), atol=1e-4, rtol=0)

    def test_an_untrained_networks_motion_is_the_photo_warped_from_the_examples_landmarks(self, untrained, photo):
        example, landmarks = faces(2, 1, seed=4), faces(2, 2)
        landmarks[..., 48:68, 1] += 5
        made, _ = untrained(untrained.encode_photo(photo, example[:, 0]), landmarks)
        edge = border(128).expand(2, -1, -1)
        for t in range(2):
            before, after = torch.cat([example[:, 0], edge], dim=1), torch.cat([landmarks[:, t], edge], dim=1)
            torch.testing.assert_close(made.motion[:, t], warp(photo, before, after), atol=1e-3, rtol=0)
        assert (made.motion - photo[:, None]).abs().max() > 0.1

    @pytest.mark.parametrize("name", CONFIGS)
    def test_with_a_turned_photo_the_rest_of_a_frame_is_that_photo(self, name, photo):
        net = make(CONFIGS[name]).requires_grad_(False)
        turned = Turned(pictures(6, seed=5).unflatten(0, (2, 3)), faces(2, 3, seed=6))
        made, _ = net(net.encode_photo(photo, faces(2, 1, seed=4)[:, 0]), faces(2, 3), turned=turned)
        expected = made.attention * made.motion + (1 - made.attention) * turned.photo
        if CONFIGS[name].attention == "none":
            expected = made.motion
        assert torch.equal(made.frame, expected)
        assert (made.frame - photo[:, None]).abs().max() > 0.1

    def test_a_turned_photo_is_warped_from_its_own_landmarks(self, untrained, photo):
        """A head that turns and does not speak: the landmarks are those of the turned photo."""
        turned = Turned(pictures(6, seed=5).unflatten(0, (2, 3)), faces(2, 3, seed=6))
        made, _ = untrained(untrained.encode_photo(photo, faces(2, 1)[:, 0]), turned.landmarks, turned=turned)
        torch.testing.assert_close(made.motion, turned.photo, atol=1e-4, rtol=0)

    def test_a_turn_by_nothing_is_no_turn(self, net, photo):
        example, landmarks = faces(2, 1, seed=4), faces(2, 3)
        code = net.encode_photo(photo, example[:, 0])
        still = Turned(photo[:, None].expand(-1, 3, -1, -1, -1), example.expand(-1, 3, -1, -1))
        for plain, with_turn in zip(net(code, landmarks)[0], net(code, landmarks, turned=still)[0], strict=True):
            torch.testing.assert_close(plain, with_turn, atol=1e-4, rtol=0)

    def test_without_it_motion_is_drawn_from_nothing(self, photo):
        """Two turned photos, one network: neither comes through in the motion map."""
        net = make(CONFIGS["no warp"]).requires_grad_(False)
        code, landmarks = net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2)
        motions = [
            net(code, landmarks, turned=Turned(pictures(4, seed).unflatten(0, (2, 2)), landmarks))[0].motion
            for seed in (5, 6)
        ]
        assert torch.equal(*motions)

    def test_no_gradient_passes_through_the_warp(self, untrained, photo):
        """Untrained, the landmarks act on motion through nothing else."""
        landmarks = (faces(2, 2) + 2).requires_grad_()
        code = untrained.encode_photo(photo, faces(2, 1)[:, 0])
        untrained(code, landmarks)[0].motion.square().sum().backward()
        assert (landmarks.grad == 0).all()


class TestLayers:
    """Mouths that open: what lies in them is drawn neither by the sheet nor by the network."""

    @pytest.fixture(scope="class")
    def shut(self):
        """A photo with its mouth shut, its teeth, and the landmarks of two frames in which it opens."""
        pixels, example = synthetic.portrait()
        photo = torch.tensor(pixels / 127.5 - 1, dtype=torch.float32).permute(2, 0, 1)[None]
        landmarks = np.stack([synthetic.opened(example, gap) for gap in (0.0, 8.0)])[None, ..., :2]
        example = torch.tensor(example[None, :, :2], dtype=torch.float32)
        teeth = fit_teeth(load_donors(), photo, example)
        return photo, example, teeth, torch.tensor(landmarks, dtype=torch.float32)

    def drawn(self, net: VGNet, shut) -> tuple:
        photo, example, teeth, landmarks = shut
        code = net.encode_photo(photo, example, teeth)
        ground = net.ground(code, landmarks)
        return net.paint(code, landmarks, ground)[0], ground.layers

    def test_an_untrained_networks_motion_is_the_base(self, shut):
        torch.manual_seed(0)
        made, over = self.drawn(VGNet(SMALL).eval().requires_grad_(False), shut)
        torch.testing.assert_close(made.motion[0], over.base)
        assert (over.base[1] - over.base[0])[:, 92, 64].abs().max() > 0.1

    def test_where_nobody_knows_the_residual_is_one_colour_a_frame(self, shut):
        net = make(SMALL).requires_grad_(False)
        made, over = self.drawn(net, shut)
        residual = (made.motion[0] - over.base)[1]
        unknown = (over.unknown[1, 0] > 0.9999) & (over.base[1].abs() < 0.6).all(dim=0)
        assert unknown.sum() > 20
        tint = residual[:, unknown]
        assert 1e-3 < tint.abs().max() <= 0.3 + 1e-6
        torch.testing.assert_close(tint, tint[:, :1].expand_as(tint), atol=1e-3, rtol=0)
        assert residual[:, over.unknown[1, 0] == 0].std() > 0.01

    def test_it_is_not_far_from_what_nobody_knows(self, shut):
        """Of 2 everywhere else: all is as white as can be."""
        torch.manual_seed(0)
        net = VGNet(SMALL).eval().requires_grad_(False)
        nn.init.constant_(net.motion_head[0].bias, 2.0)
        made, over = self.drawn(net, shut)
        unknown = (over.unknown[1, 0] > 0.9999) & (over.base[1] < 0.6).all(dim=0)
        assert unknown.sum() > 20
        torch.testing.assert_close(made.motion[0, 1][:, unknown], over.base[1][:, unknown] + 0.3, atol=1e-2, rtol=0)
        known = over.unknown[1, 0] == 0
        assert (made.motion[0, 1][:, known] == 1).all() and known.float().mean() > 0.9

    def test_what_lips_have_uncovered_is_never_half_there(self, shut):
        net = make(SMALL).requires_grad_(False)
        nn.init.constant_(net.attention_head[0].bias, -40.0)
        made, over = self.drawn(net, shut)
        torch.testing.assert_close(made.attention[0], over.changed, atol=1e-6, rtol=0)
        uncovered = over.changed[1, 0] == 1
        assert uncovered.sum() > 50
        assert torch.equal(made.frame[0, 1][:, uncovered], made.motion[0, 1][:, uncovered])

    def test_a_map_that_is_the_same_for_all_knows_no_lips(self, shut):
        net = make(CONFIGS["static attention"]).requires_grad_(False)
        made, _ = self.drawn(net, shut)
        torch.testing.assert_close(made.attention, torch.sigmoid(torch.tensor(-1.0)).expand(1, 2, 1, 128, 128))


class TestTime:
    @pytest.mark.parametrize("cut", [1, 3])
    @pytest.mark.parametrize("moving", [False, True])
    def test_two_stretches_give_what_one_gives(self, net, code, cut, moving):
        landmarks = faces(2, 5)
        turned = Turned(pictures(10, seed=5).unflatten(0, (2, 5)), faces(2, 5, seed=6)) if moving else None
        early, late = (
            (Turned(*(part[:, :cut] for part in turned[:2])), Turned(*(part[:, cut:] for part in turned[:2])))
            if moving else (None, None)
        )  # fmt: skip
        whole, end = net(code, landmarks, turned=turned)
        first, state = net(code, landmarks[:, :cut], turned=early)
        second, state = net(code, landmarks[:, cut:], state, late)
        for one, two, both in zip(first, second, whole, strict=True):
            torch.testing.assert_close(torch.cat([one, two], dim=1), both, atol=1e-4, rtol=1e-4)
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
        net = make(CONFIGS["no memory"]).requires_grad_(False)
        code = net.encode_photo(photo, faces(2, 1, seed=4)[:, 0])
        landmarks = faces(2, 3)
        whole, _ = net(code, landmarks)
        alone, _ = net(code, landmarks[:, 2:])
        torch.testing.assert_close(whole.motion[:, 2:], alone.motion, atol=1e-4, rtol=0)
        assert (whole.motion[:, 0] - whole.motion[:, 2]).abs().max() > 1e-3

    @pytest.mark.parametrize("name", ["no memory", "memory over the batch"])
    def test_a_clip_alone_has_no_memory_in_time_without_it_or_over_the_batch(self, name, photo):
        """Nor is what a state says of the frames before heard."""
        net = make(CONFIGS[name]).requires_grad_(False)
        code, landmarks = net.encode_photo(photo[:1], faces(1, 1, seed=4)[:, 0]), faces(1, 3)
        whole, state = net(code, landmarks)
        alone, _ = net(code, landmarks[:, 2:], 9 * state)
        torch.testing.assert_close(whole.motion[:, 2:], alone.motion, atol=1e-4, rtol=0)

    def test_over_the_batch_the_second_sample_depends_on_the_first_at_the_same_time(self, photo):
        net = make(CONFIGS["memory over the batch"]).requires_grad_(False).double()
        photo, example, landmarks = photo.double(), faces(2, 1, seed=4)[:, 0].double(), faces(2, 3).double()
        changed = landmarks.clone()
        changed[0, 1] = landmarks[0, 1].flip(0)
        code = net.encode_photo(photo, example)
        off = (net(code, landmarks)[0].motion - net(code, changed)[0].motion)[1].abs().amax(dim=(1, 2, 3))
        assert off[1] > 1e-6 and off[0] == off[2] == 0
        back = landmarks.clone()
        back[1, 1] = landmarks[1, 1].flip(0)
        assert torch.equal(net(code, landmarks)[0].motion[0], net(code, back)[0].motion[0])

    def test_samples_of_a_batch_do_not_meet(self, net, photo):
        example, landmarks = faces(2, 1, seed=4)[:, 0], faces(2, 2)
        whole, _ = net(net.encode_photo(photo, example), landmarks)
        alone, _ = net(net.encode_photo(photo[1:], example[1:]), landmarks[1:])
        torch.testing.assert_close(whole.frame[1:], alone.frame, atol=1e-4, rtol=1e-4)


class TestAttention:
    def test_without_it_the_frame_is_the_motion_map_alone(self, photo):
        net = make(CONFIGS["no attention"]).requires_grad_(False)
        made, _ = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2))
        assert torch.equal(made.frame, made.motion) and (made.attention == 1).all()
        assert not hasattr(net, "attention_head")

    def test_the_static_one_is_the_same_for_all_photos_frames_and_times(self, photo):
        net = make(CONFIGS["static attention"]).requires_grad_(False)
        begun = torch.sigmoid(torch.tensor(-1.0))
        torch.testing.assert_close(torch.sigmoid(10 * net.attention_head.map), begun.expand(1, 1, 128, 128))
        net.attention_head.map.copy_(torch.randn(1, 1, 128, 128))
        for seed in (4, 5):
            made, _ = net(net.encode_photo(pictures(2, seed), faces(2, 1, seed)[:, 0]), faces(2, 3, seed))
            assert torch.equal(made.attention, torch.sigmoid(10 * net.attention_head.map).expand(2, 3, 1, 128, 128))

    def test_the_static_one_learns(self, photo):
        net = make(CONFIGS["static attention"]).train()
        made, _ = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2))
        (made.frame - 0.5).square().mean().backward()
        assert (net.attention_head.map.grad != 0).all()


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
    @pytest.mark.parametrize("name", CONFIGS)
    def test_every_configuration_draws_and_its_gradients_reach_every_parameter(self, name, photo):
        net = make(CONFIGS[name]).train()
        made, state = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 3))
        assert made.frame.shape == made.motion.shape == (2, 3, 3, 128, 128)
        assert made.attention.shape == (2, 3, 1, 128, 128) and state.shape == (2, 16, 8, 8)
        made.frame.square().mean().backward()
        dead = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
        assert dead == []

    def test_the_motion_head_that_begins_at_zero_learns_at_once(self, photo):
        torch.manual_seed(0)
        net = VGNet(SMALL).train()
        made, _ = net(net.encode_photo(photo, faces(2, 1)[:, 0]), faces(2, 2))
        (made.frame - 0.5).square().mean().backward()
        assert net.motion_head[0].weight.grad.abs().max() > 0

    @pytest.mark.parametrize("name", CONFIGS)
    def test_landmarks_matter_in_every_configuration(self, name, photo):
        """In double precision: untrained, a vector of coordinates is hardly heard."""
        net = make(CONFIGS[name]).requires_grad_(False).double()
        code = net.encode_photo(photo.double(), faces(2, 1)[:, 0].double())
        landmarks = faces(2, 1).double()
        spoken = landmarks.clone()
        spoken[..., 48:68, 1] += 8
        before, after = (net(code, points)[0].motion for points in (landmarks, spoken))
        assert (before - after).abs().max() > 1e-6

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
