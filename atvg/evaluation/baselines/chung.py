"""Chung, Jamaludin & Zisserman 2017, "You said that?": each frame by itself, from its sound and stills of the person.

Kept: one code of 0.3 s of sound, one of the identity, a decoder with skips from the identity encoder at two scales,
plain L1, and a residual network that takes blur off afterwards. Changed: sizes; the sound is the MFCC window that every
system here hears (28 × 20 instead of 35 × 12); one photo instead of five.
"""

import torch
from torch import Tensor, nn

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, Speech


class Chung(Baseline):
    """Speech code and identity code → one frame; then a refiner."""

    name, title = "chung", "Chung et al. 2017"

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.speech = Speech()
        self.identity = PictureEncoder(config.photo_widths, config.codes)
        self.norm = nn.LayerNorm(config.codes)  # or who it is would drown what is said
        skips = {64: config.photo_widths[0], 32: config.photo_widths[1]}
        self.decoder = Decoder(self.speech.codes + config.codes, config.decoder_widths, skips, 3)
        self.refiner = Refiner(24, 4)

    def forward(self, seen: Seen) -> Made:
        heard, watched = self.speech.heard(seen.sound), self.speech.seen(seen.real)
        code, maps = self.identity(seen.photo)
        drawn = self._decode(self.speech.mixed(heard, watched), code, maps)
        # The refiner learns what the decoder leaves to be done, and the decoder does not learn to leave it.
        return Made({"drawn": drawn, "refined": self.refiner(drawn.detach())}, {})

    def prepare(self, photo: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.identity(photo)

    def draw(self, prepared: tuple[Tensor, list[Tensor]], sound: Tensor) -> Tensor:
        code, maps = prepared
        count = len(sound)
        maps = [x.expand(count, -1, -1, -1) for x in maps]
        drawn = self._decode(self.speech.heard(sound), code.expand(count, -1), maps)
        return self.refiner(drawn)

    def _decode(self, speech: Tensor, code: Tensor, maps: list[Tensor]) -> Tensor:
        return torch.tanh(self.decoder(torch.cat([speech, self.norm(code)], dim=1), maps))


class Refiner(nn.Module):
    """Adds a residual to blurred pictures (N, 3, 128, 128)."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        inner = [part for _ in range(layers) for part in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
        last = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.ReLU(), *inner, last, nn.PixelShuffle(2)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + self.layers(pictures)
