"""What will make a found face look worse than it could, said before any work: warnings, never obstacles.

Geometry is read from the landmarks, all else from the canonical crop: whatever the photo's size, the networks see no
more. "Measured" below means on 350 frames of talking people and 216 portraits, together some 180 people of all skin
colours; on the same with sunglasses, bars, masks, hands, microphones, blur and bad light drawn into them; and on faces
rendered as turned by 20 to 50°.
"""

import math

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.errors import Advice
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import EYE_CORNERS, FLIP, LEFT_EYE, MOUTH, OUTER_LIP, RIGHT_EYE, mouth_opening

# Most harmful first: what the networks cannot see they invent, what they see badly they draw badly.
_MESSAGES = {
    "mouth": "the mouth is hidden or hardly to be seen; use a photo where nothing covers it",
    "eyes": "the eyes are closed or hidden; use a photo where both are open and nothing covers them",
    "edge": "part of the face lies outside the photo; use one that shows all of it, with some space around",
    "turned": "the head is turned far away; use a photo where the face looks towards the camera",
    "blurred": "the face is blurred; use a sharper photo",
    "dark": "the face is too dark; use a photo with more light on it, or brighten this one",
    "bright": "the face is overexposed; use a photo with less or softer light on it",
    "small": "the face has few pixels and will look soft; use a larger or closer photo, or look at the close-up frame",
    "open": "the mouth is wide open; use a photo where it is closed, or nearly so",
    "tilted": "the head is tilted far; rotate the photo until the eyes are level",
}
KINDS = tuple(_MESSAGES)

_ENLARGED = 1.5  # crop pixels per photo pixel
_OUTSIDE = 0.02  # share of the mesh; measured: 0, unless the photo cuts the face
_ROLL = 30.0  # degrees; measured: up to 15
# Degrees. Estimated depth is too flat: this yaw is truly one of 30. Measured: up to 17 and 24; of the faces that were
# rendered as turned by 40 to a side, 1 of 42 lies below.
_YAW, _PITCH = 22.0, 26.0
_LEVEL = -3.0  # pitch that is estimated of a level head
_OPEN = 0.2  # of the distance between the outer eye corners; measured: laughs lie above, all smiles but one below
_CLOSED = 0.14  # height of the eyes, of their width; measured: blinks and eyes cast down lie below, eyes at 0.17 see

# Luma. Measured: on the darkest skin the 95th percentile is 88, the median 51.
_DARK, _GLOOMY = 65.0, 38.0
_WHITE, _BURNT = 250, 0.1  # luma, and the share of the face that has it; measured: 0

# Fine detail, of coarse, and slopes of edges, of softened ones. Measured: at least 0.32 and, in all but 1 of 566, 1.53;
# a blur of 1.5 crop pixels leaves at most 0.30, movement by 10 pixels a slope of 1.42 in the median.
_FINE, _STEEP = 0.3, 1.53

# Contrasts, of the lightness of skin. Measured: open eyes have less in 2 of 566, dark lenses more in 1 of 70; lips have
# at least 0.29 (grey ones 0.23), masks at most 0.10, hands more in 1 of 25.
_EYES, _ONE_EYE, _LIPS = 0.25, 0.15, 0.25
_FOREIGN = 0.28  # difference of colours, of the lightness of skin; measured: up to 0.23, masks 0.5 in the median
_BLACK = 0.5  # lightness of lips, of that of skin; measured: less in 1 of 566, dark foam has 0.3 in the median


def advise(face: Face) -> list[Advice]:
    """What will make a found face look worse, most harmful first; an empty list for a good photo."""
    light = _by_light(face)
    # In the dark, or in a blur, nothing can be told of eyes and lips.
    found = _by_geometry(face) | (light or _hidden(face))
    return [Advice(kind, message) for kind, message in _MESSAGES.items() if kind in found]


def _by_geometry(face: Face) -> set[str]:
    points = face.crop_landmarks
    yaw, pitch = _head_angles(points)
    roll = math.degrees(math.atan2(face.matrix[1, 0], face.matrix[0, 0]))
    first, last = points[EYE_CORNERS[[0, 3]], :2]
    return _which(
        edge=_share_outside(face.mesh, face) > _OUTSIDE,
        turned=abs(yaw) > _YAW or abs(pitch - _LEVEL) > _PITCH,
        small=bool(geometry.scale_of(face.matrix) > _ENLARGED),
        open=bool(mouth_opening(points) > _OPEN * np.linalg.norm(last - first)),
        tilted=abs(roll) > _ROLL,
    )


def _head_angles(points: np.ndarray) -> tuple[float, float]:
    """Yaw and pitch of (68, 3) landmarks, estimated, in degrees; signs as of `atvg.motion.pose.Pose`.

    A head is mirror-symmetric: "across" is the mean direction between mirrored points, "down" leads along the plane of
    symmetry from brows and eyes to mouth and chin.
    """
    across = (points[FLIP] - points)[np.arange(len(FLIP)) < FLIP].sum(axis=0)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    middle = (points[FLIP] + points) / 2
    down = middle[[48, 57, 8]].mean(axis=0) - middle[[19, 27, *RIGHT_EYE]].mean(axis=0)
    down = down - (down @ across) * across
    yaw, pitch = (math.degrees(math.atan2(axis[2], math.hypot(*axis[:2]))) for axis in (across, down))
    return yaw, pitch


def _share_outside(points: np.ndarray, face: Face) -> float:
    """Share of points, photo pixels, that lie outside the photo."""
    height, width = face.photo.shape[:2]
    inside = (points[:, :2] >= -0.5) & (points[:, :2] <= [width - 0.5, height - 0.5])
    return 1 - float(inside.all(axis=1).mean())


def _by_light(face: Face) -> set[str]:
    luma = cv2.cvtColor(face.crop, cv2.COLOR_RGB2GRAY)
    points = np.ascontiguousarray(face.crop_landmarks[:, :2])
    upper = _within(cv2.convexHull(points)[:, 0])
    lower = upper.copy()
    nose = int(np.clip(points[30, 1], 0, CROP_SIZE))
    upper[nose:] = lower[:nose] = False
    # Masks are smooth and black, bars may be white: the photo is at fault only if both halves of the face are.
    halves = [upper, lower]
    if not (upper.any() and lower.any()):
        return set()
    return _which(
        dark=all(np.percentile(luma[half], 95) < _DARK or np.median(luma[half]) < _GLOOMY for half in halves),
        bright=all((luma[half] >= _WHITE).mean() > _BURNT for half in halves),
        blurred=_blurred(luma, halves, float(geometry.scale_of(face.matrix))),
    )


def _blurred(luma: np.ndarray, parts: list[np.ndarray], enlarged: float) -> bool:
    """Whether the edges in all parts of the face lack fine detail.

    The measures are ratios of the picture to itself, softened: neither smooth skin nor low contrast counts. A small
    face is judged at its own resolution, its size being another matter. Movement blurs in one direction only, hence
    the second measure: the least, over all directions, of how steep edges are.
    """
    if enlarged > 1:
        size = (round(CROP_SIZE / enlarged),) * 2
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        parts = [cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0 for part in parts]
    luma = luma.astype(np.float32)
    smooth = {sigma: cv2.GaussianBlur(luma, (0, 0), sigma) for sigma in (0.7, 0.8, 1.6, 3.0, 3.2)}
    bands = np.abs(luma - smooth[0.8]), np.abs(smooth[1.6] - smooth[3.2])
    detail, steepness = [], []
    for part in parts:
        fine, coarse = (np.percentile(band[part], 95) for band in bands)
        detail.append(fine / (coarse + 0.5))
        whiten = np.linalg.inv(np.linalg.cholesky(_slopes(smooth[3.0], part)))
        left = np.linalg.eigvalsh(whiten @ _slopes(smooth[0.7], part) @ whiten.T)
        steepness.append(math.sqrt(left[0]))
    return max(detail) < _FINE or max(steepness) < _STEEP


def _slopes(luma: np.ndarray, where: np.ndarray) -> np.ndarray:
    """2×2 second moments of the gradient."""
    gradient = np.stack([cv2.Sobel(luma, -1, 1, 0)[where], cv2.Sobel(luma, -1, 0, 1)[where]])
    return gradient @ gradient.T + np.eye(2)  # of a blank picture too there is an inverse


def _hidden(face: Face) -> set[str]:
    """Eyes and mouth that are not seen where the landmarks say that they are; beyond the photo, that is no news."""
    points = face.crop_landmarks[:, :2]
    lab = cv2.cvtColor(face.crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    covered = _eyes_covered(points, lab)
    return _which(
        eyes=(covered or _eyes_closed(points)) and not _share_outside(face.landmarks[[*RIGHT_EYE, *LEFT_EYE]], face),
        # Behind dark glasses there is no skin to compare colours with.
        mouth=(_lips_missing(points, lab) or (not covered and _lips_covered(points, lab)))
        and not _share_outside(face.landmarks[MOUTH], face),
    )


def _eyes_closed(points: np.ndarray) -> bool:
    heights = np.linalg.norm(points[[37, 38, 43, 44]] - points[[41, 40, 47, 46]], axis=1)
    widths = np.linalg.norm(points[[39, 45]] - points[[36, 42]], axis=1)
    return heights.mean() < _CLOSED * widths.mean()


def _eyes_covered(points: np.ndarray, lab: np.ndarray) -> bool:
    """Whether the contrast of pupil, white and lashes is missing."""
    cheeks = [
        _within([points[nose], points[corner], _between(points, corner, jaw, 0.7), _between(points, nose, temple, 0.8)])
        for nose, corner, jaw, temple in ((31, 48, 4, 2), (35, 54, 12, 14))
    ]
    bright = _lightness(_median(lab, cheeks[0] | cheeks[1] | _within(points[[28, 31, 35]])))
    contrasts = []
    for outline in (RIGHT_EYE, LEFT_EYE):
        corners = points[outline[[0, 3, 3, 0]]]
        along = corners[1] - corners[0]
        down = np.array([-along[1], along[0]])
        around = _within(corners + np.outer([-0.2, -0.2, 0.2, 0.2], down))
        contrasts.append(_spread(lab[around, 0], 10) / bright)
    return bool(np.mean(contrasts) < _EYES or min(contrasts) < _ONE_EYE)


def _lips_missing(points: np.ndarray, lab: np.ndarray) -> bool:
    """Whether neither the dark line between lips nor their red is seen; softened along the mouth, as they are long."""
    middle = cv2.GaussianBlur(lab, (0, 0), sigmaX=3, sigmaY=0.8)[_about_lips(points, 0.6, 1.3)]
    contrast = math.hypot(_spread(middle[:, 0], 3), 2 * _spread(middle[:, 1], 3))
    # Dark glasses shade the skin below the eyes, a beard that about the mouth.
    return contrast < _LIPS * max(_lightness(_skins(points, lab)[0]), _lightness(_surroundings(points, lab)))


def _lips_covered(points: np.ndarray, lab: np.ndarray) -> bool:
    """Whether the mouth lies in a colour that the upper face does not have, or is black and colourless."""
    skins = _skins(points, lab)
    bright = _lightness(skins[0])
    around = _surroundings(points, lab)
    if min(np.linalg.norm((around - skin)[1:]) for skin in skins) > _FOREIGN * bright:
        return True
    lips = _median(lab, _about_lips(points, 1, 1))
    colourless = np.linalg.norm(lips[1:]) * bright < np.linalg.norm(skins[0][1:]) * lips[0]
    return bool(colourless) and lips[0] < _BLACK * bright


def _skins(points: np.ndarray, lab: np.ndarray) -> list[np.ndarray]:
    """Colours of skin that no mask covers: below the eyes, and between them."""
    right = [_between(points, 41, 31, 0.6), _between(points, 41, 2, 0.75)]
    left = [_between(points, 46, 14, 0.75), _between(points, 46, 35, 0.6)]
    below = [*points[[41, 40, 39, 28, 42, 47, 46]], *left, points[29], *right]
    return [_median(lab, _within(outline)) for outline in (below, points[[21, 22, 42, 39]])]


def _surroundings(points: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """Colour about the mouth."""
    return _median(lab, _about_lips(points, 1.35, 1.6) & ~_about_lips(points, 1.1, 1.2))


def _about_lips(points: np.ndarray, wide: float, high: float) -> np.ndarray:
    """The outline of the lips, filled, at a multiple of its size."""
    middle = points[MOUTH].mean(axis=0)
    return _within((points[OUTER_LIP] - middle) * [wide, high] + middle)


def _between(points: np.ndarray, one: int, other: int, share: float) -> np.ndarray:
    """The place between two points, `share` being that of the first."""
    return share * points[one] + (1 - share) * points[other]


def _within(outline: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """Pixels of the crop inside an outline, (128, 128) bool."""
    mask = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    cv2.fillPoly(mask, [np.round(np.asarray(outline) * 16).astype(np.int32)], (1,), shift=4)
    return mask > 0


def _median(lab: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.median(lab[where], axis=0) if where.any() else np.zeros(3)


def _lightness(colour: np.ndarray) -> float:
    return max(float(colour[0]), 5.0)  # contrasts are divided by it


def _spread(values: np.ndarray, tail: float) -> float:
    """From the percentile `tail` to 100 − `tail`."""
    return float(np.ptp(np.percentile(values, [tail, 100 - tail]))) if len(values) else 0.0


def _which(**seen: bool) -> set[str]:
    return {kind for kind, is_so in seen.items() if is_so}
