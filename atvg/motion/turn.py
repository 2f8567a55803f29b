"""Turning the head of a photo: the 3-D points of the face are rotated, and a smooth warp takes the picture along.

The warp follows the face and the outline of the head and fades to nothing in the background.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch

from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import JAW
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.motion.warp import spline_shift

_MAX_POINTS = 120  # of the mesh; a spline through more of them gains nothing
GRID = 40  # the warp is smooth: computed on a coarse grid and enlarged
_HEAD = 1.45  # outline of hair and skull, as a multiple of the face's own radius
_REACH = 2.6  # where the warp has faded out, likewise
_FADE = 0.7  # share of the reach from which it begins to fade


@dataclass(frozen=True)
class HeadTurn:
    """How a turn of the head moves the pixels of a photo, in the box around the head; the rest stays.

    Attributes:
        low, size: corner and (width, height) of the box, photo pixels.
        shift: (G, G, 2) float32, how far away the source of each place of the box lies, on a coarse grid whose
            outermost points are the box's outermost pixels.
        landmarks: (68, 3) photo pixels and depth, after the turn.
    """

    low: np.ndarray
    size: np.ndarray
    shift: np.ndarray
    landmarks: np.ndarray

    def of_photo(self, photo: np.ndarray) -> np.ndarray:
        """Turns the head in the uint8 RGB photo, (H, W, 3) → (H, W, 3)."""
        (left, top), (width, height) = self.low, self.size
        x, y, across, down = _places(left, top, width, height)
        shift = cv2.remap(self.shift, across, down, cv2.INTER_LINEAR)
        turned = photo.copy()
        turned[top : top + height, left : left + width] = cv2.remap(
            photo, x + shift[..., 0], y + shift[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return turned

    def of_crop(self, crop: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Turns the head in the photo's crop, (S, S, 3) → (S, S, 3); `matrix` is the 2×3 photo → crop."""
        side = np.arange(len(crop), dtype=np.float64)
        places = geometry.apply(geometry.invert(matrix), np.stack(np.meshgrid(side, side), axis=-1))
        places = places + self._at(*np.moveaxis(places, -1, 0).astype(np.float32))
        places = geometry.apply(matrix, places).astype(np.float32)
        return cv2.remap(crop, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    def _at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The shift at places of the photo, 0 outside the box."""
        across, down = _on_grid(x, y, *self.low, *self.size)
        return cv2.remap(self.shift, across, down, cv2.INTER_LINEAR)


def _on_grid(x: np.ndarray, y: np.ndarray, left: int, top: int, width: int, height: int) -> list[np.ndarray]:
    """Places of the photo, in cells of the coarse grid."""
    sides = ((x, left, width), (y, top, height))
    return [((values - low) * ((GRID - 1) / max(1, size - 1))).astype(np.float32) for values, low, size in sides]


@lru_cache(maxsize=1)
def _places(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, ...]:
    """x and y of each pixel of a box, in the photo and on the coarse grid; the same for all turns of one head."""
    x, y = np.meshgrid(np.arange(left, left + width, dtype=np.float32), np.arange(top, top + height, dtype=np.float32))
    return x, y, *_on_grid(x, y, left, top, width, height)


def turn_head(landmarks: np.ndarray, mesh: np.ndarray, pose: Pose, shape: tuple[int, ...]) -> HeadTurn:
    """The warp that turns a head.

    Args:
        landmarks, mesh: (68, 3) and (M, 3) photo pixels with depth, before the turn.
        shape: the photo's.
    """
    centre = head_centre(landmarks)
    middle = landmarks[:, :2].mean(axis=0)
    radius = np.linalg.norm(landmarks[JAW, :2] - middle, axis=1).max()
    points = mesh[:: max(1, len(mesh) // _MAX_POINTS)]
    points = np.concatenate([points, _skull(landmarks, middle, radius, centre[2])])
    moved = turn_points(points, centre, pose)
    in_sight = _in_sight(moved, centre, radius)
    still = middle + _REACH * radius * _circle(24)
    targets = np.concatenate([moved[in_sight, :2], still])
    sources = np.concatenate([points[in_sight, :2], still])

    limit = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(middle - _REACH * radius).astype(int), 0, limit - 1)
    high = np.clip(np.ceil(middle + _REACH * radius).astype(int) + 1, low + 1, limit)
    columns, rows = np.linspace(low[0], high[0] - 1, GRID), np.linspace(low[1], high[1] - 1, GRID)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    size = 2 * _REACH * radius
    shift = size * spline_shift(*(torch.from_numpy(p / size) for p in (sources[None], targets[None], grid)))[0].numpy()
    distance = np.linalg.norm(grid - middle, axis=1) / (_REACH * radius)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - _FADE) / (1 - _FADE), 0, 1))
    shift = (shift * fade[:, None]).reshape(GRID, GRID, 2).astype(np.float32)
    return HeadTurn(low, high - low, shift, turn_points(landmarks, centre, pose))


def turn_of(face: Face, pose: Pose) -> HeadTurn:
    """The warp that turns the head of a photo."""
    return turn_head(face.landmarks, face.mesh, pose, face.photo.shape)


def turn_face(face: Face, pose: Pose) -> Face:
    """A face with its head turned, in the same photo."""
    if not pose:
        return face
    turn = turn_of(face, pose)
    mesh = turn_points(face.mesh, head_centre(face.landmarks), pose)
    return Face(turn.of_photo(face.photo), turn.landmarks, mesh)


def _circle(count: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _skull(landmarks: np.ndarray, middle: np.ndarray, radius: float, depth: float) -> np.ndarray:
    """Points on the head's outline above the jaw, at the depth of its centre, where a turn moves them least."""
    outline = middle + _HEAD * radius * _circle(24)
    chin = landmarks[8, :2] - middle
    above = (outline - middle) @ chin < 0.25 * radius * np.linalg.norm(chin)
    outline = outline[above]
    return np.column_stack([outline, np.full(len(outline), depth)])


def _in_sight(points: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Leaves out points that the turn has carried behind the head, where the picture would fold over itself."""
    return points[:, 2] < centre[2] + 0.15 * radius
