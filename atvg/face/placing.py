"""A face that a person has placed by hand: by its box, or by five points.

The detector is asked first, in close-ups of that place. Where it still finds no face, or another one, the mean face is
fitted instead: drawings need no more than that to speak.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Union

import cv2
import numpy as np

from atvg.errors import BadSettingError, NoFaceError
from atvg.face import geometry
from atvg.face.detection import Detection, FaceDetector
from atvg.face.landmarks import LEFT_EYE, RIGHT_EYE
from atvg.face.looks import close_up

Numbers = Union[Sequence[float], np.ndarray]
Box = tuple[float, float, float, float]  # x, y, width, height

BOX = "give x,y,width,height in pixels of the photo, from the brows to the chin and from jaw to jaw"
POINTS = (
    "give x,y of left eye, right eye, nose tip, left and right mouth corner in pixels of the photo, left as you see it"
)

_MARGINS = (2.6, 1.8, 4.0)  # of the close-ups, in sizes of the face
_OVERLAP = 0.35  # least shared area over joint area; a box drawn around the hair too still has 0.4 with the face's own
_INSIDE = 0.5  # of a box's area must lie in the photo
_NARROW = 3.0  # no face is so much longer than wide, or wider than long
# Found points belong to given ones if their median and greatest distance, in eye distances, are below these.
_NEAR, _FAR = 0.12, 0.3
_SPREAD = 2.3  # size of a face, in distances of its eyes from each other or from its mouth


def parse_place(box: str | None, points: str | None, scale: float = 1.0) -> dict[str, list[float]]:
    """What a person typed, ``"10, 20, 30, 40"``, as keyword arguments of `read_face`; None was not typed.

    Args:
        scale: that the picture was shrunk by since.

    Raises:
        BadSettingError: something else than numbers between the commas.
    """
    typed = {"box": (box, BOX), "points": (points, POINTS)}
    return {name: _parsed(text, scale, name, advice) for name, (text, advice) in typed.items() if text is not None}


def _parsed(text: str, scale: float, name: str, advice: str) -> list[float]:
    try:
        return [float(part) * scale for part in text.split(",")]
    except ValueError:
        raise BadSettingError(f"{name} is {text[:80]!r}; {advice}") from None


def place_in_box(image: np.ndarray, detector: FaceDetector, box: Numbers, template: np.ndarray | None) -> Detection:
    """The face in a box.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, width, height in pixels: from the brows to the chin, jaw to jaw, as `Detection.box` and
            `SeveralFacesError.boxes` have it.
        template: (68, 3) frontal mean face, which is stretched to fill the box where the detector finds none.

    Raises:
        BadSettingError: no box, or not in the picture.
        NoFaceError: nothing found, and no template.
    """
    x, y, width, height = place = _checked_box(box, image)
    for found in _close_ups(image, detector, place):
        best = max(found, key=lambda face: _overlap(face.box, place), default=None)
        if best is not None and _overlap(best.box, place) > _OVERLAP:
            return best
    template = _needed(template)
    low, high = template[:, :2].min(axis=0), template[:, :2].max(axis=0)
    stretch = np.array([width, height]) / (high - low)
    placed = (template[:, :2] - low) * stretch + [x, y]
    return _detection(placed, template[:, 2] * math.sqrt(stretch.prod()))


def place_at_points(
    image: np.ndarray, detector: FaceDetector, points: Numbers, template: np.ndarray | None
) -> Detection:
    """The face at five points.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (5, 2) or ten numbers, pixels: eye centres, nose tip, mouth corners; left as seen comes first.
        template: (68, 3) frontal mean face, which is bent to meet the points where the detector's face does not.

    Raises:
        BadSettingError: not five points of an upright face in the picture.
        NoFaceError: nothing found, and no template.
    """
    points = _checked_points(points, image)
    eyes = np.linalg.norm(points[1] - points[0])
    for face in chain.from_iterable(_close_ups(image, detector, _surroundings(points))):
        off = np.linalg.norm(anchors(face.landmarks[:, :2]) - points, axis=1) / eyes
        if np.median(off) < _NEAR and off.max() < _FAR:
            return face
    return _bent(_needed(template), points)


def anchors(landmarks: np.ndarray) -> np.ndarray:
    """The five points of 68 landmarks: eye centres, nose tip, mouth corners, (68, D) → (5, D)."""
    eyes = [landmarks[RIGHT_EYE].mean(axis=0), landmarks[LEFT_EYE].mean(axis=0)]
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


def _bent(template: np.ndarray, points: np.ndarray) -> Detection:
    """A similarity brings the template near the points; a thin-plate spline takes all of it along the rest."""
    matrix = geometry.fit_similarity(anchors(template), points)
    near = geometry.apply(matrix, template)
    held = anchors(near)[:, :2]
    unit = np.linalg.norm(held[1] - held[0])
    from scipy.interpolate import RBFInterpolator  # here, as it takes 15 MB that hardly anybody needs

    shift = RBFInterpolator(held / unit, points - held)  # in units of the eye distance it is well conditioned
    xy = near[:, :2] + shift(near[:, :2] / unit)
    for eye, target in ((RIGHT_EYE, points[0]), (LEFT_EYE, points[1])):
        xy[eye] += target - xy[eye].mean(axis=0)  # its centre is no landmark, so the spline met it only nearly
    return _detection(xy, near[:, 2])


def _close_ups(image: np.ndarray, detector: FaceDetector, box: Box) -> Iterator[list[Detection]]:
    """What the detector finds around a box, look by look."""
    for margin in _MARGINS:
        yield close_up(box, margin).find(image, detector.detect)
    yield close_up(box).find(_contrast(image), detector.detect)


def _contrast(image: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _surroundings(points: np.ndarray) -> Box:
    """A box about where the face of five points lies."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    side = _SPREAD * max(np.linalg.norm(points[1] - points[0]), np.linalg.norm(mouth - eyes))
    x, y = (eyes + mouth) / 2 - side / 2
    return float(x), float(y), float(side), float(side)


def _common(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(np.add(one[:2], one[2:]), np.add(other[:2], other[2:]))
    return float(np.clip(high - low, 0, None).prod())


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    both = _common(one, other)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _detection(xy: np.ndarray, depth: np.ndarray) -> Detection:
    landmarks = np.column_stack([xy, depth]).astype(np.float32)
    return Detection(landmarks=landmarks, mesh=landmarks)


def _needed(template: np.ndarray | None) -> np.ndarray:
    if template is None:
        raise NoFaceError("the detector finds no face there; place it more closely")
    return template


def _finite(values: Numbers, count: int, name: str, advice: str) -> np.ndarray:
    try:
        numbers = np.asarray(values)
        fits = numbers.dtype.kind in "iuf" and numbers.size == count and bool(np.isfinite(numbers).all())
    except ValueError:  # lists of different lengths
        fits = False
    if not fits:
        raise BadSettingError(f"{name} is {' '.join(str(values).split())[:80]}, not {count} numbers; {advice}")
    return numbers.astype(np.float64).reshape(-1)


def _checked_box(box: Numbers, image: np.ndarray) -> Box:
    x, y, width, height = map(float, _finite(box, 4, "box", BOX))
    said = f"the box {x:g},{y:g},{width:g},{height:g}"
    if width < 1 or height < 1:
        raise BadSettingError(f"{said} is smaller than a pixel; {BOX}")
    if max(width / height, height / width) > _NARROW:
        raise BadSettingError(f"{said} is too narrow for a face; {BOX}")
    whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    if _common((x, y, width, height), whole) < _INSIDE * width * height:
        raise BadSettingError(f"{said} lies outside the photo of {whole[2]:.0f}×{whole[3]:.0f} pixels; {BOX}")
    return x, y, width, height


def _checked_points(points: Numbers, image: np.ndarray) -> np.ndarray:
    points = _finite(points, 10, "points", POINTS).reshape(5, 2)
    height, width = image.shape[:2]
    if (points < 0).any() or (points > [width, height]).any():
        raise BadSettingError(f"the points lie outside the photo of {width}×{height} pixels; {POINTS}")
    left_eye, right_eye, nose, left_corner, right_corner = points
    across = right_eye - left_eye
    eyes = float(np.linalg.norm(across))
    if eyes < 1 or np.linalg.norm(right_corner - left_corner) < 1:
        raise BadSettingError(f"points of the two eyes, or of the mouth, are the same; {POINTS}")
    across = across / eyes
    down = np.array([-across[1], across[0]])
    to_mouth, to_nose = ((p - (left_eye + right_eye) / 2) @ down for p in ((left_corner + right_corner) / 2, nose))
    if (right_corner - left_corner) @ across <= 0 or to_mouth <= 0:
        raise BadSettingError(f"the points are mirrored or upside down; {POINTS}")
    if not 0.2 * eyes < to_mouth < 5 * eyes or not -0.3 * eyes < to_nose < to_mouth:
        raise BadSettingError(f"the points do not lie like eyes, nose and mouth; {POINTS}")
    return points
