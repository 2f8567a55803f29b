"""The close-up of a face: a square of its photo, at the photo's own resolution, the same for a whole clip.

That of a film follows the face.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from atvg.animate.chunk import Chunk, Scene
from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.crop import warp_to_crop
from atvg.face.face import Face
from atvg.film.composition import Box

MOST = 512  # pixels of a side; of a larger square more would be a video of the whole photo
_LEAST = 128  # photo pixels that the square spans, whatever the face's size: the label is to be legible


@dataclass(frozen=True)
class CloseUp:
    """Where the canonical crop lies in the photo, upright: as large, around the same centre.

    Beside a small face it shows more of the photo, `_LEAST` pixels, for nothing is ever enlarged. Where the photo ends
    the square is moved into it, and where the photo is smaller so is the square: no pixel is made up.

    Attributes:
        box: rows and columns of the photo.
        side: of the pictures, at most `MOST` pixels, even; a larger square is shrunk.
    """

    box: Box
    side: int

    @classmethod
    def of(cls, face: Face) -> "CloseUp":
        """That of a face, already turned."""
        return cls.around(face, slice(0, CROP_SIZE), slice(0, CROP_SIZE), _LEAST)

    @classmethod
    def around(cls, face: Face, rows: slice, columns: slice, least: int = 2) -> "CloseUp":
        """That of a square of the crop; it spans at least so many pixels of the photo."""
        back, sides = geometry.invert(face.matrix), face.photo.shape[:2]
        length = round((rows.stop - rows.start) * float(geometry.scale_of(back)))
        length = min(max(least, length), *sides)
        length = max(1, length - length % 2)
        middle = np.array([[columns.start + columns.stop - 1, rows.start + rows.stop - 1]]) / 2
        lows = np.round(geometry.apply(back, middle)[0, ::-1] - (length - 1) / 2).astype(int)
        lows = np.clip(lows, 0, np.array(sides) - length).tolist()
        down, across = (slice(low, low + length) for low in lows)
        return cls((down, across), min(length, MOST))

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The square of a picture or map of the photo's size, (H, W, …), in its own pixels; a view."""
        return picture[self.box]

    def shrunk(self, picture: np.ndarray) -> np.ndarray:
        """The square of a picture of the photo's size, (H, W, 3) → (side, side, 3)."""
        square = self.cut(picture)
        if len(square) == self.side:
            return np.ascontiguousarray(square)
        return cv2.resize(square, (self.side, self.side), interpolation=cv2.INTER_AREA)

    def lay(self, square: np.ndarray, box: Box, values: np.ndarray) -> None:
        """Puts what lies in a box of the photo, (h, w, …), into a square that `cut` gave, where the two meet."""
        ours, theirs = zip(*(_meeting(own, other) for own, other in zip(self.box, box, strict=True)), strict=True)
        square[ours] = values[theirs]

    def matrix(self, side: int) -> np.ndarray:
        """2×3, pixels of the photo → pixels of the square at another side."""
        scale = side / (self.box[0].stop - self.box[0].start)
        low = np.array([self.box[1].start, self.box[0].start])
        # A pixel's centre lies half a pixel inside it, in every size.
        return np.column_stack([scale * np.eye(2), scale * (0.5 - low) - 0.5])


@dataclass(frozen=True)
class Following:
    """The close-up of somebody in a film: the steady crop around the face, which it follows, from the frame's pixels.

    Attributes:
        crop: 2×3, frame → canonical crop.
        side: of the pictures, pixels.
    """

    crop: np.ndarray
    side: int

    @classmethod
    def of(cls, scene: Scene, side: int) -> "Following":
        """That of a frame."""
        return cls(scene.matrix, side)

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The square of a picture of the frame's size, (H, W, 3) uint8 → (side, side, 3)."""
        return warp_to_crop(picture, self.matrix(self.side), self.side)

    shrunk = cut

    def lay(self, square: np.ndarray, box: Box, values: np.ndarray) -> None:
        """Puts what lies in a box of the frame, (h, w, …), into a square that `cut` gave, where the two meet."""
        corner = np.array([[1, 0, box[1].start], [0, 1, box[0].start]], np.float64)
        to_square = geometry.compose(self.matrix(self.side), corner)
        cv2.warpAffine(
            values, to_square, (self.side, self.side), square, cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
        )

    def matrix(self, side: int) -> np.ndarray:
        """2×3, pixels of the frame → pixels of the square at another side."""
        return geometry.compose(geometry.enlarging(side / CROP_SIZE), self.crop)


def close_up_of(still: CloseUp, chunk: Chunk, t: int) -> CloseUp | Following:
    """The close-up of a chunk's t-th frame: of a photo always `still`, of a film that of this frame, as large."""
    return Following.of(chunk.scenes[t], still.side) if chunk.scenes else still


def _meeting(own: slice, other: slice) -> tuple[slice, slice]:
    """Where two stretches meet, counted from the start of each."""
    low = max(own.start, other.start)
    high = max(low, min(own.stop, other.stop))
    return slice(low - own.start, high - own.start), slice(low - other.start, high - other.start)
