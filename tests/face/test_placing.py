"""Placing a face by hand."""

import numpy as np
import pytest

from atvg.errors import BadSettingError, FaceTooSmallError, NoFaceError, SeveralFacesError
from atvg.face.detection import Detection, FaceDetector
from atvg.face.face import Face, read_face
from atvg.face.landmarks import five_points
from atvg.face.placing import anchors, parse_place
from tests.synthetic import Drawing, Robot


class Blind(FaceDetector):
    """Finds nobody."""

    name = "blind"

    def detect(self, image: np.ndarray) -> list[Detection]:
        return []


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot()


@pytest.fixture(scope="module")
def both(astronaut, hopper) -> np.ndarray:
    """Collins on the left, Hopper on the right."""
    return np.concatenate([astronaut, hopper[:512]], axis=1)


class TestBox:
    def test_it_chooses_one_of_several_faces(self, mediapipe, astronaut, refuses):
        twins = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
        with refuses(SeveralFacesError, "box") as caught:
            read_face(twins, mediapipe)
        for box in caught.value.boxes:
            assert np.abs(np.subtract(outline(read_face(twins, mediapipe, box=box)), box)).max() < 0.1 * box[2]

    def test_it_chooses_the_smaller_one_too(self, mediapipe, both):
        for found in mediapipe.detect(both):
            face = read_face(both, mediapipe, box=found.box)
            assert np.linalg.norm((face.landmarks - found.landmarks)[:, :2], axis=1).mean() < 0.03 * found.box[2]

    def test_a_loose_box_will_do(self, mediapipe, astronaut, astronaut_face):
        x, y, width, height = astronaut_face.box
        loose = (x - 0.2 * width, y - 0.4 * height, 1.4 * width, 1.5 * height)
        face = read_face(astronaut, mediapipe, box=loose)
        assert np.linalg.norm((face.landmarks - astronaut_face.landmarks)[:, :2], axis=1).mean() < 3

    def test_without_a_detection_the_mean_face_fills_it(self, robot, face68):
        face = read_face(robot.picture, Blind(), box=robot.box, template=face68)
        np.testing.assert_allclose(outline(face), robot.box, atol=1e-3)
        assert face.mesh is face.landmarks and face.landmarks.shape == (68, 3)
        assert face.crop.shape == (128, 128, 3)

    def test_a_face_elsewhere_is_not_taken(self, mediapipe, astronaut, face68):
        box = (300.0, 300.0, 100.0, 110.0)
        np.testing.assert_allclose(outline(read_face(astronaut, mediapipe, box=box, template=face68)), box, atol=1e-3)

    def test_without_template_and_detection_there_is_no_face(self, robot, refuses):
        with refuses(NoFaceError):
            read_face(robot.picture, Blind(), box=robot.box)

    def test_a_tiny_one_is_too_small(self, robot, face68, refuses):
        with refuses(FaceTooSmallError, "px"):
            read_face(robot.picture, Blind(), box=(100, 100, 12, 12), template=face68)

    def test_it_may_reach_over_the_border(self, robot, face68):
        read_face(robot.picture, Blind(), box=(-30, -10, 180, 185), template=face68)

    @pytest.mark.parametrize(
        ("box", "words"),
        [
            ((1, 2, 3), "4 numbers"),
            ((1, 2, 3, 4, 5), "4 numbers"),
            ((1, 2, float("nan"), 4), "4 numbers"),
            ((1, 2, float("inf"), 4), "4 numbers"),
            ("1,2,3,4", "4 numbers"),
            ((1, 2, "wide", 4), "4 numbers"),
            ((True, False, True, True), "4 numbers"),
            (([1], 2, 3, 4), "4 numbers"),
            (5, "4 numbers"),
            ((50, 50, 0, 90), "smaller than a pixel"),
            ((50, 50, 80, -90), "smaller than a pixel"),
            ((3e198, 0, 2e-210, 2e-210), "smaller than a pixel"),
            ((50, 50, 20, 200), "too narrow"),
            ((400, 50, 80, 90), "outside the photo of 360×300"),
            ((330, 50, 100, 90), "outside the photo"),
            ((-1e9, -1e9, 2e9, 2e9), "outside the photo"),
        ],
    )
    def test_a_bad_one_is_refused(self, robot, face68, box, words, refuses):
        with refuses(BadSettingError, words):
            read_face(robot.picture, Blind(), box=box, template=face68)


class TestPoints:
    @pytest.mark.parametrize("shape", [(5, 2), (10,)])
    def test_without_a_detection_the_mean_face_meets_them(self, robot, face68, shape):
        face = read_face(robot.picture, Blind(), points=robot.points.reshape(shape), template=face68)
        np.testing.assert_allclose(anchors(face.landmarks[:, :2]), robot.points, atol=1e-3)

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("degrees", [0, 40, 180])
    def test_all_of_it_is_taken_along(self, seed, degrees, face68):
        """Eyes and brows stay above the nose, nose above lips, lips above chin, and left stays left."""
        drawing = Drawing(seed)
        turn = np.exp(1j * np.radians(degrees))
        spun = (drawing.points - 200) @ [1, 1j] * turn
        points = np.stack([spun.real, spun.imag], axis=1) + 200
        face = read_face(drawing.picture, Blind(), points=points, template=face68)
        upright = (face.landmarks[:, :2] - 200) @ [1, 1j] / turn
        x, y = upright.real, upright.imag
        assert y[17:27].max() < y[36:48].max() < y[30] < y[48:68].min() + 5 < y[48:68].max() < y[8]
        assert x[0] < x[36] < x[39] < x[42] < x[45] < x[16] and x[48] < x[51] < x[54]

    def test_they_choose_one_of_two_faces(self, mediapipe, both, face68):
        for found in mediapipe.detect(both):
            rough = anchors(found.landmarks[:, :2]) + [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1]]
            face = read_face(both, mediapipe, points=rough, template=face68)
            assert len(face.mesh) == 478
            assert np.linalg.norm((face.landmarks - found.landmarks)[:, :2], axis=1).mean() < 4

    def test_a_detection_that_disagrees_is_not_taken(self, mediapipe, astronaut, astronaut_face, face68):
        lower = anchors(astronaut_face.landmarks[:, :2]) + [0, 25]
        face = read_face(astronaut, mediapipe, points=lower, template=face68)
        np.testing.assert_allclose(anchors(face.landmarks[:, :2]), lower, atol=1e-3)

    def test_with_a_box_too_it_is_not_clear_what_counts(self, robot, refuses):
        with refuses(BadSettingError, "one of them"):
            read_face(robot.picture, Blind(), box=robot.box, points=robot.points)

    def test_without_template_and_detection_there_is_no_face(self, robot, refuses):
        with refuses(NoFaceError):
            read_face(robot.picture, Blind(), points=robot.points)

    def test_tiny_ones_are_too_small(self, robot, face68, refuses):
        with refuses(FaceTooSmallError):
            read_face(robot.picture, Blind(), points=robot.points * 0.1 + 50, template=face68)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda p: p[:4], "10 numbers"),
            (lambda p: [*p.tolist(), [1]], "10 numbers"),
            (lambda p: p * np.nan, "10 numbers"),
            (lambda p: p + 400, "outside the photo of 360×300"),
            (lambda p: p - 120, "outside the photo"),
            (lambda p: p[[1, 0, 2, 4, 3]], "mirrored"),
            (lambda p: p[[1, 0, 2, 3, 4]], "mirrored"),
            (lambda p: p[[0, 1, 2, 4, 3]], "mirrored"),
            (lambda p: p * [1, -1] + [0, 300], "upside down"),
            (lambda p: p[[0, 0, 2, 3, 4]], "the same"),
            (lambda p: p[[0, 1, 2, 3, 3]], "the same"),
            (lambda p: p * [1, 0.05] + [0, 50], "do not lie like"),
            (lambda p: p[[0, 1, 2, 3, 4]] + [[0, 0], [0, 0], [0, 70], [0, 0], [0, 0]], "do not lie like"),
        ],
    )
    def test_bad_ones_are_refused(self, robot, face68, change, words, refuses):
        with refuses(BadSettingError, words):
            read_face(robot.picture, Blind(), points=change(robot.points), template=face68)


class TestTyped:
    def test_numbers_between_commas(self):
        assert parse_place("1, 2.5,-3 ,4e1", None) == {"box": [1, 2.5, -3, 40]}
        assert parse_place(None, "1,2", scale=0.5) == {"points": [0.5, 1]}
        assert parse_place(None, None) == {}

    @pytest.mark.parametrize("text", ["", "here", "1,,2,3", "1 2 3 4", "1;2;3;4"])
    def test_anything_else_is_refused(self, text, refuses):
        with refuses(BadSettingError, "width"):
            parse_place(text, None)
        with refuses(BadSettingError, "mouth"):
            parse_place(None, text)


def test_the_robot_is_a_fair_example(mediapipe, robot, refuses):
    """It looks like no face to the detector, which is what placing by hand is for."""
    with refuses(NoFaceError, "box"):
        read_face(robot.picture, mediapipe)


def outline(face: Face) -> tuple[float, float, float, float]:
    return Detection(face.landmarks, face.mesh).box


def test_anchors_are_the_five_points_but_for_the_tip_of_the_nose(face68):
    np.testing.assert_array_equal(anchors(face68)[[0, 1, 3, 4]], five_points(face68)[[0, 1, 3, 4]])
    assert np.array_equal(anchors(face68)[2], face68[30])
