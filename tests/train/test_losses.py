"""The training losses, against numbers worked out by hand."""

import math

import pytest
import torch

from atvg.face.landmarks import MOUTH
from atvg.train import losses


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

    def test_plain_l1_is_its_limit_divided_by_beta(self):
        weight = torch.tensor([4.0, 1.0]).reshape(1, 1, 1, 2)
        limit = losses.dynamic_pixel_loss(self.real, self.fake, self.attention, 1e6, weight) / 1e6
        plain = losses.pixel_loss(self.real, self.fake, weight)
        assert plain.item() == pytest.approx((4 * 1 + 0.5) / 2) == pytest.approx(limit.item(), rel=1e-5)

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


class TestSpeech:
    """One window of one code, of which a unit opens the lips by 2: errors 0, −1, 1 with mean 0."""

    predicted = torch.tensor([[[0.0], [1.0], [3.0]]])
    true = torch.tensor([[[0.0], [2.0], [2.0]]])
    opening = torch.tensor([2.0])
    rest = torch.tensor([[0.0]])

    def costs(self, predicted=None, own=0.0, inside=(1.0, 1.0, 1.0), level=1.0) -> dict[str, float]:
        predicted = self.predicted if predicted is None else predicted
        own, inside = torch.full((1, 1, 1), own), torch.tensor([inside])
        found = losses.speech_losses(predicted, own, self.true, inside, self.rest, self.opening, level)
        assert all(term.shape == (1,) for term in found.values())
        return {name: term.item() for name, term in found.items()}

    def test_codes_and_opening_by_hand(self):
        assert self.costs()["codes"] == pytest.approx(2 / 3)
        assert self.costs()["opening"] == pytest.approx(4 * 2 / 3)

    def test_velocity_by_hand(self):
        """Steps 1, 2 against 2, 0."""
        assert self.costs()["velocity"] == pytest.approx((1 + 4) / 2)

    def test_spread_by_hand(self):
        """Openings 0, 2, 6 against 0, 4, 4: variances 56/9 and 32/9."""
        assert self.costs()["spread"] == pytest.approx(math.sqrt(56 / 9) - math.sqrt(32 / 9), abs=1e-3)

    def test_closure_by_hand(self):
        """True openings 0, 4, 4 above rest: only the first is shut, and the third is missed by 2."""
        assert self.costs()["closure"] == pytest.approx(0, abs=1e-5)
        assert self.costs(self.true + 1)["closure"] == pytest.approx(4 / 3, rel=1e-4)

    def test_what_is_shut_is_told_from_rest(self):
        raised = losses.speech_losses(
            self.true + 1, torch.zeros(1, 1, 1), self.true, torch.ones(1, 3), self.rest - 9, self.opening, 1.0
        )
        assert raised["closure"].item() == pytest.approx(0, abs=1e-5)

    def test_right_codes_cost_nothing(self):
        assert all(cost == pytest.approx(0, abs=1e-6) for cost in self.costs(self.true).values())

    @pytest.mark.parametrize("level", [0.0, 0.2, 1.0])
    def test_a_constant_error_counts_by_its_level(self, level):
        costs = self.costs(self.true + 3, level=level)
        assert costs["codes"] == pytest.approx(9 * level**2, abs=1e-6)
        assert costs["opening"] == pytest.approx(36 * level**2, abs=1e-6)
        assert costs["velocity"] == costs["spread"] == pytest.approx(0, abs=1e-6)
        assert costs["own"] == pytest.approx(3 + 6)

    def test_what_is_not_known_does_not_count(self):
        """Without the last frame: errors 0, −1; one step, 1 against 2."""
        costs = self.costs(inside=(1.0, 1.0, 0.0))
        assert costs["codes"] == pytest.approx(1 / 2) and costs["velocity"] == pytest.approx(1)
        other = self.predicted.clone()
        other[0, 2] = 99
        assert self.costs(other, inside=(1.0, 1.0, 0.0)) == costs

    def test_only_the_constant_learns_from_its_own_term(self):
        moving, own = self.predicted.clone().requires_grad_(), torch.ones(1, 1, 1, requires_grad=True)
        found = losses.speech_losses(moving + own, own, self.true, torch.ones(1, 3), self.rest, self.opening, 1.0)
        found["own"].sum().backward()
        assert moving.grad is None or (moving.grad == 0).all()
        assert own.grad.item() == pytest.approx(1 + 2)

    def test_lips_that_do_not_move_have_a_finite_gradient(self):
        still = torch.zeros(1, 3, 1, requires_grad=True)
        found = losses.speech_losses(
            still, torch.zeros(1, 1, 1), self.true, torch.ones(1, 3), self.rest, self.opening, 1.0
        )
        found["spread"].sum().backward()
        assert torch.isfinite(still.grad).all()

    def test_the_cheapest_lag_is_the_likeliest(self):
        chances = losses.lag_chances(torch.tensor([[1.0, 1.0, 0.2, 1.0, 1.0], [1.0, 1.0, 1.0, 0.2, 1.0]]))
        assert chances.argmax(dim=1).tolist() == [2, 3]
        torch.testing.assert_close(chances.sum(dim=1), torch.ones(2))

    def test_between_equal_lags_the_nearest_is_the_likeliest(self):
        chances = losses.lag_chances(torch.ones(1, 5))[0]
        assert chances[2] > chances[1] == chances[3] > chances[0] == chances[4]

    def test_without_reach_there_is_one(self):
        assert losses.lag_chances(torch.tensor([[5.0], [7.0]])).tolist() == [[1.0], [1.0]]


def test_presence_is_what_attention_lacks_where_it_is_wanted():
    attention, inside = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    attention[..., 0, 0] = 0.5
    assert losses.attention_presence(attention, inside).item() == pytest.approx((0.5 + 1) / 2)
    assert losses.attention_presence(attention, torch.zeros_like(inside)).item() == 0


def test_sparsity_is_the_mean_attention():
    attention = torch.tensor([0.2, 0.6]).reshape(1, 1, 1, 2).requires_grad_()
    loss = losses.attention_sparsity(attention)
    loss.backward()
    assert loss.item() == pytest.approx(0.4)
    assert (attention.grad == 0.5).all()  # here the gradient must flow


def test_with_a_weight_attention_costs_more_where_it_is_heavy():
    attention, weight = torch.tensor([0.2, 0.6]).reshape(1, 1, 1, 2), torch.tensor([1.0, 5.0])
    assert losses.attention_sparsity(attention, weight).item() == pytest.approx((0.2 + 5 * 0.6) / 2)
    assert losses.attention_sparsity(attention, torch.ones(2)) == losses.attention_sparsity(attention)


class TestFarFromFace:
    def test_it_is_0_near_a_landmark_1_far_from_all_and_a_ramp_between(self):
        """All points lie at (20, 64), so that what counts is the distance from there: the ramp is 12 to 28."""
        far = losses.far_from_face(torch.tensor([20.0, 64.0]).expand(68, 2), 128)
        assert far.shape == (1, 128, 128)
        row = far[0, 64]
        assert row[10:31].max() < 0.02 and row[50:].min() > 0.99
        assert row[40] == pytest.approx(0.5, abs=0.03) and far[0, 84, 20] == pytest.approx(0.5, abs=0.03)
        assert (row[20:].diff() >= 0).all()

    def test_any_landmark_is_near(self):
        points = torch.full((68, 2), 20.0)
        points[67] = 100.0
        far = losses.far_from_face(points, 128)[0]
        assert far[20, 20] == far[100, 100] == 0 and far[60, 60] == 1

    def test_there_is_one_map_per_frame(self, face68):
        face = torch.tensor(face68[:, :2], dtype=torch.float32)
        both = losses.far_from_face(torch.stack([face, face + 9])[None], 128)
        assert both.shape == (1, 2, 1, 128, 128)
        assert torch.equal(both[0, 0], losses.far_from_face(face, 128))
        assert not torch.equal(both[0, 0], both[0, 1])

    def test_the_face_itself_is_not_far(self, face68):
        """Nor what its jaw carries along; the corners of the picture are."""
        face = torch.tensor(face68[:, :2], dtype=torch.float32)
        far = losses.far_from_face(face, 128)[0]
        x, y = face.round().int().unbind(dim=-1)
        assert far[y.long().clamp(0, 127), x.long()].max() == 0 and far[64, 64] == 0
        assert min(far[0, 0], far[0, 127], far[127, 0], far[127, 127]) == 1


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


class TestSyncLosses:
    """Two looks of one clip, and the sounds of their frames with one more on either side."""

    def test_by_hand(self):
        likeness = torch.tensor([[[0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 3.0, 0.0]]])
        cost = losses.sync_losses(likeness, torch.tensor([[1, 2]]), reach=1, near=0)[
            0, 1
        ]  # at lag 0 look 0 belongs to sound 1, look 1 to 2
        among_sounds = [math.log(math.exp(2) + 2 + math.e) - 2, math.log(math.exp(3) + 3) - 3]
        among_looks = [math.log(math.exp(2) + 1) - 2, math.log(math.exp(3) + 1) - 3]
        assert cost.item() == pytest.approx((sum(among_sounds) + sum(among_looks)) / 4)

    def test_neighbours_are_no_wrong_answers(self):
        likeness = torch.tensor([[[0.0, 2.0, 9.0, 1.0], [9.0, 9.0, 3.0, 9.0]]])
        cost = losses.sync_losses(likeness, torch.tensor([[1, 2]]), reach=1, near=1)[0, 1]
        among_sounds = [math.log(math.exp(2) + math.e) - 2, math.log(math.exp(3) + math.exp(9)) - 3]
        assert cost.item() == pytest.approx(sum(among_sounds) / 4)  # each sound has one look left, its own

    @pytest.mark.parametrize("lag", [0, 1, 2, 3, 4])
    def test_the_lag_that_fits_is_the_cheapest(self, lag):
        likeness, places = torch.zeros(1, 4, 10), torch.tensor([2, 3, 5, 7])
        likeness[0, torch.arange(4), places + lag - 2] = 5.0
        assert losses.sync_losses(likeness, places[None], reach=2).argmin().item() == lag
