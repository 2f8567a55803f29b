"""Wiles, Koepke & Zisserman 2018, "X2Face": nothing is painted, the photo is warped.

Kept: an embedding network that flows the photo to a face common to all pictures of a person, a driving network whose
code of a frame flows it out again, both learnt from pictures alone; then a linear regression from sound to the driving
code. Changed: sizes; the sound is the MFCC window that every system here hears; the regression also reads the photo's
own code, as the original adds what it hears to that of the source frame.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import N_MFCC_STORED, WINDOW_ROWS
from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, Standardise, sample

_CODES = 128
_ENCODER, _DECODER = (32, 56, 88, 128, 176), (160, 128, 96, 56, 32)


class Wiles(Baseline):
    """Photo → embedded face; driving code → frame."""

    name, title = "wiles", "Wiles et al. 2018"

    def __init__(self) -> None:
        super().__init__()
        self.embed_in = PictureEncoder(_ENCODER, _CODES)
        skips = {8: _ENCODER[3], 16: _ENCODER[2], 32: _ENCODER[1], 64: _ENCODER[0]}  # a U-Net, as in the original
        self.embed_out = Decoder(_CODES, _DECODER, skips, 2)
        self.drive_in = PictureEncoder(_ENCODER, _CODES)
        self.drive_out = Decoder(_CODES, _DECODER, {}, 2)
        for decoder in (self.embed_out, self.drive_out):  # begin with the photo as it is
            nn.init.zeros_(decoder.head[0].weight)
            nn.init.zeros_(decoder.head[0].bias)
        self.standardise = Standardise()
        self.regression = nn.Linear(WINDOW_ROWS * N_MFCC_STORED + _CODES, _CODES)

    def forward(self, seen: Seen) -> Made:
        watched = self.drive_in(torch.cat([seen.real, seen.photo]))[0]
        code, own = watched.chunk(2)
        # The regression comes after the networks, as in the original: they learn from pictures alone.
        guess = self._regress(seen.sound, own.detach())
        pictures = {"drawn": self._flow_out(self._embed(seen.photo), code)}
        return Made(pictures, {"regression": F.mse_loss(guess, code.detach())})

    def prepare(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        return self._embed(photo), self.drive_in(photo)[0]

    def draw(self, prepared: tuple[Tensor, Tensor], sound: Tensor) -> Tensor:
        embedded, own = (x.expand(len(sound), *x.shape[1:]) for x in prepared)
        return self._flow_out(embedded, self._regress(sound, own))

    def _embed(self, photo: Tensor) -> Tensor:
        code, maps = self.embed_in(photo)
        return sample(photo, self.embed_out(code, maps))

    def _flow_out(self, embedded: Tensor, code: Tensor) -> Tensor:
        return sample(embedded, self.drive_out(code))

    def _regress(self, sound: Tensor, own: Tensor) -> Tensor:
        return self.regression(torch.cat([self.standardise(sound).flatten(1), own], dim=1))
