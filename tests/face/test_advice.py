"""What is said about a photo before any work: nothing of good ones, and of bad ones what is wrong with them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from atvg.face import geometry
from atvg.face.advice import KINDS, advise
from atvg.face.face import Face, read_face
from atvg.face.landmarks import JAW, LEFT_EYE, MOUTH, RIGHT_EYE
from atvg.motion.pose import Pose
from atvg.motion.turn import turn_face
from tests import synthetic


@pytest.fixture(scope="module", params=["astronaut", "hopper"])
def face(request, mediapipe) -> Face:
    return read_face(request.getfixturevalue(request.param), mediapipe)


@pytest.fixture
def kinds_of(mediapipe):
    """Kinds of advice about a face, or about a photo that is read anew."""

    def look(photo: np.ndarray | Face) -> list[str]:
        found = photo if isinstance(photo, Face) else read_face(np.ascontiguousarray(photo), mediapipe)
        return [advice.kind for advice in advise(found)]

    return look


def eye_distance(face: Face) -> float:
    return float(np.linalg.norm(face.landmarks[36, :2] - face.landmarks[45, :2]))


def painted(photo: np.ndarray, outline: np.ndarray, colour) -> np.ndarray:
    result = photo.copy()
    cv2.fillPoly(result, [np.round(outline * 16).astype(np.int32)], tuple(map(int, colour)), cv2.LINE_AA, 4)
    return result


def box(points: np.ndarray, wide: float, high: float) -> np.ndarray:
    """Corners of the box around points, (4, 2), `wide` and `high` times its size."""
    low, high_corner = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    half = (high_corner - low) / 2 * [wide, high]
    return (low + high_corner) / 2 + half * [[-1, -1], [1, -1], [1, 1], [-1, 1]]


def skin_colour(face: Face) -> np.ndarray:
    x, y = face.landmarks[29, :2].round().astype(int)
    return np.median(face.photo[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3), axis=0)


def sunglasses(face: Face) -> np.ndarray:
    photo = face.photo.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        centre = face.landmarks[eye, :2].mean(axis=0)
        radius = 0.29 * eye_distance(face)
        lens = [[np.cos(a) * radius, np.sin(a) * 0.7 * radius] for a in np.linspace(0, 2 * np.pi, 40)]
        photo = painted(photo, centre + lens, (35, 30, 28))
    return photo


def masked(face: Face, colour) -> np.ndarray:
    """A mask from the bridge of the nose to below the chin, with three folds."""
    points = face.landmarks[:, :2]
    photo = painted(face.photo, np.concatenate([points[JAW[2:15]], points[[28]]]), colour)
    width = eye_distance(face)
    for share in (0.2, 0.4, 0.6):
        ends = points[33] + np.outer([-0.4, 0.4], [width, 0]) + [0, share * width]
        cv2.line(photo, *ends.round().astype(int).tolist(), tuple(int(0.85 * c) for c in colour), 1, cv2.LINE_AA)
    return photo


def blurred(photo: np.ndarray, face: Face, crop_pixels: float) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), crop_pixels / float(geometry.scale_of(face.matrix)))


def rotated(face: Face, degrees: float) -> np.ndarray:
    centre = tuple(face.landmarks[:, :2].mean(axis=0).tolist())
    return cv2.warpAffine(face.photo, cv2.getRotationMatrix2D(centre, degrees, 1), face.photo.shape[1::-1])


def with_landmarks(face: Face, change) -> Face:
    landmarks = face.landmarks.copy()
    change(landmarks)
    return replace(face, landmarks=landmarks)


class TestGoodPhotos:
    def test_there_is_nothing_to_say(self, face):
        assert advise(face) == []

    def test_nor_of_grey_ones_nor_of_jpegs(self, face, kinds_of):
        grey = cv2.cvtColor(face.photo, cv2.COLOR_RGB2GRAY)
        assert kinds_of(np.repeat(grey[..., None], 3, axis=2)) == []
        coded = cv2.imencode(".jpg", face.photo, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        assert kinds_of(cv2.imdecode(coded, cv2.IMREAD_COLOR)) == []

    def test_nor_of_dimmer_ones(self, face, kinds_of):
        assert kinds_of((face.photo * 0.6).astype(np.uint8)) == []

    def test_a_large_photo_that_is_soft_at_its_own_pixels_is_sharp_enough(self, face, kinds_of):
        large = cv2.resize(face.photo, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        assert kinds_of(cv2.GaussianBlur(large, (0, 0), 1.5)) == []

    def test_a_blurred_background_is_none_of_its_business(self, face, kinds_of):
        mask = painted(np.zeros_like(face.photo), box(face.mesh, 1.3, 1.3), (255, 255, 255))
        assert kinds_of(np.where(mask > 0, face.photo, blurred(face.photo, face, 4))) == []

    @pytest.mark.parametrize("seed", range(6))
    def test_flat_drawings_of_every_skin_colour_are_good(self, seed, mediapipe, face68, kinds_of):
        drawing = synthetic.Drawing(seed)
        assert kinds_of(read_face(drawing.picture, mediapipe, points=drawing.points, template=face68)) == []


class TestHiddenParts:
    def test_sunglasses(self, face, kinds_of):
        assert kinds_of(sunglasses(face)) == ["eyes"]

    @pytest.mark.parametrize("colour", [(0, 0, 0), (90, 140, 60)])
    def test_a_bar_over_the_eyes(self, face, kinds_of, colour):
        assert "eyes" in kinds_of(painted(face.photo, box(face.landmarks[[*RIGHT_EYE, *LEFT_EYE]], 1.3, 3), colour))

    def test_one_eye_hidden(self, face):
        patched = painted(face.photo, box(face.landmarks[LEFT_EYE], 1.6, 3), skin_colour(face))
        assert [advice.kind for advice in advise(replace(face, photo=patched))] == ["eyes"]

    def test_closed_eyes(self, face, kinds_of):
        def close(points: np.ndarray) -> None:
            points[[37, 38, 43, 44]] = points[[41, 40, 47, 46]] - [0, 0.03 * eye_distance(face), 0]

        assert kinds_of(with_landmarks(face, close)) == ["eyes"]

    @pytest.mark.parametrize("colour", [(150, 195, 220), (235, 235, 235), (35, 35, 38)], ids=["blue", "white", "black"])
    def test_a_mask(self, face, kinds_of, colour):
        assert kinds_of(masked(face, colour)) == ["mouth"]

    def test_a_patch_as_of_skin(self, face, kinds_of):
        patch = painted(face.photo, box(face.landmarks[MOUTH], 1.4, 1.8), skin_colour(face))
        assert "mouth" in kinds_of(blurred(patch, face, 0.3))

    def test_a_microphone(self, face, kinds_of):
        foam = face.photo.copy()
        centre = face.landmarks[MOUTH, :2].mean(axis=0).round().astype(int).tolist()
        cv2.circle(foam, centre, round(0.33 * eye_distance(face)), (28, 28, 30), -1, cv2.LINE_AA)
        assert "mouth" in kinds_of(foam)

    def test_both(self, face, kinds_of):
        covered = replace(face, photo=masked(face, (150, 195, 220)))
        assert kinds_of(replace(covered, photo=sunglasses(covered))) == ["mouth", "eyes"]


class TestLight:
    def test_dark(self, face, kinds_of):
        assert kinds_of((face.photo * 0.22).astype(np.uint8)) == ["dark"]

    def test_overexposed(self, face, kinds_of):
        assert kinds_of(np.clip(face.photo * 2.2, 0, 255).astype(np.uint8)) == ["bright"]

    def test_blurred(self, face, kinds_of):
        assert kinds_of(blurred(face.photo, face, 2)) == ["blurred"]

    def test_blurred_in_the_face_alone(self, face, kinds_of):
        mask = painted(np.zeros_like(face.photo), box(face.mesh, 1.2, 1.2), (255, 255, 255))
        assert kinds_of(np.where(mask > 0, blurred(face.photo, face, 2), face.photo)) == ["blurred"]

    def test_blurred_by_movement(self, face, kinds_of):
        length = round(14 / float(geometry.scale_of(face.matrix)))
        assert kinds_of(cv2.blur(face.photo, (1, length))) == ["blurred"]

    def test_enlarged_from_few_pixels(self, face, kinds_of):
        shrink = 32 / 128 * float(geometry.scale_of(face.matrix))
        few = cv2.resize(face.photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        assert kinds_of(cv2.resize(few, face.photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)) == ["blurred"]


class TestGeometry:
    def test_few_pixels_that_are_sharp(self, face, kinds_of):
        shrink = float(geometry.scale_of(face.matrix)) / 2
        assert kinds_of(cv2.resize(face.photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)) == ["small"]

    @pytest.mark.parametrize("pose", [Pose(yaw=40), Pose(yaw=-40), Pose(pitch=40), Pose(pitch=-45)])
    def test_turned(self, face, kinds_of, pose):
        assert "turned" in kinds_of(turn_face(face, pose))

    @pytest.mark.parametrize("pose", [Pose(yaw=10), Pose(yaw=-10), Pose(pitch=8), Pose(pitch=-8), Pose(roll=15)])
    def test_turned_a_little(self, face, kinds_of, pose):
        assert kinds_of(turn_face(face, pose)) == []

    @pytest.mark.parametrize("degrees", [-50, 50])
    def test_tilted(self, face, kinds_of, degrees):
        assert kinds_of(rotated(face, degrees)) == ["tilted"]

    def test_open_mouth(self, face, kinds_of):
        def drop(points: np.ndarray) -> None:
            points[[65, 66, 67, 55, 56, 57, 58, 59]] += [0, 0.3 * eye_distance(face), 0]

        assert "open" in kinds_of(with_landmarks(face, drop))

    @pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
    def test_at_the_very_border(self, face, kinds_of, side):
        """Cut through a temple, the brows or the chin."""
        x, y = face.landmarks[:, 0].round().astype(int), face.landmarks[:, 1].round().astype(int)
        cut = {
            "left": face.photo[:, x[36] - 2 :],
            "right": face.photo[:, : x[45] + 2],
            "top": face.photo[y[19] :],
            "bottom": face.photo[: (2 * y[57] + y[8]) // 3],
        }[side]
        assert "edge" in kinds_of(cut)

    def test_a_face_beyond_the_border_is_not_called_covered(self, face, kinds_of):
        def shift(points: np.ndarray) -> np.ndarray:
            return points - np.float32([0, points[57, 1], 0])

        lower = Face(face.photo, shift(face.landmarks), shift(face.landmarks))
        assert "edge" in kinds_of(lower)
        assert "eyes" not in kinds_of(lower)


class TestAdvice:
    @pytest.fixture(scope="class")
    def everything(self, face) -> list:
        """Of photos that are bad in every way."""

        def spoil(points: np.ndarray) -> None:
            points[[65, 66, 67]] += [0, 0.3 * eye_distance(face), 0]

        photos = [masked(face, (35, 35, 38)), sunglasses(face), face.photo // 6, np.full_like(face.photo, 255)]
        photos.append(blurred(face.photo, face, 3))
        found = [advice for photo in photos for advice in advise(replace(with_landmarks(face, spoil), photo=photo))]
        turn = np.array([[0.2, -0.2, 0], [0.2, 0.2, 0], [0, 0, 0.3]], np.float32)
        turned = turn_face(face, Pose(yaw=50))
        small = Face(face.photo[:20, :20], turned.landmarks @ turn, turned.mesh @ turn)
        return found + advise(small)

    def test_every_kind_has_its_own_message_of_one_line(self, everything):
        messages = {advice.kind: advice.message for advice in everything}
        assert set(messages) == set(KINDS)
        assert len(set(messages.values())) == len(KINDS)
        for message in messages.values():
            wrong, what_to_do = message.split("; ")
            assert wrong and what_to_do.startswith(("use ", "rotate "))
            assert "\n" not in message and not message.endswith(".")

    def test_the_most_harmful_comes_first(self, face, kinds_of):
        covered = rotated(replace(face, photo=sunglasses(replace(face, photo=masked(face, (150, 195, 220))))), 45)
        shrink = float(geometry.scale_of(face.matrix)) / 2
        kinds = kinds_of(cv2.resize(covered, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
        assert kinds == ["mouth", "eyes", "small", "tilted"]
        assert kinds == sorted(kinds, key=KINDS.index)

    def test_a_face_placed_by_hand(self, mediapipe, face68, kinds_of):
        """On the robot no detector finds anything: its mesh is the 68 landmarks."""
        robot = synthetic.Robot()
        placed = read_face(robot.picture, mediapipe, points=robot.points, template=face68)
        assert len(placed.mesh) == 68
        assert set(kinds_of(placed)) <= set(KINDS)

    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_an_empty_picture(self, face68, kinds_of, value):
        points = face68.astype(np.float32)
        kinds = kinds_of(Face(np.full((128, 128, 3), value, np.uint8), points, points))
        assert kinds and set(kinds) <= set(KINDS)

    def test_a_face_far_outside_the_photo(self, face68, kinds_of):
        points = (face68 - 500).astype(np.float32)
        assert "edge" in kinds_of(Face(np.zeros((40, 30, 3), np.uint8), points, points))
