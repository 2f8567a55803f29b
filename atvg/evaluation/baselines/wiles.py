"""Wiles, Koepke & Zisserman 2018, "X2Face": nothing is painted, the photo is warped.

Kept: an embedding network that flows the photo to a face common to all pictures of a person, a driving network whose
code of a frame flows it out again, both learnt from pictures alone; then a linear regression from what a sync network
hears to the driving code. Changed: sizes; the driving network looks at the mouth only, since heads are turned alike
before; what flows out and the regression also know the driving code of the photo.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, fit_linear, sample

_FLOW = 0.1  # a network's 1 is so many halves of the side: lips move by a few hundredths


class Wiles(Baseline):
    """Photo → embedded face; driving code → frame."""

    name, title = "wiles", "Wiles et al. 2018"
    sizes = BaselineConfig((32, 56, 88, 128, 176), (160, 128, 96, 56, 32), 128)

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.speech.ear.requires_grad_(False)  # sound comes after the networks, which learn from pictures alone
        self.embed_in = PictureEncoder(config.photo_widths, config.codes)
        skips = dict(zip((64, 32, 16, 8), config.photo_widths, strict=False))  # a U-Net, as in the original
        self.embed_out = Decoder(config.codes, config.decoder_widths, skips, 2)
        self.drive_out = Decoder(2 * self.speech.codes, config.decoder_widths, {}, 2)
        for decoder in (self.embed_out, self.drive_out):  # begin with the photo as it is
            for values in decoder.head.parameters():
                nn.init.zeros_(values)
        self.regression = nn.Linear(2 * self.speech.codes, self.speech.codes).requires_grad_(False)

    def forward(self, seen: Seen) -> Made:
        code, own = self.speech.seen(torch.cat([seen.real, seen.photo])).chunk(2)
        return Made({"drawn": self._flow_out(self._embed(seen.photo), code, own)}, {})

    @torch.no_grad()
    def finish(self, examples: Iterable[Seen]) -> None:
        """Fits the regression."""
        see, known = self.speech.seen, self._known
        fit_linear(self.regression, ((known(e.sound, see(e.photo)), see(e.real)) for e in examples))

    def prepare(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        return self._embed(photo), self.speech.seen(photo)

    def draw(self, prepared: tuple[Tensor, Tensor], sound: Tensor) -> Tensor:
        embedded, own = (x.expand(len(sound), *x.shape[1:]) for x in prepared)
        return self._flow_out(embedded, self.regression(self._known(sound, own)), own)

    def _embed(self, photo: Tensor) -> Tensor:
        code, maps = self.embed_in(photo)
        return sample(photo, _FLOW * self.embed_out(code, maps))

    def _flow_out(self, embedded: Tensor, code: Tensor, own: Tensor) -> Tensor:
        return sample(embedded, _FLOW * self.drive_out(torch.cat([code, own], dim=1)))

    def _known(self, sound: Tensor, own: Tensor) -> Tensor:
        """What the driving code is regressed from, (N, 2 · codes)."""
        return torch.cat([self.speech.heard(sound), own], dim=1)
