"""Chung, Jamaludin & Zisserman 2017, "You said that?": each frame by itself, from its sound and stills of the person.

Kept: one code of 0.3 s of sound, one of the identity, a decoder with skips from the identity encoder at two scales,
plain L1, and a residual network that takes blur off afterwards. Changed: sizes; the sound is the MFCC window that every
system here hears (28 × 20 instead of 35 × 12); one photo instead of five.
"""

from torch import Tensor, nn

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.base import Made, Seen
from atvg.evaluation.baselines.decoding import Decoding, either


class Chung(Decoding):
    """Speech code and identity code → one frame; then a refiner."""

    name, title = "chung", "Chung et al. 2017"
    skip_sides = (64, 32)

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.refiner = Refiner(24, 4)

    def forward(self, seen: Seen) -> Made:
        speech = either(self.heard(seen.sound), self.speech.seen(seen.real))
        drawn = self.decode(speech, *self.person(seen.photo))
        # The refiner learns what the decoder leaves to be done, and the decoder does not learn to leave it.
        return Made({"drawn": drawn, "refined": self.refiner(drawn.detach())}, {})

    def draw(self, prepared: tuple[Tensor, list[Tensor]], sound: Tensor) -> Tensor:
        return self.refiner(super().draw(prepared, sound))


class Refiner(nn.Module):
    """Adds a residual to blurred pictures (N, 3, 128, 128)."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        inner = [part for _ in range(layers) for part in (nn.Conv2d(width, width, 3, padding=1), nn.ReLU())]
        last = nn.Conv2d(width, 12, 3, padding=1)
        for values in last.parameters():
            nn.init.zeros_(values)
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.ReLU(), *inner, last, nn.PixelShuffle(2)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + self.layers(pictures)
