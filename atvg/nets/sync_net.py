"""The sync expert's network: a mouth seen and a sound heard become codes that are alike if they belong together.

In the manner of SyncNet (Chung & Zisserman 2016, "Out of time"): five frames of the mouth against the sound around
them. Here the codes have length 1, a code is made for every frame, and layers are small enough for a CPU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import CROP_SIZE, N_MFCC_STORED, SyncNetConfig

SEEN = 5  # frames that make up one look at the mouth
ROWS, COLUMNS = slice(68, 116), slice(32, 96)  # of the canonical crop: mouths and chins of all faces lie within
_LUMA = (0.299, 0.587, 0.114)


def mouths(pictures: Tensor) -> Tensor:
    """Stabilised crops (..., 3, 128, 128) in [−1, 1] → their grey mouths, (..., 48, 64) in [−1, 1]."""
    if pictures.shape[-2:] != (CROP_SIZE, CROP_SIZE):
        raise ValueError(f"crops must have {CROP_SIZE}×{CROP_SIZE} pixels, not {tuple(pictures.shape[-2:])}")
    return torch.einsum("...chw,c->...hw", pictures[..., ROWS, COLUMNS], pictures.new_tensor(_LUMA))


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class SyncNet(nn.Module):
    """`see` and `hear` make codes of unit length; what belongs together is close.

    Attributes:
        mfcc_mean, mfcc_std: (20,) statistics of the training sound, stored with the weights.
        sharpness: how steeply likeness becomes certainty in training.
    """

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mfcc_mean", torch.zeros(N_MFCC_STORED))
        self.register_buffer("mfcc_std", torch.ones(N_MFCC_STORED))
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        widths = config.picture_widths
        layers = [_conv(SEEN, widths[0], 2)]
        layers += [_conv(before, after, 2) for before, after in zip(widths, widths[1:], strict=False)]  # 24×32 → 3×4
        self.picture = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(12 * widths[-1], config.codes)
        )
        first, second, third = config.sound_widths
        self.sound = nn.Sequential(  # as in AT-net: 4·T + 24 rows → T
            nn.Conv1d(N_MFCC_STORED, first, 4, stride=2), nn.ReLU(),
            nn.Conv1d(first, second, 3, stride=2), nn.ReLU(),
            nn.Conv1d(second, third, 6), nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(third, config.codes, 1),
        )  # fmt: skip

    def see(self, mouths: Tensor, centred: bool = False) -> Tensor:
        """Mouths (B, T, 48, 64) in [−1, 1] → codes of frames 2 … T − 3, (B, T − 4, codes).

        Light says nothing about the moment, so each clip's mean is taken out, unless they are `centred` already.
        """
        still = mouths if centred else mouths - mouths.mean(dim=(1, 2, 3), keepdim=True)
        looks = still.unfold(1, SEEN, 1).permute(0, 1, 4, 2, 3)  # (B, T − 4, 5, 48, 64)
        codes = self.picture(looks.flatten(0, 1)).unflatten(0, looks.shape[:2])
        return F.normalize(codes, dim=-1)

    def hear(self, rows: Tensor) -> Tensor:
        """MFCC rows (B, 4·T + 24, 20) → codes of frames 0 … T − 1, (B, T, codes)."""
        features = (rows - self.mfcc_mean) / self.mfcc_std
        return F.normalize(self.sound(features.transpose(1, 2)).transpose(1, 2), dim=-1)
