"""Blocks that the compared systems are built of; all work at 64² between a pixel-unshuffle and a pixel-shuffle."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import N_MFCC_STORED, SpeechConfig
from atvg.nets.blocks import conv
from atvg.nets.sync_net import SEEN, Eye, mouths

GROUND = 4  # side of the smallest maps


class MfccEar(nn.Module):
    """MFCC rows (B, 4·T + 24, 20) → codes of unit length of frames 0 … T − 1, (B, T, codes).

    Attributes:
        mfcc_mean, mfcc_std: (20,) statistics of the training sound, stored with the weights.
    """

    mfcc_mean: Tensor
    mfcc_std: Tensor

    def __init__(self, config: SpeechConfig):
        super().__init__()
        self.register_buffer("mfcc_mean", torch.zeros(N_MFCC_STORED))
        self.register_buffer("mfcc_std", torch.ones(N_MFCC_STORED))
        first, second, third = config.sound_widths
        self.layers = nn.Sequential(  # as in the paper's AT-net: a frame hears the 28 rows around it
            nn.Conv1d(N_MFCC_STORED, first, 4, stride=2), nn.ReLU(),
            nn.Conv1d(first, second, 3, stride=2), nn.ReLU(),
            nn.Conv1d(second, third, 6), nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(third, config.codes, 1),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        features = (rows - self.mfcc_mean) / self.mfcc_std
        return F.normalize(self.layers(features.transpose(1, 2)).transpose(1, 2).float(), dim=-1)


class Speech(nn.Module):
    """Codes of what is said, heard or seen; each value has a variance of about 1.

    Sound comes as windows of MFCC, as in the originals. These too rest on networks that were trained to hear and to
    read lips before: from nothing, a training as short as ours would hardly find the mouth. So all begin with weights
    that are shipped for it, those of a sync expert that still heard MFCC; today's hears through the ear.
    """

    def __init__(self, config: SpeechConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpeechConfig()
        self.ear = MfccEar(self.config)
        self.eye = Eye(self.config.picture_widths, self.config.codes, self.config.dropout)
        self.codes = self.config.codes

    def heard(self, windows: Tensor) -> Tensor:
        """MFCC windows (N, 28, 20), raw → (N, codes)."""
        return self.ear(windows)[:, 0] * self.codes**0.5

    def seen(self, pictures: Tensor) -> Tensor:
        """Crops (N, 3, 128, 128) in [−1, 1] → (N, codes); each is taken for a mouth that stands still."""
        mouth = mouths(pictures)[:, None]
        mouth = mouth - mouth.mean(dim=(1, 2, 3), keepdim=True)
        return self.eye(mouth.expand(-1, SEEN, -1, -1)) * self.codes**0.5


def fit_linear(layer: nn.Linear, pairs: Iterable[tuple[Tensor, Tensor]], ridge: float = 10.0) -> None:
    """Sets a layer to the linear regression of y (N, out) on x (N, in), over all pairs."""
    inputs = layer.in_features + 1
    squares = torch.zeros(inputs, inputs, dtype=torch.float64)
    products = torch.zeros(inputs, layer.out_features, dtype=torch.float64)
    for x, y in pairs:
        x = F.pad(x.double().cpu(), (0, 1), value=1.0)
        squares += x.T @ x
        products += x.T @ y.double().cpu()
    keep_small = ridge * torch.eye(inputs, dtype=torch.float64)
    keep_small[-1, -1] = 0.0  # the constant is as large as it has to be
    solved = torch.linalg.solve(squares + keep_small, products)
    with torch.no_grad():
        layer.weight.copy_(solved[:-1].T)
        layer.bias.copy_(solved[-1])


class PictureEncoder(nn.Module):
    """Pictures (N, 3, 128, 128) → maps at 64², 32², 16², 8², 4², and a code (N, codes) made of the smallest."""

    def __init__(self, widths: Sequence[int], codes: int):
        super().__init__()
        first, *others = widths
        self.stages = nn.ModuleList([nn.Sequential(nn.PixelUnshuffle(2), conv(12, first))])
        for before, after in zip(widths, others, strict=False):
            self.stages.append(conv(before, after, 2))
        self.code = nn.Linear(widths[-1] * GROUND**2, codes)

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps, x = [], pictures
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return self.code(x.flatten(1)), maps


class Decoder(nn.Module):
    """A code (N, codes) → maps (N, outputs, 128, 128); `skips` are widths of maps that join, by their side."""

    def __init__(self, codes: int, widths: Sequence[int], skips: dict[int, int], outputs: int):
        super().__init__()
        self.skips = dict(skips)
        self.ground = nn.Linear(codes, widths[0] * GROUND**2)
        self.stages = nn.ModuleList()
        side = GROUND
        for before, after in zip(widths, widths[1:], strict=False):
            side *= 2
            self.stages.append(nn.Sequential(conv(before + skips.get(side, 0), after), conv(after, after)))
        self.head = nn.Sequential(nn.Conv2d(widths[-1], 4 * outputs, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, code: Tensor, maps: Sequence[Tensor] = ()) -> Tensor:
        by_side = {x.shape[-1]: x for x in maps}
        x = F.relu(self.ground(code)).unflatten(1, (-1, GROUND, GROUND))
        for stage in self.stages:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            side = x.shape[-1]
            x = stage(torch.cat([x, by_side[side]], dim=1) if side in self.skips else x)
        return self.head(x)


def sample(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (N, C, H, W) read at their own places + `flow` (N, 2, H, W), in halves of the picture's side."""
    height, width = pictures.shape[-2:]
    grid = F.affine_grid(
        torch.eye(2, 3, device=flow.device).expand(len(flow), -1, -1), [len(flow), 1, height, width],
        align_corners=False,
    )  # fmt: skip
    # In single precision: half a pixel is more than bfloat16 keeps of a coordinate.
    grid = grid + flow.float().permute(0, 2, 3, 1)
    return F.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return -gradient


def reverse_gradient(x: Tensor) -> Tensor:
    """x itself; what learns from it pushes whoever made it the other way (Ganin & Lempitsky 2015)."""
    return _Reverse.apply(x)
