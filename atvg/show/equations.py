"""One frame as equations of pictures: how the network composes it, and how it lies in layers on the photo's pixels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from atvg.film.close_up import CloseUp, close_up_of
from atvg.film.drawing import GROUND, MUTED, TEXT, as_painted, dimmed, enlarge, heat_map, painted, write
from atvg.film.paste import Paster
from atvg.film.recording import Moment, Recording
from atvg.show.maps import UNIT, upright_scale

AMPLIFIED = 4  # times: how much stronger a residual is shown, around mid-grey
_TILE, _LARGEST = 256, 512  # pixels of a tile, least and greatest
_MARGIN, _OPERATOR, _CAPTION = 24, 56, 48  # round the least tiles, and kept for their operators and captions
_TEXT, _SIGN = 28, 40  # likewise: stacked and shrunk to a phone's width, captions have 12 pixels


class Layout(NamedTuple):
    """Where the tiles of an equation stand, each at some (column, row), and the signs between them."""

    tiles: dict[str, list[tuple[float, float]]]
    signs: list[tuple[str, float, float]]
    scale: tuple[int, int]  # where the scale of the heat map stands
    braces: tuple[float, ...] = ()  # columns from which one reaches to the next
    lines: tuple[str, ...] = ()  # of text beside the scale


_LINES = Layout(
    {
        "attention α": [(0, 0)], "motion m": [(1, 0)], "1 − α": [(2, 0)], "photo": [(3, 0)],
        "painted": [(0.5, 1)], "kept": [(2.5, 1)], "result": [(4, 0), (4, 1)],
    },
    [("⊙", 0.5, 0), ("+", 1.5, 0), ("⊙", 2.5, 0), ("=", 3.5, 0), ("+", 1.5, 1), ("=", 3.25, 1)],
    scale=(0, 1), braces=(0, 2),
)  # fmt: skip
_COLUMN = Layout(
    {
        "attention α": [(0, 0)], "motion m": [(1, 0)], "painted": [(2, 0)],
        "1 − α": [(0, 1)], "photo": [(1, 1)], "kept": [(2, 1)], "result": [(2, 2)],
    },
    [("⊙", 0.5, 0), ("=", 1.5, 0), ("+", 2, 0.5), ("⊙", 0.5, 1), ("=", 1.5, 1), ("=", 2, 1.5)],
    scale=(0, 2), lines=("result =", "α ⊙ m + (1 − α) ⊙ photo"),
)  # fmt: skip
_RESIDUAL = f"residual × {AMPLIFIED}"
_LAYERS = Layout(
    {
        "uncovered S": [(0, 0)], "inside": [(1, 0)], "base": [(2, 0)], _RESIDUAL: [(3, 0)],
        "motion m": [(4, 0), (1, 1)], "attention α": [(0, 1)], "1 − α": [(2, 1)], "photo": [(3, 1)], "result": [(4, 1)],
    },
    [
        ("⊙", 0.5, 0), ("→", 1.5, 0), ("+", 2.5, 0), ("=", 3.5, 0),
        ("⊙", 0.5, 1), ("+", 1.5, 1), ("⊙", 2.5, 1), ("=", 3.5, 1),
    ],
    scale=(5, 0),
)  # fmt: skip
_LAYERS_COLUMN = Layout(
    {
        "uncovered S": [(0, 0)], "inside": [(1, 0)], "base": [(2, 0), (0, 1)], _RESIDUAL: [(1, 1)],
        "motion m": [(2, 1), (1, 2)], "attention α": [(0, 2)], "1 − α": [(0, 3)], "photo": [(1, 3)], "result": [(2, 3)],
    },
    [
        ("⊙", 0.5, 0), ("→", 1.5, 0), ("+", 0.5, 1), ("=", 1.5, 1), ("⊙", 0.5, 2), ("+", 1.5, 2), ("⊙", 0.5, 3),
        ("=", 1.5, 3),
    ],
    scale=(2, 2),
)  # fmt: skip


def products(moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    """What is painted, α ⊙ m, and what is kept, (1 − α) ⊙ photo; uint8 RGB (128, 128, 3) each.

    They add up to the frame but for rounding: three pictures, a motion map and α have been rounded on the way.
    """
    alpha = moment.attention[..., None]
    pictures = (alpha * moment.motion, (1 - alpha) * moment.photo)
    added, kept = ((picture + 0.5).astype(np.uint8) for picture in pictures)
    return added, kept


def equation(moment: Moment, stacked: bool = False) -> np.ndarray:
    """The network's composition as an equation: α ⊙ m + (1 − α) ⊙ photo = result, and the two products.

    Returns:
        uint8 RGB: two lines, (712, 1552, 3), or, ``stacked`` for narrow screens, a sum in a column, (1072, 928, 3).
    """
    alpha = enlarge(moment.attention.astype(np.float32), _TILE)
    added, kept = products(moment)
    tiles = {
        "attention α": heat_map(alpha),
        "motion m": moment.motion,
        "1 − α": heat_map(1 - alpha),
        "photo": moment.photo,
        "painted": added,
        "kept": kept,
        "result": moment.frame,
    }
    return _laid_out(tiles, _COLUMN if stacked else _LINES, _TILE)


def layers(recording: Recording, t: int) -> dict[str, np.ndarray]:
    """The layers of frame t on the photo's own pixels, in the face's close-up: base + residual = m,
    α ⊙ m + (1 − α) ⊙ photo = result.

    Between the base and the warped photo stand S ⊙ inside, what lies behind lips and lids and how far it is uncovered.
    Where α is 0 nothing is painted: the residual is shown as nothing there.

    Returns:
        by the names of the tiles, (S, S, 3) uint8 RGB, S at most 512 and 256 at least, where a small photo is enlarged.

    Raises:
        BadSettingError: there is no such frame.
    """
    chunk = recording.chunk(t)
    close_up = close_up_of(CloseUp.of(recording.face), chunk, 0)
    ((picture, made),) = Paster(recording.face).frames(chunk)
    result = close_up.cut(picture)
    photo, base, motion = (result.copy() for _ in range(3))
    residual, shows, alpha = np.zeros(photo.shape, np.float32), *np.zeros((2, *photo.shape[:2]), np.float32)
    inside = dimmed(photo, len(photo))
    if made is not None:
        for square, values in (
            (photo, made.photo), (base, made.base), (motion, painted(made)), (alpha, made.attention),
            (residual, made.residual * as_painted(made.attention)[..., None]),
        ):  # fmt: skip
            close_up.lay(square, made.box, values)
        for opening in made.uncovered:
            close_up.lay(inside, opening.box, (opening.inside + 0.5).clip(0, 255).astype(np.uint8))
            close_up.lay(shows, opening.box, opening.shows[..., 0])
    side = int(np.clip(len(photo), _TILE, _LARGEST))
    tiles = {
        "base": base, _RESIDUAL: (AMPLIFIED * residual + 128.5).clip(0, 255).astype(np.uint8), "motion m": motion,
        "inside": inside, "photo": photo, "result": result,
    }  # fmt: skip
    tiles = {name: enlarge(tile, side) for name, tile in tiles.items()}
    alpha, shows = (enlarge(values, side) for values in (alpha, shows))
    return tiles | {"uncovered S": heat_map(shows), "attention α": heat_map(alpha), "1 − α": heat_map(1 - alpha)}


def layers_equation(tiles: Mapping[str, np.ndarray], stacked: bool = False) -> np.ndarray:
    """What `layers` returned, as equations in two lines, or ``stacked`` for narrow screens in four; uint8 RGB."""
    return _laid_out(tiles, *((_LAYERS_COLUMN, _TILE) if stacked else (_LAYERS, len(tiles["base"]))))


def _laid_out(tiles: Mapping[str, np.ndarray], layout: Layout, side: int) -> np.ndarray:
    """Tiles enlarged to `side`, with captions, signs and a scale that grow with them."""
    unit = side / _TILE
    margin, operator, caption, text, sign = (
        round(unit * length) for length in (_MARGIN, _OPERATOR, _CAPTION, _TEXT, _SIGN)
    )
    step, pitch = side + operator, side + caption + operator
    places = [place for found in layout.tiles.values() for place in found]
    columns, rows = (1 + max(place[i] for place in places) for i in (0, 1))
    height, width = 2 * margin - operator + rows * pitch, 2 * margin - operator + columns * step
    if layout.scale[0] >= columns:  # beside the tiles
        width += operator + 3 * text
    canvas = np.full((round(height), round(width), 3), GROUND, np.uint8)
    for name, found in layout.tiles.items():
        picture = enlarge(tiles[name], side)
        for column, row in found:
            x, y = round(margin + column * step), margin + row * pitch
            canvas[y : y + side, x : x + side] = picture
            write(canvas, name, x + side / 2, y + side + caption / 2, text, TEXT, align=0.5)
    for mark, column, row in layout.signs:
        below = caption / 2 if row % 1 else 0  # between two rows it has to clear the upper one's captions
        across, down = (margin + n * length + side / 2 for n, length in ((column, step), (row, pitch)))
        write(canvas, mark, across, down + below, sign, TEXT, align=0.5)
    left, top = margin + layout.scale[0] * step, margin + layout.scale[1] * pitch
    upright_scale(canvas, left, top, side, 0, UNIT, text)
    for line, lift in zip(layout.lines, _lifts(len(layout.lines)), strict=True):
        write(canvas, line, left + round(5 * text), top + side / 2 + lift * text, text, TEXT)
    for column in layout.braces:
        _brace(canvas, round(margin + column * step), step + side, top)
    return canvas


def _lifts(count: int) -> Sequence[float]:
    """How far below their middle lines of text stand, in sizes of their letters."""
    return [1.5 * (i - (count - 1) / 2) for i in range(count)]


def _brace(canvas: np.ndarray, x: int, width: int, bottom: int) -> None:
    """⎵ over a length, and a stem from its middle down to `bottom`."""
    top = bottom - _OPERATOR + 8
    left, middle, right = x + 1, x + width // 2, x + width - 2
    cv2.polylines(canvas, [np.array([(left, top), (left, top + 16), (right, top + 16), (right, top)])], False, MUTED, 2)
    cv2.line(canvas, (middle, top + 16), (middle, bottom - 8), MUTED, 2)
