"""What VG-net decodes with: from 8² up to 64², and the attention at the end."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import CROP_SIZE
from atvg.nets.blocks import conv

_STATIC_GAIN = 10  # a pixel of the static map is one weight, which moves a learning rate a step; a head has hundreds


class Residual(nn.Module):
    """x + conv(conv(x)), normalised."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            conv(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class DecoderStage(nn.Module):
    """Doubles the side: up(x) + photo skip + landmark skip, then a residual block."""

    def __init__(self, inputs: int, landmarks: int, outputs: int):
        super().__init__()
        self.shrink = nn.Conv2d(inputs, outputs, 1)
        self.landmarks = nn.Conv2d(landmarks, outputs, 3, padding=1, bias=False) if landmarks else None
        self.norm = nn.BatchNorm2d(outputs)
        self.block = Residual(outputs)

    def forward(self, x: Tensor, photo: Tensor, landmarks: Tensor | None = None) -> Tensor:
        x = F.interpolate(self.shrink(x), scale_factor=2.0, mode="bilinear", align_corners=False) + photo
        if self.landmarks is not None:
            x = x + self.landmarks(landmarks)
        return self.block(F.relu(self.norm(x)))


class Smooth(nn.Module):
    """Binomial 3×3 blur, (N, C, H, W) → the same: it takes out what alternates from pixel to pixel, as the four
    filters behind a pixel-shuffle do on flat backgrounds."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 2, stride=1), 2, stride=1)


class StaticAttention(nn.Module):
    """Ablation: one learnt map, the same for all frames, people and times."""

    def __init__(self, logit: float):
        super().__init__()
        self.map = nn.Parameter(torch.full((1, 1, CROP_SIZE, CROP_SIZE), logit / _STATIC_GAIN))

    def forward(self, features: Tensor) -> Tensor:
        """Features of N frames → (N, 1, 128, 128) in [0, 1]."""
        return torch.sigmoid(_STATIC_GAIN * self.map).expand(len(features), -1, -1, -1)
