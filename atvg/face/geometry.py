"""Similarity transforms: fitting, applying, inverting. Matrices are 2×3 and map (x, y, 1) to (x', y')."""

import numpy as np


def fit_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Least-squares scale + rotation + translation, (N, 2) onto (N, 2) → (2, 3) (Umeyama 1991, no mirroring)."""
    source, target = np.asarray(source, np.float64)[:, :2], np.asarray(target, np.float64)[:, :2]
    w = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    w = (w / w.sum())[:, None]
    source_mean, target_mean = (w * source).sum(0), (w * target).sum(0)
    s, t = source - source_mean, target - target_mean
    # As complex numbers a similarity is one multiplication: target = k · source.
    s, t, w = s[:, 0] + 1j * s[:, 1], t[:, 0] + 1j * t[:, 1], w[:, 0]
    k = (w * np.conj(s) * t).sum() / max((w * np.abs(s) ** 2).sum(), 1e-12)
    linear = np.array([[k.real, -k.imag], [k.imag, k.real]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Maps (..., N, 2 or 3) points; a third coordinate, depth, is scaled along."""
    linear, shift = matrix[..., :2], matrix[..., 2]
    xy = points[..., :2] @ np.swapaxes(linear, -1, -2) + shift[..., None, :]
    if points.shape[-1] == 2:
        return xy
    return np.concatenate([xy, points[..., 2:] * scale_of(matrix)[..., None, None]], axis=-1)


def scale_of(matrix: np.ndarray) -> np.ndarray:
    """Scale of a similarity matrix, (..., 2, 3) → (...)."""
    return np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])


def enlarging(scale: float) -> np.ndarray:
    """2×3, pixels of a picture → of the same at another size: a pixel's centre lies half a pixel inside it."""
    return np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])


def invert(matrix: np.ndarray) -> np.ndarray:
    """The matrices that undo `matrix`, (..., 2, 3)."""
    # By hand: NumPy's takes a millisecond when other threads are at work, and this is asked for every frame.
    (a, b), (c, d) = np.moveaxis(matrix[..., :2], (-2, -1), (0, 1))
    linear = np.stack([np.stack([d, -b], axis=-1), np.stack([-c, a], axis=-1)], axis=-2)
    linear = linear / (a * d - b * c)[..., None, None]
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The matrices that apply `first`, then `second`, (..., 2, 3)."""
    linear = second[..., :2] @ first[..., :2]
    return np.concatenate([linear, second[..., :2] @ first[..., 2:] + second[..., 2:]], axis=-1)
