"""Looking again where the first look found nobody: softened, from farther away, closer.

Photos are settled at first sight. Drawings are not: hard flat edges hide a face until they are softened, one that fills
the picture needs space around it, a small one must be enlarged. Such looks also see faces in coffee cups, so a face
counts only when a close-up finds it again.
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
_TILE = 0.65  # side of the tiles that cover a picture, in its longer sides; with smaller ones, wheels become faces
_SAME = 0.2  # two looks see one face if its five points differ by less, in eye distances

Detect = Callable[[np.ndarray], list[Detection]]


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
    for looks, confirmations in ((_whole(width, height), 1), (_tiles(width, height), 2)):
        for look in looks:
            confirmed = [_confirmed(image, face, detect, confirmations) for face in look.find(image, detect)]
            faces = [face for face in confirmed if face is not None]
            if faces:
                return faces
    return []


def _whole(width: int, height: int) -> Iterator[Look]:
    """Ordered by how often they helped drawings."""
    side, middle = max(width, height), (width / 2, height / 2)
    yield Look(middle, side, soft=True)
    yield Look(middle, 2 * side, soft=True)
    yield Look(middle, 2 * side)
    yield Look(middle, 3 * side, soft=True)


def _tiles(width: int, height: int) -> Iterator[Look]:
    """For small faces, which have to be confirmed twice: the closer the looks, the more they see."""
    tile = _TILE * max(width, height)
    for y in _middles(height, tile):
        for x in _middles(width, tile):
            yield Look((x, y), tile)


def _middles(length: float, tile: float) -> np.ndarray:
    """Of tiles along a side; neighbours overlap by a quarter or more."""
    if length <= tile:
        return np.array([length / 2])
    return np.linspace(tile / 2, length - tile / 2, 1 + math.ceil((length - tile) / (0.75 * tile)))


def _confirmed(image: np.ndarray, face: Detection, detect: Detect, times: int) -> Detection | None:
    """The face as a close-up shows it, if so many of two close-ups do, a soft and a sharp one."""
    seen = []
    for soft in (True, False):
        again = close_up(face.box, soft=soft).find(image, detect)
        seen += [other for other in again if _same(face, other)][:1]
        if len(seen) == times:
            return seen[-1]
    return None


def _same(first: Detection, second: Detection) -> bool:
    one, other = (five_points(face.landmarks[:, :2]) for face in (first, second))
    eyes = np.linalg.norm(one[1] - one[0])
    return bool(np.linalg.norm(one - other, axis=1).mean() < _SAME * eyes)
