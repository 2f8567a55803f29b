"""Similarity transforms of the plane."""

import numpy as np
import pytest

from atvg.face import geometry

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
# Twice as large, a quarter turn that takes x to y, then 10 right and 20 down.
QUARTER_TURN = np.array([[0.0, -2.0, 10.0], [2.0, 0.0, 20.0]])


def test_apply_by_hand():
    np.testing.assert_allclose(geometry.apply(QUARTER_TURN, SQUARE), [[10, 20], [10, 24], [6, 24], [6, 20]], atol=1e-12)


def test_depth_is_scaled_along():
    moved = geometry.apply(QUARTER_TURN, np.array([[2.0, 0.0, 3.0]]))
    np.testing.assert_allclose(moved, [[10, 24, 6]], atol=1e-12)


def test_apply_takes_one_matrix_per_frame():
    shift = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 7.0]])
    moved = geometry.apply(np.stack([QUARTER_TURN, shift]), np.stack([SQUARE, SQUARE]))
    np.testing.assert_allclose(moved[0], geometry.apply(QUARTER_TURN, SQUARE))
    np.testing.assert_allclose(moved[1], SQUARE + [5, 7])


def test_fit_recovers_a_known_similarity(face68):
    target = geometry.apply(QUARTER_TURN, face68[:, :2])
    np.testing.assert_allclose(geometry.fit_similarity(face68, target), QUARTER_TURN, atol=1e-9)


def test_fit_never_mirrors():
    fitted = geometry.fit_similarity(SQUARE, SQUARE * [-1, 1])
    assert np.linalg.det(fitted[:, :2]) >= 0


def test_points_without_weight_do_not_count():
    target = geometry.apply(QUARTER_TURN, SQUARE)
    target[3] += 1000
    fitted = geometry.fit_similarity(SQUARE, target, np.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(fitted, QUARTER_TURN, atol=1e-9)


def test_weights_pull_the_fit_towards_their_points():
    target = SQUARE.copy()
    target[0] += [1, 0]
    residuals = [
        np.linalg.norm(geometry.apply(geometry.fit_similarity(SQUARE, target, weights), SQUARE)[0] - target[0])
        for weights in (np.array([1.0, 1, 1, 1]), np.array([10.0, 1, 1, 1]))
    ]
    assert residuals[1] < residuals[0] / 2


def test_the_scale_of_weights_does_not_matter():
    target = SQUARE + np.array([[0.3, 0], [0, 0.1], [0.2, 0], [0, 0]])
    weights = np.array([1.0, 2, 3, 4])
    np.testing.assert_allclose(
        geometry.fit_similarity(SQUARE, target, weights), geometry.fit_similarity(SQUARE, target, 100 * weights)
    )


def test_scale_by_hand():
    assert geometry.scale_of(QUARTER_TURN) == pytest.approx(2.0)


def test_invert_undoes(face68):
    points = face68[:, :2]
    there_and_back = geometry.apply(geometry.invert(QUARTER_TURN), geometry.apply(QUARTER_TURN, points))
    np.testing.assert_allclose(there_and_back, points, atol=1e-9)


def test_compose_applies_first_then_second(face68):
    points = face68[:, :2]
    second = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 7.0]])
    np.testing.assert_allclose(
        geometry.apply(geometry.compose(second, QUARTER_TURN), points),
        geometry.apply(second, geometry.apply(QUARTER_TURN, points)),
        atol=1e-9,
    )


def test_compose_takes_stretches_too():
    """Similarities of the plane commute but for their shifts; stretching x and a quarter turn do not."""
    stretch = np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(geometry.compose(stretch, QUARTER_TURN), [[0, -6, 30], [2, 0, 20]], atol=1e-12)
    np.testing.assert_allclose(geometry.compose(QUARTER_TURN, stretch), [[0, -2, 10], [6, 0, 20]], atol=1e-12)


def test_composing_with_the_inverse_is_the_identity():
    for product in (
        geometry.compose(QUARTER_TURN, geometry.invert(QUARTER_TURN)),
        geometry.compose(geometry.invert(QUARTER_TURN), QUARTER_TURN),
    ):
        np.testing.assert_allclose(product, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
