"""What VG-net draws over: the photo, its head moved as in each frame, and its layers. Nothing of it is learnt."""

from typing import NamedTuple

import torch
from torch import Tensor

from atvg.config import CROP_SIZE, N_LANDMARKS, VGNetConfig
from atvg.motion.filmed import Behind
from atvg.motion.layers import Layers, layers
from atvg.motion.teeth import Teeth
from atvg.motion.warp import pinned_shift, places, resample, warp


class Turned(NamedTuple):
    """The photo with its head moved as in each of T frames, but with its own expression; or the frames of a film.

    See `atvg.motion.carry`, and `atvg.dub`.
    """

    photo: Tensor  # (B, T, 3, 128, 128) in [−1, 1]
    landmarks: Tensor  # (B, T, 68, 2) crop pixels
    behind: Behind | None = None  # of frames of a film, whose mouths move as it will


def turn(photo: Tensor, sources: Tensor, targets: Tensor) -> Turned:
    """Photos (B, 3, 128, 128) with their heads moved by control points (B, T, N, 2), the landmarks first."""
    batch, steps = targets.shape[:2]
    photos = photo[:, None].expand(-1, steps, -1, -1, -1).flatten(0, 1)
    moved = warp(photos, sources.flatten(0, 1), targets.flatten(0, 1)).unflatten(0, (batch, steps))
    return Turned(moved, targets[:, :, :N_LANDMARKS])


class Ground(NamedTuple):
    """What N = B·T frames are drawn over: the photo, and unless the network draws from nothing, its layers."""

    photo: Tensor  # (N, 3, 128, 128) in [−1, 1], turned or as it is
    layers: Layers | None


def lay_ground(config: VGNetConfig, own: Turned, asked: Tensor, teeth: Teeth | None) -> Ground:
    """What each frame is drawn over, as the network asks for: the photo alone, or also what the landmarks make of it.

    Args:
        own: the photo in the head pose of each of T frames, or in one for all.
        asked: landmarks (B, T, 68, 2), crop pixels; of a network that warps nothing only B and T are read.
        teeth: what may come to light between the lips.
    """
    photo = own.photo.expand(-1, asked.shape[1], -1, -1, -1).flatten(0, 1)
    if not config.warp:
        return Ground(photo, None)
    if config.layers:
        return Ground(photo, layers(own.photo, own.landmarks, asked, teeth, own.behind))
    before, after = own.landmarks.expand_as(asked).flatten(0, 1), asked.flatten(0, 1)
    shift = pinned_shift(before, after, CROP_SIZE)
    nowhere = torch.zeros_like(photo[:, :1])
    return Ground(photo, Layers(resample(photo, places(shift, CROP_SIZE)), nowhere, nowhere, nowhere, shift))
