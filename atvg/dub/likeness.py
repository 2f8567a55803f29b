"""Whether a face is the person who is followed, told from the picture alone, with no network.

Within one film light, hair and clothing stay, so what is compared is simple: the edges and the colours of the canonical
crop, the shape of the landmarks that speech does not move, and the colours around the head.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.crop import canonical_transform, warp_to_crop
from atvg.face.landmarks import EYE_CORNERS, LEFT_BROW, NOSE_BASE, RIGHT_BROW, RIGID
from atvg.motion.shape import normalise, rigid_fit

_STILL = np.concatenate([RIGID, NOSE_BASE, RIGHT_BROW, LEFT_BROW, [1, 2, 3, 13, 14, 15]])
_SIDE = 64  # of the crop whose edges are described
_HOG = cv2.HOGDescriptor((_SIDE, _SIDE), (16, 16), (8, 8), (8, 8), 9)  # Dalal & Triggs 2005: their cells and blocks
_FACE = slice(2, 14)  # rows and columns of the 16×16 colours that lie on every face
_AROUND = 0.5  # scale of the wider crop
_VIEWS = 16  # kept of a person: sides, expressions and shots

# By logistic regression on talking clips of 24 sources. Measured, one frame against two or three views: above 0 lie 9 %
# of a person's later frames in the clip, and 13 % of those in other clips, many from another camera or day; below 0 lie
# 8 % of the frames of others in the same source, nearly all where a studio shows everybody alike.
_WEIGHTS = np.array([10.6, 12.3, 1.19, 0.13])
_BIAS = -8.25
_NEW = -3.0  # a view that is more unlike all that are kept is worth being kept; half of later frames are


@dataclass(frozen=True)
class View:
    """What one frame shows of one person.

    Attributes:
        edges: (1764,) unit histograms of oriented gradients of the crop.
        colours: (12, 12, 3) float32 Lab of the face.
        around: (32, 32, 3) float32 Lab of the wider crop, NaN outside the picture.
        landmarks: (68, 3) float64.
    """

    edges: np.ndarray
    colours: np.ndarray
    around: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def of(cls, frame: np.ndarray, landmarks: np.ndarray) -> "View":
        """Of a frame, (H, W, 3) uint8 RGB, and the landmarks of a face in it, (68, 3) pixels."""
        matrix = canonical_transform(landmarks)
        step = max(1, int(0.5 / geometry.scale_of(matrix)))  # four or more pixels for each of the crop will do
        frame, matrix = frame[::step, ::step], matrix * [step, step, 1]
        crop = warp_to_crop(frame, matrix)
        soft = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        edges = np.ravel(_HOG.compute(cv2.resize(soft, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)))
        shift = CROP_SIZE / 2 * (1 - _AROUND)
        matrix = geometry.compose(np.array([[_AROUND, 0, shift], [0, _AROUND, shift]]), matrix)
        around = _lab(warp_to_crop(frame, matrix), 32)
        around[~_inside(frame.shape, matrix)] = np.nan
        return cls(
            edges / max(float(np.linalg.norm(edges)), 1e-6),
            _lab(crop, 16)[_FACE, _FACE],
            around,
            landmarks.astype(np.float64),
        )


class Likeness:
    """A person, by some of their views."""

    def __init__(self) -> None:
        self._views: list[View] = []

    def __bool__(self) -> bool:
        """False as long as nobody is known."""
        return bool(self._views)

    def unlike(self, view: View) -> float:
        """How unlike the most similar view of the person: below 0 it is more likely they than somebody else."""
        return min((unlikeness(known, view) for known in self._views), default=0.0)

    def learn(self, view: View) -> None:
        """Keeps a view of the person if it shows something new; of too many the most similar one but the first goes."""
        apart = [unlikeness(known, view) for known in self._views]
        if apart and min(apart) < _NEW:
            return
        if len(apart) == _VIEWS:
            del self._views[1 + int(np.argmin(apart[1:]))]
        self._views.append(view)


def unlikeness(one: View, other: View) -> float:
    """How unlike two views are, from −8 (the same picture) to about 10."""
    return float(_parts(one, other) @ _WEIGHTS + _BIAS)


def _parts(one: View, other: View) -> np.ndarray:
    """Distances of edges, shape, the face's colours and those around it: (4,)."""
    eyes = np.linalg.norm(one.landmarks[EYE_CORNERS[0]] - one.landmarks[EYE_CORNERS[3]])
    moved = normalise(other.landmarks, rigid_fit(other.landmarks, one.landmarks))
    apart = moved - (one.landmarks - one.landmarks[RIGID].mean(axis=0))
    shape = np.sqrt((apart[_STILL, :2] ** 2).sum(axis=1).mean()) / max(float(eyes), 1e-6)
    colours = np.abs(one.colours - other.colours).sum(axis=2).mean()
    around = np.abs(one.around - other.around).sum(axis=2)
    around = np.median(around[~np.isnan(around)]) if not np.isnan(around).all() else 0.0
    return np.array([1 - one.edges @ other.edges, shape, np.sqrt(colours), np.sqrt(around)])


def _lab(picture: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _inside(shape: tuple[int, ...], matrix: np.ndarray) -> np.ndarray:
    """Which of the 32×32 pixels of a crop show the picture: (32, 32) bool."""
    middles = (np.arange(32) + 0.5) * CROP_SIZE / 32 - 0.5
    grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    points = geometry.apply(geometry.invert(matrix), grid)
    return ((points >= 0) & (points <= np.array(shape[1::-1]) - 1)).all(axis=1).reshape(32, 32)
