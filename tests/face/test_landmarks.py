"""Index sets of the 68 points."""

import numpy as np
import pytest

from atvg.face import landmarks as lm


def test_flipping_twice_changes_nothing():
    np.testing.assert_array_equal(lm.FLIP[lm.FLIP], np.arange(68))


@pytest.mark.parametrize("group", ["JAW", "NOSE_BRIDGE", "NOSE_BASE", "MOUTH", "OUTER_LIP", "INNER_LIP", "RIGID"])
def test_flipping_keeps_symmetric_groups(group):
    points = getattr(lm, group)
    assert set(lm.FLIP[points]) == set(points)


def test_flipping_swaps_eyes_and_brows():
    assert set(lm.FLIP[lm.RIGHT_EYE]) == set(lm.LEFT_EYE)
    assert set(lm.FLIP[lm.RIGHT_BROW]) == set(lm.LEFT_BROW)


def test_flipping_keeps_upper_and_lower_lips_apart():
    assert set(lm.FLIP[lm.INNER_UPPER]) == set(lm.INNER_UPPER)
    assert set(lm.FLIP[lm.INNER_LOWER]) == set(lm.INNER_LOWER)
    assert set(lm.FLIP[lm.OUTER_UPPER]) == set(lm.OUTER_UPPER)


def test_only_the_midline_lies_on_itself():
    fixed = np.flatnonzero(lm.FLIP == np.arange(68))
    assert set(fixed) == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}


def test_the_groups_cover_every_point_once():
    groups = (
        lm.JAW, lm.RIGHT_BROW, lm.LEFT_BROW, lm.NOSE_BRIDGE, lm.NOSE_BASE,
        lm.RIGHT_EYE, lm.LEFT_EYE, lm.OUTER_LIP, lm.INNER_LIP,
    )  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(groups), np.arange(68))


def test_lip_pairs_lie_one_above_the_other(face68):
    for upper, lower in ((lm.INNER_UPPER, lm.INNER_LOWER), (lm.OUTER_UPPER, lm.OUTER_LOWER)):
        np.testing.assert_allclose(face68[upper, 0], face68[lower, 0])
        assert (face68[upper, 1] <= face68[lower, 1]).all()


def test_mesh_points_are_distinct_but_for_the_inner_lip():
    assert lm.MESH_TO_68.shape == (68,) and 0 <= lm.MESH_TO_68.min() and lm.MESH_TO_68.max() < 478
    outside = lm.MESH_TO_68[:60]
    assert len(set(outside)) == 60


def test_mouth_opening_by_hand(face68):
    assert lm.mouth_opening(face68) == pytest.approx(0)
    opened = face68.copy()
    opened[67] += [3, 4, 0]  # the three pairs open by 5, 6 and 1: their mean is 4
    opened[66, 1] += 6
    opened[65, 1] += 1
    assert lm.mouth_opening(opened) == pytest.approx(4)
    np.testing.assert_allclose(lm.mouth_opening(np.stack([face68, opened])), [0, 4])


def test_mouth_opening_ignores_depth(face68):
    deeper = face68.copy()
    deeper[66, 2] += 50
    assert lm.mouth_opening(deeper) == pytest.approx(0)


def test_five_points_by_hand(face68):
    expected = [[48, 149 / 3], [80, 149 / 3], [64, 77], [52, 89], [76, 89]]
    np.testing.assert_allclose(lm.five_points(face68)[:, :2], expected)
