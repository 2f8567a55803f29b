"""The photos and voices that are worked on: always the same, so that figures can be compared."""

import cv2
import numpy as np
from matplotlib import cbook

from atvg.config import SAMPLE_RATE
from atvg.face.image import load_image

LARGE, LARGE_PHOTO = 1000, 1280  # pixels of a large face, and of the photo around it: the app takes no larger ones


def sample_photo() -> np.ndarray:
    """A public-domain portrait that lies in matplotlib's wheel, uint8 RGB."""
    return load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def enlarged(photo: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """The photo around a face whose mesh (M, 2+) is given, enlarged so that it is `LARGE` pixels from forehead to chin:
    `LARGE_PHOTO` pixels square."""
    return placed(photo, mesh, (LARGE_PHOTO, LARGE_PHOTO), LARGE)


def placed(photo: np.ndarray, mesh: np.ndarray, size: tuple[int, int], face: int) -> np.ndarray:
    """The photo (H, W, 3) with its face in the middle of `size` (width, height), `face` pixels from forehead to chin.

    Where the photo ends, its edge goes on.
    """
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    scale = face / (high[1] - low[1])
    shift = np.array(size) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def sample_voice(seconds: float) -> np.ndarray:
    """Noise that rises and falls four times a second, as syllables do; speed does not depend on what is said."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (0.1 * noise * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))).astype(np.float32)
