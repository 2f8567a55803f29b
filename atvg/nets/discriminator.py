"""The regression-based discriminator: a frame sequence + example landmarks → landmarks per frame, one score.

Without regression (ablation) it is a plain one and says the score only.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from atvg.config import CROP_SIZE, N_LANDMARKS, DiscriminatorConfig


class Judgement(NamedTuple):
    """What the discriminator says of B sequences."""

    landmarks: Tensor | None  # (B, T, 68, 2) crop pixels
    score: Tensor  # (B,) logit: positive means real


class Discriminator(nn.Module):
    """Sees frames only through a CNN and a recurrence of any length; the authors' was wired to 16 frames.

    Landmarks are regressed as offsets from the example's, as in the paper: the network must find how the mouth moved
    in the frames, so a generator that ignores its landmarks is told so.
    """

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        inputs = 12
        for width in config.widths:  # 64² → 4²
            layers += [nn.Conv2d(inputs, width, 4, 2, padding=1), nn.GroupNorm(8, width), nn.LeakyReLU(0.2)]
            inputs = width
        self.frames = nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * 16, config.hidden), nn.LeakyReLU(0.2))
        self.example = nn.Sequential(
            nn.Linear(2 * N_LANDMARKS, config.hidden), nn.LeakyReLU(0.2), nn.Linear(config.hidden, config.hidden)
        )
        self.rnn = nn.GRU(2 * config.hidden, config.hidden, batch_first=True)
        self.landmarks = nn.Linear(config.hidden, 2 * N_LANDMARKS) if config.regression else None
        self.score = nn.Linear(config.hidden, 1)

    def forward(self, frames: Tensor, example: Tensor) -> Judgement:
        """frames (B, T, 3, 128, 128) in [−1, 1], example landmarks (B, 68, 2) in crop pixels → `Judgement`."""
        batch, steps = frames.shape[:2]
        seen = self.frames(frames.flatten(0, 1)).unflatten(0, (batch, steps))
        known = self.example((example / (CROP_SIZE / 2) - 1).flatten(1))
        hidden, _ = self.rnn(torch.cat([seen, known[:, None].expand(-1, steps, -1)], dim=-1))
        score = self.score(hidden).mean(dim=1).squeeze(-1)
        if self.landmarks is None:
            return Judgement(None, score)
        return Judgement(example[:, None] + self.landmarks(hidden).unflatten(-1, (N_LANDMARKS, 2)), score)
