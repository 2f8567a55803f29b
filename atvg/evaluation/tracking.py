"""What the protocol's tracker sees of a face, in the crops of clips and, framed alike, in whole photographs."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.crop import warp_to_crop
from atvg.face.face import Face
from atvg.face.landmarks import MESH_TO_68

TRACK_SIDE = 256  # pixels; the mesh works at 192, and in 128 it follows lips a little worse
_LARGER = TRACK_SIDE / CROP_SIZE
_SHIFT = (_LARGER - 1) / 2  # pixels are counted from their centres
_TO_VIEW = np.array([[_LARGER, 0, _SHIFT], [0, _LARGER, _SHIFT]])  # crop → what the tracker is shown


def track(frames: np.ndarray, tracker: Any) -> np.ndarray:
    """Landmarks of 128 px frames (T, 128, 128, 3), from a `MediaPipeTracker` → (T, 68, 2), NaN where undetected."""
    big = np.empty((len(frames), TRACK_SIDE, TRACK_SIDE, 3), np.uint8)
    for small, large in zip(frames, big, strict=True):
        cv2.resize(small, (TRACK_SIDE, TRACK_SIDE), large, interpolation=cv2.INTER_CUBIC)
    return track_views(big, tracker)


def view_of(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What the tracker is shown of a picture of any size, framed as clips are: (H, W, 3) uint8 and 2×3, picture → crop.

    Returns:
        (256, 256, 3) uint8.
    """
    return warp_to_crop(picture, geometry.compose(_TO_VIEW, matrix), TRACK_SIDE)


def track_views(views: Sequence[np.ndarray] | np.ndarray, tracker: Any) -> np.ndarray:
    """Landmarks of T `view_of` → (T, 68, 2) crop pixels, NaN where undetected."""
    points = tracker.track(views)[:, MESH_TO_68, :2]
    return geometry.apply(geometry.invert(_TO_VIEW), points)


class PhotoTracker:
    """Follows a face through pictures of its photo's size, framed as clips are; holds no picture.

    Attributes:
        photo_landmarks: (68, 2) photo pixels, as they are seen in the photo itself; NaN if the tracker finds no face.
    """

    def __init__(self, face: Face, tracker: Any):
        self._tracker, self._matrix = tracker, face.matrix
        self._back = geometry.invert(geometry.compose(_TO_VIEW, face.matrix))
        tracker.begin(view_of(face.photo, self._matrix))
        self.photo_landmarks = self.look(face.photo)

    def look(self, picture: np.ndarray) -> np.ndarray:
        """The next picture, (H, W, 3) uint8 → landmarks (68, 2) in its pixels, NaN if the face is not found."""
        return geometry.apply(self._back, self._tracker.look(view_of(picture, self._matrix))[MESH_TO_68, :2])
