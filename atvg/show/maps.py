"""The maps of one moment, each as a picture that stands alone."""

from collections.abc import Sequence

import numpy as np

from atvg.config import CROP_SIZE
from atvg.film.drawing import (
    FACE,
    GROUND,
    LIPS,
    MUTED,
    TEXT,
    dimmed,
    draw_face,
    enlarge,
    glow,
    heat_map,
    write,
)

LARGE = 512  # of the map, pixels
_MARGIN = 16  # round it
UNIT = ((1, "1"), (0.5, "0.5"), (0, "0"))  # where on a scale stands what
_LARGE_SIZE, _BAR = 20, 84  # of the text beside a large picture, and the width kept for its scale


def attention_over(photo: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The attention laid over its photo, with a scale from 0 to 1.

    Args:
        photo: uint8 RGB (128, 128, 3).
        attention: float (128, 128) in [0, 1].

    Returns:
        uint8 RGB (576, 628, 3).
    """
    picture = glow(dimmed(photo, LARGE), attention)
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
    ground = draw_face(dimmed(photo, LARGE), example, MUTED, MUTED, width=1.5)
    return draw_face(ground, landmarks, FACE, LIPS, width=2.5)


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
