"""Turning the head of a photo: landmarks as rigid 3-D points, pixels by a warp that leaves the background."""

import cv2
import numpy as np
import pytest

from atvg.face.crop import warp_to_crop
from atvg.face.face import Face
from atvg.face.landmarks import RIGID
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.motion.turn import turn_face, turn_of

POSES = [Pose(yaw=8), Pose(pitch=-6), Pose(roll=5), Pose(-6, 4, -3)]


@pytest.fixture(scope="module")
def face(astronaut, astronaut_face) -> Face:
    return Face(astronaut, astronaut_face.landmarks, astronaut_face.mesh)


def spotted(face68: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A grey photo, 400 × 400, with a soft dark spot."""
    y, x = np.mgrid[:400, :400]
    spot = 150 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 4.0**2))
    return np.repeat((200 - spot).round().astype(np.uint8)[..., None], 3, axis=2)


def spot_of(photo: np.ndarray) -> np.ndarray:
    """Where the spot lies: (x, y)."""
    dark = np.clip(190 - photo[..., 0].astype(float), 0, None)
    y, x = np.mgrid[: len(photo), : photo.shape[1]]
    return np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()


@pytest.mark.parametrize("pose", POSES, ids=str)
class TestTurn:
    def test_landmarks_are_the_turned_3d_points(self, face, pose):
        expected = turn_points(face.landmarks, head_centre(face.landmarks), pose)
        np.testing.assert_allclose(turn_of(face, pose).landmarks, expected)

    def test_the_crop_is_turned_as_the_photo_is(self, face, pose):
        """But for one resampling more or less; left unturned it would be far off."""
        turn = turn_of(face, pose)
        direct = turn.of_crop(face.crop, face.matrix).astype(float)
        through_photo = warp_to_crop(turn.of_photo(face.photo), face.matrix).astype(float)
        middle = np.s_[16:-16, 16:-16]
        assert direct.shape == (128, 128, 3)
        off = np.abs(direct - through_photo)[middle].mean()
        assert off < 2.5
        assert off < 0.5 * np.abs(face.crop - through_photo)[middle].mean()

    def test_far_background_stays_bit_for_bit(self, face, pose):
        turned = turn_of(face, pose).of_photo(face.photo)
        assert turned.shape == face.photo.shape and turned.dtype == np.uint8
        middle = face.landmarks[:, :2].mean(axis=0)
        radius = np.linalg.norm(face.landmarks[:17, :2] - middle, axis=1).max()
        y, x = np.mgrid[: len(turned), : turned.shape[1]]
        far = np.hypot(x - middle[0], y - middle[1]) > 2.7 * radius
        assert far.mean() > 0.3
        np.testing.assert_array_equal(turned[far], face.photo[far])
        assert (turned[~far] != face.photo[~far]).mean() > 0.2


def test_the_given_photo_is_not_changed(face):
    before = face.photo.copy()
    turn_of(face, Pose(yaw=10)).of_photo(face.photo)
    np.testing.assert_array_equal(face.photo, before)


def test_no_turn_changes_nothing(face):
    turn = turn_of(face, Pose())
    np.testing.assert_array_equal(turn.of_photo(face.photo), face.photo)
    np.testing.assert_array_equal(turn.of_crop(face.crop, face.matrix), face.crop)


@pytest.mark.parametrize("pose", [Pose(yaw=8), Pose(yaw=-5, pitch=4), Pose(roll=6)], ids=str)
@pytest.mark.parametrize("which", [30, 48, 36, 8])
def test_what_lies_at_a_landmark_goes_where_the_landmark_goes(face68, which, pose):
    """A spot on the nose tip, a mouth corner, an eye corner and the chin of a face drawn by hand."""
    points = 1.5 * face68 + [100, 100, 0]
    face = Face(spotted(face68, points[which]), points, points)
    turn = turn_of(face, pose)
    found = spot_of(turn.of_photo(face.photo))
    moved = turn.landmarks[which, :2] - points[which, :2]
    np.testing.assert_allclose(found, points[which, :2] + moved, atol=0.35 * np.linalg.norm(moved) + 0.5)
    assert np.dot(found - points[which, :2], moved) > 0 or np.linalg.norm(moved) < 0.5


def test_a_small_turn_and_its_opposite_bring_the_head_back(face):
    there = turn_face(face, Pose(yaw=6))
    back = turn_face(there, Pose(yaw=-6))
    np.testing.assert_allclose(back.landmarks[RIGID], face.landmarks[RIGID], atol=0.5)
    low, high = face.landmarks[:, :2].min(axis=0).astype(int), face.landmarks[:, :2].max(axis=0).astype(int)
    inside = np.s_[low[1] : high[1], low[0] : high[0]]

    def off(photo: np.ndarray) -> float:
        return float(np.abs(cv2.GaussianBlur(photo, (0, 0), 1.5)[inside].astype(float) - soft).mean())

    soft = cv2.GaussianBlur(face.photo, (0, 0), 1.5)[inside].astype(float)
    assert off(back.photo) < 0.5 * off(there.photo)


@pytest.mark.parametrize("shift", [(-60, 0), (0, -70), (330, 330), (500, 500)])
def test_a_face_at_or_beyond_the_edge_of_the_photo(face68, shift):
    photo = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    points = face68 + [*shift, 0]
    turned = turn_of(Face(photo, points, points), Pose(yaw=10)).of_photo(photo)
    assert turned.shape == photo.shape
