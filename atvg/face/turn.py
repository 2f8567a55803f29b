"""Turning the head of a photo: the 3-D points of the face are rotated, and a smooth warp takes the picture along.

The warp follows the face and the outline of the head and fades to nothing in the background.
"""

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from atvg.face.landmarks import JAW
from atvg.pose import Pose, head_centre, turn_points

_MAX_POINTS = 160  # of the mesh; a thin-plate spline through more of them gains nothing
_GRID = 48  # the warp is smooth: computed on a coarse grid and enlarged
_HEAD = 1.45  # outline of hair and skull, as a multiple of the face's own radius
_REACH = 2.6  # where the warp has faded out, likewise
_FADE = 0.7  # share of the reach from which it begins to fade


def turn_photo(photo: np.ndarray, landmarks: np.ndarray, mesh: np.ndarray, pose: Pose) -> np.ndarray:
    """Turns the head in a uint8 RGB photo, (H, W, 3) → (H, W, 3).

    Args:
        landmarks, mesh: (68, 3) and (M, 3) photo pixels with depth, before the turn.
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

    height, width = photo.shape[:2]
    low = np.clip(np.floor(middle - _REACH * radius).astype(int), 0, [width, height])
    high = np.clip(np.ceil(middle + _REACH * radius).astype(int) + 1, 0, [width, height])
    columns, rows = np.linspace(low[0], high[0] - 1, _GRID), np.linspace(low[1], high[1] - 1, _GRID)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    # Units of the face's radius keep the spline's equations well conditioned.
    spline = RBFInterpolator(targets / radius, (sources - targets) / radius, smoothing=1e-3)
    shift = spline(grid / radius) * radius
    distance = np.linalg.norm(grid - middle, axis=1) / (_REACH * radius)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - _FADE) / (1 - _FADE), 0, 1))
    shift = (shift * fade[:, None]).reshape(_GRID, _GRID, 2).astype(np.float32)

    size = high - low
    # The coarse grid's outermost points lie on the outermost pixels.
    across = np.linspace(0, _GRID - 1, size[0], dtype=np.float32)[None].repeat(size[1], axis=0)
    down = np.linspace(0, _GRID - 1, size[1], dtype=np.float32)[:, None].repeat(size[0], axis=1)
    fine = cv2.remap(shift, across, down, cv2.INTER_LINEAR)
    x, y = np.meshgrid(np.arange(low[0], high[0], dtype=np.float32), np.arange(low[1], high[1], dtype=np.float32))
    turned = photo.copy()
    turned[low[1] : high[1], low[0] : high[0]] = cv2.remap(
        photo, x + fine[..., 0], y + fine[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return turned


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
