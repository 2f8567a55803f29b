"""What the two systems that paint have in common: codes of speech and person → a decoder with skips from the photo."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.base import Baseline, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, fit_linear


class Decoding(Baseline):
    """Speech code and person code → one frame.

    What is heard is brought to what is seen by a linear map, fitted before training and learnt on from there; in
    training half of the frames are drawn from what is read off the lips. What is heard says so little about a single
    frame that a decoder takes long to find that it says anything; from what is seen it learns what a mouth is.

    Attributes:
        skip_sides: of the photo's maps that join the decoder.
    """

    skip_sides: ClassVar[tuple[int, ...]]

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.translate = nn.Linear(self.speech.codes, self.speech.codes)
        self.person = PictureEncoder(config.photo_widths, config.codes)
        self.norm = nn.LayerNorm(config.codes)  # or who it is would drown what is said
        widths = dict(zip((64, 32, 16, 8, 4), config.photo_widths, strict=True))
        skips = {side: widths[side] for side in self.skip_sides}
        self.decoder = Decoder(self.speech.codes + config.codes, config.decoder_widths, skips, 3)

    @torch.no_grad()
    def begin(self, examples: Iterable[Seen]) -> None:
        """Fits the map from what is heard to what is seen."""
        fit_linear(self.translate, ((self.speech.heard(e.sound), self.speech.seen(e.real)) for e in examples))

    def prepare(self, photo: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.person(photo)

    def draw(self, prepared: tuple[Tensor, list[Tensor]], sound: Tensor) -> Tensor:
        person, maps = prepared
        count = len(sound)
        return self.decode(self.heard(sound), person.expand(count, -1), [x.expand(count, -1, -1, -1) for x in maps])

    def heard(self, sound: Tensor) -> Tensor:
        """MFCC windows (N, 28, 20) → (N, codes), as they would look."""
        return self.translate(self.speech.heard(sound))

    def decode(self, speech: Tensor, person: Tensor, maps: list[Tensor]) -> Tensor:
        """Codes and maps of N frames → (N, 3, 128, 128)."""
        return torch.tanh(self.decoder(torch.cat([speech, self.norm(person)], dim=1), maps))


def either(heard: Tensor, watched: Tensor) -> Tensor:
    """Codes (N, codes) to draw from in training: half of them heard, half read off the lips."""
    by_ear = torch.rand(len(heard), 1, device=heard.device) < 0.5
    return torch.where(by_ear, heard, watched)
