"""What a moving head does to a photo in crop space, apart from speech: control points for `atvg.motion.warp`.

The head turns and drifts as a rigid 3-D body, hair and skull with it, while the background stands still in the source,
so it slides through the stabilised crop. Between the two the warp fades.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.landmarks import JAW, RIGID, TEMPLES
from atvg.motion.shape import rigid_fit
from atvg.motion.warp import border

_OUTLINE = 1.45  # of hair and skull, as a multiple of the face's own radius
_OUTLINE_POINTS = 24
_HAIR = 40  # half the width of the stretch at the crop's upper edge that belongs to the head, not the background


class Carried(NamedTuple):
    """Where T frames of head movement take the photo's control points; leading axes as in the input."""

    sources: np.ndarray  # (..., T, N, 2) float32 crop pixels of the photo
    targets: np.ndarray  # (..., T, N, 2) float32 crop pixels of the frame; the first 68 are the landmarks


def carry(
    example: np.ndarray, landmarks: np.ndarray, background: np.ndarray | None = None, smoothing: float = 0.0
) -> Carried:
    """Separates the head's movement from speech and blinks, by points that neither moves.

    Args:
        example: (..., 68, 3) landmarks of the photo, crop pixels and depth.
        landmarks: (..., T, 68, 3) of the frames.
        background: (..., T, 2, 3) where the photo's background lies in the crop of each frame; at rest if None.
        smoothing: standard deviation, in frames, of a low-pass over the head's movement: landmarks tremble.

    Returns:
        the photo's landmarks, the outline of its head and the crop's edge, before and after.
    """
    photo = example[..., None, :, :].astype(np.float64)
    frame = rigid_fit(landmarks, photo)
    middle = photo[..., RIGID, :].mean(axis=-2, keepdims=True)
    points = np.concatenate([photo, _outline(photo)], axis=-2)
    moved = (points - middle) @ frame.rotation / frame.scale[..., None, None] + frame.origin[..., None, :]
    if smoothing > 0:
        moved = gaussian_filter1d(moved, smoothing, axis=-3, mode="nearest")
    edge = np.broadcast_to(_edge(), (*moved.shape[:-2], *_edge().shape))
    beneath = edge if background is None else geometry.apply(geometry.invert(background.astype(np.float64)), edge)
    sources = np.concatenate([np.broadcast_to(points, moved.shape)[..., :2], beneath], axis=-2)
    return Carried(sources.astype(np.float32), np.concatenate([moved[..., :2], edge], axis=-2).astype(np.float32))


def background_movement(transforms: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Crop of the photo → crop of each frame for what stands still in the source.

    Args:
        transforms: (..., T, 2, 3) source → crop of the frames.
        photo: (..., 2, 3) that of the photo.
    """
    return geometry.compose(transforms, geometry.invert(photo.astype(np.float64))[..., None, :, :])


def _outline(points: np.ndarray) -> np.ndarray:
    """(..., 68, 3) → points on the head's outline above the jaw, as deep as the temples, (..., N, 3)."""
    middle = points[..., :2].mean(axis=-2, keepdims=True)
    radius = np.linalg.norm(points[..., JAW, :2] - middle, axis=-1).max(axis=-1)[..., None, None]
    angles = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    circle = circle[circle[:, 1] < 0.25]
    outline = middle + _OUTLINE * radius * circle
    depth = np.broadcast_to(points[..., TEMPLES, 2:].mean(axis=-2, keepdims=True), (*outline.shape[:-1], 1))
    return np.concatenate([outline, depth], axis=-1)


def _edge() -> np.ndarray:
    """Points around the crop where background or body is seen, (N, 2)."""
    edge = border(CROP_SIZE).numpy()
    return edge[(edge[:, 1] > 0) | (np.abs(edge[:, 0] - (CROP_SIZE - 1) / 2) > _HAIR)]
