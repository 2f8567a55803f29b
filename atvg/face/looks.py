"""Looking again where the first look found nobody: softened, from farther away, closer.

Photos are settled at first sight. Drawings are not: hard flat edges hide a face until they are softened, one that fills
the picture needs space around it, a small one must be enlarged. Such looks also see faces in coffee cups, so a face
counts only when close-ups find it again: the closer the first look, the more of them, and the more alike.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from atvg.face.detection import Detection
from atvg.face.landmarks import five_points

_SIDE = 640  # pixels of what a look shows; the finders' own input is 192 px
_GREY = 127  # outside the picture; found more faces that fill it than repeating its border did
_SOFT = 0.005  # standard deviation of the blur, share of the side
_CLOSE = 2.6  # side of a close-up, in sizes of the face
# Sides of the tiles that cover a picture, in its longer sides, but at least so many photo pixels: a face is found where
# it is a twelfth of the tile.
_TILES, _LEAST_TILE = (0.65, 0.3, 0.1), 224

Detect = Callable[[np.ndarray], list[Detection]]


@dataclass(frozen=True)
class _Proof:
    """So many close-ups, soft and sharp at each margin, must show five points that differ by less, in eye distances."""

    margins: tuple[float, ...]
    times: int
    same: float


_DRAWN, _SMALL = _Proof((_CLOSE,), 1, 0.2), _Proof((_CLOSE,), 2, 0.2)
# In smaller tiles wheels, coins and letters become faces. Measured: of 40 such two looks differ by 0.08 or more, faces
# of people with 12 pixels across the eyes by 0.02.
_TINY = _Proof((1.8, _CLOSE, 4.0), 6, 0.05)


@dataclass(frozen=True)
class Look:
    """A square of the picture, photo pixels; it may reach beyond the picture's border."""

    centre: tuple[float, float]
    side: float
    soft: bool = False

    def find(self, image: np.ndarray, detect: Detect) -> list[Detection]:
        """What `detect` sees in this square of a uint8 RGB picture, in pixels of the whole picture."""
        height, width = image.shape[:2]
        low = np.floor(np.array(self.centre) - self.side / 2).astype(int)
        high = low + max(1, round(self.side))
        inner_low = np.clip(low, 0, [width - 1, height - 1])
        inner_high = np.clip(high, inner_low + 1, [width, height])
        cut = image[inner_low[1] : inner_high[1], inner_low[0] : inner_high[0]]
        zoom = _SIDE / (high - low)[0]
        room = np.clip(np.round((inner_low - low) * zoom).astype(int), 0, _SIDE - 1)
        size = np.clip(np.round((inner_high - inner_low) * zoom).astype(int), 1, _SIDE - room)
        seen: np.ndarray = np.full((_SIDE, _SIDE, 3), _GREY, np.uint8)
        seen[room[1] : room[1] + size[1], room[0] : room[0] + size[0]] = cv2.resize(
            cut, tuple(map(int, size)), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        )
        if self.soft:
            seen = cv2.GaussianBlur(seen, (0, 0), _SOFT * _SIDE)
        scale = (inner_high - inner_low) / size
        # cv2.resize maps pixel centres: x_cut + ½ = scale · (x_seen + ½).
        factor = np.array([*scale, scale[0]])
        shift = np.array([*(scale * (0.5 - room) - 0.5 + inner_low), 0.0])
        return [
            Detection(*((points * factor + shift).astype(np.float32) for points in (face.landmarks, face.mesh)))
            for face in detect(seen)
        ]


def close_up(box: tuple[float, float, float, float], margin: float = _CLOSE, soft: bool = False) -> Look:
    """A look at a face's box (x, y, width, height), `margin` times its size."""
    x, y, width, height = box
    return Look((x + width / 2, y + height / 2), margin * max(width, height), soft)


def look_again(image: np.ndarray, detect: Detect) -> list[Detection]:
    """Faces of a uint8 RGB picture in which `detect` itself sees none."""
    height, width = image.shape[:2]
    for look in _whole(width, height):
        if faces := _proven(image, look, detect, _DRAWN):
            return faces
    for tile in _tile_sides(max(width, height)):
        proof = _SMALL if tile == _TILES[0] * max(width, height) else _TINY
        if faces := [face for look in _tiles(width, height, tile) for face in _proven(image, look, detect, proof)]:
            return faces
    return []


def _proven(image: np.ndarray, look: Look, detect: Detect, proof: _Proof) -> list[Detection]:
    confirmed = (_confirmed(image, face, detect, proof) for face in look.find(image, detect))
    return [face for face in confirmed if face is not None]


def _whole(width: int, height: int) -> Iterator[Look]:
    """Ordered by how often they helped drawings."""
    side, middle = max(width, height), (width / 2, height / 2)
    yield Look(middle, side, soft=True)
    yield Look(middle, 2 * side, soft=True)
    yield Look(middle, 2 * side)
    yield Look(middle, 3 * side, soft=True)


def _tile_sides(longer: int) -> list[float]:
    """From large to small, so that a face is found where it is largest."""
    sides = sorted({max(share * longer, _LEAST_TILE) for share in _TILES}, reverse=True)
    return [side for side in sides if side < longer]


def _tiles(width: int, height: int, tile: float) -> Iterator[Look]:
    for y in _middles(height, tile):
        for x in _middles(width, tile):
            yield Look((x, y), tile)


def _middles(length: float, tile: float) -> np.ndarray:
    """Of tiles along a side; neighbours overlap by a quarter or more."""
    if length <= tile:
        return np.array([length / 2])
    return np.linspace(tile / 2, length - tile / 2, 1 + math.ceil((length - tile) / (0.75 * tile)))


def _confirmed(image: np.ndarray, face: Detection, detect: Detect, proof: _Proof) -> Detection | None:
    """The face as the last of the close-ups that prove it shows it."""
    looks = [close_up(face.box, margin, soft) for margin in proof.margins for soft in (True, False)]
    seen: list[Detection] = []
    for left, look in zip(range(len(looks), 0, -1), looks, strict=True):
        if len(seen) + left < proof.times:
            return None
        seen += [other for other in look.find(image, detect) if _apart(face, other) < proof.same][:1]
        if len(seen) == proof.times:
            return seen[-1]
    return None


def _apart(first: Detection, second: Detection) -> float:
    """Mean distance of five points from those of another face, in eye distances."""
    one, other = (five_points(face.landmarks[:, :2]) for face in (first, second))
    return float(np.linalg.norm(one - other, axis=1).mean() / max(np.linalg.norm(one[1] - one[0]), 1e-6))
