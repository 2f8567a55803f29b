"""Chung, Jamaludin & Zisserman 2017, "You said that?": each frame by itself, from its sound and stills of the person.

Kept: one code of 0.3 s of sound, one of the identity, a decoder with skips from the identity encoder at two scales,
plain L1, and a residual network that takes blur off afterwards. Changed: sizes; the sound is the MFCC window that every
system here hears (28 × 20 instead of 35 × 12); one photo instead of five.
"""

import torch
from torch import Tensor, nn

from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, Speech

_CODES = 256
_PHOTO, _DECODER = (32, 64, 112, 160, 224), (192, 160, 128, 72, 40)


class Chung(Baseline):
    """Speech code and identity code → one frame; then a refiner."""

    name, title = "chung", "Chung et al. 2017"

    def __init__(self) -> None:
        super().__init__()
        self.speech = Speech(sees=False)
        self.identity = PictureEncoder(_PHOTO, _CODES)
        self.decoder = Decoder(self.speech.codes + _CODES, _DECODER, {32: _PHOTO[1], 64: _PHOTO[0]}, 3)
        self.refiner = Refiner(24, 4)

    def forward(self, seen: Seen) -> Made:
        code, maps = self.identity(seen.photo)
        drawn = self._decode(seen.sound, code, maps)
        # The refiner learns what the decoder leaves to be done, and the decoder does not learn to leave it.
        return Made({"drawn": drawn, "refined": self.refiner(drawn.detach())}, {})

    def prepare(self, photo: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.identity(photo)

    def draw(self, prepared: tuple[Tensor, list[Tensor]], sound: Tensor) -> Tensor:
        code, maps = prepared
        count = len(sound)
        drawn = self._decode(sound, code.expand(count, -1), [x.expand(count, -1, -1, -1) for x in maps])
        return self.refiner(drawn)

    def _decode(self, sound: Tensor, code: Tensor, maps: list[Tensor]) -> Tensor:
        return torch.tanh(self.decoder(torch.cat([self.speech.heard(sound), code], dim=1), maps))


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
