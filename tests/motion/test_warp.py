"""Pictures bent by control points that move."""

import numpy as np
import pytest
import torch

from atvg.motion.warp import border, spline_shift, warp
from tests import synthetic

SIZE = 128
INSIDE = np.s_[..., 16:-16, 16:-16]


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Two smooth pictures of different range, (2, 3, 128, 128)."""
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bicubic") * torch.tensor([1, 0.3]).view(2, 1, 1, 1)


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """The landmarks of a face and the picture's edge, (2, 100, 2)."""
    face = torch.tensor(synthetic.face68()[:, :2], dtype=torch.float32)
    return torch.cat([face, border(SIZE)]).expand(2, -1, -1)


def spoken(points: torch.Tensor) -> torch.Tensor:
    """The mouth 6 lower and the brows of the second face 4 higher."""
    moved = points.clone()
    moved[:, 48:68, 1] += 6
    moved[1, 17:27, 1] -= 4
    return moved


def dot(x: int, y: int) -> torch.Tensor:
    """A white spot, 5 pixels across, on black, (1, 1, 128, 128)."""
    picture = torch.zeros(1, 1, SIZE, SIZE)
    picture[..., y - 2 : y + 3, x - 2 : x + 3] = 1
    return picture


def centre_of(picture: torch.Tensor) -> tuple[float, float]:
    weights = picture[0, 0] / picture.sum()
    ticks = torch.arange(SIZE, dtype=torch.float32)
    return float((weights.sum(dim=0) * ticks).sum()), float((weights.sum(dim=1) * ticks).sum())


class TestShift:
    """`spline_shift` by itself; the picture's side is the unit."""

    def test_unmoved_points_shift_nothing(self, points):
        shift = spline_shift(points / SIZE, points / SIZE, torch.rand(50, 2))
        assert shift.shape == (2, 50, 2)
        np.testing.assert_allclose(shift, 0, atol=1e-6)

    def test_an_affine_movement_of_all_points_is_that_of_every_place(self, points):
        """Sources = 0.9 · targets + (0.1, −0.05): at (0.5, 0.2) the source lies 0.05 right and 0.07 above."""
        targets = points[:1] / SIZE
        shift = spline_shift(0.9 * targets + torch.tensor([0.1, -0.05]), targets, torch.tensor([[0.5, 0.2], [1.0, 0]]))
        np.testing.assert_allclose(shift[0], [[0.05, -0.07], [0, -0.05]], atol=1e-5)

    def test_near_a_control_point_it_is_the_points_own_within_the_smoothing(self, points):
        targets = spoken(points)[:1] / SIZE
        shift = spline_shift(points[:1] / SIZE, targets, targets) * SIZE
        wanted = points[:1] - spoken(points)[:1]
        assert (shift - wanted).abs().max() < 0.6  # of 6 pixels
        assert (shift - wanted).abs().mean() < 0.15

    def test_places_of_their_own_for_each_picture(self, points):
        places, targets = torch.rand(2, 9, 2, generator=torch.Generator().manual_seed(1)), spoken(points) / SIZE
        both = spline_shift(points / SIZE, targets, places)
        for i in range(2):
            alone = spline_shift(points[i : i + 1] / SIZE, targets[i : i + 1], places[i])
            torch.testing.assert_close(both[i : i + 1], alone, atol=1e-6, rtol=0)


class TestWarp:
    def test_unmoved_points_leave_the_picture(self, pictures, points):
        torch.testing.assert_close(warp(pictures, points, points), pictures, atol=1e-4, rtol=0)

    @pytest.mark.parametrize(("right", "down"), [(5, 0), (0, -3), (-4, 7)])
    def test_points_that_all_shift_shift_the_picture_by_just_as_much(self, pictures, points, right, down):
        moved = warp(pictures, points, points + torch.tensor([float(right), float(down)]))
        expected = pictures.roll((down, right), dims=(2, 3))
        torch.testing.assert_close(moved[INSIDE], expected[INSIDE], atol=2e-4, rtol=0)

    def test_what_comes_from_beyond_the_edge_repeats_it(self, pictures, points):
        moved = warp(pictures, points, points + torch.tensor([6.0, 0.0]))
        torch.testing.assert_close(
            moved[:, :, 16:-16, :4], pictures[:, :, 16:-16, :1].expand(-1, -1, -1, 4), atol=1e-3, rtol=0
        )

    @pytest.mark.parametrize(("which", "by"), [(8, (0.0, 5.0)), (57, (-3.0, 5.0)), (30, (4.0, -2.0))])
    def test_what_lies_at_a_control_point_goes_where_the_point_goes(self, points, which, by):
        """Chin, lower lip and nose tip, with their nearest neighbours so that the spot is carried, not stretched."""
        start = points[0, which].round()
        sources = points[:1].clone()
        sources[0, which] = start
        near = (sources[0, :68] - start).norm(dim=1) < 12
        targets = sources.clone()
        targets[0, :68][near] += torch.tensor(by)
        moved = warp(dot(*start.int().tolist()), sources, targets)
        np.testing.assert_allclose(centre_of(moved), start + torch.tensor(by), atol=0.2 * np.hypot(*by))

    def test_the_edge_stays(self, pictures, points):
        moved = warp(pictures, points, spoken(points))
        change = (moved - pictures).abs()
        rim = torch.ones(SIZE, SIZE, dtype=torch.bool)
        rim[2:-2, 2:-2] = False
        assert change[..., rim].max() < 0.05
        assert change[..., 85:100, 50:78].max() > 0.2

    def test_values_stay_in_the_range_of_their_own_picture(self, points):
        """Cubic interpolation of hard edges overshoots."""
        hard = torch.zeros(2, 1, SIZE, SIZE)
        hard[..., ::4, :], hard[..., 1::4, :] = 1, 1
        hard[1] = 5 - 10 * hard[1]
        moved = warp(hard, points, spoken(points))
        for before, after in zip(hard, moved, strict=True):
            assert after.min() >= before.min() and after.max() <= before.max()

    def test_pictures_of_a_batch_do_not_meet(self, points):
        """Their ranges neither: the faint one is cut off at its own extremes, whatever lies beside it."""
        hard = torch.zeros(2, 1, SIZE, SIZE)
        hard[..., ::4, :], hard[..., 1::4, :] = 1, 1
        hard[0] *= 0.1
        both = warp(hard, points, spoken(points))
        for i in range(2):
            alone = warp(hard[i : i + 1], points[i : i + 1], spoken(points)[i : i + 1])
            torch.testing.assert_close(both[i : i + 1], alone, atol=1e-3, rtol=0)

    def test_in_mixed_precision_it_is_the_same(self, pictures, points):
        plain = warp(pictures, points, spoken(points))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = warp(pictures, points, spoken(points))
        assert mixed.dtype == torch.float32
        torch.testing.assert_close(mixed, plain, atol=1e-5, rtol=0)

    def test_double_precision_is_taken_too(self, pictures, points):
        moved = warp(pictures.double(), points.double(), spoken(points).double())
        assert moved.dtype == torch.float32
        torch.testing.assert_close(moved, warp(pictures, points, spoken(points)), atol=1e-5, rtol=0)

    def test_no_gradient_passes(self, pictures, points):
        moved = warp(pictures.clone().requires_grad_(), points, spoken(points).requires_grad_())
        assert not moved.requires_grad


class TestBorder:
    def test_by_hand(self):
        """Two points a side, each side from its own corner on, clockwise."""
        expected = [(0, 0), (4, 0), (8, 0), (8, 4), (8, 8), (4, 8), (0, 8), (0, 4)]
        np.testing.assert_allclose(border(9, count=2), expected)

    def test_it_has_four_times_the_count_and_no_point_twice(self):
        edge = border(SIZE)
        assert edge.shape == (32, 2) and len(edge.unique(dim=0)) == 32
        assert ((edge == 0) | (edge == SIZE - 1)).any(dim=1).all()
