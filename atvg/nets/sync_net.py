"""The sync expert's network: a mouth seen and a sound heard become codes that are alike if they belong together.

In the manner of SyncNet (Chung & Zisserman 2016, "Out of time"): five frames of the mouth against the sound around
them. Here the codes have length 1, a code is made for every frame, and layers are small enough for a CPU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import CROP_SIZE, N_MFCC_STORED, SyncNetConfig
from atvg.nets.blocks import conv

SEEN = 5  # frames that make up one look at the mouth
ROWS, COLUMNS = slice(68, 116), slice(32, 96)  # of the canonical crop: mouths and chins of all faces lie within
_LUMA = (0.299, 0.587, 0.114)


def mouths(pictures: Tensor) -> Tensor:
    """Stabilised crops (..., 3, 128, 128) in [−1, 1] → their grey mouths, (..., 48, 64) in [−1, 1]."""
    if pictures.shape[-2:] != (CROP_SIZE, CROP_SIZE):
        raise ValueError(f"crops must have {CROP_SIZE}×{CROP_SIZE} pixels, not {tuple(pictures.shape[-2:])}")
    return torch.einsum("...chw,c->...hw", pictures[..., ROWS, COLUMNS], pictures.new_tensor(_LUMA))


class Eye(nn.Module):
    """Looks of five frames, (N, 5, 48, 64) in [−1, 1] → codes of unit length, (N, codes)."""

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        widths = (SEEN, *config.picture_widths)
        layers = [conv(before, after, 2) for before, after in zip(widths, widths[1:], strict=False)]  # → 3×4
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(12 * widths[-1], config.codes)
        )

    def forward(self, looks: Tensor) -> Tensor:
        return F.normalize(self.layers(looks).float(), dim=-1)


class Ear(nn.Module):
    """MFCC rows (B, 4·T + 24, 20) → codes of unit length of frames 0 … T − 1, (B, T, codes).

    Attributes:
        mfcc_mean, mfcc_std: (20,) statistics of the training sound, stored with the weights.
    """

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        self.register_buffer("mfcc_mean", torch.zeros(N_MFCC_STORED))
        self.register_buffer("mfcc_std", torch.ones(N_MFCC_STORED))
        first, second, third = config.sound_widths
        self.layers = nn.Sequential(  # as in AT-net: a frame hears the 28 rows around it
            nn.Conv1d(N_MFCC_STORED, first, 4, stride=2), nn.ReLU(),
            nn.Conv1d(first, second, 3, stride=2), nn.ReLU(),
            nn.Conv1d(second, third, 6), nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(third, config.codes, 1),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        features = (rows - self.mfcc_mean) / self.mfcc_std
        return F.normalize(self.layers(features.transpose(1, 2)).transpose(1, 2).float(), dim=-1)


class SyncNet(nn.Module):
    """An eye and an ear; what they say of one moment is close.

    Attributes:
        sharpness: how steeply likeness becomes certainty in training.
    """

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        self.config = config
        self.eye, self.ear = Eye(config), Ear(config)
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def see(self, mouths: Tensor, centred: bool = False) -> Tensor:
        """Mouths (B, T, 48, 64) in [−1, 1] → codes of frames 2 … T − 3, (B, T − 4, codes).

        Light says nothing about the moment, so each clip's mean is taken out, unless they are `centred` already.
        """
        still = mouths if centred else mouths - mouths.mean(dim=(1, 2, 3), keepdim=True)
        looks = still.unfold(1, SEEN, 1).permute(0, 1, 4, 2, 3)  # (B, T − 4, 5, 48, 64)
        return self.eye(looks.flatten(0, 1)).unflatten(0, looks.shape[:2])

    def hear(self, rows: Tensor) -> Tensor:
        """MFCC rows (B, 4·T + 24, 20) → codes of frames 0 … T − 1, (B, T, codes)."""
        return self.ear(rows)
