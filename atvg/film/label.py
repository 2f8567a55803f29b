"""The words "AI-generated" in a picture's corner."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from atvg.film.drawing import text_mask

LABEL = "AI-generated"
_MIN_TEXT = 9  # px; DejaVu Sans blurs below
_TEXT_SHARE = 0.022  # text size as a share of the picture's mean side
_BAND_SHARE = 0.04  # likewise, of the band that is added for it
_PLATE_OPACITY, _TEXT_OPACITY = 0.55, 0.95


def label(frames: np.ndarray) -> np.ndarray:
    """Draws "AI-generated" into the bottom-right corner: uint8 RGB (T, H, W, 3) → the same, a copy.

    The size follows the picture's, down to what is still legible, and further down only where that would not fit.
    """
    labelled = frames.copy()
    stamp(labelled)
    return labelled


def stamp(frames: np.ndarray) -> None:
    """`label` into the frames themselves."""
    opacity, ink, (rows, columns) = _placed(*frames.shape[1:3])
    spot = frames[:, rows, columns]
    spot[:] = (spot * (1 - opacity) + ink + 0.5).astype(np.uint8)


def label_layer(height: int, width: int) -> np.ndarray:
    """The label alone, uint8 RGBA (height, width, 4), to be laid over pictures of this size."""
    opacity, ink, spot = _placed(height, width)
    layer = np.zeros((height, width, 4), np.uint8)
    colour = np.repeat(ink / np.maximum(opacity, 1e-6), 3, axis=2)
    layer[spot] = (np.dstack([colour, 255 * opacity]) + 0.5).clip(0, 255)
    return layer


def sign(picture: np.ndarray) -> np.ndarray:
    """Labels a picture full of text, uint8 RGB (H, W, 3), in a band below it, where nothing is covered."""
    height, width = picture.shape[:2]
    band = max(2 * _MIN_TEXT, round(_BAND_SHARE * (height * width) ** 0.5))
    ground = np.broadcast_to(picture[-1, -1], (band, width, 3))
    return label(np.concatenate([picture, ground])[None])[0]


def _placed(height: int, width: int) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """`_plate`, and the rows and columns of the picture where it lies."""
    opacity, ink = _plate(height, width)
    high, wide = opacity.shape[:2]
    margin = min(high // 6, height - high, width - wide)
    bottom, right = height - margin, width - margin
    return opacity, ink, (slice(bottom - high, bottom), slice(right - wide, right))


@lru_cache(maxsize=32)
def _plate(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """For a picture of this size: what the label covers, 0..1, and the light it adds, 0..255; float32 (h, w, 1)."""
    size = max(_MIN_TEXT, round(_TEXT_SHARE * (height * width) ** 0.5))
    pad_x, pad_y = round(0.4 * size), round(0.1 * size)
    text = Image.fromarray(np.pad(text_mask(LABEL, size), ((pad_y, pad_y), (pad_x, pad_x))))
    fit = min(1.0, height / text.height, width / text.width)
    text = text.resize([max(1, int(side * fit)) for side in text.size])
    plate = Image.new("L", (4 * text.width, 4 * text.height))  # shrunk below, because Pillow's round corners are jagged
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, plate.width - 1, plate.height - 1), 0.3 * plate.height, fill=255)
    ink, ground = (np.asarray(part, np.float32)[..., None] / 255 for part in (text, plate.reduce(4)))
    ink = ink * _TEXT_OPACITY
    return ink + (1 - ink) * ground * _PLATE_OPACITY, ink * 255
