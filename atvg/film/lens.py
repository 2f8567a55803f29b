"""How the canonical crop lies in a picture: maps over the crop, laid onto the picture's own pixels."""

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.film.composition import Box
from atvg.motion.warp import CELLS


def grid_to_crop(density: float) -> np.ndarray:
    """2×3 matrix: pixels of a map over the crop, `density` in a crop pixel → crop pixels."""
    return np.array([[1, 0, 0.5], [0, 1, 0.5]]) / density - [[0, 0, 0.5], [0, 0, 0.5]]


WHOLE, FINER, GRID = grid_to_crop(1), grid_to_crop(2), grid_to_crop(CELLS / CROP_SIZE)


class Lens:
    """One picture's crop.

    Args:
        matrix: 2×3, picture → crop.

    Attributes:
        linear: (2, 2) float32, a step in the crop → in the picture.
        scale: picture pixels in a crop pixel.
    """

    def __init__(self, matrix: np.ndarray):
        self._matrix, self._back = matrix, geometry.invert(matrix)
        self.linear = self._back[:, :2].astype(np.float32)
        self.scale = float(geometry.scale_of(self._back))

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2+) of the picture, in crop pixels."""
        return geometry.apply(self._matrix, points)

    def box_of(self, weight: np.ndarray, shape: tuple[int, ...]) -> Box | None:
        """The part of a picture of this shape that pixels of the crop with any weight go to; None if there are none."""
        rows, columns = (np.flatnonzero(weight.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        low, high = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]]) + [[-1], [1]]
        box = self.reached(low, high, (slice(0, shape[0]), slice(0, shape[1])))
        return box if all(side.stop > side.start for side in box) else None

    def reached(self, low: np.ndarray, high: np.ndarray, box: Box) -> Box:
        """The part of a box of the picture that the rectangle of the crop between two corners reaches."""
        corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]], np.float64)
        corners = geometry.apply(self._back, corners)
        first, last = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
        rows, columns = (
            slice(*np.clip([first[axis], last[axis]], side.start, side.stop).tolist())
            for axis, side in zip((1, 0), box, strict=True)
        )
        return rows, columns

    def laid(
        self,
        values: np.ndarray,
        to_crop: np.ndarray,
        box: Box,
        interpolation: int = cv2.INTER_LINEAR,
        border: int = cv2.BORDER_CONSTANT,
    ) -> np.ndarray:
        """A map (h, w, …) whose places are crop pixels by a matrix, as it lies in a box of the picture."""
        rows, columns = box
        matrix = geometry.compose(self._back - [[0, 0, columns.start], [0, 0, rows.start]], to_crop)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        if 0 in size:  # which OpenCV takes for the size of `values`
            return np.zeros((*size[::-1], *values.shape[2:]), values.dtype)
        return cv2.warpAffine(values, matrix, size, flags=interpolation, borderMode=border)
