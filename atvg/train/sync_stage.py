"""Training of the sync expert: which sound of a clip belongs to which look at its mouth."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.checkpoint import SYNC_NET, save_net
from atvg.config import EXTRA_ROWS, ROWS_PER_FRAME, SyncNetConfig
from atvg.data import sound
from atvg.data.bank import sqrt_chances
from atvg.data.pack import read_pack
from atvg.data.storage import AnyPath
from atvg.errors import PackError
from atvg.nets.sync_net import SEEN, SyncNet, mouths
from atvg.train.settings import SyncSettings
from atvg.train.stage import Stage, make_player, update

_AROUND = SEEN // 2


class SyncStage(Stage):
    """A batch is a stretch of each of several clips; moments of the same clip are the wrong answers.

    Other clips are none: telling voices or faces apart would be easier than telling moments apart, and no use.
    """

    name = SYNC_NET

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: SyncSettings, config: SyncNetConfig):
        self.fabric, self.settings = fabric, settings
        self._mouths: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        lengths = []
        need = settings.frames + SEEN - 1
        for clip in read_pack(pack_dir, "train"):
            if clip.sync and len(clip) >= need:
                self._mouths.append(grey_mouths(clip.frames))
                self._rows.append(clip.mfcc)
                lengths.append((clip.identity, len(clip)))
        if not lengths:
            raise PackError(f"{pack_dir} has no clip of {need} frames or more whose sound fits; give longer clips")
        self._chances = sqrt_chances(lengths)
        net = SyncNet(config)
        rows = np.concatenate(self._rows)
        net.ear.mfcc_mean.copy_(torch.from_numpy(rows.mean(axis=0)))
        net.ear.mfcc_std.copy_(torch.from_numpy(rows.std(axis=0)))
        self._spread = rows.std(axis=0)
        self.players = {"main": make_player(fabric, net, settings, callee=Likeness(net))}

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """mouths (B, N + 4, 48, 64) in [−1, 1] and rows (B, 4·(N + 2·reach) + 24, 20) for N looks a clip."""
        settings = self.settings
        seen, heard = [], []
        for which in rng.choice(len(self._rows), size=settings.batch, p=self._chances):
            clip, rows = self._mouths[which], self._rows[which]
            first = rng.integers(len(clip) - settings.frames - SEEN + 2)
            seen.append(self._moved(clip[first : first + settings.frames + SEEN - 1], rng))
            start = first + _AROUND - settings.reach
            places = ROWS_PER_FRAME * start + np.arange(
                ROWS_PER_FRAME * (settings.frames + 2 * settings.reach) + EXTRA_ROWS
            )
            heard.append(rows[np.clip(places, 0, len(rows) - 1)])
        sounds = sound.distort(np.stack(heard), sound.SoundLimits(share=settings.distort), rng)
        sounds = sounds + settings.noise * self._spread * rng.standard_normal(sounds.shape)
        pictures = torch.from_numpy(np.stack(seen)).float() / 127.5 - 1
        contrast = np.exp(settings.light * rng.uniform(-1, 1, (settings.batch, 1, 1, 1)))
        pictures = pictures * torch.as_tensor(contrast, dtype=torch.float32)
        device = self.fabric.device
        return pictures.to(device), torch.as_tensor(sounds, dtype=torch.float32, device=device)

    def _moved(self, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A clip's mouths a little elsewhere, and half of the times mirrored."""
        down, right = rng.integers(-self.settings.shift, self.settings.shift + 1, size=2)
        height, width = clip.shape[1:]
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        if rng.random() < 0.5:
            columns = columns[::-1]
        return clip[:, rows[:, None], columns]

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        pictures, rows = self.batch(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        likeness = main.net(pictures, rows)
        costs = losses.sync_losses(likeness, settings.reach)
        chances = losses.lag_chances(costs.detach())
        terms = {"sync": (chances * costs).sum(dim=1).mean()}
        update(self.fabric, main, terms["sync"], settings.clip_norm)
        lags = torch.arange(likeness.shape[2] - likeness.shape[1] + 1, device=likeness.device)
        best = likeness.detach().argmax(dim=2) - torch.arange(likeness.shape[1], device=likeness.device)
        near = (best - (chances * lags).sum(dim=1, keepdim=True)).abs() <= 1.5
        return {name: term.detach() for name, term in terms.items()} | {"near": near.float().mean()}

    def sample(self, net: nn.Module) -> None:
        """It draws nothing."""

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        save_net(folder, SYNC_NET, net, notes)


class Likeness(nn.Module):
    """Logits of every look and every sound of a clip in one `forward`, which is what Fabric wraps."""

    def __init__(self, net: SyncNet):
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor, rows: Tensor) -> Tensor:
        """(B, N + 4, 48, 64), (B, 4·M + 24, 20) → (B, N, M)."""
        seen, heard = self.net.see(pictures), self.net.hear(rows)
        return self.net.sharpness * (seen @ heard.transpose(1, 2)).float()


def grey_mouths(frames: np.ndarray) -> np.ndarray:
    """Crops (T, 128, 128, 3) uint8 → mouths (T, 48, 64) uint8: a 60th of the memory."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    return mouths(pictures).round().to(torch.uint8).numpy()
