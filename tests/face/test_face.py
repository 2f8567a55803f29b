"""From a photo to the one face in it, or to the reason why not."""

import numpy as np
import pytest

from atvg.errors import BadImageError, FaceTooSmallError, NoFaceError, SeveralFacesError
from atvg.face import geometry
from atvg.face.crop import canonical_transform
from atvg.face.detector import Detection, FaceDetector
from atvg.face.face import MIN_EYE_DISTANCE, read_face
from atvg.pose import Pose

PHOTO = np.full((400, 400, 3), 90, np.uint8)


class Finds(FaceDetector):
    """Finds the faces it is given."""

    name = "finds"

    def __init__(self, *faces: np.ndarray):
        self.found = [Detection(face.astype(np.float32), face.astype(np.float32)) for face in faces]

    def detect(self, image: np.ndarray) -> list[Detection]:
        return self.found


class TestReading:
    def test_the_astronaut(self, astronaut, astronaut_path, mediapipe):
        for photo in (astronaut, astronaut_path, str(astronaut_path)):
            face = read_face(photo, mediapipe)
            np.testing.assert_array_equal(face.photo, astronaut)
            assert face.landmarks.shape == (68, 3) and face.mesh.shape == (478, 3)
            assert face.crop.shape == (128, 128, 3) and face.crop.dtype == np.uint8

    def test_crop_landmarks_are_the_photos_seen_through_the_matrix(self, astronaut, mediapipe):
        face = read_face(astronaut, mediapipe)
        np.testing.assert_allclose(face.matrix, canonical_transform(face.landmarks))
        np.testing.assert_allclose(face.crop_landmarks, geometry.apply(face.matrix, face.landmarks), rtol=1e-5)
        assert face.crop_landmarks.dtype == np.float32

    def test_nobody(self, refuses):
        with refuses(NoFaceError):
            read_face(PHOTO, Finds())

    def test_a_bad_photo_is_told_before_anybody_looks(self, refuses):
        with refuses(BadImageError):
            read_face("no/such.jpg", Finds())

    def test_two_people_of_one_size_are_both_named(self, face68, refuses):
        with refuses(SeveralFacesError, "2 faces") as caught:
            read_face(PHOTO, Finds(face68 * 1.5, face68 + [150, 0, 0]))
        np.testing.assert_allclose(caught.value.boxes, [(45, 55.5, 102, 109.5), (180, 37, 68, 73)], atol=2)

    def test_a_small_face_in_the_background_does_not_compete(self, face68):
        face = read_face(PHOTO, Finds(face68 * 2, face68))
        np.testing.assert_allclose(face.landmarks, face68 * 2, rtol=1e-6)

    def test_two_real_people(self, astronaut, hopper, mediapipe, refuses):
        small = hopper[::2, ::2]  # about as large as the astronaut
        both = np.concatenate([astronaut, np.pad(small, ((0, 512 - len(small)), (0, 0), (0, 0)))], axis=1)
        with refuses(SeveralFacesError) as caught:
            read_face(both, mediapipe)
        assert len(caught.value.boxes) == 2

    def test_a_face_of_too_few_pixels(self, face68, refuses):
        """The outer eye corners of the drawn face are 44 pixels apart."""
        with refuses(FaceTooSmallError, "17 px"):
            read_face(PHOTO, Finds(face68 * 17 / 44))
        assert read_face(PHOTO, Finds(face68 * (MIN_EYE_DISTANCE + 0.5) / 44))


class TestTurning:
    def test_without_a_pose_it_is_the_same_face(self, astronaut, mediapipe):
        face = read_face(astronaut, mediapipe)
        assert face.turned(Pose()) is face

    @pytest.mark.parametrize(("name", "axis"), [("yaw", 0), ("pitch", 1)])
    @pytest.mark.parametrize("degrees", [-20, 20])
    def test_the_turned_photo_shows_the_features_where_the_turned_landmarks_are(
        self, astronaut, mediapipe, name, axis, degrees
    ):
        face = read_face(astronaut, mediapipe)
        turned = face.turned(Pose(**{name: degrees}))
        found = mediapipe.detect(turned.photo)[0].landmarks
        inner = np.r_[17:68]  # the outline of a turned head is another line of the skin
        assert np.linalg.norm(found[inner, :2] - turned.landmarks[inner, :2], axis=1).mean() < 4
        before, after = (points[30] - points[[0, 16]].mean(axis=0) for points in (face.landmarks, found))
        shift = (after - before)[axis]  # of the nose tip against the temples
        assert np.sign(shift) == np.sign(degrees) and abs(shift) > 5

    def test_the_background_stays(self, astronaut, mediapipe):
        face = read_face(astronaut, mediapipe)
        turned = face.turned(Pose(yaw=25, pitch=10, roll=10)).photo
        assert turned.shape == astronaut.shape and turned.dtype == np.uint8
        np.testing.assert_array_equal(turned[300:], astronaut[300:])  # her suit, far below the head
        np.testing.assert_array_equal(turned[:, 400:], astronaut[:, 400:])
        assert (turned[60:180, 170:280] != astronaut[60:180, 170:280]).mean() > 0.5

    def test_the_first_face_is_not_changed(self, astronaut, mediapipe):
        face = read_face(astronaut, mediapipe)
        before = face.landmarks.copy()
        face.turned(Pose(yaw=30))
        np.testing.assert_array_equal(face.landmarks, before)
        np.testing.assert_array_equal(face.photo, astronaut)

    @pytest.mark.parametrize("corner", [(0, 0), (280, 280), (-40, 150)])
    def test_a_head_that_is_cut_by_the_photos_edge(self, face68, corner):
        face = read_face(PHOTO, Finds(face68 + [*corner, 0]))
        turned = face.turned(Pose(yaw=40, pitch=-20, roll=15)).photo
        assert (turned == 90).all()  # a plain photo stays plain however it is warped
