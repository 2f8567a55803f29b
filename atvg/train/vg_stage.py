"""Training of VG-net, with or without the regression-based discriminator."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.checkpoint import DIRECT_NET, VG_NET, load_at_net, save_net
from atvg.config import CROP_SIZE, N_LANDMARKS, DiscriminatorConfig, VGNetConfig
from atvg.data.bank import Driver
from atvg.data.pack import Clip
from atvg.data.storage import AnyPath
from atvg.engine import calibrate
from atvg.face.landmarks import SPEAKING
from atvg.nets.direct_net import DirectNet, make_net
from atvg.nets.discriminator import Discriminator
from atvg.nets.vg_net import Frames, Turned, VGNet
from atvg.shape import denormalise_offset, normalise
from atvg.train.settings import VGSettings
from atvg.train.stage import make_player, update
from atvg.train.video_stage import Batch, VideoStage, picture_terms

_CALIBRATION = 4  # batches that tell in which range the inputs of each layer lie


class OnePass(nn.Module):
    """Photo to frames in one `forward`, which is what Fabric's precision and DDP wrap."""

    def __init__(self, net: VGNet):
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor, example: Tensor, signal: Tensor, turned: Turned | None) -> Frames:
        made, _ = self.net(self.net.encode_photo(photo, example), signal, turned=turned)
        return Frames(*(part.float() for part in made))


class VGStage(VideoStage):
    """Photo = a frame of a clip; target = a window of the same clip, with its true landmarks.

    A `DirectNet`, the ablation, gets the window's sound in place of landmarks, and all else alike.
    """

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: VGSettings, config: VGNetConfig):
        net = make_net(config).to(memory_format=torch.channels_last)  # a tenth to a quarter faster
        direct = isinstance(net, DirectNet)
        self.name = DIRECT_NET if direct else VG_NET
        self._attends = config.attention != "none"
        driver = at_net_errors(Path(settings.at_net)) if settings.at_net else None
        super().__init__(fabric, pack_dir, settings, direct, driver)
        if direct:
            net.mfcc_mean.copy_(self.sound_mean)
            net.mfcc_std.copy_(self.sound_std)
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99), OnePass(net))}
        if settings.discriminator > 0:
            judge = Discriminator(DiscriminatorConfig(regression=settings.regression > 0))
            self.players["judge"] = make_player(fabric, judge, settings, (0.5, 0.99))

    def step(self, step: int) -> dict[str, Tensor]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.fabric.global_rank, step])
        batch = self.batch(rng)
        photo, example, real, landmarks, turned = batch[:5]
        main = self.players["main"]
        made = main.net(photo, example, signal_of(batch), turned)
        terms = generator_terms(real, made, landmarks, settings, self._attends)
        judge = self.players.get("judge")
        if judge is not None:
            judged = judge.net(made.frame, example)
            terms["adversarial"] = settings.discriminator * losses.adversarial(judged.score, real=True)
            if judged.landmarks is not None:
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
        }
        if both.landmarks is not None:
            # Landmarks are learnt from real frames only: learnt from fakes they would forgive the generator.
            terms["judge_regression"] = losses.landmark_regression(both.landmarks.chunk(2)[0], landmarks)
        update(self.fabric, judge, sum(terms.values()), self.settings.clip_norm)
        return terms

    @torch.no_grad()
    def sample(self, net: nn.Module) -> Tensor:
        """Rows: photo, truth, frame, attention, motion of the last frame of each clip of a fixed batch."""
        batch = self.batch(np.random.default_rng(0))
        photo, example, real, _, turned = batch[:5]
        was_training = net.training
        made = OnePass(net.eval())(photo, example, signal_of(batch), turned)
        net.train(was_training)
        rows = [
            photo, real[:, -1], made.frame[:, -1].float(),
            made.attention[:, -1].float().expand(-1, 3, -1, -1) * 2 - 1, made.motion[:, -1].float(),
        ]  # fmt: skip
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(-1, 1) / 2 + 0.5

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        net = copy.deepcopy(net)  # training goes on with what the loop knows
        calibrate(net, (self._typical(i) for i in range(_CALIBRATION)))
        save_net(folder, self.name, net, {**notes, "beta": self.settings.beta})

    def _typical(self, index: int) -> tuple[Tensor, Tensor, Tensor, Turned | None]:
        """Arguments for the network, from a batch that no step draws."""
        batch = self.batch(np.random.default_rng([self.settings.seed, index]))
        return batch.photo, batch.example, signal_of(batch), batch.turned


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


def signal_of(batch: Batch) -> Tensor:
    """What drives the frames: the landmarks (B, T, 68, 2), or with sound its MFCC windows (B, T, 28, 20)."""
    return batch.landmarks if batch.sound is None else batch.sound


def generator_terms(
    real: Tensor, made: Frames, landmarks: Tensor, settings: VGSettings, attends: bool = True
) -> dict[str, Tensor]:
    """The weighted losses of the generator without its judge; of its attention only if it `attends`."""
    attention = made.attention if settings.loss == "dynamic" else None
    terms = picture_terms(real, made.frame, landmarks, settings, attention)
    if attends:
        lips = losses.mouth_box(landmarks, CROP_SIZE, margin=0.0)
        terms["sparsity"] = settings.sparsity * losses.attention_sparsity(made.attention)
        terms["presence"] = settings.presence * losses.attention_presence(made.attention, lips)
    return terms
