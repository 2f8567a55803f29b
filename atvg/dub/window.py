"""One face followed in a square window around it, so that nobody else in the picture takes its place."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from atvg.face.landmarks import FLIP, MESH_TO_68, eye_distance, five_points
from atvg.face.mediapipe import MediaPipeTracker

_SIDE = 2.75  # of the window, in sizes of the face
_SHOWN = 512  # pixels of a side that the tracker is shown, always: small faces are enlarged as the detector does
_GREY = 127  # outside the picture
_OFF = 0.2  # of the window's side: a face whose middle is farther from the window's has left its middle part
_GROWN = 1.4  # a face that has so many times the size it had, or so many times less, needs another window

_LEAST_EYES = 4.0  # pixels between the eyes
# Degrees. Estimated depth is too flat: an estimated 22° is truly 30 (`atvg.face.advice`), and 45 truly some 60.
_YAW = 45.0
_OUTSIDE = 1 / 3  # of the landmarks, guessed beyond the picture's border
_ROUND = 0.3  # width to height, and the reverse, of the box of any face that looks at least halfway to the camera
_JOLT = 0.35  # eye distances that a face moves from frame to frame: faster ones are looked at closely


@dataclass(frozen=True)
class Window:
    """A square of whole pixels; it may reach beyond the picture.

    Attributes:
        left, top, side: in picture pixels.
    """

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, landmarks: np.ndarray) -> "Window":
        """That of a face's landmarks, (68, 2+) pixels."""
        side = max(16, round(_SIDE * face_size(landmarks)))
        left, top = np.round(face_middle(landmarks) - (side - 1) / 2).astype(int)
        return cls(int(left), int(top), side)

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """What the window shows of a frame, (H, W, 3) uint8 RGB → (512, 512, 3)."""
        height, width = frame.shape[:2]
        top, bottom = (min(max(y, 0), height) for y in (self.top, self.top + self.side))
        left, right = (min(max(x, 0), width) for x in (self.left, self.left + self.side))
        seen = frame[top:bottom, left:right]
        if seen.shape[:2] != (self.side, self.side):
            whole = np.full((self.side, self.side, 3), _GREY, np.uint8)
            whole[top - self.top : bottom - self.top, left - self.left : right - self.left] = seen
            seen = whole
        # The tracker shrinks what it is shown once more, so little is lost by what is quick.
        step = max(1, self.side // (2 * _SHOWN))
        seen = np.ascontiguousarray(seen[step // 2 :: step, step // 2 :: step])
        way = cv2.INTER_LINEAR if self.side < 2 * _SHOWN else cv2.INTER_AREA
        return seen if len(seen) == _SHOWN else cv2.resize(seen, (_SHOWN, _SHOWN), interpolation=way)

    def back(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in pixels of what `cut` gave → in those of the picture."""
        scale = self.side / _SHOWN
        return points * scale + np.array([scale / 2 - 0.5 + self.left, scale / 2 - 0.5 + self.top, 0], points.dtype)

    def outgrown(self, landmarks: np.ndarray) -> bool:
        """Whether a face has left the window's middle part or changed its size."""
        middle = np.array([self.left, self.top]) + (self.side - 1) / 2
        off = np.abs(face_middle(landmarks) - middle).max() > _OFF * self.side
        size = _SIDE * face_size(landmarks) / self.side
        return bool(off or not 1 / _GROWN < size < _GROWN)


class CloseTracker:
    """Follows a face frame by frame from where it was found."""

    def __init__(self) -> None:
        self._tracker = MediaPipeTracker()
        self._window: Window | None = None
        self._last: np.ndarray | None = None

    @property
    def following(self) -> bool:
        """Whether there is a face to be looked at in the next frame."""
        return self._window is not None

    def begin(self, frame: np.ndarray, landmarks: np.ndarray) -> None:
        """Settles on the face whose landmarks, (68, 3), are known in a frame, (H, W, 3) uint8 RGB, to be seen next."""
        self._window, self._last = Window.around(landmarks), landmarks
        self._tracker.begin(self._window.cut(frame))

    def end(self) -> None:
        """Forgets the face."""
        self._window = self._last = None

    def look(self, frame: np.ndarray) -> tuple[np.ndarray | None, bool]:
        """The next frame, (H, W, 3) uint8 RGB → landmarks (68, 3) float32 or None, and whether they jumped.

        A face that is not seen ends the following.
        """
        assert self._window is not None and self._last is not None
        points = self._window.back(self._tracker.look(self._window.cut(frame))[MESH_TO_68])
        if not is_face(points, frame.shape):
            self.end()
            return None, False
        jolt = moved(self._last, points) > _JOLT
        self._last = points
        if self._window.outgrown(points):
            self.begin(frame, points)
        return points, jolt


def face_size(landmarks: np.ndarray) -> float:
    """The longer side of the box around landmarks (68, 2+), in their unit."""
    return float(np.ptp(landmarks[:, :2], axis=0).max())


def face_middle(landmarks: np.ndarray) -> np.ndarray:
    """The middle of the box around landmarks (68, 2+): (2,)."""
    return (landmarks[:, :2].min(axis=0) + landmarks[:, :2].max(axis=0)) / 2


def moved(before: np.ndarray, after: np.ndarray) -> float:
    """Mean distance of five points of two sets of landmarks (68, 2+), in eye distances of the first."""
    step = five_points(after[:, :2]) - five_points(before[:, :2])
    return float(np.linalg.norm(step, axis=1).mean() / max(float(eye_distance(before)), 1e-6))


def is_face(landmarks: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether landmarks (68, 3) can be of a face that a picture of this shape (H, W, …) shows, not turned far away."""
    if np.isnan(landmarks).any() or eye_distance(landmarks) < _LEAST_EYES:
        return False
    width, height = np.ptp(landmarks[:, :2], axis=0)
    if min(width, height) < _ROUND * max(width, height) or abs(_yaw(landmarks)) > _YAW:
        return False
    inside = (landmarks[:, :2] >= -0.5) & (landmarks[:, :2] <= np.array(shape[1::-1]) - 0.5)
    return bool(1 - inside.all(axis=1).mean() <= _OUTSIDE)


def _yaw(landmarks: np.ndarray) -> float:
    """Estimated degrees, from the mean direction between points that mirror each other."""
    across = (landmarks[FLIP] - landmarks)[np.arange(len(FLIP)) < FLIP].sum(axis=0)
    return math.degrees(math.atan2(across[2], math.hypot(*across[:2])))
