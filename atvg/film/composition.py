"""What a frame is made of on the photo's own pixels."""

from typing import NamedTuple

import numpy as np

Box = tuple[slice, slice]
"""Rows and columns of the photo."""


class Uncovered(NamedTuple):
    """What lies behind lips or lids, in a box of the photo, and how far a frame shows it."""

    box: Box
    shows: np.ndarray  # (h, w, 1) float32 in [0, 1], S_t
    inside: np.ndarray  # (h, w, 3) float32 in [0, 255]: the photo's own where it is known, else teeth over the dark


class Composition(NamedTuple):
    """One frame on the photo's own pixels, in the box where it differs from the photo.

    ``motion = base + residual``, rounded, and ``frame = attention · motion + (1 − attention) · photo``. All pictures
    are (H, W, 3) uint8 RGB but the residual, (H, W, 3) float32; attention is (H, W) float32. ``uncovered`` tells what
    the base shows between the lips, and between lids that move.
    """

    box: Box
    photo: np.ndarray
    base: np.ndarray
    residual: np.ndarray
    motion: np.ndarray
    attention: np.ndarray
    frame: np.ndarray
    uncovered: tuple[Uncovered, ...] = ()
