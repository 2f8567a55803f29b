"""Augmentation keeps pictures and landmarks together."""

import numpy as np
import pytest
import torch

from atvg.data.augment import mirror, move, shift_colours
from atvg.face.landmarks import FLIP


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def landmarks(face68) -> torch.Tensor:
    face = torch.tensor(face68[:, :2], dtype=torch.float32)
    return torch.stack([torch.stack([face + i, face + i + 1]) for i in range(3)])


def with_dot(x: float, y: float) -> torch.Tensor:
    """A soft bright dot on black at a landmark."""
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    dot = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.0**2))
    return (dot * 2 - 1).expand(1, 1, 3, 128, 128)


def centre_of_light(picture: torch.Tensor) -> tuple[float, float]:
    light = picture[0] + 1
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    return float((light * columns).sum() / light.sum()), float((light * rows).sum() / light.sum())


ALL, NONE = torch.tensor([True] * 3), torch.tensor([False] * 3)


class TestMirror:
    def test_twice_is_the_identity(self, images, landmarks):
        twice = mirror(*mirror(images, landmarks, ALL), ALL)
        assert torch.equal(twice[0], images)
        torch.testing.assert_close(twice[1], landmarks)

    def test_landmarks_move_with_the_pixels(self, face68):
        """The dot on the right mouth corner ends on the point that is now called the left one."""
        points = torch.tensor(face68[:, :2], dtype=torch.float32)[None, None]
        points[0, 0, 48] = torch.tensor([50.0, 90.0])
        pictures, moved = mirror(with_dot(50, 90), points, torch.tensor([True]))
        assert FLIP[54] == 48
        np.testing.assert_allclose(moved[0, 0, 54], [77, 90])
        np.testing.assert_allclose(centre_of_light(pictures[0, 0]), (77, 90), atol=1e-2)

    def test_only_the_chosen_are_mirrored(self, images, landmarks):
        chosen = torch.tensor([False, True, False])
        pictures, points = mirror(images, landmarks, chosen)
        assert torch.equal(pictures[0], images[0]) and torch.equal(points[2], landmarks[2])
        assert torch.equal(pictures[1], images[1].flip(-1))

    def test_none_chosen_changes_nothing(self, images, landmarks):
        pictures, points = mirror(images, landmarks, NONE)
        assert torch.equal(pictures, images) and torch.equal(points, landmarks)


class TestMove:
    @pytest.mark.parametrize("seed", range(8))
    def test_landmarks_stay_on_their_pixels(self, seed):
        points = torch.full((1, 1, 68, 2), 64.0)
        points[0, 0, 7] = torch.tensor([40.0, 85.0])
        pictures, moved = move(with_dot(40, 85), points, np.random.default_rng(seed), share=1.0)
        np.testing.assert_allclose(centre_of_light(pictures[0, 0]), moved[0, 0, 7], atol=0.2)
        assert torch.linalg.norm(moved[0, 0, 7] - points[0, 0, 7]) > 0.3

    def test_all_frames_of_a_sample_move_alike(self, landmarks):
        pictures = with_dot(40, 85).expand(3, 2, 3, 128, 128)
        moved_pictures, moved = move(pictures, landmarks, np.random.default_rng(0), share=1.0)
        torch.testing.assert_close(moved_pictures[:, 0], moved_pictures[:, 1])
        assert (moved_pictures[0] - moved_pictures[1]).abs().max() > 0.1  # but samples differ
        steps = torch.linalg.norm(moved[:, 1] - moved[:, 0], dim=-1)  # both frames' points lie (1, 1) apart
        torch.testing.assert_close(steps, steps[:, :1].expand(-1, 68), atol=1e-3, rtol=0)

    def test_a_share_of_0_changes_nothing(self, images, landmarks):
        pictures, points = move(images, landmarks, np.random.default_rng(0), share=0.0)
        assert torch.equal(pictures, images) and torch.equal(points, landmarks)

    def test_about_the_share_asked_for_is_moved(self):
        images, landmarks = torch.zeros(200, 1, 3, 128, 128), torch.full((200, 1, 68, 2), 30.0)
        _, points = move(images, landmarks, np.random.default_rng(0), share=0.3)
        assert 40 <= (points != landmarks).any(dim=-1).any(dim=-1).sum() <= 80

    def test_the_inputs_are_not_changed(self, images, landmarks):
        before = images.clone(), landmarks.clone()
        move(images, landmarks, np.random.default_rng(0), share=1.0)
        assert torch.equal(images, before[0]) and torch.equal(landmarks, before[1])

    def test_pixels_stay_in_range(self, images, landmarks):
        pictures, _ = move(images, landmarks, np.random.default_rng(0), share=1.0)
        assert pictures.abs().max() <= 1


def spread(pictures: torch.Tensor) -> torch.Tensor:
    """How colourful each sample is: (B, T, 3, H, W) → (B,)."""
    return (pictures.amax(dim=2) - pictures.amin(dim=2)).flatten(1).amax(dim=1)


class TestColours:
    @pytest.mark.parametrize("films", [{}, {"grey": 1.0}, {"toned": 1.0}], ids=["colours", "grey", "toned"])
    def test_photo_and_frames_of_a_sample_change_alike(self, images, films):
        alike = images[:, :1].expand_as(images)
        shifted = shift_colours(alike, np.random.default_rng(0), 1.0, **films)
        torch.testing.assert_close(shifted[:, 0], shifted[:, 1])
        same = images[:1].expand_as(images)
        shifted = shift_colours(same, np.random.default_rng(0), 1.0, **films)
        assert (shifted[0] - shifted[1]).abs().max() > 0.05  # but samples differ

    def test_a_strength_of_0_changes_nothing(self, images):
        assert torch.equal(shift_colours(images, np.random.default_rng(0), 0.0), images)

    def test_beside_grey_samples_of_strength_0_the_others_stay(self, images):
        mixed = shift_colours(images.repeat(20, 1, 1, 1, 1), np.random.default_rng(0), 0.0, grey=0.5)
        coloured = spread(mixed) > 1e-5
        assert 20 <= coloured.sum() <= 40
        torch.testing.assert_close(mixed[coloured], images.repeat(20, 1, 1, 1, 1)[coloured])

    @pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
    def test_pixels_stay_in_range(self, images, strength):
        assert shift_colours(images, np.random.default_rng(0), strength, 0.3, 0.3).abs().max() <= 1

    def test_the_inputs_are_not_changed(self, images):
        before = images.clone()
        shift_colours(images, np.random.default_rng(0), 1.0, 0.3, 0.3)
        assert torch.equal(images, before)

    def test_grey_pictures_have_equal_channels(self, images):
        assert spread(shift_colours(images, np.random.default_rng(0), 1.0, grey=1.0)).max() < 1e-5

    def test_toned_pictures_are_one_hue_from_dark_to_light(self, images):
        """Each channel is a rising function of the brightness alone, but not the same one."""
        ramp = torch.linspace(-0.8, 0.5, 128).expand(3, 1, 3, 128, 128)
        toned = shift_colours(ramp, np.random.default_rng(0), 0.0, toned=1.0)
        assert (toned.diff(dim=-1) >= 0).all() and (spread(toned) > 0.02).all()
        saturated = ramp * torch.tensor([1.0, 0.2, -0.5])[:, None, None]
        luma = torch.tensor([0.299, 0.587, 0.114])
        brightness = (saturated * luma[:, None, None]).sum(dim=2, keepdim=True).expand_as(ramp)
        torch.testing.assert_close(
            shift_colours(saturated, np.random.default_rng(0), 0.0, toned=1.0),
            shift_colours(brightness, np.random.default_rng(0), 0.0, toned=1.0),
        )

    def test_the_shares_asked_for_are_monochrome(self):
        """A red ramp stays red unless it is on grey film, or takes the film's tone."""
        red = torch.linspace(-1, 1, 16).expand(400, 1, 3, 16, 16) * torch.tensor([1.0, 0, 0])[:, None, None]
        shifted = shift_colours(red, np.random.default_rng(0), 0.2, grey=0.2, toned=0.3)
        assert (spread(shifted) < 1e-5).float().mean() == pytest.approx(0.2, abs=0.05)
        # A tone is the same for all hues: with the brightness of the red, a blue looks like it.
        blue = red.flip(2) * (0.299 / 0.114)
        other = shift_colours(blue, np.random.default_rng(0), 0.2, grey=0.2, toned=0.3)
        assert ((shifted - other).flatten(1).abs().amax(dim=1) < 1e-5).float().mean() == pytest.approx(0.5, abs=0.06)

    def test_all_that_photographs_differ_in_is_drawn(self):
        """Brightness, warmth and saturation of a skin tone, and how much lighter one side is than the other."""
        skin = torch.tensor([0.4, 0.0, -0.2])[:, None, None].expand(200, 1, 3, 16, 16)
        shifted = shift_colours(skin, np.random.default_rng(0), 1.0)
        red, green, blue = shifted.mean(dim=(1, 3, 4)).unbind(dim=1)
        assert green.min() < -0.2 and green.max() > 0.2
        warmth = red - blue
        assert warmth.min() < 0.2 and warmth.max() > 0.8
        sides = shifted[..., 0].mean(dim=(1, 2, 3)) - shifted[..., -1].mean(dim=(1, 2, 3))
        assert sides.min() < -0.2 and sides.max() > 0.2 and sides.mean().abs() < 0.05

    def test_flat_pictures_stay_smooth(self):
        """Neither softness nor the light makes edges, at the borders neither."""
        shifted = shift_colours(torch.full((50, 1, 3, 32, 32), 0.1), np.random.default_rng(0), 1.0)
        assert shifted.diff(dim=-1).abs().max() < 0.05 and shifted.diff(dim=-1).diff(dim=-1).abs().max() < 0.01

    def test_some_samples_are_softened_and_some_sharpened(self, images):
        """Of white noise, neighbours differ as much as pixels that lie further apart: less once it is softened."""
        noise = (images[:1, :1] * 0.2).expand(100, 1, 3, 128, 128)
        shifted = shift_colours(noise, np.random.default_rng(0), 1.0)
        near, far = (shifted[..., n:] - shifted[..., :-n] for n in (1, 4))
        ratio = near.abs().mean(dim=(1, 2, 3, 4)) / far.abs().mean(dim=(1, 2, 3, 4))
        assert ratio.min() < 0.96 and ratio.max() > 1.04
        assert ratio.median() == pytest.approx(1, abs=0.01)

    def test_the_same_generator_draws_the_same(self, images):
        one, other = (shift_colours(images, np.random.default_rng(4), 1.0, 0.1, 0.1) for _ in range(2))
        assert torch.equal(one, other)
