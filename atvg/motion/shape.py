"""Landmark shapes: rotation-free normalisation and the PCA codes that AT-net reads and writes.

A face's landmarks are brought to one size, place and 3-D orientation by points that speech does not move. Its own
shape in that frame gives the identity code e. Speech is the *offset* of later shapes from it, so the code z_t of a
motionless face is zero whoever it is, and adding an offset to a photo's landmarks leaves pose and identity alone.
"""

from dataclasses import dataclass, fields

import numpy as np

from atvg.face.landmarks import (
    FLIP,
    INNER_LOWER,
    INNER_UPPER,
    JAW,
    MOUTH,
    OUTER_LOWER,
    OUTER_UPPER,
    RIGID,
    eye_distance,
)

# Weight of x, y and depth in the motion PCA: estimated depth is noisy and hardly seen in the picture.
_AXIS_WEIGHT = np.array([1.0, 1.0, 0.3])
_NEARLY = 0.04  # of the eyes' distance: the opening at which lips nearly touch, by the openings of real talkers
_LOWER_SHARE = 0.7  # of a closure that is the lower lip's
_JAW_WEIGHT = 0.5  # the outline is less sure than the lips


@dataclass(frozen=True)
class HeadFrame:
    """Where a head is: normalised = scale · (points − origin) @ rotationᵀ, for one face or (T, …)."""

    rotation: np.ndarray  # (..., 3, 3)
    scale: np.ndarray  # (...)
    origin: np.ndarray  # (..., 3)


def rigid_fit(points: np.ndarray, reference: np.ndarray) -> HeadFrame:
    """3-D similarity that brings the stable points of (..., 68, 3) onto those of `reference` (..., 68, 3)."""
    source, target = points[..., RIGID, :].astype(np.float64), reference[..., RIGID, :].astype(np.float64)
    origin = source.mean(axis=-2)
    source, target = source - origin[..., None, :], target - target.mean(axis=-2, keepdims=True)
    u, _, vt = np.linalg.svd(np.swapaxes(source, -1, -2) @ target)  # Kabsch
    flip = np.ones(u.shape[:-1])
    flip[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = np.swapaxes((u * flip[..., None, :]) @ vt, -1, -2)
    turned = source @ np.swapaxes(rotation, -1, -2)
    scale = (turned * target).sum((-1, -2)) / np.maximum((source**2).sum((-1, -2)), 1e-9)
    return HeadFrame(rotation, scale, origin)


def normalise(points: np.ndarray, frame: HeadFrame) -> np.ndarray:
    """Points (..., 68, 3) seen from their `HeadFrame`."""
    centred = points - frame.origin[..., None, :]
    return (centred @ np.swapaxes(frame.rotation, -1, -2)) * frame.scale[..., None, None]


def denormalise_offset(offset: np.ndarray, frame: HeadFrame) -> np.ndarray:
    """Offsets (..., 68, 3) in the normalised frame → pixels of the face that `frame` belongs to."""
    return (offset @ frame.rotation) / np.asarray(frame.scale)[..., None, None]


@dataclass(frozen=True)
class ShapeModel:
    """Mean face and the two PCA bases; the arrays are stored in AT-net's checkpoint.

    Attributes:
        mean: (68, 3) frontal, mirror-symmetric mean shape, crop pixels, stable points centred on 0.
        identity_basis, identity_std: (K_e, 204) and (K_e,); e has unit variance over people.
        motion_basis: (K_z, 204) decoder of z into offsets.
        motion_encoder: (204, K_z) its weighted counterpart.
    """

    mean: np.ndarray
    identity_basis: np.ndarray
    identity_std: np.ndarray
    motion_basis: np.ndarray
    motion_encoder: np.ndarray

    def frame_of(self, points: np.ndarray) -> HeadFrame:
        """The `HeadFrame` of landmarks (..., 68, 3)."""
        return rigid_fit(points, self.mean)

    def identity_code(self, normalised: np.ndarray) -> np.ndarray:
        """e of normalised shapes, (..., 68, 3) → (..., K_e)."""
        flat = (normalised - self.mean).reshape(*normalised.shape[:-2], -1)
        return flat @ self.identity_basis.T / self.identity_std

    def encode(self, offsets: np.ndarray) -> np.ndarray:
        """z of offsets from the identity's own shape, (..., 68, 3) → (..., K_z)."""
        return offsets.reshape(*offsets.shape[:-2], -1) @ self.motion_encoder

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Offsets of codes, (..., K_z) → (..., 68, 3), normalised frame."""
        # A product of its own for each: BLAS sums many rows in another order than few, and frames must not depend on
        # how many are made at once.
        offsets = codes[..., None, :] @ self.motion_basis
        return offsets.reshape(*codes.shape[:-1], 68, 3)

    def opening_per_code(self) -> np.ndarray:
        """How far one unit of each code opens the inner lips, (K_z,): linear, so a loss can use it."""
        units = self.decode(np.eye(len(self.motion_basis)))
        return (units[:, INNER_LOWER, 1] - units[:, INNER_UPPER, 1]).mean(axis=1)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, float32."""
        return {f.name: np.asarray(getattr(self, f.name), np.float32) for f in fields(self)}


def fit_mean(points: np.ndarray, rounds: int = 5) -> np.ndarray:
    """Generalised Procrustes mean of (N, 68, 3) landmarks, made mirror-symmetric, hence frontal.

    Keeps the average size of the input's stable points.
    """
    mean = points[0] - points[0, RIGID].mean(axis=0)
    size = np.linalg.norm(points[:, RIGID] - points[:, RIGID].mean(axis=1, keepdims=True), axis=(1, 2)).mean()
    for _ in range(rounds):
        mean = normalise(points, rigid_fit(points, mean)).mean(axis=0)
        # A symmetric face has its symmetry plane at x = 0 once it is fitted to its own mirror image.
        mirrored = mean[FLIP] * [-1, 1, 1]
        frame = rigid_fit(mirrored, mean)
        mean = (mean + normalise(mirrored, frame)) / 2
        mean = _face_forward(mean)
        mean = mean - mean[RIGID].mean(axis=0)
        mean *= size / np.linalg.norm(mean[RIGID])
    return mean


def _face_forward(mean: np.ndarray) -> np.ndarray:
    """Rotates a mirror-symmetric shape so that its symmetry plane is x = 0 and the eye line is level."""
    across = mean[FLIP] - mean
    _, _, vt = np.linalg.svd(across)
    normal = vt[0] * np.sign(vt[0, 0])
    target = np.array([1.0, 0.0, 0.0])
    axis, cosine = np.cross(normal, target), normal @ target
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return mean @ rotation.T


def fit(
    shapes: np.ndarray, offsets: np.ndarray, mean: np.ndarray, identity_codes: int, motion_codes: int
) -> ShapeModel:
    """Fits both PCAs.

    Args:
        shapes: (N, 68, 3) normalised shapes of many people.
        offsets: (M, 68, 3) normalised offsets within a person.
        mean: from `fit_mean`.
    """
    flat = (shapes - mean).reshape(len(shapes), -1)
    _, spread, basis = np.linalg.svd(flat, full_matrices=False)
    identity_basis = basis[:identity_codes]
    identity_std = spread[:identity_codes] / np.sqrt(len(shapes))

    weight = np.zeros((68, 3))
    weight[JAW[1:-1]] = _JAW_WEIGHT * _AXIS_WEIGHT
    weight[MOUTH] = _AXIS_WEIGHT
    weight = weight.reshape(-1)
    moved = offsets.reshape(len(offsets), -1) * weight
    _, spread, basis = np.linalg.svd(moved, full_matrices=False)
    basis = basis[:motion_codes]
    # One unit for all codes, the spread of the first: the larger movements keep their greater say in the loss.
    unit = spread[0] / np.sqrt(len(offsets))
    inverse = np.divide(1.0, weight, out=np.zeros_like(weight), where=weight > 0)
    return ShapeModel(
        mean=mean,
        identity_basis=identity_basis,
        identity_std=np.maximum(identity_std, 1e-6),
        motion_basis=basis * inverse * unit,
        motion_encoder=(basis * weight).T / unit,
    )


def press_lips(landmarks: np.ndarray) -> np.ndarray:
    """Lips that nearly touch, touch; (..., 68, 2) pixels.

    What is learnt with squared errors lies in the middle of what may be true: lips that are shut in one of two cases
    are half open to it, and never shut. An opening o becomes o · (1 − exp(−(o / o₀)²)), which leaves wide ones alone;
    the lower lip comes up further than the upper one down.
    """
    down = _down(landmarks)
    gaps = ((landmarks[..., INNER_LOWER, :] - landmarks[..., INNER_UPPER, :]) * down).sum(-1)
    near = _NEARLY * eye_distance(landmarks)
    less = np.exp(-((np.maximum(gaps, 0).mean(axis=-1) / near) ** 2))[..., None] * np.maximum(gaps, 0)  # (..., 3)
    result = landmarks.copy()
    for inner, outer, share in (
        (INNER_UPPER, OUTER_UPPER, 1 - _LOWER_SHARE),
        (INNER_LOWER, OUTER_LOWER, -_LOWER_SHARE),
    ):
        result[..., inner, :] += share * less[..., None] * down
        beside = np.concatenate([less[..., :1] / 2, less, less[..., 2:] / 2], axis=-1)  # the corners stay
        result[..., outer, :] += share * beside[..., None] * down
    return result


def uncross_lips(landmarks: np.ndarray, gap: float = 0.0) -> np.ndarray:
    """Moves inner-lip points that have crossed back onto their common middle, (..., 68, 2) pixels.

    "Down" is perpendicular to the line between the mouth corners, so a tilted head is treated alike.
    """
    down = _down(landmarks)
    upper, lower = landmarks[..., INNER_UPPER, :], landmarks[..., INNER_LOWER, :]
    missing = np.maximum(gap - ((lower - upper) * down).sum(-1, keepdims=True), 0) / 2
    result = landmarks.copy()
    result[..., INNER_UPPER, :] = upper - missing * down
    result[..., INNER_LOWER, :] = lower + missing * down
    return result


def _down(landmarks: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 1, 2) from the upper lip to the lower one."""
    across = landmarks[..., 54, :] - landmarks[..., 48, :]
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    return np.stack([-across[..., 1], across[..., 0]], axis=-1)[..., None, :]
