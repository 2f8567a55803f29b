"""How far a new mouth reaches into a frame of a film; beyond it the frame stays bit for bit.

A photo is drawn with a mask around the whole face. A film has a head that moves and eyes that blink already, so only
what lips and jaw touch is drawn anew. Within their reach the picture is moved, not blended: where a jaw is elsewhere
than it was filmed, a blend would show it twice. So the movement itself comes to rest towards the edge, and wherever
there is any, α is 1; VG-net's own α weighs what it adds there.
"""

from dataclasses import replace

import cv2
import numpy as np

from atvg.animate.chunk import Chunk
from atvg.config import CROP_SIZE
from atvg.face.landmarks import JAW, MOUTH, NOSE_BASE
from atvg.motion.warp import CELLS

_AROUND = 4  # crop pixels beyond lips, cheeks and chin …
_SOFT = 3.0  # … and the standard deviation of the edge's softness
_MOVED = (0.1, 0.5)  # crop pixels: nothing is replaced that moves by less than the first, all by more than the second
_REACHING = np.concatenate([JAW[3:14], NOSE_BASE, MOUTH])


def confined(chunk: Chunk, share: np.ndarray) -> Chunk:
    """A stretch of a film whose α, movement and frames are confined to the reach of its mouths.

    Args:
        chunk: as drawn, with its scenes.
        share: (T,) how far the new mouth has taken over; where it is 0 the frame stays as it is.
    """
    own = np.stack([scene.landmarks for scene in chunk.scenes])
    reach = np.stack([reach_of(*points) for points in zip(own, chunk.landmarks, strict=True)])
    reach[share <= 0] = 0
    shift = (
        chunk.shift
        * np.stack([cv2.resize(mask, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for mask in reach])[..., None]
    )
    moved = np.stack([cv2.resize(far, (CROP_SIZE, CROP_SIZE)) for far in np.linalg.norm(shift, axis=-1)])
    moved = _smoothstep(moved, *_MOVED)
    drawn = chunk.attention * reach
    attention = np.maximum(drawn, moved)
    residual = (chunk.motion.astype(np.float32) - chunk.base) * (drawn / np.maximum(attention, 1e-6))[..., None]
    motion = (chunk.base + residual + 0.5).clip(0, 255).astype(np.uint8)
    weight = attention[..., None]
    frames = (weight * motion + (1 - weight) * chunk.photos + 0.5).clip(0, 255).astype(np.uint8)
    return replace(chunk, frames=frames, attention=attention, motion=motion, shift=shift)


def reach_of(own: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Where lips and jaw reach, as filmed and as asked for, (68, 2) crop pixels each → (128, 128) float32 in [0, 1]."""
    points = np.concatenate([own[_REACHING], asked[_REACHING]])
    hull = cv2.convexHull(points.round().astype(np.int32))
    mask: np.ndarray = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    cv2.fillConvexPoly(mask, hull, (1.0,))
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _AROUND + 1,) * 2))
    return cv2.GaussianBlur(mask, (0, 0), _SOFT)


def _smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = ((values - low) / (high - low)).clip(0, 1)
    return share * share * (3 - 2 * share)
