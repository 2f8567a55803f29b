"""Augmentation of (photo, frames, landmarks) on whatever device they are on; one draw serves a whole sample."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.config import CROP_SIZE
from atvg.face.landmarks import FLIP

_LUMA = np.array([0.299, 0.587, 0.114])

# How far `shift_colours` goes with a strength of 1: contrast and white balance as logarithms of a factor, brightness
# as a share of half the range, bends as how much steeper black becomes, light as a share of it at the picture's edge.
_CONTRAST, _BRIGHTNESS, _WARMTH, _TINT = 0.3, 0.15, 0.2, 0.07
_BEND, _CHANNEL_BEND, _MOST_BEND = 0.5, 0.12, 0.9
_LIGHT, _MAX_SATURATION = 0.3, 1.4
_SHARPENED, _SHARPNESS = 0.25, (-0.5, 0.8)  # share of samples; −1 is the blurred picture
_TONES = np.array([(0.12, 0, -0.3), (0.06, -0.02, -0.12), (0.08, -0.04, 0.04), (-0.12, 0, 0.12)])  # sepia … cyanotype

_MAX_SCALE, _MAX_DEGREES, _MAX_SHIFT = 0.08, 8.0, 5.0  # shift in pixels


def mirror(images: Tensor, landmarks: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mirrors the chosen samples: images (B, T, 3, H, W), landmarks (B, T, 68, 2), chosen bool (B,)."""
    flipped = landmarks[:, :, torch.as_tensor(FLIP, device=landmarks.device)]
    flipped = torch.stack([CROP_SIZE - 1 - flipped[..., 0], flipped[..., 1]], dim=-1)
    images = torch.where(chosen[:, None, None, None, None], images.flip(-1), images)
    return images, torch.where(chosen[:, None, None, None], flipped, landmarks)


def shift_colours(
    images: Tensor, rng: np.random.Generator, strength: float, grey: float = 0.0, toned: float = 0.0
) -> Tensor:
    """Changes light, colours and film of each sample: photographs are no television pictures.

    Contrast, brightness, saturation, white balance, a curve of the mid-tones, light that falls off to one side and
    softness; shares of the samples are grey, or monochrome with a tone such as sepia. A sample's pictures change alike.

    Args:
        images: (B, T, 3, H, W) in [−1, 1].
        strength: of all that leaves colours colours; 1 is the range of photographs, 0 changes nothing.
        grey, toned: shares of the samples.

    Returns:
        pictures of the same shape and range.
    """
    if max(strength, grey, toned) == 0:
        return images
    steps, height, width = images.shape[1], *images.shape[-2:]
    changes, sharpness = _colour_changes(len(images), rng, strength, grey, toned)
    matrix, offset, bend, light = (torch.as_tensor(x, dtype=images.dtype, device=images.device) for x in changes)
    x, y = (torch.linspace(-1, 1, n, dtype=images.dtype, device=images.device) for n in (width, height))
    lit = 1 + light[:, :1, None] * y[:, None] + light[:, 1:, None] * x  # (B, H, W)
    pictures = images.flatten(0, 1).flatten(2)  # (B·T, 3, H·W)
    bright = torch.baddbmm(offset.repeat_interleave(steps, 0), matrix.repeat_interleave(steps, 0), pictures)
    bright = bright.view_as(images).mul_(lit[:, None, None])
    # 0 and 2 stay where they are, between them it is close to a gamma, at a third of the time.
    curve = torch.addcmul((1 + bend)[:, None, :, None, None], bright, (-bend / 2)[:, None, :, None, None])
    changed = bright.mul_(curve).sub_(1)
    for i in np.flatnonzero(sharpness):
        changed[i] += float(sharpness[i]) * (changed[i] - _blurred(changed[i]))
    return changed.clamp_(-1, 1)


def _colour_changes(
    batch: int, rng: np.random.Generator, strength: float, grey: float, toned: float
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Draws what `shift_colours` does to each sample.

    Returns:
        matrix (B, 3, 3) and offset (B, 3, 1) from colours in [−1, 1] to brightness, 0 for black and 2 for white; bend
        of its curve (B, 3); slope of the light (B, 2), down and to the right; and sharpness (B,).
    """
    contrast, brightness, warmth, tint, bend = strength * rng.uniform(-1, 1, (5, batch))
    saturation = 1 + strength * (rng.triangular(0, 1, _MAX_SATURATION, batch) - 1)
    angle, slope = rng.uniform(0, 2 * np.pi, batch), strength * _LIGHT * rng.uniform(0, 1, batch)
    channel_bends = strength * rng.uniform(-1, 1, (batch, 3))
    film, tone = rng.random(batch), rng.uniform(0.3, 1, (batch, 1)) * _TONES[rng.integers(len(_TONES), size=batch)]
    softened = rng.random(batch) < _SHARPENED
    sharpness = strength * softened * rng.uniform(*_SHARPNESS, batch)

    is_grey, is_toned = film < grey, (film >= grey) & (film < grey + toned)
    coloured = ~(is_grey | is_toned)
    saturation = np.where(coloured, saturation.clip(0), 0)
    gains = np.stack([_WARMTH * warmth, _TINT * tint, -_WARMTH * warmth], axis=-1) * coloured[:, None]
    gains = np.exp(gains + tone * is_toned[:, None])
    bends = _BEND * bend[:, None] + _CHANNEL_BEND * channel_bends * coloured[:, None]
    mixing = saturation[:, None, None] * np.eye(3) + (1 - saturation[:, None, None]) * _LUMA
    matrix = np.exp(_CONTRAST * contrast)[:, None, None] * gains[:, :, None] * mixing
    offset = gains * (1 + _BRIGHTNESS * brightness[:, None])
    light = slope[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return (matrix, offset[..., None], bends.clip(-_MOST_BEND, _MOST_BEND), light), sharpness


def _blurred(pictures: Tensor) -> Tensor:
    """(..., H, W), each pixel the binomial mean of the nine around it."""
    # Sums of shifted views: a tenth of the time of a depthwise convolution.
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., :-2] + padded[..., 2:]).add_(padded[..., 1:-1], alpha=2)
    return (rows[..., :-2, :] + rows[..., 2:, :]).add_(rows[..., 1:-1, :], alpha=2).div_(16)


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
