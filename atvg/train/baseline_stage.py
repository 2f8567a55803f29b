"""Training of the compared systems: the batches, augmentation and picture losses of VG-net, other networks."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.checkpoint import load_sync_net, locate, save_net
from atvg.config import CROP_SIZE, N_LANDMARKS
from atvg.data.bank import VideoBank
from atvg.evaluation.baselines import Seen, make_baseline
from atvg.face.landmarks import SPEAKING
from atvg.train.settings import BaselineSettings
from atvg.train.stage import make_player, update
from atvg.train.vg_stage import VGStage


class BaselineStage(VGStage):
    """Photo = a random frame of a clip with the head turned as in the target; target = another frame of it."""

    def __init__(self, fabric: Fabric, pack_dir: Path, settings: BaselineSettings, name: str):
        self.fabric, self.settings, self.name = fabric, settings, name
        self._speaking = torch.zeros(N_LANDMARKS, 1, dtype=torch.bool, device=fabric.device)
        self._speaking[SPEAKING] = True
        self.bank = VideoBank(pack_dir, "train", fabric.device, sound=True)
        net = make_baseline(name).to(memory_format=torch.channels_last)
        net.speech.begin_with(load_sync_net(locate(settings.sync_net or None)))
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99))}

    def seen(self, rng: np.random.Generator) -> tuple[Seen, Tensor]:
        batch = self.batch(rng)
        noise = self.settings.noise * rng.standard_normal((self.settings.batch, 1, 1, batch.sound.shape[-1]))
        noise = 2 * noise + self.settings.noise * rng.standard_normal(batch.sound.shape)
        std = self.bank.rows.std(0)
        sound = batch.sound + torch.as_tensor(noise, dtype=torch.float32) * std
        real = batch.real.flatten(0, 1)
        person = batch.person[:, None].expand(-1, batch.real.shape[1]).flatten()
        return Seen(batch.turned.photo.flatten(0, 1), real, sound.flatten(0, 1), person), batch.landmarks.flatten(0, 1)

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        seen, landmarks = self.seen(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        made = main.net(seen)
        terms = {name: settings.others * term.float() for name, term in made.terms.items()}
        for name, picture in made.pictures.items():
            for term, value in picture_terms(seen.real, picture.float(), landmarks, settings).items():
                terms[f"{name}_{term}"] = value
        update(self.fabric, main, sum(terms.values()), settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def sample(self, net: nn.Module) -> Tensor:
        seen, _ = self.seen(np.random.default_rng(0))
        return torch.zeros(3, 8, 8)

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        save_net(folder, self.name, net, notes)


def picture_terms(real: Tensor, fake: Tensor, landmarks: Tensor, settings: BaselineSettings) -> dict[str, Tensor]:
    weight = 1 + (settings.mouth_weight - 1) * losses.mouth_box(landmarks, CROP_SIZE)
    lips = losses.mouth_box(landmarks, CROP_SIZE, margin=0.0)
    weight = torch.where(lips > 0, settings.lips_weight, weight)
    return {
        "pixel": settings.pixel * ((real - fake).abs() * weight).mean(),
        "gradient": settings.gradient * losses.gradient_loss(real, fake, weight),
        "texture": settings.texture * losses.texture_loss(real, fake, weight),
    }
