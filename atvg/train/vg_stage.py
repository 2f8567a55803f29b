"""Training of VG-net, with or without the regression-based discriminator."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.checkpoint import save_vg_net
from atvg.config import CROP_SIZE, DiscriminatorConfig, VGNetConfig
from atvg.data.augment import mirror, move, shift_colours
from atvg.data.bank import VideoBank
from atvg.data.stream import StreamBank
from atvg.nets.discriminator import Discriminator
from atvg.nets.vg_net import Frames, VGNet
from atvg.train.settings import VGSettings
from atvg.train.stage import Stage, make_player, update


class OnePass(nn.Module):
    """Photo to frames in one `forward`, which is what Fabric's precision and DDP wrap."""

    def __init__(self, net: VGNet):
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor, example: Tensor, landmarks: Tensor) -> Frames:
        made, _ = self.net(self.net.encode_photo(photo, example), landmarks)
        return Frames(*(part.float() for part in made))


class VGStage(Stage):
    """Photo = a random frame of a clip; target = a window of the same clip, with its true landmarks."""

    name = "vg_net"

    def __init__(self, fabric: Fabric, pack_dir: Path, settings: VGSettings, config: VGNetConfig):
        self.fabric, self.settings = fabric, settings
        if settings.stream:
            self.bank = StreamBank(pack_dir, "train", fabric.device, fabric.global_rank, fabric.world_size)
        else:
            self.bank = VideoBank(pack_dir, "train", fabric.device)
        net = VGNet(config).to(memory_format=torch.channels_last)  # a tenth to a quarter faster
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99), OnePass(net))}
        if settings.discriminator > 0:
            judge = Discriminator(DiscriminatorConfig())
            self.players["judge"] = make_player(fabric, judge, settings, (0.5, 0.99))

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """photo (B, 3, 128, 128), example (B, 68, 2), real (B, T, 3, 128, 128), landmarks (B, T, 68, 2)."""
        settings = self.settings
        pictures, landmarks = self.bank.batch(rng, settings.batch, settings.frames)
        images = pictures.float() / 127.5 - 1  # photo and frames together, so that one draw augments all
        flips = torch.as_tensor(rng.random(settings.batch) < 0.5, device=images.device)
        images, landmarks = mirror(images, landmarks, flips)
        images, landmarks = move(images, landmarks, rng, settings.affine)
        images = shift_colours(images, rng, settings.colour)
        noise = rng.normal(0, settings.landmark_noise, landmarks.shape) * (rng.random((settings.batch, 1, 1, 1)) < 0.5)
        noisy = landmarks + torch.as_tensor(noise, dtype=landmarks.dtype, device=landmarks.device)
        return images[:, 0], landmarks[:, 0], images[:, 1:], noisy[:, 1:]

    def step(self, step: int) -> dict[str, Tensor]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.fabric.global_rank, step])
        photo, example, real, landmarks = self.batch(rng)
        main = self.players["main"]
        made = main.net(photo, example, landmarks)
        terms = generator_terms(real, made, landmarks, settings)
        judge = self.players.get("judge")
        if judge is not None:
            judged = judge.net(made.frame, example)
            terms["adversarial"] = settings.discriminator * losses.adversarial(judged.score, real=True)
            regression = losses.landmark_regression(judged.landmarks, landmarks)
            terms["regression"] = settings.discriminator * settings.regression * regression
        update(self.fabric, main, sum(terms.values()), settings.clip_norm)
        if judge is not None:
            terms |= self._update_judge(real, made.frame.detach(), example, landmarks)
        terms["attention"] = made.attention.mean()
        return {name: term.detach() for name, term in terms.items()}

    def _update_judge(self, real: Tensor, fake: Tensor, example: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        judge = self.players["judge"]
        both = judge.net(torch.cat([real, fake]), torch.cat([example, example]))
        real_score, fake_score = both.score.chunk(2)
        terms = {
            "judge_real": losses.adversarial(real_score, real=True),
            "judge_fake": losses.adversarial(fake_score, real=False),
            # Landmarks are learnt from real frames only: learnt from fakes they would forgive the generator.
            "judge_regression": losses.landmark_regression(both.landmarks.chunk(2)[0], landmarks),
        }
        update(self.fabric, judge, sum(terms.values()), self.settings.clip_norm)
        return terms

    @torch.no_grad()
    def sample(self, net: nn.Module) -> Tensor:
        """Rows: photo, truth, frame, attention, motion of the last frame of each clip of a fixed batch."""
        photo, example, real, landmarks = self.batch(np.random.default_rng(0))
        was_training = net.training
        made = OnePass(net.eval())(photo, example, landmarks)
        net.train(was_training)
        rows = [
            photo, real[:, -1], made.frame[:, -1].float(),
            made.attention[:, -1].float().expand(-1, 3, -1, -1) * 2 - 1, made.motion[:, -1].float(),
        ]  # fmt: skip
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(-1, 1) / 2 + 0.5

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        save_vg_net(folder, net, {**notes, "beta": self.settings.beta})


def generator_terms(real: Tensor, made: Frames, landmarks: Tensor, settings: VGSettings) -> dict[str, Tensor]:
    """The weighted losses of the generator without its judge."""
    weight = 1 + (settings.mouth_weight - 1) * losses.mouth_box(landmarks, CROP_SIZE)  # (B, T, 1, H, W)
    pixel = losses.dynamic_pixel_loss(real, made.frame, made.attention, settings.beta, weight)
    gradient = losses.gradient_loss(real.flatten(0, 1), made.frame.flatten(0, 1), weight.flatten(0, 1))
    return {
        "pixel": settings.pixel * pixel,
        "gradient": settings.gradient * gradient,
        "sparsity": settings.sparsity * losses.attention_sparsity(made.attention),
    }
