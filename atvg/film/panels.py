"""What a person looks at to understand a result: panels side by side, and the maps of one moment."""

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np

from atvg.animator import Chunk
from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.film.close_up import CloseUp
from atvg.film.composition import Composition
from atvg.film.video import text_mask

# One dark theme for all pictures and figures.
GROUND, PLATE = (17, 19, 24), (27, 30, 37)
TEXT, MUTED = (232, 234, 239), (147, 153, 166)
FACE, LIPS = (112, 200, 232), (255, 176, 66)

CAPTIONS = ("Landmarks", "Attention", "Motion", "Result")
SIDE = 320  # of a panel, pixels
LARGE = 512  # of a picture that stands alone
_MARGIN, _GAP, _CAPTION = 16, 12, 50  # round the panels, between them, and the height kept for the captions
_CAPTION_SIZE, _SMALL_SIZE = 20, 15
_LARGE_SIZE, _BAR = 20, 84  # of the text beside a large picture, and the width kept for its scale
UNIT = ((1, "1"), (0.5, "0.5"), (0, "0"))  # where on a scale stands what

_FAINT = 0.1  # attention below which what the network draws fades from sight
_DIM = 0.28  # brightness of the photo behind drawings, low enough for lines and colours to stand out
_FINE = 2  # lines are drawn so many times larger, then shrunk: cv2 knows only whole widths
_SHIFT = 4  # and places them to 1/16 of a pixel

# Inferno is perceptually uniform and starts at black: twice the attention looks twice the attention.
_HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


class PanelRenderer:
    """Landmarks, attention, motion and result side by side, 320 px each, with captions.

    All four show the face's close-up (`atvg.film.close_up`); motion and result are made of the photo's own pixels. It
    keeps nothing between calls: frame by frame gives what one pass gives.
    """

    size = (2 * _MARGIN + 4 * SIDE + 3 * _GAP, _CAPTION + SIDE + _MARGIN)  # (width, height) of what it returns, pixels

    def __init__(self, face: Face):
        self._close_up = CloseUp.of(face)
        self._to_panel = geometry.compose(self._close_up.matrix(SIDE), geometry.invert(face.matrix))
        self._dimmed = dimmed(self._close_up.cut(face.photo), SIDE)
        self._canvas = np.full((self.size[1], self.size[0], 3), GROUND, np.uint8)
        for caption, x in zip(CAPTIONS, self._lefts(), strict=True):
            write(self._canvas, caption, x, _CAPTION / 2, _CAPTION_SIZE, TEXT)
        _scale_bar(self._canvas, right=self._lefts()[1] + SIDE, middle=_CAPTION // 2)
        self._ground = self._drawn(self._dimmed, face.crop_landmarks, MUTED, MUTED, width=1)

    def render(self, chunk: Chunk, t: int, picture: np.ndarray, made: Composition | None) -> np.ndarray:
        """One frame → uint8 RGB (386, 1348, 3).

        Args:
            chunk, t: the frame is the chunk's t-th. The colours of its attention always span 0..1, so that they do not
                flicker.
            picture, made: from `Paster.frames`.
        """
        result = self._close_up.cut(picture)
        motion = result
        if made is not None:
            motion = result.copy()
            self._close_up.lay(motion, made.box, painted(made))
        drawn = self._drawn(self._ground, chunk.landmarks[t], FACE, LIPS, width=1.5)
        attention = cv2.warpAffine(chunk.attention[t].astype(np.float32), self._to_panel, (SIDE, SIDE))
        out = self._canvas.copy()
        panels = (drawn, _glow(self._dimmed, attention), motion, result)
        for x, panel in zip(self._lefts(), panels, strict=True):
            out[_CAPTION : _CAPTION + SIDE, x : x + SIDE] = enlarge(panel)
        return out

    def _drawn(self, panel: np.ndarray, landmarks: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
        return _draw_face(panel, geometry.apply(self._to_panel, landmarks[:, :2]), face, lips, width)

    @staticmethod
    def _lefts() -> list[int]:
        return [_MARGIN + i * (SIDE + _GAP) for i in range(len(CAPTIONS))]


def painted(made: Composition) -> np.ndarray:
    """The motion, (h, w, 3) uint8 RGB, as far as it is painted: where α is 0 nothing holds the network to anything,
    and the base is shown."""
    seen = as_painted(made.attention)
    return cv2.blendLinear(made.motion, made.base, seen, 1 - seen)


def as_painted(attention: np.ndarray) -> np.ndarray:
    """How far what the network draws with some attention is shown, float32 in [0, 1]."""
    return np.minimum(attention / _FAINT, 1, dtype=np.float32)


def heat_map(attention: np.ndarray) -> np.ndarray:
    """Attention (...) in [0, 1] → uint8 RGB (..., 3) in matplotlib's inferno."""
    return _HEAT[(np.clip(attention, 0, 1) * 255 + 0.5).astype(np.uint8)]


def attention_over(photo: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The attention laid over its photo, with a scale from 0 to 1.

    Args:
        photo: uint8 RGB (128, 128, 3).
        attention: float (128, 128) in [0, 1].

    Returns:
        uint8 RGB (576, 628, 3).
    """
    picture = _glow(dimmed(photo, LARGE), attention)
    return _with_scale(picture, 0, UNIT, "α = 1 is repainted, α = 0 stays the photo")


def loss_weight(attention: np.ndarray, beta: float) -> np.ndarray:
    """The weight α + β of every pixel in the dynamic pixel-wise loss, with a scale from β to 1 + β.

    The colour tells the share of the largest weight: the larger β is, the more alike all pixels look.

    Args:
        attention: float (128, 128) in [0, 1].
        beta: 0 or more.

    Returns:
        uint8 RGB (576, 628, 3).
    """
    picture = heat_map((enlarge(attention.astype(np.float32), LARGE) + beta) / (1 + beta))
    ticks = ((1, f"{1 + beta:.4g}"), (0, f"{beta:.4g}"))
    says = f"counts {(1 + beta) / beta:.3g}× as much as α = 0" if beta else "counts, α = 0 does not"
    return _with_scale(picture, beta / (1 + beta), ticks, f"weight α + β: α = 1 {says}")


def landmarks_over(photo: np.ndarray, example: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The landmarks that VG-net was asked for, over the dimmed photo; the photo's own lie behind, in grey.

    Args:
        photo: uint8 RGB (128, 128, 3).
        example, landmarks: (68, 2) crop pixels.

    Returns:
        uint8 RGB (512, 512, 3).
    """
    scale = LARGE / CROP_SIZE  # a pixel's centre lies half a pixel inside it, in every size
    example, landmarks = ((points[:, :2] + 0.5) * scale - 0.5 for points in (example, landmarks))
    ground = _draw_face(dimmed(photo, LARGE), example, MUTED, MUTED, width=1.5)
    return _draw_face(ground, landmarks, FACE, LIPS, width=2.5)


def _with_scale(picture: np.ndarray, low: float, ticks: Sequence[tuple[float, str]], line: str) -> np.ndarray:
    """A large picture, the heat map's colours from `low` to 1 beside it, and a line of text below."""
    canvas = np.full((_MARGIN + LARGE + 3 * _MARGIN, 2 * _MARGIN + LARGE + _BAR, 3), GROUND, np.uint8)
    canvas[_MARGIN : _MARGIN + LARGE, _MARGIN : _MARGIN + LARGE] = picture
    upright_scale(canvas, 2 * _MARGIN + LARGE, _MARGIN, LARGE, low, ticks, _LARGE_SIZE)
    write(canvas, line, _MARGIN, _MARGIN + LARGE + 1.5 * _MARGIN, _LARGE_SIZE, TEXT)
    return canvas


def upright_scale(
    canvas: np.ndarray, x: int, top: int, height: int, low: float, ticks: Sequence[tuple[float, str]], size: int
) -> None:
    """The heat map's colours from `low` up to 1; beside them `ticks`: (0 at the bottom .. 1 at the top, text)."""
    width = round(0.85 * size)
    canvas[top : top + height, x : x + width] = heat_map(np.linspace(1, low, height))[:, None]
    for place, text in ticks:
        write(canvas, text, x + 1.4 * size, top + size / 2 + (1 - place) * (height - size), size, MUTED)


def _scale_bar(canvas: np.ndarray, right: int, middle: int) -> None:
    """0 ▬▬▬ 1 in the heat map's colours, ending at `right`."""
    length = 72
    write(canvas, "1", right - 8, middle, _SMALL_SIZE, MUTED)
    canvas[middle - 4 : middle + 4, right - 14 - length : right - 14] = heat_map(np.linspace(0, 1, length))
    write(canvas, "0", right - 14 - length - 14, middle, _SMALL_SIZE, MUTED)


def dimmed(photo: np.ndarray, side: int) -> np.ndarray:
    """In dark grey, for drawings to stand on."""
    grey = cv2.cvtColor(enlarge(photo, side), cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * _DIM + 0.5).astype(np.uint8), 3, axis=2)


def _glow(dimmed: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The heat is light added to the dimmed photo, which fades out where the heat is strong."""
    attention = enlarge(attention.astype(np.float32), len(dimmed))
    ground = dimmed * (1 - attention[..., None])
    return np.minimum(heat_map(attention) + ground, 255).astype(np.uint8)


def _draw_face(panel: np.ndarray, points: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
    """A copy of `panel` with the outlines through points (68, 2) of it."""
    side = len(panel)
    large = cv2.resize(panel, (side * _FINE, side * _FINE), interpolation=cv2.INTER_NEAREST)
    points = (points + 0.5) * _FINE - 0.5
    points = (points * (1 << _SHIFT)).round().astype(np.int32)
    for first, last, closed in OUTLINES:
        colour, line = lips if first in MOUTH else face, points[first : last + 1]
        cv2.polylines(large, [line], closed, colour, round(width * _FINE), cv2.LINE_AA, _SHIFT)
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def enlarge(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """To a square of `side`; cubic for pictures, linear for maps, which must not overshoot. A larger one is shrunk."""
    if len(picture) == side:
        return picture
    larger = cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if len(picture) > side else larger)


def write(canvas: np.ndarray, text: str, x: float, middle: float, size: int, colour: tuple, align: float = 0) -> None:
    """Writes a line into `canvas`: at `x` its left (`align` 0) or its middle (0.5), its height centred on `middle`."""
    mask = text_mask(text, size)[..., None] / 255
    x, y = round(x - align * mask.shape[1]), round(middle - len(mask) / 2)
    spot = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    spot[:] = (spot * (1 - mask) + np.array(colour) * mask + 0.5).astype(np.uint8)
