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
from atvg.evaluation.baselines.base import Made, Seen
from atvg.evaluation.baselines.decoding import Decoding, either
from atvg.evaluation.baselines.layers import reverse_gradient

_PEOPLE = 512  # places of the adversary's classes; people beyond share them
_ADVERSARY = 0.1  # weight of what the speech space must not say about the person
_MARGIN = 1.2  # squared distance at which codes of different moments are far enough apart; at most 4


class Zhou(Decoding):
    """Person code and speech code → one frame."""

    name, title = "zhou", "Zhou et al. 2019"
    skip_sides = (64,)

    def __init__(self, config: BaselineConfig):
        super().__init__(config)
        self.adversary = nn.Sequential(nn.Linear(self.speech.codes, 128), nn.ReLU(), nn.Linear(128, _PEOPLE))

    def forward(self, seen: Seen) -> Made:
        heard, watched = self.heard(seen.sound), self.speech.seen(seen.real)
        drawn = self.decode(either(heard, watched), *self.person(seen.photo))
        guess = self.adversary(reverse_gradient(torch.cat([heard, watched])))
        terms = {
            "contrast": contrastive(F.normalize(heard, dim=1), F.normalize(watched, dim=1)),
            "adversary": _ADVERSARY * F.cross_entropy(guess, (seen.person % _PEOPLE).repeat(2)),
        }
        return Made({"drawn": drawn}, terms)


def contrastive(heard: Tensor, watched: Tensor) -> Tensor:
    """Pulls the two codes of a moment together and pushes those of different moments `_MARGIN` apart.

    Args:
        heard, watched: (N, C) of length 1, row i of both from one moment.
    """
    apart = 2 - 2 * heard @ watched.T  # squared distances
    same = torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    return apart[same].mean() + F.relu(_MARGIN - apart[~same]).mean()
