"""What is kept of a film while its frames pass by: crops, sharpness, and what happens around a mouth that was drawn."""

from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from atvg.config import CROP_SIZE, FPS
from atvg.evaluation import metrics
from atvg.evaluation.tracking import track_views, view_of
from atvg.face.crop import warp_to_crop
from atvg.face.landmarks import MOUTH


class Watched:
    """The frames of a film, of any size, as the protocol looks at them.

    Attributes:
        crops: (T, 128, 128, 3) uint8.
        sharpness: CPBD around the mouth of each frame, in its own pixels; NaN outside the picture.
        structure: `metrics.fine_structure` of each frame.
    """

    def __init__(self) -> None:
        self._views: list[np.ndarray] = []
        self._crops: list[np.ndarray] = []
        self._points: np.ndarray | None = None
        self.sharpness: list[float] = []
        self.structure: list[float] = []

    def __len__(self) -> int:
        return len(self._crops)

    @property
    def crops(self) -> np.ndarray:
        return np.stack(self._crops)

    def see(self, picture: np.ndarray, matrix: np.ndarray, landmarks: np.ndarray, mouth: np.ndarray) -> None:
        """The next frame, (H, W, 3) uint8 RGB.

        Args:
            matrix: 2×3, picture → steady crop.
            landmarks: (68, 2+) what it shows, in its pixels.
            mouth: (68, 2+) those around whose mouth sharpness is measured.
        """
        self._views.append(view_of(picture, matrix))
        self._crops.append(warp_to_crop(picture, matrix, CROP_SIZE))
        cut = picture[box_of(mouth, picture.shape)]
        self.sharpness.append(metrics.sharpness(cut[None]) if min(cut.shape[:2]) > 1 else float("nan"))
        self.structure.append(metrics.fine_structure(picture, landmarks))

    def track(self, tracker: Any) -> np.ndarray:
        """Landmarks (T, 68, 2) in crop pixels, NaN where undetected, by a `MediaPipeTracker`; tracked once."""
        if self._points is None:
            self._points = track_views(self._views, tracker)
        return self._points

    def only(self, places: np.ndarray) -> "Watched":
        """Some of its frames, by number, in this order."""
        some = Watched()
        for name in ("_views", "_crops", "sharpness", "structure"):
            setattr(some, name, [getattr(self, name)[place] for place in places])
        return some


def box_of(landmarks: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture around the mouth of landmarks (68, 2+), with the margin of the protocol's box."""
    points = landmarks[MOUTH, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    half[1] = max(half[1], half[0] / 2)  # the height of a closed mouth says little
    half = half * (1 + metrics.MOUTH_MARGIN)
    first, last = np.floor(middle - half).astype(int), np.ceil(middle + half).astype(int) + 1
    rows, columns = (slice(*np.clip([first[axis], last[axis]], 0, shape[1 - axis]).tolist()) for axis in (1, 0))
    return rows, columns


class Border:
    """What a drawn mouth does where it ends: nothing beyond, and no flicker in between.

    Attributes:
        outside: the largest difference to the film where α is 0, grey levels of any colour.
    """

    def __init__(self) -> None:
        self.outside = 0
        self._added = self._own = 0.0
        self._pixels = 0
        self._before: tuple[np.ndarray, np.ndarray, int] | None = None

    def see(self, picture: np.ndarray, film: np.ndarray, attention: np.ndarray, shot: int) -> None:
        """The next frame as drawn and as filmed, (H, W, 3) uint8, and its α, (H, W); across cuts nothing is compared"""
        untouched = attention == 0
        self.outside = max(self.outside, int(cv2.absdiff(picture, film)[untouched].max(initial=0)))
        drawn, filmed = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.int16) for frame in (picture, film))
        added = drawn - filmed
        if self._before is not None and self._before[2] == shot:
            ring = (attention > 0) & (attention < 1)
            self._added += float(np.abs(added - self._before[0])[ring].sum())
            self._own += float(np.abs(filmed - self._before[1])[ring].sum())
            self._pixels += int(ring.sum())
        self._before = added, filmed, shot

    @property
    def flicker(self) -> float:
        """Mean |Δ drawn − Δ film| where 0 < α < 1, as a multiple of the mean |Δ film| there; NaN of no such pixel.

        The film counts as changing by at least `metrics.QUIET_FLOOR`: a still one would divide by zero.
        """
        if not self._pixels:
            return float("nan")
        return self._added / max(self._own, metrics.QUIET_FLOOR * self._pixels)


def at_25(count: int, fps: Fraction) -> np.ndarray:
    """Numbers of the frames that `count` frames show at 25 a second, each at its middle, as packs are made."""
    wanted = max(1, int(count * FPS / fps))
    return _taken(wanted, fps / FPS, count)


def at_film(count: int, wanted: int, fps: Fraction) -> np.ndarray:
    """Of `count` frames at 25 a second those that a film of `wanted` frames shows; the last stays to the end."""
    return _taken(wanted, FPS / fps, count)


def _taken(wanted: int, step: Fraction, count: int) -> np.ndarray:
    return np.array([min(int((k + Fraction(1, 2)) * step), count - 1) for k in range(wanted)])
