"""The training losses, against numbers worked out by hand."""

import math

import pytest
import torch

from atvg import losses
from atvg.face.landmarks import MOUTH


class TestDynamicPixelLoss:
    """Two pixels of one channel: |v − v̂| = 1 and 0.5, attention 0.2 and 0.6."""

    real = torch.tensor([1.0, 0.5]).reshape(1, 1, 1, 2)
    fake = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    attention = torch.tensor([0.2, 0.6]).reshape(1, 1, 1, 2)

    @pytest.mark.parametrize(
        ("beta", "expected"),
        [
            (0.5, (1 * 0.7 + 0.5 * 1.1) / 2),
            (0.0, (1 * 0.2 + 0.5 * 0.6) / 2),
            (2.0, (1 * 2.2 + 0.5 * 2.6) / 2),
        ],
    )
    def test_by_hand(self, beta, expected):
        loss = losses.dynamic_pixel_loss(self.real, self.fake, self.attention, beta)
        assert loss.item() == pytest.approx(expected)

    def test_with_a_weight_map(self):
        weight = torch.tensor([4.0, 1.0]).reshape(1, 1, 1, 2)
        loss = losses.dynamic_pixel_loss(self.real, self.fake, self.attention, 0.5, weight)
        assert loss.item() == pytest.approx((4 * 1 * 0.7 + 0.5 * 1.1) / 2)

    def test_one_attention_serves_three_channels(self):
        loss = losses.dynamic_pixel_loss(
            self.real.expand(1, 3, 1, 2), self.fake.expand(1, 3, 1, 2), self.attention, 0.5
        )
        assert loss.item() == pytest.approx((0.7 + 0.55) / 2)

    def test_no_gradient_flows_through_the_attention(self):
        fake, attention = self.fake.clone().requires_grad_(), self.attention.clone().requires_grad_()
        losses.dynamic_pixel_loss(self.real, fake, attention, 0.5).backward()
        assert attention.grad is None
        torch.testing.assert_close(fake.grad.flatten(), torch.tensor([-0.7 / 2, 1.1 / 2]))

    def test_with_a_large_beta_it_is_plain_l1(self):
        loss = losses.dynamic_pixel_loss(self.real, self.fake, self.attention, 1e6) / 1e6
        assert loss.item() == pytest.approx((self.real - self.fake).abs().mean().item(), rel=1e-5)

    def test_equal_pictures_cost_nothing(self):
        assert losses.dynamic_pixel_loss(self.real, self.real, self.attention, 0.5) == 0


class TestGradientLoss:
    def test_a_constant_shift_costs_nothing(self):
        real = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        assert losses.gradient_loss(real, real + 0.3, torch.ones(2, 1, 16, 16)) == pytest.approx(0, abs=1e-6)

    def test_a_step_by_hand(self):
        """A vertical edge of height 1 in the middle of 4×4: one of three steps along x, none along y."""
        real = torch.zeros(1, 1, 4, 4)
        real[..., 2:] = 1
        loss = losses.gradient_loss(real, torch.zeros_like(real), torch.ones(1, 1, 4, 4), scales=1)
        assert loss.item() == pytest.approx(1 / 3)
        turned = losses.gradient_loss(real.mT, torch.zeros_like(real), torch.ones(1, 1, 4, 4), scales=1)
        assert turned.item() == pytest.approx(1 / 3)

    def test_scales_are_averaged(self):
        """At half the size the edge is the only step along x: (1/3 + 1) / 2."""
        real = torch.zeros(1, 1, 4, 4)
        real[..., 2:] = 1
        loss = losses.gradient_loss(real, torch.zeros_like(real), torch.ones(1, 1, 4, 4), scales=2)
        assert loss.item() == pytest.approx((1 / 3 + 1) / 2)

    def test_the_weight_counts(self):
        real = torch.zeros(1, 1, 4, 4)
        real[..., 2:] = 1
        loss = losses.gradient_loss(real, torch.zeros_like(real), torch.full((1, 1, 4, 4), 5.0), scales=1)
        assert loss.item() == pytest.approx(5 / 3)

    def test_blur_costs_more_than_a_shift_of_brightness(self):
        real = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        blurred = torch.nn.functional.avg_pool2d(real, 5, stride=1, padding=2)
        weight = torch.ones(1, 1, 32, 32)
        assert losses.gradient_loss(real, blurred, weight) > 0.1


class TestTextureLoss:
    """How much detail there is within a window counts, not where it lies."""

    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 4, 4)

    def test_by_hand(self):
        """Three steps of 1 along each row, one fewer than pixels: a mean size of 3/4 across and 0 down."""
        loss = losses.texture_loss(self.stripes, torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4), window=4)
        assert loss.item() == pytest.approx(0.75)
        turned = losses.texture_loss(self.stripes.mT, torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4), window=4)
        assert turned.item() == pytest.approx(0.75)

    def test_detail_may_lie_elsewhere_in_the_window(self):
        assert losses.texture_loss(self.stripes, 1 - self.stripes, torch.ones(1, 1, 4, 4), window=4) == 0

    def test_a_blur_costs_where_the_weight_is(self):
        torch.manual_seed(0)
        real = torch.rand(1, 3, 16, 16)
        blurred = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
        weight = torch.zeros(1, 1, 16, 16)
        assert losses.texture_loss(real, blurred, weight) == 0
        weight[..., 8:] = 1
        assert losses.texture_loss(real, blurred, weight) > 0.05


class TestAdversary:
    def test_regression_by_hand(self):
        """One mouth point 8 pixels off: 8² · 10 in one of 136 numbers, in units of 64²."""
        true = torch.zeros(1, 1, 68, 2)
        predicted = true.clone()
        predicted[0, 0, 50, 1] = 8
        expected = 64 * 10 / 136 / 64**2
        assert losses.landmark_regression(predicted, true).item() == pytest.approx(expected)

    def test_points_off_the_mouth_weigh_one(self):
        true = torch.zeros(1, 1, 68, 2)
        predicted = true.clone()
        predicted[0, 0, 8, 0] = 8
        assert losses.landmark_regression(predicted, true).item() == pytest.approx(64 / 136 / 64**2)

    @pytest.mark.parametrize(
        ("score", "real", "expected"),
        [
            (0.0, True, math.log(2)),
            (0.0, False, math.log(2)),
            (2.0, True, math.log(1 + math.exp(-2))),
            (2.0, False, math.log(1 + math.exp(2))),
        ],
    )
    def test_adversarial_by_hand(self, score, real, expected):
        assert losses.adversarial(torch.tensor([score]), real).item() == pytest.approx(expected)


class TestCodes:
    predicted = torch.tensor([[[0.0], [1.0], [3.0]]])
    true = torch.tensor([[[0.0], [2.0], [2.0]]])

    def test_code_loss_by_hand(self):
        assert losses.code_loss(self.predicted, self.true).item() == pytest.approx((0 + 1 + 1) / 3)

    def test_velocity_loss_by_hand(self):
        """Steps 1, 2 against 2, 0."""
        assert losses.velocity_loss(self.predicted, self.true).item() == pytest.approx((1 + 2) / 2)

    def test_a_constant_offset_has_no_velocity(self):
        assert losses.velocity_loss(self.true + 5, self.true) == 0

    def test_sparsity_is_the_mean_attention(self):
        attention = torch.tensor([0.2, 0.6]).reshape(1, 1, 1, 2).requires_grad_()
        loss = losses.attention_sparsity(attention)
        loss.backward()
        assert loss.item() == pytest.approx(0.4)
        assert (attention.grad == 0.5).all()  # here the gradient must flow


class TestMouthBox:
    @pytest.fixture
    def landmarks(self) -> torch.Tensor:
        """A mouth from (50, 84) to (78, 100): 28 wide, 16 high, centred on (64, 92)."""
        points = torch.full((68, 2), 20.0)
        points[MOUTH] = torch.tensor([64.0, 92.0])
        points[48, 0], points[54, 0], points[51, 1], points[57, 1] = 50, 78, 84, 100
        return points

    def test_the_sides_by_hand(self, landmarks):
        """Without margin: columns 50..78 and, the height being more than half of the width, rows 84..100."""
        box = losses.mouth_box(landmarks, 128, margin=0.0)
        assert box.shape == (1, 128, 128)
        expected = torch.zeros(128, 128)
        expected[84:101, 50:79] = 1
        assert torch.equal(box[0], expected)

    def test_the_margin_widens_each_half_by_its_share(self, landmarks):
        """Half sides 14 · 1.5 = 21 and 8 · 1.5 = 12."""
        expected = torch.zeros(128, 128)
        expected[80:105, 43:86] = 1
        assert torch.equal(losses.mouth_box(landmarks, 128, margin=0.5)[0], expected)

    def test_a_closed_mouth_gets_half_its_width_as_height(self, landmarks):
        landmarks[51, 1] = landmarks[57, 1] = 92
        expected = torch.zeros(128, 128)
        expected[85:100, 50:79] = 1  # 92 ± 7
        assert torch.equal(losses.mouth_box(landmarks, 128, margin=0.0)[0], expected)

    def test_there_is_one_box_per_frame(self, landmarks):
        boxes = losses.mouth_box(torch.stack([landmarks, landmarks + 10])[None], 128, margin=0.0)
        assert boxes.shape == (1, 2, 1, 128, 128)
        assert torch.equal(boxes[0, 1, 0, 94:111, 60:89], torch.ones(17, 29))
        assert boxes[0, 1].sum() == 17 * 29
