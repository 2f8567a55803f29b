"""The face of a photo, and turning its head."""

import numpy as np
import pytest

from atvg.errors import FaceTooSmallError, NoFaceError, SeveralFacesError
from atvg.face.crop import TEMPLATE
from atvg.face.detection import Detection, FaceDetector
from atvg.face.face import Face, read_face
from atvg.face.landmarks import five_points
from atvg.motion.pose import Pose, head_centre
from atvg.motion.turn import turn_face


class Finds(FaceDetector):
    """A detector that finds what it is told."""

    name = "stand-in"

    def __init__(self, *faces: np.ndarray):
        self.faces = [Detection(points, points) for points in faces]

    def detect(self, image: np.ndarray) -> list[Detection]:
        return self.faces


@pytest.fixture(scope="module")
def face(astronaut, astronaut_face) -> Face:
    return Face(astronaut, astronaut_face.landmarks, astronaut_face.mesh)


def test_the_crop_and_its_landmarks_fit_each_other(face):
    assert face.crop.shape == (128, 128, 3) and face.crop.dtype == np.uint8
    assert np.abs(five_points(face.crop_landmarks)[:, :2] - TEMPLATE).max() < 8  # she smiles: her mouth is wide


def test_no_face(astronaut, refuses):
    with refuses(NoFaceError, "no face"):
        read_face(astronaut, Finds())


def test_two_faces_of_one_size_compete(astronaut, astronaut_face, refuses):
    points = astronaut_face.landmarks
    with refuses(SeveralFacesError, "2 faces") as caught:
        read_face(astronaut, Finds(points, points * [0.9, 0.9, 0.9]))
    assert [len(box) for box in caught.value.boxes] == [4, 4]


def test_a_small_face_in_the_background_does_not_compete(astronaut, astronaut_face):
    points = astronaut_face.landmarks
    assert read_face(astronaut, Finds(points, points * [0.3, 0.3, 0.3])).landmarks is points


def test_a_tiny_face(astronaut, astronaut_face, refuses):
    with refuses(FaceTooSmallError, "px"):
        read_face(astronaut, Finds(astronaut_face.landmarks * 0.1))


def test_no_turn_is_the_same_face(face):
    assert turn_face(face, Pose()) is face


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [(Pose(yaw=20), 0, 1), (Pose(yaw=-20), 0, -1), (Pose(pitch=15), 1, 1), (Pose(pitch=-15), 1, -1)],
)
def test_a_turn_moves_the_nose_against_the_temples(face, mediapipe, pose, axis, sign):
    """In the landmarks and, as an independent look at the turned picture finds, in the pixels too."""
    turned = turn_face(face, pose)
    (seen,) = mediapipe.detect(turned.photo)

    def nose(landmarks: np.ndarray) -> float:
        return float((landmarks[30] - head_centre(landmarks))[axis])

    assert sign * (nose(turned.landmarks) - nose(face.landmarks)) > 5
    assert sign * (nose(seen.landmarks) - nose(face.landmarks)) > 5


def test_positive_roll_tilts_counter_clockwise_as_seen(face, mediapipe):
    (seen,) = mediapipe.detect(turn_face(face, Pose(roll=15)).photo)

    def slope(landmarks: np.ndarray) -> float:
        across = landmarks[45] - landmarks[36]
        return float(np.degrees(np.arctan2(-across[1], across[0])))

    assert slope(seen.landmarks) - slope(face.landmarks) == pytest.approx(15, abs=3)


def test_a_turn_leaves_the_far_background_alone(face, astronaut):
    turned = turn_face(face, Pose(yaw=20)).photo
    assert np.array_equal(turned[300:], astronaut[300:])
    assert not np.array_equal(turned[:200, 150:300], astronaut[:200, 150:300])
