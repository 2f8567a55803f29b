"""Zhou et al. 2019 (DAVS), "Talking Face Generation by Adversarially Disentangled Audio-Visual Representation".

Kept: a person space and a speech space; the sound and the picture of a mouth share the speech space by a contrastive
loss; an adversary makes it forget the person; one decoder with one skip from the person encoder, which in training
draws from either the heard or the seen code. Changed: sizes; no word labels exist in open clips, so there is no word
classifier; its PatchGAN is left out, as texture is asked for by the loss that every system here has.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, Speech, reverse_gradient

_PEOPLE = 512  # places of the adversary's classes; people beyond share them
_ADVERSARY = 0.1  # weight of what the speech space must not say about the person
_MARGIN = 1.2  # squared distance at which codes of different moments are far enough apart; at most 4


class Zhou(Baseline):
    """Person code and speech code → one frame."""

    name, title = "zhou", "Zhou et al. 2019"

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.speech = Speech()
        self.person = PictureEncoder(config.photo_widths, config.codes)
        self.norm = nn.LayerNorm(config.codes)  # or who it is would drown what is said
        skips = {64: config.photo_widths[0]}
        self.decoder = Decoder(self.speech.codes + config.codes, config.decoder_widths, skips, 3)
        self.adversary = nn.Sequential(nn.Linear(self.speech.codes, 128), nn.ReLU(), nn.Linear(128, _PEOPLE))

    def forward(self, seen: Seen) -> Made:
        heard, watched = self.speech.heard(seen.sound), self.speech.seen(seen.real)
        drawn = self._decode(self.speech.mixed(heard, watched), *self.person(seen.photo))
        guess = self.adversary(reverse_gradient(torch.cat([heard, watched])))
        terms = {
            "contrast": contrastive(F.normalize(heard, dim=1), F.normalize(watched, dim=1)),
            "adversary": _ADVERSARY * F.cross_entropy(guess, (seen.person % _PEOPLE).repeat(2)),
        }
        return Made({"drawn": drawn}, terms)

    def prepare(self, photo: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.person(photo)

    def draw(self, prepared: tuple[Tensor, list[Tensor]], sound: Tensor) -> Tensor:
        person, maps = prepared
        count = len(sound)
        maps = [x.expand(count, -1, -1, -1) for x in maps]
        return self._decode(self.speech.heard(sound), person.expand(count, -1), maps)

    def _decode(self, speech: Tensor, person: Tensor, maps: list[Tensor]) -> Tensor:
        return torch.tanh(self.decoder(torch.cat([speech, self.norm(person)], dim=1), maps))


def contrastive(heard: Tensor, watched: Tensor) -> Tensor:
    """Pulls the two codes of a moment together and pushes those of different moments `_MARGIN` apart.

    Args:
        heard, watched: (N, C) of length 1, row i of both from one moment.
    """
    apart = 2 - 2 * heard @ watched.T  # squared distances
    same = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    return apart[same].mean() + F.relu(_MARGIN - apart[~same]).mean()
