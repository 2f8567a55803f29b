"""Training of the compared systems: the batches, augmentation and picture losses of VG-net, other networks."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from atvg.checkpoint import save_net
from atvg.data.storage import AnyPath
from atvg.errors import BadSettingError
from atvg.evaluation.baselines import BASELINES, BaselineConfig, Seen, load_speech
from atvg.evaluation.baselines.base import Baseline
from atvg.nets.blocks import channels_last
from atvg.train.settings import BaselineSettings
from atvg.train.stage import make_player, total, update
from atvg.train.video_stage import Batch, VideoStage, picture_terms

_EXAMPLES = 100  # batches of 128 frames: enough for a regression on 256 values


class BaselineStage(VideoStage[Baseline, BaselineSettings]):
    """Each frame is drawn by itself, from the photo with its head turned as in the frame, and the frame's sound.

    The turned photo is VG-net's own advantage over the originals; without it these networks would spend their training
    on blurring heads that no sound can foretell.
    """

    def __init__(
        self, fabric: Fabric, pack_dir: str | AnyPath, settings: BaselineSettings, config: BaselineConfig, name: str
    ):
        if not settings.turn:
            raise BadSettingError("turn=false is for VG-net only: a compared system is given the turned photo")
        self.name = name
        net = channels_last(BASELINES[name](config))
        net.speech.load_state_dict(load_speech().state_dict())
        super().__init__(fabric, pack_dir, settings, hears=True)
        net.to(fabric.device).eval().begin(self._examples())
        net.train()
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99))}

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        batch = self.batch(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        made = main.net(self._seen(batch))
        terms = {name: settings.others * term.float() for name, term in made.terms.items()}
        for name, picture in made.pictures.items():
            drawn = picture.float().unflatten(0, batch.real.shape[:2])
            found = picture_terms(batch.real, drawn, batch.landmarks, settings)
            terms |= {f"{name}_{term}": value for term, value in found.items()}
        update(self.fabric, main, total(terms), settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

    def _seen(self, batch: Batch) -> Seen:
        """All frames of a batch, each by itself."""
        photo, sound = _given(batch)
        people = torch.as_tensor(batch.people, device=batch.real.device)
        people = people.repeat_interleave(batch.real.shape[1])
        return Seen(photo.flatten(0, 1), batch.real.flatten(0, 1), sound.flatten(0, 1), people)

    @torch.no_grad()
    def sample(self, net: Baseline) -> Tensor:
        """Rows: photo, truth, what is drawn from the sound, of the last frame of each clip of a fixed batch."""
        batch = self.batch(np.random.default_rng(0))
        was_training = net.training
        net.eval()
        photos, sounds = _given(batch)
        photo, real, sound = photos[:, -1], batch.real[:, -1], sounds[:, -1]
        drawn = [net.draw(net.prepare(one[None]), heard[None])[0] for one, heard in zip(photo, sound, strict=True)]
        net.train(was_training)
        rows = [photo, real, torch.stack(drawn).float()]
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(-1, 1) / 2 + 0.5

    def _examples(self) -> Iterator[Seen]:
        """Frames of the split for linear regressions, as they are; the photo's head is not turned."""
        for i in range(_EXAMPLES):
            drawn = self.bank.batch(np.random.default_rng([self.settings.seed, i]), 16, 8, self.settings.stride)
            assert drawn.sound is not None  # this stage hears
            images = drawn.images.float() / 127.5 - 1
            sound = torch.as_tensor(drawn.sound[:, 1:], device=images.device)
            photo, real = images[:, :1].expand_as(images[:, 1:]), images[:, 1:]
            people = torch.as_tensor(drawn.people, device=images.device).repeat_interleave(real.shape[1])
            yield Seen(photo.flatten(0, 1), real.flatten(0, 1), sound.flatten(0, 1), people)

    def ship(self, net: Baseline, folder: Path, notes: dict[str, Any]) -> None:
        net = copy.deepcopy(net).eval()  # training goes on with what the loop knows
        net.finish(self._examples())
        save_net(folder, self.name, net, notes)


def _given(batch: Batch) -> tuple[Tensor, Tensor]:
    """What every frame of a batch is drawn from: turned photos (B, T, 3, 128, 128) and sound (B, T, 28, 20)."""
    assert batch.turned is not None and batch.sound is not None  # this stage turns and hears
    return batch.turned.photo, batch.sound
