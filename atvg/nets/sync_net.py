"""The sync expert's network: a mouth seen and a sound heard become codes that are alike if they belong together.

In the manner of SyncNet (Chung & Zisserman 2016, "Out of time"): five frames of the mouth against the sound around
them. Here the codes have length 1, a code is made for every frame, layers are small enough for a CPU, and sound is
heard through the trained ear (`atvg.nets.ear`), which is not learnt here.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import CROP_SIZE, FEATURES_PER_FRAME, EarConfig, SyncNetConfig
from atvg.nets import ear
from atvg.nets.blocks import conv

SEEN = 5  # frames that make up one look at the mouth
ROWS, COLUMNS = slice(68, 116), slice(32, 96)  # of the canonical crop: mouths and chins of all faces lie within
_LUMA = (0.299, 0.587, 0.114)
_FAINTEST = 0.02  # contrast below which a mouth is not made any stronger


def mouths(pictures: Tensor) -> Tensor:
    """Stabilised crops (..., 3, 128, 128) in [−1, 1] → their grey mouths, (..., 48, 64) in [−1, 1]."""
    if pictures.shape[-2:] != (CROP_SIZE, CROP_SIZE):
        raise ValueError(f"crops must have {CROP_SIZE}×{CROP_SIZE} pixels, not {tuple(pictures.shape[-2:])}")
    return torch.einsum("...chw,c->...hw", pictures[..., ROWS, COLUMNS], pictures.new_tensor(_LUMA))


def evened(pictures: Tensor) -> Tensor:
    """Grey mouths (B, ..., 48, 64) in [−1, 1] → those of each clip with a mean of 0 and a standard deviation of 1.

    Light and contrast say nothing about the moment. Those of a whole clip are taken, so that an opening mouth darkens.
    """
    each = pictures.flatten(1)
    shape = (-1, *[1] * (pictures.dim() - 1))
    return (pictures - each.mean(dim=1).view(shape)) / each.std(dim=1).clamp(min=_FAINTEST).view(shape)


class Eye(nn.Module):
    """Looks of five frames, (N, 5, 48, 64) → codes of unit length, (N, codes)."""

    def __init__(self, widths: tuple[int, ...], codes: int, dropout: float):
        super().__init__()
        widths = (SEEN, *widths)
        layers = [conv(before, after, 2) for before, after in zip(widths, widths[1:], strict=False)]  # → 3×4
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(12 * widths[-1], codes))

    def forward(self, looks: Tensor) -> Tensor:
        return F.normalize(self.layers(looks).float(), dim=-1)


class Hearing(nn.Module):
    """Squeezed features of the ear, (B, 2·(T − 1) + around, squeezed) → codes of unit length, (B, T, codes).

    Attributes:
        ear_mean, ear_basis: (C,) and (squeezed, C), principal components of the ear's features, whitened.
    """

    ear_mean: Tensor
    ear_basis: Tensor

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        width = EarConfig().width
        self.register_buffer("ear_mean", torch.zeros(width))
        self.register_buffer("ear_basis", torch.eye(config.squeezed, width))
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Conv1d(config.squeezed, config.hidden, config.around, stride=FEATURES_PER_FRAME), nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.hidden, config.hidden, 1), nn.ReLU(),
            nn.Conv1d(config.hidden, config.codes, 1),
        )  # fmt: skip

    def forward(self, heard: Tensor) -> Tensor:
        return F.normalize(self.layers(heard.transpose(1, 2)).transpose(1, 2).float(), dim=-1)


class SyncNet(nn.Module):
    """An eye and a hearing; what they say of one moment is close.

    Attributes:
        sharpness: how steeply likeness becomes certainty in training.
    """

    def __init__(self, config: SyncNetConfig):
        super().__init__()
        self.config = config
        self.eye = Eye(config.picture_widths, config.codes, config.dropout)
        self.hearing = Hearing(config)
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    @property
    def lead(self) -> int:
        """How many features before the first that lies in it a frame hears."""
        return ear.lead(self.config.around)

    def length(self, frames: int) -> int:
        """How many features make up what so many frames hear."""
        return ear.length(frames, self.config.around)

    def squeeze(self, features: Tensor) -> Tensor:
        """The ear's features (..., C) → their principal components, (..., squeezed) of unit variance."""
        return (features - self.hearing.ear_mean) @ self.hearing.ear_basis.T

    def see(self, mouths: Tensor) -> Tensor:
        """Mouths (B, T, 48, 64) from `evened` → codes of frames 2 … T − 3, (B, T − 4, codes)."""
        return self.look(mouths.unfold(1, SEEN, 1).permute(0, 1, 4, 2, 3))

    def look(self, looks: Tensor) -> Tensor:
        """Looks (B, N, 5, 48, 64) at mouths from `evened` → codes, (B, N, codes)."""
        return self.eye(looks.flatten(0, 1)).unflatten(0, looks.shape[:2])

    def hear(self, heard: Tensor) -> Tensor:
        """Squeezed features (B, `length`, squeezed), of which frame t hears 2·t to 2·t + around − 1 → (B, T, codes)."""
        return self.hearing(heard)
