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


class TestColours:
    def test_photo_and_frames_of_a_sample_change_alike(self):
        grey = torch.zeros(3, 2, 3, 128, 128)
        shifted = shift_colours(grey, np.random.default_rng(0), 0.15)
        torch.testing.assert_close(shifted[:, 0], shifted[:, 1])
        assert (shifted[0] - shifted[1]).abs().max() > 0.01

    def test_a_strength_of_0_changes_nothing(self, images):
        torch.testing.assert_close(shift_colours(images, np.random.default_rng(0), 0.0), images)

    def test_pixels_stay_in_range(self, images):
        assert shift_colours(images, np.random.default_rng(0), 0.5).abs().max() <= 1

    def test_the_strength_bounds_the_change(self, images):
        """Gain and offset each differ by at most 4/3 of the strength, for pixels of at most 1."""
        change = (shift_colours(images, np.random.default_rng(0), 0.15) - images).abs().max()
        assert 0.01 < change <= 2 * 4 / 3 * 0.15 + 1e-6
