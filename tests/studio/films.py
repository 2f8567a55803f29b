"""Films that are made of a portrait: it moves, and now and then something else is seen."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tests.synthetic import syllables, talking_frames, write_video

SIDE = 256
FPS = 25.0


def pictures(portrait: np.ndarray, count: int = 20, away: Sequence[int] = (), still: bool = False) -> np.ndarray:
    """A crop of the astronaut that wanders over her portrait while her mouth opens and shuts, (T, 256, 256, 3) uint8.

    Args:
        away: frames that show noise instead.
        still: nothing moves.
    """
    random = np.random.default_rng(0)
    face = portrait[20:220, 120:320]
    opened = np.zeros(count) if still else syllables(count)
    frames = talking_frames(face, (115.0, 126.0, 36.0), opened)
    for t, frame in enumerate(frames):
        shift = 0 if still else 8 * np.sin(t / 6)
        frames[t] = cv2.warpAffine(
            frame, np.array([[1, 0, shift], [0, 1, shift / 2]]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
        )
        if t in away:
            frames[t] = np.kron(random.integers(0, 256, (16, 16, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    return frames


def film(path: Path, frames: np.ndarray, fps: float = FPS) -> Path:
    """Written almost without loss."""
    return write_video(path, frames, fps=fps)
