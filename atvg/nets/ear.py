"""The ear: the first layers of the encoder of Whisper base (Radford et al. 2022), which has heard 680,000 hours.

It is not trained here, and AT-net's input stays the MFCC: all 80 coefficients are a rotation of the log-mel that
Whisper reads, so the first thing done is to turn them back.
"""

import numpy as np
import torch
from scipy.fft import idct
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import FEATURES_PER_FRAME, EarConfig


class Ear(nn.Module):
    """MFCC rows, 100 a second → features, 50 a second; it looks both ways, over all that it is given.

    Features 2·t and 2·t + 1 lie in video frame t: feature k is heard around 20·k ms, row j around 10·j ms.

    Attributes:
        cepstrum: (n_mels, n_mels) orthonormal, MFCC → log-mel.
    """

    cepstrum: Tensor

    def __init__(self, config: EarConfig):
        super().__init__()
        self.config = config
        width = config.width
        inverse = idct(np.eye(config.n_mels), norm="ortho", axis=-1).astype(np.float32)
        # On the CPU also where a network is made without memory, to be filled by its weights: this is none of them.
        self.register_buffer("cepstrum", torch.from_numpy(inverse), persistent=False)
        self.conv1 = nn.Conv1d(config.n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(config.positions, width))
        self.layers = nn.ModuleList(EarLayer(config) for _ in range(config.layers))

    def forward(self, mfcc: Tensor, layers: tuple[int, ...] | None = None, start: int = 0) -> Tensor:
        """Listens.

        Features tell a little of their own place, which says nothing about speech: AT-net learns from sounds that begin
        at random ones, and a stretch of a recording begins where it lies in it, as far as there are places.

        Args:
            mfcc: (B, 2·N, n_mels) rows from `atvg.voice.mel`, at most 2·positions.
            layers: after which layers features are taken, 0 for what the first one reads; the last one by default.
            start: the place of the first feature, from 0; all must have one.

        Returns:
            (B, N, width), or side by side for several layers, (B, N, width·len(layers)).
        """
        x = self.embed(mfcc)
        return self.after(x + self.positions[start : start + x.shape[1]], layers)

    def embed(self, mfcc: Tensor) -> Tensor:
        """MFCC rows (B, 2·N, n_mels) → what is heard in each moment, without its place, (B, N, width)."""
        x = (mfcc @ self.cepstrum).transpose(1, 2)  # (B, n_mels, 2·N) log-mel
        return F.gelu(self.conv2(F.gelu(self.conv1(x)))).transpose(1, 2)

    def after(self, x: Tensor, layers: tuple[int, ...] | None = None) -> Tensor:
        """What the first layer reads, (B, N, width) → features after some layers, as `forward` gives them."""
        wanted = (len(self.layers),) if layers is None else layers
        states = [x]
        for layer in self.layers[: max(wanted)]:
            states.append(layer(states[-1]))
        return torch.cat([states[i] for i in wanted], dim=-1)


def lead(around: int) -> int:
    """How many features before the first that lies in it a frame hears, of `around` in all."""
    return around // 2 - 1


def length(frames: int, around: int) -> int:
    """How many features make up what so many frames hear."""
    return FEATURES_PER_FRAME * (frames - 1) + around


class EarLayer(nn.Module):
    """A pre-norm transformer layer: attention without a mask, then two linear layers; (B, N, width) → the same."""

    def __init__(self, config: EarConfig):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ffn_in, self.ffn_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.attention_norm(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)  # (B, heads, N, width/heads)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))
