"""Training of VG-net, with or without the regression-based discriminator."""

import copy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.animate.int8 import calibrate
from atvg.checkpoint import DIRECT_NET, VG_NET, load_at_nets, load_ear, save_net
from atvg.config import CROP_SIZE, N_LANDMARKS, DiscriminatorConfig, VGNetConfig
from atvg.data.bank import Driver
from atvg.data.pack import Clip
from atvg.data.storage import AnyPath
from atvg.face.detection import NoDetector
from atvg.face.landmarks import SPEAKING
from atvg.motion.layers import Layers
from atvg.motion.shape import denormalise_offset, normalise
from atvg.motion.teeth import Teeth, fit_teeth, load_donors
from atvg.nets.blocks import channels_last
from atvg.nets.direct_net import DirectNet, make_net
from atvg.nets.discriminator import Discriminator
from atvg.nets.ground import Turned
from atvg.nets.vg_net import Frames, VGNet
from atvg.train import losses
from atvg.train.settings import VGSettings
from atvg.train.stage import make_player, total, update
from atvg.train.video_stage import Batch, VideoStage, picture_terms

_CALIBRATION = 4  # batches that tell in which range the inputs of each layer lie
_STILL, _MOVED = 0.6, 1.4  # crop pixels: up to the first a place counts as still, from the second on as moved
_SHOWN = (2.0, 0.6)  # crop pixels of the upper incisors below a resting lip: mean and standard deviation
_BARE = 1.0  # up to this share of the teeth may be missing, seldom much of it


class Inputs:
    """All that B clips are drawn from. No tuple: Fabric would round what lies in one to bfloat16, and landmarks with
    it to half a pixel."""

    def __init__(
        self, photo: Tensor, example: Tensor, signal: Tensor, turned: Turned | None = None, teeth: Teeth | None = None
    ):
        self.photo, self.example, self.signal = photo, example, signal
        self.turned, self.teeth = turned, teeth


class Over(NamedTuple):
    """Of B·T frames that were drawn over layers."""

    moved: Tensor  # (B, T, 1, 128, 128) in [0, 1], where the photo is warped for them
    residual: Tensor  # (B, T, 3, 128, 128), what was drawn

    @classmethod
    def of(cls, layers: Layers, motion: Tensor) -> "Over":
        distance = layers.shift.norm(dim=-1)[:, None]
        distance = F.interpolate(distance, size=(CROP_SIZE, CROP_SIZE), mode="bilinear", align_corners=False)
        moved = ((distance - _STILL) / (_MOVED - _STILL)).clamp(0, 1)
        return cls(*(part.unflatten(0, motion.shape[:2]) for part in (moved, motion.flatten(0, 1) - layers.base)))


class OnePass(nn.Module):
    """Photo to frames in one `forward`, which is what Fabric's precision and DDP wrap."""

    def __init__(self, net: VGNet):
        super().__init__()
        self.net = net

    def forward(self, given: Inputs) -> tuple[Frames, Over | None]:
        """The frames, and what there is to say of their ground, if they have one."""
        code = self.net.encode_photo(given.photo, given.example, given.teeth)
        ground = self.net.ground(code, given.signal, given.turned)
        made, _ = self.net.paint(code, given.signal, ground)
        made = Frames(*(part.float() for part in made))
        return made, ground.layers and Over.of(ground.layers, made.motion)


class VGStage(VideoStage[VGNet, VGSettings]):
    """Photo = a frame of a clip; target = a window of the same clip, with its true landmarks.

    A `DirectNet`, the ablation, gets the window's sound in place of landmarks, and all else alike.
    """

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: VGSettings, config: VGNetConfig):
        net = channels_last(make_net(config))  # a tenth to a quarter faster
        direct = isinstance(net, DirectNet)
        self.name = DIRECT_NET if direct else VG_NET
        self._attends = config.attention != "none"
        driver = at_net_errors(Path(settings.at_net)) if settings.at_net else None
        super().__init__(fabric, pack_dir, settings, direct, driver)
        if isinstance(net, DirectNet):
            net.mfcc_mean.copy_(self.sound_mean)
            net.mfcc_std.copy_(self.sound_std)
        layered = config.warp and config.layers
        self._donors = load_donors(device=fabric.device) if layered else None
        self.players = {"main": make_player(fabric, net, settings, (0.9, 0.99), OnePass(net))}
        if settings.discriminator > 0:
            judge = Discriminator(DiscriminatorConfig(regression=settings.regression > 0))
            self.players["judge"] = make_player(fabric, judge, settings, (0.5, 0.99))

    def step(self, step: int) -> dict[str, Tensor]:
        settings = self.settings
        rng = np.random.default_rng([settings.seed, self.fabric.global_rank, step])
        batch = self.batch(rng)
        example, real, landmarks = batch.example, batch.real, batch.landmarks
        main = self.players["main"]
        made, over = main.net(self._inputs(batch, rng))
        terms = generator_terms(real, made, landmarks, settings, self._attends, over)
        judge = self.players.get("judge")
        if judge is not None:
            judged = judge.net(made.frame, example)
            terms["adversarial"] = settings.discriminator * losses.adversarial(judged.score, real=True)
            if judged.landmarks is not None:
                regression = losses.landmark_regression(judged.landmarks, landmarks)
                terms["regression"] = settings.discriminator * settings.regression * regression
        update(self.fabric, main, total(terms), settings.clip_norm)
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
        update(self.fabric, judge, total(terms), self.settings.clip_norm)
        return terms

    @torch.no_grad()
    def sample(self, net: VGNet) -> Tensor:
        """Rows: photo, truth, frame, attention, motion of the last frame of each clip of a fixed batch."""
        rng = np.random.default_rng(0)
        batch = self.batch(rng)
        photo, real = batch.photo, batch.real
        was_training = net.training
        made, _ = OnePass(net.eval())(self._inputs(batch, rng))
        net.train(was_training)
        rows = [
            photo, real[:, -1], made.frame[:, -1].float(),
            made.attention[:, -1].float().expand(-1, 3, -1, -1) * 2 - 1, made.motion[:, -1].float(),
        ]  # fmt: skip
        return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).clamp(-1, 1) / 2 + 0.5

    def ship(self, net: VGNet, folder: Path, notes: dict[str, Any]) -> None:
        net = copy.deepcopy(net)  # training goes on with what the loop knows
        calibrate(net, (self._typical(i) for i in range(_CALIBRATION)))
        save_net(folder, self.name, net, {**notes, "beta": self.settings.beta})

    def _typical(self, index: int) -> tuple[Tensor, Tensor, Tensor, Turned | None, Teeth | None]:
        """Arguments for the network, from a batch that no step draws."""
        rng = np.random.default_rng([self.settings.seed, index])
        given = self._inputs(self.batch(rng), rng)
        return given.photo, given.example, given.signal, given.turned, given.teeth

    def _inputs(self, batch: Batch, rng: np.random.Generator) -> Inputs:
        return Inputs(batch.photo, batch.example, signal_of(batch), batch.turned, self._teeth(batch, rng))

    def _teeth(self, batch: Batch, rng: np.random.Generator) -> Teeth | None:
        """Donors for the photos: any of them, showing more or less, so that the network can live with all."""
        if self._donors is None:
            return None
        count, device = len(batch.photo), batch.photo.device
        which = torch.as_tensor(rng.integers(len(self._donors.upper), size=count), device=device)
        shown = torch.as_tensor(rng.normal(*_SHOWN, count), dtype=torch.float32, device=device)
        amount = torch.as_tensor(1 - _BARE * rng.random(count) ** 4, dtype=torch.float32, device=device)
        return fit_teeth(self._donors, batch.photo, batch.example, amount, which, shown)


def at_net_errors(folder: Path) -> Driver:
    """By how much AT-net misses the jaw and mouth of a clip it hears: the landmarks that VG-net will have to live with.

    The frames that go with them are the true ones, so VG-net is shown a share of these errors only.
    """
    from atvg.animator import Animator

    at_nets, shape = load_at_nets(folder)
    animator = Animator(at_nets, shape, {}, NoDetector(), load_ear=partial(load_ear, folder))
    ear = animator.ears[0]
    speaking = np.zeros((N_LANDMARKS, 1))
    speaking[SPEAKING] = 1

    def errors(clip: Clip) -> np.ndarray:
        if not clip.sync:
            return np.zeros((len(clip), N_LANDMARKS, 2), np.float32)
        frame = shape.frame_of(clip.landmarks)
        normal = normalise(clip.landmarks, frame)
        heard = shape.decode(animator.codes_from_rows(clip.heard(ear), clip.landmarks[0], ear=ear))
        return speaking * denormalise_offset(heard - (normal - normal[0]), frame)[..., :2]

    return errors


def signal_of(batch: Batch) -> Tensor:
    """What drives the frames: the landmarks (B, T, 68, 2), or with sound its MFCC windows (B, T, 28, 20)."""
    return batch.landmarks if batch.sound is None else batch.sound


def generator_terms(
    real: Tensor,
    made: Frames,
    landmarks: Tensor,
    settings: VGSettings,
    attends: bool = True,
    over: Over | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of the generator without its judge; of its attention only if it `attends`.

    Attention is wanted where the photo is warped: half of a moved picture over half of the still one is a blur, most of
    all on the photo's own pixels. Where nobody attends, nothing else says what to draw: nothing.
    """
    attention = made.attention if settings.loss == "dynamic" else None
    terms = picture_terms(real, made.frame, landmarks, settings, attention)
    if attends:
        wanted = losses.mouth_box(landmarks, CROP_SIZE, margin=0.0)
        if over is not None:
            wanted = torch.maximum(wanted, over.moved)
            terms["calm"] = settings.calm * over.residual.abs().mean()
        cost = None
        if settings.stay != 1:
            cost = 1 + (settings.stay - 1) * losses.far_from_face(landmarks, CROP_SIZE)
        terms["sparsity"] = settings.sparsity * losses.attention_sparsity(made.attention, cost)
        terms["presence"] = settings.presence * losses.attention_presence(made.attention, wanted)
    return terms
