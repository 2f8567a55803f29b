"""Training of VG-net, with or without the regression-based discriminator."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.checkpoint import load_at_net, save_vg_net
from atvg.config import CROP_SIZE, N_LANDMARKS, DiscriminatorConfig, VGNetConfig
from atvg.data.augment import mirror, move, shift_colours
from atvg.data.bank import Driver, VideoBank, Windows
from atvg.data.pack import Clip
from atvg.data.storage import AnyPath
from atvg.data.stream import StreamBank
from atvg.engine import calibrate
from atvg.face.carry import background_movement, carry
from atvg.face.landmarks import SPEAKING
from atvg.nets.discriminator import Discriminator
from atvg.nets.vg_net import Frames, Turned, VGNet, turn
from atvg.shape import denormalise_offset, normalise
from atvg.train.settings import VGSettings
from atvg.train.stage import Stage, make_player, update

_CALIBRATION = 4  # batches that tell in which range the inputs of each layer lie


class Batch(NamedTuple):
    """B samples of VG-net's training."""

    photo: Tensor  # (B, 3, 128, 128) in [−1, 1]
    example: Tensor  # (B, 68, 2) crop pixels
    real: Tensor  # (B, T, 3, 128, 128)
    landmarks: Tensor  # (B, T, 68, 2), some with noise
    turned: Turned | None


class OnePass(nn.Module):
    """Photo to frames in one `forward`, which is what Fabric's precision and DDP wrap."""

    def __init__(self, net: VGNet):
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor, example: Tensor, landmarks: Tensor, turned: Turned | None) -> Frames:
        made, _ = self.net(self.net.encode_photo(photo, example), landmarks, turned=turned)
        return Frames(*(part.float() for part in made))


class VGStage(Stage):
    """Photo = a random frame of a clip; target = a window of the same clip, with its true landmarks."""

    name = "vg_net"

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: VGSettings, config: VGNetConfig):
        self.fabric, self.settings = fabric, settings
        self._speaking = torch.zeros(N_LANDMARKS, 1, dtype=torch.bool, device=fabric.device)
        self._speaking[SPEAKING] = True
        driver = at_net_errors(Path(settings.at_net)) if settings.at_net else None
        if settings.stream:
            ranks = (fabric.global_rank, fabric.world_size)
            self.bank = StreamBank(pack_dir, "train", fabric.device, driver, *ranks)
        else:
            self.bank = VideoBank(pack_dir, "train", fabric.device, driver)
        net = VGNet(config).to(memory_format=torch.channels_last)  # a tenth to a quarter faster
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99), OnePass(net))}
        if settings.discriminator > 0:
            judge = Discriminator(DiscriminatorConfig())
            self.players["judge"] = make_player(fabric, judge, settings, (0.5, 0.99))

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws and augments; one draw serves the photo, the turned photos and the frames of a sample."""
        settings = self.settings
        windows = self.bank.batch(rng, settings.batch, settings.frames)
        images = windows.images.float() / 127.5 - 1
        seen = windows.landmarks[..., :2].copy()
        if windows.errors is not None:
            share = settings.at_errors * rng.random(settings.batch) * (rng.random(settings.batch) < 0.5)
            seen[:, 1:] += share[:, None, None, None] * windows.errors[:, 1:]
        landmarks = torch.as_tensor(seen, dtype=torch.float32, device=images.device)
        if settings.turn:
            turned = self._turn(images[:, 0], windows)
            images = torch.cat([images, turned.photo], dim=1)
            landmarks = torch.cat([landmarks, turned.landmarks], dim=1)
        flips = torch.as_tensor(rng.random(settings.batch) < 0.5, device=images.device)
        images, landmarks = mirror(images, landmarks, flips)
        images, landmarks = move(images, landmarks, rng, settings.affine)
        images = shift_colours(images, rng, settings.colour)
        split = [1, settings.frames, len(images[0]) - 1 - settings.frames]
        (photo, real, base), (example, target, carried) = images.split(split, 1), landmarks.split(split, 1)
        noise = rng.normal(0, settings.landmark_noise, target.shape) * (rng.random((settings.batch, 1, 1, 1)) < 0.5)
        target = target + torch.as_tensor(noise, dtype=target.dtype, device=target.device)
        still = torch.as_tensor(rng.random(settings.batch) < settings.speech_only, device=target.device)
        at_rest = carried if settings.turn else example.expand_as(target)
        still = still[:, None, None, None] & ~self._speaking
        target = torch.where(still, at_rest, target)
        return Batch(photo[:, 0], example[:, 0], real, target, Turned(base, carried) if settings.turn else None)

    def _turn(self, photo: Tensor, windows: Windows) -> Turned:
        """The photos with their heads moved as in the frames, so that training and use agree."""
        transforms = windows.transforms
        background = background_movement(transforms[:, 1:], transforms[:, 0])
        moved = carry(windows.landmarks[:, 0], windows.landmarks[:, 1:], background)
        return turn(photo, *(torch.as_tensor(points, device=photo.device) for points in moved))

    def step(self, step: int) -> dict[str, Tensor]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.fabric.global_rank, step])
        photo, example, real, landmarks, turned = self.batch(rng)
        main = self.players["main"]
        made = main.net(photo, example, landmarks, turned)
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
        photo, example, real, landmarks, turned = self.batch(np.random.default_rng(0))
        was_training = net.training
        made = OnePass(net.eval())(photo, example, landmarks, turned)
        net.train(was_training)
        rows = [
            photo, real[:, -1], made.frame[:, -1].float(),
            made.attention[:, -1].float().expand(-1, 3, -1, -1) * 2 - 1, made.motion[:, -1].float(),
        ]  # fmt: skip
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(-1, 1) / 2 + 0.5

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        net = copy.deepcopy(net)  # training goes on with what the loop knows
        calibrate(net, (self._typical(i) for i in range(_CALIBRATION)))
        save_vg_net(folder, net, {**notes, "beta": self.settings.beta})

    def _typical(self, index: int) -> tuple[Tensor, Tensor, Tensor, Turned | None]:
        """Arguments for the network, from a batch that no step draws."""
        batch = self.batch(np.random.default_rng([self.settings.seed, index]))
        return batch.photo, batch.example, batch.landmarks, batch.turned


def at_net_errors(folder: Path) -> Driver:
    """By how much AT-net misses the jaw and mouth of a clip it hears: the landmarks that VG-net will have to live with.

    The frames that go with them are the true ones, so VG-net is shown a share of these errors only.
    """
    from atvg.animator import Animator

    at_net, shape = load_at_net(folder)
    animator = Animator(at_net, shape, {}, detector=None)
    speaking = np.zeros((N_LANDMARKS, 1))
    speaking[SPEAKING] = 1

    def errors(clip: Clip) -> np.ndarray:
        if not clip.sync:
            return np.zeros((len(clip), N_LANDMARKS, 2), np.float32)
        frame = shape.frame_of(clip.landmarks)
        normal = normalise(clip.landmarks, frame)
        heard = shape.decode(animator.codes_from_rows(clip.mfcc, clip.landmarks[0]))
        return speaking * denormalise_offset(heard - (normal - normal[0]), frame)[..., :2]

    return errors


def generator_terms(real: Tensor, made: Frames, landmarks: Tensor, settings: VGSettings) -> dict[str, Tensor]:
    """The weighted losses of the generator without its judge."""
    weight = 1 + (settings.mouth_weight - 1) * losses.mouth_box(landmarks, CROP_SIZE)  # (B, T, 1, H, W)
    lips = losses.mouth_box(landmarks, CROP_SIZE, margin=0.0)
    weight = torch.where(lips > 0, settings.lips_weight, weight)
    pixel = losses.dynamic_pixel_loss(real, made.frame, made.attention, settings.beta, weight)
    flat = (real.flatten(0, 1), made.frame.flatten(0, 1), weight.flatten(0, 1))
    return {
        "pixel": settings.pixel * pixel,
        "gradient": settings.gradient * losses.gradient_loss(*flat),
        "texture": settings.texture * losses.texture_loss(*flat),
        "sparsity": settings.sparsity * losses.attention_sparsity(made.attention),
        "presence": settings.presence * losses.attention_presence(made.attention, lips),
    }
