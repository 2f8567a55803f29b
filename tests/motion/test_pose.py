"""Head pose: signs as in DESIGN 2, rotations, and refusal of angles nobody could be turned by."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvg.errors import BadSettingError
from atvg.motion.pose import MAX_DEGREES, Pose, angles_of, head_centre, turn_points

NOSE_TIP, CHIN, RIGHT_TEMPLE, LEFT_TEMPLE = 30, 8, 0, 16  # right and left of the person; x grows to the viewer's right


def turned(face: np.ndarray, **angles: float) -> np.ndarray:
    return turn_points(face, head_centre(face), Pose(**angles))


class TestSigns:
    """Pixels: x right, y down, depth away from the viewer."""

    def test_positive_yaw_turns_the_face_to_the_viewers_right(self, face68):
        assert turned(face68, yaw=20)[NOSE_TIP, 0] > face68[NOSE_TIP, 0] + 5
        assert turned(face68, yaw=-20)[NOSE_TIP, 0] < face68[NOSE_TIP, 0] - 5

    def test_positive_yaw_brings_the_viewers_left_side_nearer(self, face68):
        moved = turned(face68, yaw=20)
        assert moved[RIGHT_TEMPLE, 2] < moved[LEFT_TEMPLE, 2]

    def test_positive_pitch_makes_it_look_down(self, face68):
        moved = turned(face68, pitch=20)
        assert moved[NOSE_TIP, 1] > face68[NOSE_TIP, 1]
        assert turned(face68, pitch=-20)[NOSE_TIP, 1] < face68[NOSE_TIP, 1]
        assert moved[CHIN, 2] > face68[CHIN, 2]  # the chin goes back towards the chest

    def test_positive_roll_tilts_counter_clockwise_as_seen(self, face68):
        moved = turned(face68, roll=20)
        assert moved[LEFT_TEMPLE, 1] < face68[LEFT_TEMPLE, 1]  # what lies on the viewer's right goes up
        assert moved[RIGHT_TEMPLE, 1] > face68[RIGHT_TEMPLE, 1]
        assert moved[CHIN, 0] > face68[CHIN, 0]  # and the chin swings to the right


class TestByHand:
    """A point 10 nearer than the head's centre, turned by 30°: sin 30° = ½, cos 30° = 0.866."""

    near = np.array([[0.0, 0.0, -10.0]])
    origin = np.zeros(3)

    @pytest.mark.parametrize(
        ("pose", "expected"),
        [
            (Pose(yaw=30), (5, 0, -8.660254)),
            (Pose(pitch=30), (0, 5, -8.660254)),
            (Pose(roll=30), (0, 0, -10)),
            (Pose(yaw=-30), (-5, 0, -8.660254)),
        ],
    )
    def test_one_angle(self, pose, expected):
        np.testing.assert_allclose(turn_points(self.near, self.origin, pose), [expected], atol=1e-6)

    def test_roll_of_a_point_to_the_right(self):
        moved = turn_points(np.array([[10.0, 0, 0]]), self.origin, Pose(roll=30))
        np.testing.assert_allclose(moved, [[8.660254, -5, 0]], atol=1e-6)

    def test_two_turns_of_45_degrees_are_one_of_90(self):
        half = Pose(yaw=45)
        moved = turn_points(turn_points(self.near, self.origin, half), self.origin, half)
        np.testing.assert_allclose(moved, [[10, 0, 0]], atol=1e-9)

    def test_roll_comes_first_and_yaw_last(self):
        expected = Pose(yaw=10).matrix() @ Pose(pitch=20).matrix() @ Pose(roll=30).matrix()
        np.testing.assert_allclose(Pose(yaw=10, pitch=20, roll=30).matrix(), expected, atol=1e-12)

    def test_the_centre_stays(self, face68):
        centre = head_centre(face68)
        np.testing.assert_allclose(centre, [64, 52, 30])
        np.testing.assert_allclose(turn_points(centre[None], centre, Pose(40, 30, 20)), centre[None])

    def test_distances_stay(self, face68):
        moved = turned(face68, yaw=33, pitch=-12, roll=7)
        before, after = (np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (face68, moved))
        np.testing.assert_allclose(before, after, atol=1e-9)

    def test_clips_are_turned_frame_by_frame(self, face68):
        clip = np.stack([face68, face68 + 1])
        moved = turn_points(clip, head_centre(face68), Pose(yaw=15))
        np.testing.assert_allclose(moved[0], turned(face68, yaw=15))


class TestMatrix:
    @pytest.mark.parametrize("angles", [(0, 0, 0), (20, -10, 5), (-60, 60, 60), (1e-3, 45, -45)])
    def test_angles_are_read_back(self, angles):
        np.testing.assert_allclose(angles_of(Pose(*angles).matrix()), angles, atol=1e-9)

    def test_angles_of_a_stack(self):
        poses = [Pose(10, 20, 30), Pose(-5, 0, 5), Pose(0, 1, 2), Pose()]
        stack = np.stack([pose.matrix() for pose in poses]).reshape(2, 2, 3, 3)
        np.testing.assert_allclose(angles_of(stack)[1, 0], [0, 1, 2], atol=1e-9)
        assert angles_of(stack).shape == (2, 2, 3)

    def test_roll_comes_first_then_pitch_then_yaw(self):
        yaw, pitch, roll = 25, -40, 13
        turn = Rotation.from_euler("zxy", [roll, pitch, yaw], degrees=True).as_matrix()
        flip = np.diag([1, -1, -1])
        np.testing.assert_allclose(Pose(yaw, pitch, roll).matrix(), flip @ turn @ flip, atol=1e-12)

    def test_it_is_a_rotation(self):
        matrix = Pose(25, -40, 13).matrix()
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)

    def test_no_angle_is_the_identity(self):
        np.testing.assert_allclose(Pose().matrix(), np.eye(3), atol=1e-15)


class TestPose:
    def test_it_is_false_only_when_nothing_turns(self):
        assert not Pose()
        assert not Pose(0, 0.0, np.float32(0))
        assert Pose(yaw=1) and Pose(pitch=-1) and Pose(roll=0.1)

    @pytest.mark.parametrize("name", ["yaw", "pitch", "roll"])
    @pytest.mark.parametrize("value", [61, -61, 1e9, float("nan"), float("inf"), "10", None, True, [10]])
    def test_other_angles_are_refused_by_name(self, name, value, refuses):
        with refuses(BadSettingError, name):
            Pose(**{name: value})

    @pytest.mark.parametrize("value", [MAX_DEGREES, -MAX_DEGREES, 0, 12.5, np.float64(3), np.int32(-7)])
    def test_numbers_within_the_limit_are_taken(self, value):
        assert Pose(yaw=value).yaw == value
