"""How pictures that explain are drawn: their colours, text, heat maps and the outlines of a face."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.film.composition import Composition

# One dark theme for all pictures and figures.
GROUND, PLATE = (17, 19, 24), (27, 30, 37)
TEXT, MUTED = (232, 234, 239), (147, 153, 166)
FACE, LIPS = (112, 200, 232), (255, 176, 66)
SIDE = 320  # of a panel, pixels
_FAINT = 0.1  # attention below which what the network draws fades from sight
_DIM = 0.28  # brightness of the photo behind drawings, low enough for lines and colours to stand out
_FINE = 2  # lines are drawn so many times larger, then shrunk: cv2 knows only whole widths
_SHIFT = 4  # and places them to 1/16 of a pixel
# Inferno is perceptually uniform and starts at black: twice the attention looks twice the attention.
_HEAT = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]


@lru_cache(maxsize=64)
def text_mask(text: str, size: int) -> np.ndarray:
    """One line in DejaVu Sans, `size` px → coverage uint8 (h, w), as high as the font's ascent and descent."""
    font = ImageFont.truetype(_font(), size)
    left, _, right, _ = font.getbbox(text)
    image = Image.new("L", (int(right - left), sum(font.getmetrics())))
    ImageDraw.Draw(image).text((-left, 0), text, fill=255, font=font)
    return np.asarray(image)


def _font() -> Path:
    """Where matplotlib's wheel has it, which is not imported for that."""
    found = find_spec("matplotlib")
    assert found is not None and found.origin is not None, "matplotlib is in requirements.txt"
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def painted(made: Composition) -> np.ndarray:
    """The motion, (h, w, 3) uint8 RGB, as far as it is painted: where α is 0 nothing holds the network to anything,
    and the base is shown."""
    seen = as_painted(made.attention)
    return cv2.blendLinear(made.motion, made.base, seen, 1 - seen)


def as_painted(attention: np.ndarray) -> np.ndarray:
    """How far what the network draws with some attention is shown, float32 in [0, 1]."""
    return np.minimum(attention / _FAINT, 1, dtype=np.float32)


def heat_map(attention: np.ndarray) -> np.ndarray:
    """Attention (...) in [0, 1] → uint8 RGB (..., 3) in inferno."""
    return _HEAT[(np.clip(attention, 0, 1) * 255 + 0.5).astype(np.uint8)]


def dimmed(photo: np.ndarray, side: int) -> np.ndarray:
    """In dark grey, for drawings to stand on."""
    grey = cv2.cvtColor(enlarge(photo, side), cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * _DIM + 0.5).astype(np.uint8), 3, axis=2)


def glow(dimmed: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The heat is light added to the dimmed photo, which fades out where the heat is strong."""
    attention = enlarge(attention.astype(np.float32), len(dimmed))
    ground = dimmed * (1 - attention[..., None])
    return np.minimum(heat_map(attention) + ground, 255).astype(np.uint8)


def draw_face(panel: np.ndarray, points: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
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
