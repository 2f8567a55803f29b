"""Putting the animated crop back into the whole photo, at the photo's own resolution.

The composition α·m + (1−α)·photo is done again on the photo's pixels, with α and m enlarged: where α is 0 a pixel of
the photo stays bit for bit what it was, where α is 1 nothing of the old mouth shines through, and no seam can show.
"""

from collections.abc import Iterator, Sequence
from math import ceil

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.turn import HeadTurn

_QUIET, _LOUD = 0.02, 0.10  # α below the first leaves a pixel alone; above the second it is used as it is
_MARGIN = 7  # pixels of the crop beyond the outline of the face
_JAW_DROP = 12  # how far below the photo's chin a jaw may open
_FEATHER = 3.5  # standard deviation of the mask's soft edge


def face_mask(landmarks: np.ndarray) -> np.ndarray:
    """Where a face may change: its outline with room for an open jaw, soft-edged, 0 at the crop's border.

    Args:
        landmarks: (68, 2+) crop pixels.

    Returns:
        float32 (128, 128) in [0, 1].
    """
    points = landmarks[:, :2]
    dropped = points[4:13] + [0, _JAW_DROP]
    hull = cv2.convexHull(np.concatenate([points, dropped]).round().astype(np.int32))
    mask = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0)
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1,) * 2))
    border = round(3 * _FEATHER)
    mask[:border], mask[-border:], mask[:, :border], mask[:, -border:] = 0, 0, 0, 0
    return cv2.GaussianBlur(mask, (0, 0), _FEATHER)


class Paster:
    """Pastes frames into one photo; everything that is the same for all frames is computed once."""

    def __init__(self, face: Face):
        self._photo, self._to_crop = face.photo, face.matrix
        self._mask = face_mask(face.crop_landmarks)
        self._back = geometry.invert(face.matrix)
        # Cubic interpolation costs the same for each pixel that is made. So the crop is first enlarged by a whole
        # factor, which is fast, to about the photo's scale, and turned into place linearly, which then blurs little.
        self._factor = max(1, ceil(geometry.scale_of(self._back)))
        self._enlarged = np.array([[1, 0, 0.5], [0, 1, 0.5]]) / self._factor - [[0, 0, 0.5], [0, 0, 0.5]]

    def paste(self, attention: np.ndarray, motion: np.ndarray, turns: Sequence[HeadTurn] = ()) -> Iterator[np.ndarray]:
        """α (T, 128, 128) in [0, 1] and motion (T, 128, 128, 3) uint8 → T uint8 pictures of the photo's size.

        ``turns`` are the T turns of the head that motion was drawn for; none if it stays still.
        """
        for t, (alpha, drawn) in enumerate(zip(attention, motion, strict=True)):
            if turns:
                mask = face_mask(geometry.apply(self._to_crop, turns[t].landmarks))
                picture = turns[t].of_photo(self._photo)
            else:
                mask, picture = self._mask, self._photo.copy()
            weight = _settle(alpha) * mask
            where = self._where(weight)
            if where is not None:
                patch = picture[where]
                drawn, weight = self._moved(drawn, weight, where)
                picture[where] = cv2.blendLinear(drawn, patch, weight, 1 - weight)
            yield picture

    def _where(self, weight: np.ndarray) -> tuple[slice, slice] | None:
        """The rows and columns of the photo that pixels of the crop with any weight go to; None if there are none."""
        rows, columns = (np.flatnonzero(weight.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        (top, bottom), (left, right) = ((side[0] - 1, side[-1] + 1) for side in (rows, columns))
        corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
        corners = geometry.apply(self._back, corners)
        limit = self._photo.shape[1::-1]
        low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limit)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, limit)
        return (slice(low[1], high[1]), slice(low[0], high[0])) if (high > low).all() else None

    def _moved(
        self, drawn: np.ndarray, weight: np.ndarray, where: tuple[slice, slice]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Motion and weight of the crop, as they lie in that part of the photo."""
        rows, columns = where
        back = self._back - [[0, 0, columns.start], [0, 0, rows.start]]
        size = (columns.stop - columns.start, rows.stop - rows.start)
        if self._factor > 1:
            drawn = cv2.resize(drawn, None, fx=self._factor, fy=self._factor, interpolation=cv2.INTER_CUBIC)
        finer = geometry.compose(back, self._enlarged)
        drawn = cv2.warpAffine(drawn, finer, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return drawn, cv2.warpAffine(weight, back, size, flags=cv2.INTER_LINEAR)


def _settle(alpha: np.ndarray) -> np.ndarray:
    """Lets faint attention fade to exactly 0."""
    rise = np.clip((alpha - _QUIET) / (_LOUD - _QUIET), 0, 1)
    return (alpha * rise * rise * (3 - 2 * rise)).astype(np.float32)
