"""The head alone, on nothing: for slides, pages and films with a background of their own."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.film.close_up import CloseUp, Following
from atvg.film.label import label_layer
from atvg.film.video import VideoWriter

if TYPE_CHECKING:
    from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

_FOREHEAD = 1.7  # how far the head reaches above the line of the ears, in lengths of the nose, which no speech changes
_MARGIN, _FEATHER = 0.03, 0.02  # beyond the landmarks, and of the edge's softness, by the crop's side


class CutoutWriter(VideoWriter):
    """A `VideoWriter` of RGBA frames: WebM, VP9 with alpha and Opus, which browsers lay over what is behind it."""

    ending = ".webm"
    channels = 4
    silent = "silent.webm"

    def _encode(self, size: tuple[int, int]) -> "FFMPEG_VideoWriter":
        self._codec = "libvpx-vp9"
        # In real time, or it would take ten times as long as the networks; alpha allows no alternate reference frames.
        options = "-deadline realtime -cpu-used 7 -crf 24 -b:v 0 -auto-alt-ref 0 -row-mt 1 -pix_fmt yuva420p"
        return self._encoding(size, self._codec, "medium", options.split())

    def _join(self) -> int:
        # Without the last tag, which goes with all others, players do not know that there is alpha.
        tags = [*self._tagged(), "-metadata:s:v:0", "alpha_mode=1"]
        return self._run("-i", self._folder / self.silent, *self._heard("libopus"), *tags)


class Cutout:
    """Cuts the head out of a face's close-up."""

    def __init__(self, close_up: CloseUp | Following, matrix: np.ndarray):
        """`matrix`: 2×3, photo → crop."""
        self.side = close_up.side
        self._to_square = geometry.compose(close_up.matrix(self.side), geometry.invert(matrix))
        scale = float(geometry.scale_of(self._to_square)) * CROP_SIZE
        self._margin, self._feather = round(_MARGIN * scale), max(1.0, _FEATHER * scale)
        self._label = Image.fromarray(label_layer(self.side, self.side))

    def cut(self, square: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """One frame of the close-up, labelled where the label lies on nothing too.

        Args:
            square: (side, side, 3) uint8 RGB.
            landmarks: (68, 2+) those of the frame, crop pixels.

        Returns:
            (side, side, 4) uint8 RGBA.
        """
        outline = geometry.apply(self._to_square, head_outline(landmarks))
        mask: np.ndarray = np.zeros(square.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(outline.round().astype(np.int32)), (255,))
        if self._margin:
            mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * self._margin + 1,) * 2))
        mask = cv2.GaussianBlur(mask, (0, 0), self._feather, borderType=cv2.BORDER_REPLICATE)
        head = Image.fromarray(np.dstack([square, mask]))
        return np.asarray(Image.alpha_composite(head, self._label))


def head_outline(landmarks: np.ndarray) -> np.ndarray:
    """Points around a head, also a turned one: brows and jaw, and the jaw's arc once more above the line of the ears.

    Args:
        landmarks: (68, 2+), in any unit.

    Returns:
        (44, 2) in the same.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    jaw, brows = points[:17], points[17:27]
    across = jaw[-1] - jaw[0]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    on_line = jaw[0] + ((jaw - jaw[0]) @ across)[:, None] * across
    below = np.linalg.norm(jaw - on_line, axis=1, keepdims=True)
    reach = _FOREHEAD * np.linalg.norm(points[33] - points[27]) * below / max(float(below.max()), 1e-6)
    return np.concatenate([jaw, brows, on_line + reach * [across[1], -across[0]]])
