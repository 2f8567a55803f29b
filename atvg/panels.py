"""What a person looks at to understand a result: panels side by side, and one moment taken apart."""

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.recording import Moment
from atvg.video import text_mask

# One dark theme for all pictures and figures.
GROUND, PLATE = (17, 19, 24), (27, 30, 37)
TEXT, MUTED = (232, 234, 239), (147, 153, 166)
FACE, LIPS = (112, 200, 232), (255, 176, 66)

CAPTIONS = ("Landmarks", "Attention", "Motion", "Result")
SIDE = 256  # of a panel, pixels
LARGE = 512  # of a picture that stands alone
_MARGIN, _GAP, _CAPTION = 16, 12, 42  # round the panels, between them, and the height kept for the captions
_CAPTION_SIZE, _SMALL_SIZE = 16, 12
_LARGE_SIZE, _BAR = 20, 84  # of the text beside a large picture, and the width kept for its scale
_TILE_MARGIN, _OPERATOR, _TILE_CAPTION = 24, 56, 48  # round an equation, and kept for its operators and captions
_TILE_SIZE, _OPERATOR_SIZE = 28, 40  # of its text: stacked and shrunk to a phone's width, captions have 12 pixels
_UNIT = ((1, "1"), (0.5, "0.5"), (0, "0"))  # where on a scale stands what

# An equation's tiles at (column, row), and its signs between them.
_LINES = (
    {
        "attention α": [(0, 0)], "motion m": [(1, 0)], "1 − α": [(2, 0)], "photo": [(3, 0)],
        "painted": [(0.5, 1)], "kept": [(2.5, 1)], "result": [(4, 0), (4, 1)],
    },
    [("⊙", 0.5, 0), ("+", 1.5, 0), ("⊙", 2.5, 0), ("=", 3.5, 0), ("+", 1.5, 1), ("=", 3.25, 1)],
)  # fmt: skip
_COLUMN = (
    {
        "attention α": [(0, 0)], "motion m": [(1, 0)], "painted": [(2, 0)],
        "1 − α": [(0, 1)], "photo": [(1, 1)], "kept": [(2, 1)], "result": [(2, 2)],
    },
    [("⊙", 0.5, 0), ("=", 1.5, 0), ("+", 2, 0.5), ("⊙", 0.5, 1), ("=", 1.5, 1), ("=", 2, 1.5)],
)  # fmt: skip
_DIM = 0.28  # brightness of the photo behind drawings, low enough for lines and colours to stand out
_FINE = 2  # lines are drawn so many times larger, then shrunk: cv2 knows only whole widths
_SHIFT = 4  # and places them to 1/16 of a pixel

# Inferno is perceptually uniform and starts at black: twice the attention looks twice the attention.
_HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


class PanelRenderer:
    """Landmarks, attention, motion and result side by side, 256 px each, with captions.

    It keeps nothing between calls: chunk by chunk gives what one pass gives.

    Args:
        photo_crop: uint8 RGB (128, 128, 3).
        example_landmarks: (68, 2) crop pixels, the photo's own; drawn in grey behind the moving ones.
    """

    size = (2 * _MARGIN + 4 * SIDE + 3 * _GAP, _CAPTION + SIDE + _MARGIN)  # (width, height) of what it returns, pixels

    def __init__(self, photo_crop: np.ndarray, example_landmarks: np.ndarray):
        self._dimmed = _dimmed(photo_crop, SIDE)
        self._canvas = np.full((self.size[1], self.size[0], 3), GROUND, np.uint8)
        for caption, x in zip(CAPTIONS, self._lefts(), strict=True):
            _write(self._canvas, caption, x, _CAPTION / 2, _CAPTION_SIZE, TEXT)
        _scale_bar(self._canvas, right=self._lefts()[1] + SIDE, middle=_CAPTION // 2)
        self._ground = _draw_face(self._dimmed, example_landmarks, MUTED, MUTED, width=1)

    def render(
        self, frames: np.ndarray, attention: np.ndarray, motion: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """One chunk → uint8 RGB (T, 314, 1092, 3).

        Args:
            frames: uint8 RGB (T, 128, 128, 3), the animated crop.
            attention: float (T, 128, 128) in [0, 1]; the colours always span 0..1, so that they do not flicker.
            motion: uint8 RGB (T, 128, 128, 3).
            landmarks: (T, 68, 2) crop pixels, what the network was asked for.
        """
        out = np.repeat(self._canvas[None], len(frames), axis=0)
        for t, picture in enumerate(out):
            drawn = _draw_face(self._ground, landmarks[t], FACE, LIPS, width=1.5)
            panels = (drawn, _glow(self._dimmed, attention[t]), motion[t], frames[t])
            for x, panel in zip(self._lefts(), panels, strict=True):
                picture[_CAPTION : _CAPTION + SIDE, x : x + SIDE] = _enlarge(panel)
        return out

    @staticmethod
    def _lefts() -> list[int]:
        return [_MARGIN + i * (SIDE + _GAP) for i in range(len(CAPTIONS))]


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
    picture = _glow(_dimmed(photo, LARGE), attention)
    return _with_scale(picture, 0, _UNIT, "α = 1 is repainted, α = 0 stays the photo")


def loss_weight(attention: np.ndarray, beta: float) -> np.ndarray:
    """The weight α + β of every pixel in the dynamic pixel-wise loss, with a scale from β to 1 + β.

    The colour tells the share of the largest weight: the larger β is, the more alike all pixels look.

    Args:
        attention: float (128, 128) in [0, 1].
        beta: 0 or more.

    Returns:
        uint8 RGB (576, 628, 3).
    """
    picture = heat_map((_enlarge(attention.astype(np.float32), LARGE) + beta) / (1 + beta))
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
    ground = _draw_face(_dimmed(photo, LARGE), example, MUTED, MUTED, width=1.5)
    return _draw_face(ground, landmarks, FACE, LIPS, width=2.5)


def products(moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    """What is painted, α ⊙ m, and what is kept, (1 − α) ⊙ photo; uint8 RGB (128, 128, 3) each.

    They add up to the frame but for rounding: three pictures, a motion map and α have been rounded on the way.
    """
    alpha = moment.attention[..., None]
    pictures = (alpha * moment.motion, (1 - alpha) * moment.photo)
    painted, kept = ((picture + 0.5).astype(np.uint8) for picture in pictures)
    return painted, kept


def equation(moment: Moment, stacked: bool = False) -> np.ndarray:
    """The composition as an equation of pictures: α ⊙ m + (1 − α) ⊙ photo = result, and the two products.

    Returns:
        uint8 RGB: two lines, (712, 1552, 3), or, ``stacked`` for narrow screens, a sum in a column, (1072, 928, 3).
    """
    alpha = _enlarge(moment.attention.astype(np.float32), SIDE)
    painted, kept = products(moment)
    tiles = {
        "attention α": heat_map(alpha),
        "motion m": moment.motion,
        "1 − α": heat_map(1 - alpha),
        "photo": moment.photo,
        "painted": painted,
        "kept": kept,
        "result": moment.frame,
    }
    layout, signs = _COLUMN if stacked else _LINES
    step, pitch = SIDE + _OPERATOR, SIDE + _TILE_CAPTION + _OPERATOR
    columns, rows = (1 + max(place[i] for places in layout.values() for place in places) for i in (0, 1))
    size = (2 * _TILE_MARGIN - _OPERATOR + n * length for n, length in ((rows, pitch), (columns, step)))
    canvas = np.full((*map(round, size), 3), GROUND, np.uint8)
    for name, places in layout.items():
        picture = _enlarge(tiles[name])
        for column, row in places:
            x, y = round(_TILE_MARGIN + column * step), _TILE_MARGIN + row * pitch
            canvas[y : y + SIDE, x : x + SIDE] = picture
            _write(canvas, name, x + SIDE / 2, y + SIDE + _TILE_CAPTION / 2, _TILE_SIZE, TEXT, align=0.5)
    for sign, column, row in signs:
        below = _TILE_CAPTION / 2 if row % 1 else 0  # between two rows it has to clear the upper one's captions
        x, y = (_TILE_MARGIN + n * length + SIDE / 2 for n, length in ((column, step), (row, pitch)))
        _write(canvas, sign, x, y + below, _OPERATOR_SIZE, TEXT, align=0.5)
    last = _TILE_MARGIN + (rows - 1) * pitch
    _upright_scale(canvas, _TILE_MARGIN, last, SIDE, 0, _UNIT, _TILE_SIZE)
    if stacked:
        for line, lift in (("result =", 0.75), ("α ⊙ m + (1 − α) ⊙ photo", -0.75)):
            _write(canvas, line, _TILE_MARGIN + 140, last + SIDE / 2 - lift * _TILE_SIZE, _TILE_SIZE, TEXT)
    else:
        for column in (0, 2):
            _brace(canvas, round(_TILE_MARGIN + column * step), step + SIDE, last)
    return canvas


def _with_scale(picture: np.ndarray, low: float, ticks: Sequence[tuple[float, str]], line: str) -> np.ndarray:
    """A large picture, the heat map's colours from `low` to 1 beside it, and a line of text below."""
    canvas = np.full((_MARGIN + LARGE + 3 * _MARGIN, 2 * _MARGIN + LARGE + _BAR, 3), GROUND, np.uint8)
    canvas[_MARGIN : _MARGIN + LARGE, _MARGIN : _MARGIN + LARGE] = picture
    _upright_scale(canvas, 2 * _MARGIN + LARGE, _MARGIN, LARGE, low, ticks, _LARGE_SIZE)
    _write(canvas, line, _MARGIN, _MARGIN + LARGE + 1.5 * _MARGIN, _LARGE_SIZE, TEXT)
    return canvas


def _upright_scale(
    canvas: np.ndarray, x: int, top: int, height: int, low: float, ticks: Sequence[tuple[float, str]], size: int
) -> None:
    """The heat map's colours from `low` up to 1; beside them `ticks`: (0 at the bottom .. 1 at the top, text)."""
    width = round(0.85 * size)
    canvas[top : top + height, x : x + width] = heat_map(np.linspace(1, low, height))[:, None]
    for place, text in ticks:
        _write(canvas, text, x + 1.4 * size, top + size / 2 + (1 - place) * (height - size), size, MUTED)


def _brace(canvas: np.ndarray, x: int, width: int, bottom: int) -> None:
    """⎵ over a length, and a stem from its middle down to `bottom`."""
    top = bottom - _OPERATOR + 8
    left, middle, right = x + 1, x + width // 2, x + width - 2
    cv2.polylines(canvas, [np.array([(left, top), (left, top + 16), (right, top + 16), (right, top)])], False, MUTED, 2)
    cv2.line(canvas, (middle, top + 16), (middle, bottom - 8), MUTED, 2)


def _scale_bar(canvas: np.ndarray, right: int, middle: int) -> None:
    """0 ▬▬▬ 1 in the heat map's colours, ending at `right`."""
    length = 72
    _write(canvas, "1", right - 8, middle, _SMALL_SIZE, MUTED)
    canvas[middle - 4 : middle + 4, right - 14 - length : right - 14] = heat_map(np.linspace(0, 1, length))
    _write(canvas, "0", right - 14 - length - 14, middle, _SMALL_SIZE, MUTED)


def _dimmed(photo: np.ndarray, side: int) -> np.ndarray:
    """In dark grey, for drawings to stand on."""
    grey = cv2.cvtColor(_enlarge(photo, side), cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * _DIM + 0.5).astype(np.uint8), 3, axis=2)


def _glow(dimmed: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The heat is light added to the dimmed photo, which fades out where the heat is strong."""
    attention = _enlarge(attention.astype(np.float32), len(dimmed))
    ground = dimmed * (1 - attention[..., None])
    return np.minimum(heat_map(attention) + ground, 255).astype(np.uint8)


def _draw_face(panel: np.ndarray, landmarks: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
    """A copy of `panel` with the outlines on it. A pixel's centre lies half a pixel inside it, in every size."""
    side = len(panel)
    large = cv2.resize(panel, (side * _FINE, side * _FINE), interpolation=cv2.INTER_NEAREST)
    points = (landmarks[:, :2] + 0.5) * (side * _FINE / CROP_SIZE) - 0.5
    points = (points * (1 << _SHIFT)).round().astype(np.int32)
    for first, last, closed in OUTLINES:
        colour, line = lips if first in MOUTH else face, points[first : last + 1]
        cv2.polylines(large, [line], closed, colour, round(width * _FINE), cv2.LINE_AA, _SHIFT)
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)


def _enlarge(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """To a square of `side`; cubic for pictures, linear for maps, which must not overshoot."""
    if len(picture) == side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR)


def _write(canvas: np.ndarray, text: str, x: float, middle: float, size: int, colour: tuple, align: float = 0) -> None:
    """Writes a line into `canvas`: at `x` its left (`align` 0) or its middle (0.5), its height centred on `middle`."""
    mask = text_mask(text, size)[..., None] / 255
    x, y = round(x - align * mask.shape[1]), round(middle - len(mask) / 2)
    spot = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    spot[:] = (spot * (1 - mask) + np.array(colour) * mask + 0.5).astype(np.uint8)
