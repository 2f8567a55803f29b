"""Augmentation of (photo, frames, landmarks) on whatever device they are on; one draw serves a whole sample."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.config import CROP_SIZE
from atvg.face.landmarks import FLIP

_MAX_SCALE, _MAX_DEGREES, _MAX_SHIFT = 0.08, 8.0, 5.0  # shift in pixels


def mirror(images: Tensor, landmarks: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mirrors the chosen samples: images (B, T, 3, H, W), landmarks (B, T, 68, 2), chosen bool (B,)."""
    flipped = landmarks[:, :, torch.as_tensor(FLIP, device=landmarks.device)]
    flipped = torch.stack([CROP_SIZE - 1 - flipped[..., 0], flipped[..., 1]], dim=-1)
    images = torch.where(chosen[:, None, None, None, None], images.flip(-1), images)
    return images, torch.where(chosen[:, None, None, None], flipped, landmarks)


def shift_colours(images: Tensor, rng: np.random.Generator, strength: float) -> Tensor:
    """Per-sample gain and offset of each channel, and contrast; images (B, T, 3, H, W) in [−1, 1]."""
    batch = len(images)
    gain = (
        1 + strength * rng.uniform(-1, 1, (batch, 1, 1, 1, 1)) + strength / 3 * rng.uniform(-1, 1, (batch, 1, 3, 1, 1))
    )
    offset = strength * rng.uniform(-1, 1, (batch, 1, 1, 1, 1)) + strength / 3 * rng.uniform(-1, 1, (batch, 1, 3, 1, 1))
    gain = torch.as_tensor(gain, dtype=images.dtype, device=images.device)
    offset = torch.as_tensor(offset, dtype=images.dtype, device=images.device)
    return (images * gain + offset).clamp(-1, 1)


def move(images: Tensor, landmarks: Tensor, rng: np.random.Generator, share: float) -> tuple[Tensor, Tensor]:
    """Scales, turns and shifts a share of the samples; resampling softens, so the rest stays untouched."""
    chosen = np.flatnonzero(rng.random(len(images)) < share)
    if len(chosen) == 0:
        return images, landmarks
    scale = np.exp(rng.uniform(-_MAX_SCALE, _MAX_SCALE, len(chosen)))
    angle = np.radians(rng.uniform(-_MAX_DEGREES, _MAX_DEGREES, len(chosen)))
    shift = rng.uniform(-_MAX_SHIFT, _MAX_SHIFT, (len(chosen), 2))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)  # moves points
    centre = (CROP_SIZE - 1) / 2
    linear_t = torch.as_tensor(linear, dtype=landmarks.dtype, device=landmarks.device)
    shift_t = torch.as_tensor(shift, dtype=landmarks.dtype, device=landmarks.device)
    moved_points = (landmarks[chosen] - centre) @ linear_t.transpose(1, 2)[:, None] + centre + shift_t[:, None, None]
    # grid_sample asks where each output pixel comes from, in [−1, 1] units of half the picture.
    back = torch.linalg.inv(linear_t)
    offset = -(back @ shift_t[..., None]) / (CROP_SIZE / 2)
    steps = images.shape[1]
    grid = F.affine_grid(torch.cat([back, offset], dim=2), [len(chosen), 3, CROP_SIZE, CROP_SIZE], align_corners=False)
    grid = grid.repeat_interleave(steps, dim=0)
    moved = F.grid_sample(
        images[chosen].flatten(0, 1), grid, mode="bicubic", padding_mode="border", align_corners=False
    ).clamp(-1, 1)
    images, landmarks = images.clone(), landmarks.clone()
    images[chosen] = moved.unflatten(0, (len(chosen), steps))
    landmarks[chosen] = moved_points
    return images, landmarks
