"""Landmarks, attention, motion and result of every frame side by side."""

from typing import NamedTuple

import cv2
import numpy as np

from atvg.animate.chunk import Chunk
from atvg.face import geometry
from atvg.face.face import Face
from atvg.film.close_up import CloseUp, Following, close_up_of
from atvg.film.composition import Composition
from atvg.film.drawing import (
    FACE,
    GROUND,
    LIPS,
    MUTED,
    SIDE,
    TEXT,
    dimmed,
    draw_face,
    enlarge,
    glow,
    heat_map,
    painted,
    write,
)

CAPTIONS = ("Landmarks", "Attention", "Motion", "Result")
_MARGIN, _GAP, _CAPTION = 16, 12, 50  # round the panels, between them, and the height kept for the captions
_CAPTION_SIZE, _SMALL_SIZE = 20, 15


class _View(NamedTuple):
    """A photo, or a frame of a film, as the panels show it."""

    close_up: CloseUp | Following
    to_panel: np.ndarray  # 2×3, crop → panel
    dimmed: np.ndarray  # (320, 320, 3)
    ground: np.ndarray  # (320, 320, 3), the same with its own landmarks

    @classmethod
    def of(
        cls, close_up: CloseUp | Following, matrix: np.ndarray, picture: np.ndarray, landmarks: np.ndarray
    ) -> "_View":
        to_panel = geometry.compose(close_up.matrix(SIDE), geometry.invert(matrix))
        view = cls(close_up, to_panel, dimmed(close_up.cut(picture), SIDE), picture)
        return view._replace(ground=view.drawn(view.dimmed, landmarks, MUTED, MUTED, width=1))

    def drawn(self, panel: np.ndarray, landmarks: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
        """A panel with landmarks (68, 2+), crop pixels."""
        return draw_face(panel, geometry.apply(self.to_panel, landmarks[:, :2]), face, lips, width)


class PanelRenderer:
    """Landmarks, attention, motion and result side by side, 320 px each, with captions.

    All four show the face's close-up (`atvg.film.close_up`); motion and result are made of the photo's own pixels. It
    keeps nothing between calls: frame by frame gives what one pass gives.
    """

    size = (2 * _MARGIN + 4 * SIDE + 3 * _GAP, _CAPTION + SIDE + _MARGIN)  # (width, height) of what it returns, pixels

    def __init__(self, face: Face):
        self._canvas = np.full((self.size[1], self.size[0], 3), GROUND, np.uint8)
        for caption, x in zip(CAPTIONS, self._lefts(), strict=True):
            write(self._canvas, caption, x, _CAPTION / 2, _CAPTION_SIZE, TEXT)
        _scale_bar(self._canvas, right=self._lefts()[1] + SIDE, middle=_CAPTION // 2)
        self._close_up = CloseUp.of(face)
        self._photo = _View.of(self._close_up, face.matrix, face.photo, face.crop_landmarks)

    def render(self, chunk: Chunk, t: int, picture: np.ndarray, made: Composition | None) -> np.ndarray:
        """One frame → uint8 RGB (386, 1348, 3).

        Args:
            chunk, t: the frame is the chunk's t-th. The colours of its attention always span 0..1, so that they do not
                flicker.
            picture, made: from `Paster.frames`.
        """
        view = self._photo
        if chunk.scenes:
            scene = chunk.scenes[t]
            view = _View.of(close_up_of(self._close_up, chunk, t), scene.matrix, scene.picture, scene.landmarks)
        result = view.close_up.cut(picture)
        motion = result
        if made is not None:
            motion = result.copy()
            view.close_up.lay(motion, made.box, painted(made))
        drawn = view.drawn(view.ground, chunk.landmarks[t], FACE, LIPS, width=1.5)
        attention = cv2.warpAffine(chunk.attention[t].astype(np.float32), view.to_panel, (SIDE, SIDE))
        out = self._canvas.copy()
        panels = (drawn, glow(view.dimmed, attention), motion, result)
        for x, panel in zip(self._lefts(), panels, strict=True):
            out[_CAPTION : _CAPTION + SIDE, x : x + SIDE] = enlarge(panel)
        return out

    @staticmethod
    def _lefts() -> list[int]:
        return [_MARGIN + i * (SIDE + _GAP) for i in range(len(CAPTIONS))]


def _scale_bar(canvas: np.ndarray, right: int, middle: int) -> None:
    """0 ▬▬▬ 1 in the heat map's colours, ending at `right`."""
    length = 72
    write(canvas, "1", right - 8, middle, _SMALL_SIZE, MUTED)
    canvas[middle - 4 : middle + 4, right - 14 - length : right - 14] = heat_map(np.linspace(0, 1, length))
    write(canvas, "0", right - 14 - length - 14, middle, _SMALL_SIZE, MUTED)
