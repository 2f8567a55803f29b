"""The canonical 128×128 face crop, of a photo and of every frame of a clip.

A photo has one similarity transform, fitted to eyes, nose base and mouth corners. In a clip the head moves, so each
frame gets its own, fitted to points that speech does not move and low-passed over time: what is left in the crop is
speech, blinks and out-of-plane rotation, and the picture neither shakes nor pumps.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.landmarks import RIGID, five_points

# Where the five points of an average adult go; leaves room for forehead and an open jaw.
TEMPLATE = np.array([[48.0, 50.0], [80.0, 50.0], [64.0, 75.0], [52.0, 89.0], [76.0, 89.0]])
_WEIGHTS = np.array([2.0, 2.0, 1.0, 1.0, 1.0])  # the mouth moves, the eyes do not

# Low-pass over time, standard deviations in frames: size hardly changes, position must follow the head.
_SMOOTH_SCALE, _SMOOTH_ANGLE, _SMOOTH_SHIFT = 8.0, 3.0, 1.5


def canonical_transform(landmarks: np.ndarray) -> np.ndarray:
    """68 landmarks (68, 2+) in pixels → the 2×3 matrix photo → crop."""
    return geometry.fit_similarity(five_points(landmarks), TEMPLATE, _WEIGHTS)


def stabilising_transforms(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks of a clip (T, 68, 2+), pixels → T matrices frame → crop, (T, 2, 3)."""
    points = landmarks[..., :2].astype(np.float64)
    middle = points[len(points) // 2, RIGID]
    aligned = np.stack([geometry.apply(geometry.fit_similarity(p[RIGID], middle), p) for p in points])
    reference = np.median(aligned, axis=0)
    to_crop = geometry.apply(canonical_transform(reference), reference)[RIGID]
    raw = np.stack([geometry.fit_similarity(p[RIGID], to_crop) for p in points])
    return _low_pass(raw, centre=points[:, RIGID].mean(axis=1))


def _low_pass(matrices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Smooths scale, angle and where the head's centre lands, each by itself."""
    log_scale = np.log(geometry.scale_of(matrices))
    angle = np.unwrap(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    log_scale = gaussian_filter1d(log_scale, _SMOOTH_SCALE, mode="nearest")
    angle = gaussian_filter1d(angle, _SMOOTH_ANGLE, mode="nearest")
    centre = gaussian_filter1d(centre, _SMOOTH_SHIFT, axis=0, mode="nearest")
    landing = np.einsum("tij,tj->ti", matrices[:, :, :2], centre) + matrices[:, :, 2]
    target = landing.mean(axis=0)
    cos, sin = np.exp(log_scale) * np.cos(angle), np.exp(log_scale) * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)
    shift = target - np.einsum("tij,tj->ti", linear, centre)
    return np.concatenate([linear, shift[..., None]], axis=2)


def warp_to_crop(image: np.ndarray, matrix: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Cuts the crop out of a uint8 picture; averages over pixels when the face is larger than the crop."""
    scale = float(geometry.scale_of(matrix))
    if scale < 0.75:  # cv2.warpAffine samples four neighbours only: shrink the picture first, or it aliases
        low, high = _source_box(matrix, size, image.shape)
        cut = image[low[1] : high[1], low[0] : high[0]]
        width, height = (max(1, round(side * scale)) for side in (cut.shape[1], cut.shape[0]))
        fx, fy = width / cut.shape[1], height / cut.shape[0]
        small = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)
        # cv2.resize maps pixel centres: x_small + ½ = fx · (x_cut + ½).
        to_cut = np.array([[1 / fx, 0, low[0] + 0.5 / fx - 0.5], [0, 1 / fy, low[1] + 0.5 / fy - 0.5]])
        image, matrix = small, geometry.compose(matrix, to_cut)
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _source_box(matrix: np.ndarray, size: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the pixels the crop reads, clipped to the picture and never empty."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], float)
    corners = geometry.apply(geometry.invert(matrix), corners)
    limit = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, low + 1, limit)
    return low, high
