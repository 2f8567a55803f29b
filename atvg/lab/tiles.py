"""Pictures made of pictures: tiles with captions, in the dark theme of `atvg.film.panels`."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from atvg.config import CROP_SIZE
from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.film.drawing import FACE, GROUND, LIPS, MUTED, TEXT, heat_map, text_mask

MARGIN, GAP = 16, 12  # round the tiles and between them, pixels
_TITLE_SIZE, _NOTE_SIZE = 15, 12
_LINE = 1.5  # height of a line, in sizes of its letters
_DIM = 0.35  # brightness of the photo behind outlines
_FINE = 3  # lines are drawn so many times larger, then shrunk
_SHIFT = 4  # and placed to 1/16 of a pixel


@dataclass(frozen=True)
class Tile:
    """Pictures one above the other, uint8 RGB (128, 128, 3), with a title above and notes below."""

    pictures: tuple[np.ndarray, ...]
    title: str
    notes: tuple[str, ...] = ()


def sheet(tiles: Sequence[Tile], side: int = 192, most: int = 6) -> np.ndarray:
    """Tiles in as many equally long rows as it takes to have no more than `most` in one → uint8 RGB (H, W, 3)."""
    rows = -(-len(tiles) // most)
    across = -(-len(tiles) // rows)
    title = round(_TITLE_SIZE * _LINE) + 6
    below = round(_NOTE_SIZE * _LINE)
    height = max(
        title + len(tile.pictures) * (side + GAP // 2) - GAP // 2 + below * len(tile.notes) + 4 for tile in tiles
    )
    canvas = np.full(
        (2 * MARGIN + rows * (height + GAP) - GAP, 2 * MARGIN + across * (side + GAP) - GAP, 3), GROUND, np.uint8
    )
    for i, tile in enumerate(tiles):
        x, y = MARGIN + i % across * (side + GAP), MARGIN + i // across * (height + GAP)
        write(canvas, tile.title, x, y + title / 2 - 2, side, _TITLE_SIZE, TEXT)
        y += title
        for picture in tile.pictures:
            canvas[y : y + side, x : x + side] = enlarge(picture, side)
            y += side + GAP // 2
        for note in tile.notes:
            write(canvas, note, x, y + below / 2, side, _NOTE_SIZE, MUTED)
            y += below
    return canvas


def frame(
    columns: Sequence[tuple[str, ...]], side: int, size: int = _TITLE_SIZE
) -> tuple[np.ndarray, list[list[tuple[slice, slice]]]]:
    """The ground of a video: square panels in columns, one above the other, each below its caption of `size` pixels.

    Returns:
        uint8 RGB (H, W, 3) with the captions, and rows and columns of each panel, column by column.
    """
    line = round(size * _LINE) + 6
    height = MARGIN + max(map(len, columns)) * (line + side) + MARGIN
    ground = np.full((height, 2 * MARGIN + len(columns) * (side + GAP) - GAP, 3), GROUND, np.uint8)
    places = []
    for i, captions in enumerate(columns):
        x = MARGIN + i * (side + GAP)
        tops = [MARGIN // 2 + k * (line + side) + line for k in range(len(captions))]
        for caption, top in zip(captions, tops, strict=True):
            write(ground, caption, x, top - line / 2 - 1, side, size, TEXT)
        places.append([(slice(top, top + side), slice(x, x + side)) for top in tops])
    return ground, places


def enlarge(picture: np.ndarray, side: int) -> np.ndarray:
    """A square uint8 picture, or several (T, S, S, 3), to another side."""
    if picture.ndim == 4:
        return np.stack([enlarge(one, side) for one in picture])
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if side < len(picture) else cv2.INTER_CUBIC)


def attention(alpha: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """α (..., 128, 128) as heat over the dimmed photo (128, 128, 3) → uint8 RGB (..., 128, 128, 3)."""
    ground = _dimmed(photo) * (1 - alpha[..., None])
    return np.minimum(heat_map(alpha) + ground, 255).astype(np.uint8)


def outlines(landmarks: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Landmarks (68, 2) crop pixels as lines over the dimmed photo → uint8 RGB (128·3, 128·3, 3)."""
    side = _FINE * CROP_SIZE
    large = cv2.resize(_dimmed(photo).astype(np.uint8), (side, side), interpolation=cv2.INTER_LINEAR)
    # A pixel's centre lies half a pixel inside it, in every size.
    points = (((landmarks[:, :2] + 0.5) * _FINE - 0.5) * (1 << _SHIFT)).round().astype(np.int32)
    for first, last, closed in OUTLINES:
        colour = LIPS if first in MOUTH else FACE
        cv2.polylines(large, [points[first : last + 1]], closed, colour, 2, cv2.LINE_AA, _SHIFT)
    return large


def write(canvas: np.ndarray, text: str, x: int, middle: float, width: int, size: int, colour: tuple) -> None:
    """Writes a line into `canvas`, its left at `x`, its height centred on `middle`; smaller if it needs more width."""
    mask = text_mask(text, size)
    while mask.shape[1] > width and size > 8:
        size -= 1
        mask = text_mask(text, size)
    mask = mask[:, :width, None] / 255
    y = max(0, round(middle - len(mask) / 2))
    spot = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    mask = mask[: spot.shape[0], : spot.shape[1]]
    spot[:] = (spot * (1 - mask) + np.array(colour) * mask + 0.5).astype(np.uint8)


def _dimmed(photo: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None] * _DIM, 3, axis=2)
