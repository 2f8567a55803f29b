"""Looking again: what drawings need, and what is still no face."""

import cv2
import numpy as np
import pytest

from atvg.face.detection import Detection
from atvg.face.landmarks import five_points
from atvg.face.looks import Look, close_up, look_again
from tests.synthetic import Drawing

DRAWINGS = [Drawing(seed) for seed in range(12)]


def off(face: Detection, drawing: Drawing) -> float:
    """Median distance of eyes and mouth corners from where they were drawn, in eye distances."""
    apart = np.linalg.norm(drawing.points[1] - drawing.points[0])
    found = five_points(face.landmarks[:, :2])
    return float(np.median(np.linalg.norm(found - drawing.points, axis=1)[[0, 1, 3, 4]] / apart))


class TestDrawings:
    @pytest.mark.parametrize("drawing", DRAWINGS)
    def test_a_drawn_face_is_found_where_it_was_drawn(self, mediapipe, drawing):
        faces = mediapipe.detect(drawing.picture)
        assert len(faces) == 1 and off(faces[0], drawing) < 0.2

    def test_one_that_fills_the_picture_is_found_more_often_than_not(self, mediapipe):
        found = 0
        for drawing in DRAWINGS:
            low, high = (drawing.points.min(axis=0) - 30).astype(int), (drawing.points.max(axis=0) + 30).astype(int)
            faces = mediapipe.detect(np.ascontiguousarray(drawing.picture[low[1] : high[1], low[0] : high[0]]))
            moved = [Detection(face.landmarks + [*low, 0], face.mesh) for face in faces]
            found += any(off(face, drawing) < 0.2 for face in moved)
        assert found > len(DRAWINGS) / 2

    def test_a_small_one_is_found(self, mediapipe):
        picture = np.full((800, 1200, 3), DRAWINGS[0].picture[0, 0], np.uint8)
        picture[600:760, 900:1060] = cv2.resize(DRAWINGS[0].picture, (160, 160), interpolation=cv2.INTER_AREA)
        (face,) = mediapipe.detect(picture)
        x, y, width, height = face.box
        assert 900 < x < x + width < 1060 and 600 < y < y + height < 760


def pencil(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.pencilSketch(picture, sigma_s=60, sigma_r=0.07, shade_factor=0.05)[0], cv2.COLOR_GRAY2RGB)


def two_tone(picture: np.ndarray) -> np.ndarray:
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 2)
    return np.where(grey[..., None] > 110, 255, 0).astype(np.uint8).repeat(3, axis=2)


def flat(picture: np.ndarray) -> np.ndarray:
    return cv2.medianBlur(picture, 9) // 64 * 64 + 32


@pytest.mark.parametrize(
    ("portrait", "paint"),
    [
        ("astronaut", cv2.stylization),
        ("astronaut", cv2.edgePreservingFilter),
        ("astronaut", pencil),
        ("astronaut", flat),
        ("hopper", flat),
        ("hopper", two_tone),
    ],
)
def test_a_painted_portrait_is_found_where_the_photo_is(mediapipe, portrait, paint, request):
    photo = request.getfixturevalue(portrait)
    true = mediapipe.detect(photo)[0].landmarks
    (face,) = mediapipe.detect(paint(photo.copy()))
    assert np.linalg.norm((face.landmarks - true)[:, :2], axis=1).mean() < 0.12 * np.linalg.norm(true[45] - true[36])


@pytest.mark.parametrize("name", ["coffee", "brick", "moon", "text", "grass", "rocket"])
def test_things_are_no_faces(mediapipe, name):
    from skimage import data

    picture = getattr(data, name)()
    assert mediapipe.detect(np.ascontiguousarray(np.broadcast_to(picture.T, (3, *picture.T.shape[-2:])).T)) == []


class TestLook:
    """With a detector that finds one red spot."""

    @staticmethod
    def spot(image: np.ndarray) -> list[Detection]:
        y, x = np.argwhere(image[..., 0] > 15.0 + image[..., 1]).mean(axis=0)
        points = np.array([[x, y, 8.0]], np.float32)
        return [Detection(points, points)]

    @pytest.mark.parametrize("look", [Look((50, 50), 40), Look((100, 60), 900), close_up((40, 40, 20, 10))])
    @pytest.mark.parametrize("soft", [False, True])
    def test_what_it_finds_is_in_pixels_of_the_whole_picture(self, look, soft):
        picture = np.zeros((120, 200, 3), np.uint8)
        picture[49:56, 49:56, 0] = 255
        (face,) = Look(look.centre, look.side, soft).find(picture, self.spot)
        np.testing.assert_allclose(face.landmarks[0, :2], [52, 52], atol=0.3 if look.side < 100 else 1)

    def test_depth_is_scaled_along(self):
        picture = np.full((64, 64, 3), (255, 0, 0), np.uint8)
        (face,) = Look((32, 32), 64).find(picture, self.spot)
        assert face.landmarks[0, 2] == pytest.approx(0.8)

    def test_a_face_that_no_close_up_confirms_does_not_count(self, face68):
        asked = []

        def fickle(image: np.ndarray) -> list[Detection]:
            asked.append(image)
            points = face68 + [40 * (len(asked) % 3), 0, 0]
            return [Detection(points, points)]

        assert look_again(np.zeros((128, 128, 3), np.uint8), fickle) == []
        assert len(asked) > 10
