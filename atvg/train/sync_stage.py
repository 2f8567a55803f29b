"""Training of the sync expert: which sound of a clip belongs to which look at its mouth."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.checkpoint import SYNC_NET, load_ear, locate, save_net
from atvg.config import FEATURES_PER_FRAME, ATNetConfig, SyncNetConfig
from atvg.data.bank import sqrt_chances
from atvg.data.heard import Features
from atvg.data.pack import NO_FRAMES, Clip, read_pack
from atvg.data.speech_bank import versions_of
from atvg.data.storage import AnyPath
from atvg.errors import BadSettingError, PackError
from atvg.evaluation.baselines import load_speech
from atvg.nets.blocks import channels_last
from atvg.nets.sync_net import SEEN, SyncNet, evened, mouths
from atvg.train import losses
from atvg.train.settings import SyncSettings
from atvg.train.stage import Stage, make_player, update

_AROUND = SEEN // 2
_LONGEST_GAP = 12  # features: stretches that are blanked last up to a quarter of a second


class SyncStage(Stage[SyncNet, SyncSettings]):
    """A batch is some looks at each of several clips; other moments of the same clip are the wrong answers.

    Other clips are none: telling voices or faces apart would be easier than telling moments apart, and no use.
    """

    name = SYNC_NET

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: SyncSettings, config: SyncNetConfig):
        self.fabric, self.settings = fabric, settings
        self._mouths: list[np.ndarray] = []
        clips: list[Clip] = []
        need = settings.short + SEEN - 1
        for clip in read_pack(pack_dir, "train"):
            if clip.sync and len(clip) >= need:
                self._mouths.append(grey_mouths(clip.frames))
                clips.append(replace(clip, frames=NO_FRAMES))
        if not clips:
            raise PackError(f"{pack_dir} has no clip of {need} frames or more whose sound fits; give longer clips")
        self._long = min(settings.long, max(map(len, clips)) - SEEN + 1)
        self._chances = {
            span: sqrt_chances([(clip.identity, len(clip) * (len(clip) >= span + SEEN - 1)) for clip in clips])
            for span in (settings.short, self._long)
        }
        net = SyncNet(config)
        if settings.begin:
            _begin(net)
        ear = load_ear(locate()).to(fabric.device)
        hears = ATNetConfig(ear_layers=(ear.config.layers,), squeezed=config.squeezed, around=config.around)
        self._features = Features(ear, hears, clips, settings.distort, settings.noise, settings.seed)
        self._sounds = versions_of(self._features, clips, settings.versions, settings.seed)
        net.hearing.ear_mean.copy_(self._features.mean)
        net.hearing.ear_basis.copy_(self._features.basis)
        self._net = channels_last(net)
        self.players = {"main": make_player(fabric, net, settings, callee=Likeness(net))}

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """N looks (B, N, 5, 48, 64) from `evened`, squeezed features of M frames (B, `length`, squeezed), and places.

        A place, (B, N), says which of the M frames is the middle of a look; looks are anywhere within a span.
        """
        settings, net = self.settings, self._net
        span = self._long if rng.random() < settings.long_share else settings.short
        count = min(settings.looks, span)
        chosen = rng.choice(len(self._mouths), size=settings.batch, p=self._chances[span])
        seen, heard, places = [], [], []
        for which in chosen:
            clip, sounds = self._mouths[which], self._sounds[which]
            first = rng.integers(len(clip) - span - SEEN + 2)
            looks = np.sort(rng.choice(span, size=count, replace=False))
            seen.append(clip[first + looks[:, None] + np.arange(SEEN)])
            start = FEATURES_PER_FRAME * (first + _AROUND - settings.reach) - net.lead
            inside = start + np.arange(net.length(span + 2 * settings.reach))
            heard.append(sounds[rng.integers(len(sounds)), np.clip(inside, 0, sounds.shape[1] - 1)])
            places.append(looks + settings.reach)
        device = self.fabric.device
        pictures = torch.from_numpy(np.stack(seen)).to(device).float() / 127.5 - 1
        features = torch.as_tensor(self._roughened(np.stack(heard), rng), dtype=torch.float32, device=device)
        return evened(self._changed(pictures, rng)), features, torch.from_numpy(np.stack(places)).to(device)

    def _changed(self, looks: Tensor, rng: np.random.Generator) -> Tensor:
        """Other faces, light and cameras, alike for all looks at a clip."""
        settings, count = self.settings, len(looks)
        flat = looks.flatten(1, 2)  # (B, N·5, 48, 64)
        height, width = flat.shape[-2:]
        angle = np.radians(settings.tilt) * rng.uniform(-1, 1, count)
        size = np.exp(settings.size * rng.uniform(-1, 1, (2, count)))
        flip = np.where(rng.random(count) < 0.5, -1, 1)
        right, down = settings.shift * rng.uniform(-1, 1, (2, count)) * [[2 / width], [2 / height]]
        ratio = height / width  # places are shares of either half side
        across = np.stack([flip * size[0] * np.cos(angle), -ratio * size[0] * np.sin(angle), right], axis=1)
        along = np.stack([flip * size[1] * np.sin(angle) / ratio, size[1] * np.cos(angle), down], axis=1)
        theta = torch.as_tensor(np.stack([across, along], axis=1), dtype=flat.dtype, device=flat.device)
        grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
        flat = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
        bend, light, grain = (
            torch.as_tensor(x, dtype=flat.dtype, device=flat.device).view(-1, 1, 1, 1)
            for x in (
                settings.bend * rng.uniform(-1, 1, count),
                settings.light * rng.uniform(-1, 1, count),
                settings.grain * rng.random(count),
            )
        )
        soft = torch.as_tensor(rng.random(count) < settings.blur, device=flat.device)
        flat[soft] = F.avg_pool2d(flat[soft], 3, 1, padding=1, count_include_pad=False)
        flat = flat + bend * (1 - flat * flat)  # black and white stay, close to a gamma
        flat = flat * (1 + light * torch.linspace(-1, 1, width, device=flat.device))
        flat = flat + grain * torch.randn_like(flat)
        return flat.view_as(looks)

    def _roughened(self, heard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Features (B, L, C) with noise, and with a stretch of each that is blanked."""
        heard = self._features.roughen(heard, rng)
        for sound in heard:
            gap = rng.integers(_LONGEST_GAP + 1)
            start = rng.integers(len(sound) - gap)
            sound[start : start + gap] = 0
        return heard

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        looks, heard, places = self.batch(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        likeness = main.net(looks, heard)
        costs = losses.sync_losses(likeness, places, settings.reach)
        chances = losses.lag_chances(costs.detach())
        terms = {"sync": (chances * costs).sum(dim=1).mean()}
        update(self.fabric, main, terms["sync"], settings.clip_norm)
        lags = torch.arange(-settings.reach, settings.reach + 1, device=likeness.device)
        best = likeness.detach().argmax(dim=2) - places
        near = (best - (chances * lags).sum(dim=1, keepdim=True)).abs() <= 1.5
        return {name: term.detach() for name, term in terms.items()} | {"near": near.float().mean()}

    def sample(self, net: SyncNet) -> None:
        """It draws nothing."""

    def ship(self, net: SyncNet, folder: Path, notes: dict[str, Any]) -> None:
        save_net(folder, SYNC_NET, net, notes)


class Likeness(nn.Module):
    """Logits of every look and every sound of a clip in one `forward`, which is what Fabric wraps."""

    def __init__(self, net: SyncNet):
        super().__init__()
        self.net = net

    def forward(self, looks: Tensor, heard: Tensor) -> Tensor:
        """(B, N, 5, 48, 64), (B, `length`, squeezed) → (B, N, M)."""
        seen, heard = self.net.look(looks), self.net.hear(heard)
        return self.net.sharpness * (seen @ heard.transpose(1, 2)).float()


def grey_mouths(frames: np.ndarray) -> np.ndarray:
    """Crops (T, 128, 128, 3) uint8 → mouths (T, 48, 64) uint8: a 16th of the memory."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    return mouths(pictures).round().to(torch.uint8).numpy()


def _begin(net: SyncNet) -> None:
    """Gives a network the eye that is shipped for the compared systems.

    Raises:
        BadSettingError: it has another size.
    """
    try:
        net.eye.load_state_dict(load_speech().eye.state_dict())
    except RuntimeError:
        raise BadSettingError(
            "the eye to begin with has other sizes; keep the usual ones, or set begin=false"
        ) from None
