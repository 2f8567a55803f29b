"""Training of AT-net on codes of rotation-free shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from atvg import losses
from atvg.audio import silent_row
from atvg.checkpoint import save_at_net
from atvg.config import ROWS_PER_FRAME, WINDOW_ROWS, ATNetConfig
from atvg.data import sound
from atvg.data.bank import sqrt_chances
from atvg.data.speech import SpeechClip, load_speech
from atvg.data.storage import AnyPath
from atvg.nets.at_net import ATNet
from atvg.train.settings import ATSettings
from atvg.train.stage import Stage, make_player, update

_LEAD = WINDOW_ROWS // 2 - ROWS_PER_FRAME // 2  # rows of a window before its own frame's four
_MASK_ROWS = 6  # longest stretch of sound that is blanked


class ATStage(Stage):
    """The photo is a random frame of the clip; the target is the offset of every frame of a window from it."""

    name = "at_net"

    def __init__(self, fabric: Fabric, pack_dir: str | AnyPath, settings: ATSettings, config: ATNetConfig):
        self.fabric, self.settings, self.config = fabric, settings, config
        self.clips, self.shape = load_speech(pack_dir, "train", config.identity_codes, config.motion_codes)
        net = ATNet(config)
        rows = np.concatenate([self._features(clip.rows) for clip in self.clips])
        net.mfcc_mean.copy_(torch.from_numpy(rows.mean(axis=0)))
        net.mfcc_std.copy_(torch.from_numpy(rows.std(axis=0)))
        self._spread = rows.std(axis=0)
        self._opening = torch.as_tensor(self.shape.opening_per_code(), dtype=torch.float32, device=fabric.device)
        self._chances = {
            length: sqrt_chances([(clip.identity, len(clip) * (len(clip) >= length)) for clip in self.clips])
            for length in (self._fitting(settings.short), self._fitting(settings.long))
        }
        self.players = {"main": make_player(fabric, net, settings)}

    def _fitting(self, length: int) -> int:
        """`length`, or the longest clip's if none is that long."""
        return min(length, max(len(clip) for clip in self.clips))

    def _features(self, rows: np.ndarray) -> np.ndarray:
        return rows[..., self.config.first_mfcc : self.config.first_mfcc + self.config.n_mfcc]

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """rows (B, 4·T + 24, n_mfcc), identity codes (B, K_e), and the target with `shift` frames on either side.

        The target is codes (B, T + 2·shift, K_z) and which of them lie within the clip, (B, T + 2·shift) of 0 and 1.
        """
        settings = self.settings
        length = self._fitting(settings.long if rng.random() < settings.long_share else settings.short)
        # Fewer of the long windows, so that every batch holds about as many frames.
        count = max(2, round(settings.batch * min(1.0, settings.short / length)))
        chosen = rng.choice(len(self.clips), size=count, p=self._chances[length])
        rows, *others = map(np.stack, zip(*(self._draw(self.clips[i], length, rng) for i in chosen), strict=True))
        rows = self._features(sound.distort(rows, sound.SoundLimits(share=settings.distort), rng))
        rows = rows + self._spread * settings.noise * _hum(rows.shape, rng)
        _blank(rows, rng)
        return tuple(torch.as_tensor(x, dtype=torch.float32, device=self.fabric.device) for x in (rows, *others))

    def _draw(self, clip: SpeechClip, length: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """One window: rows (4·length + 24, 20), identity code, codes as offsets from the photo, and which are known.

        There are `shift` frames of codes more on either side than of sound.
        """
        settings = self.settings
        tempo = 1 + settings.tempo * rng.uniform(-1, 1)
        tempo = min(tempo, len(clip) / length)
        first = rng.uniform(0, max(0.0, len(clip) - length * tempo))
        # Both tracks are read at the same instants: frame t of the window has its centre at tempo·(t + ½).
        places = first + tempo * (np.arange(-settings.shift, length + settings.shift) + 0.5) - 0.5
        inside = (places >= -0.5) & (places <= len(clip) - 0.5)
        smooth = clip.codes if settings.smooth == 0 else gaussian_filter1d(clip.codes, settings.smooth, axis=0)
        codes = _read(smooth, places)
        rows = np.arange(ROWS_PER_FRAME * length + WINDOW_ROWS - ROWS_PER_FRAME) - _LEAD + 0.5
        rows = _read(clip.rows, ROWS_PER_FRAME * first + tempo * rows + _LEAD - 0.5)
        if rng.random() < settings.silence:
            rows, codes = _silence(rows.shape, rng), np.broadcast_to(clip.rest, codes.shape)
            inside = np.ones_like(inside)
        photo = rng.integers(len(clip))
        identity = self.shape.identity_code(clip.shapes[photo])
        identity = identity + settings.identity_noise * rng.standard_normal(identity.shape)
        return rows, identity, codes - clip.codes[photo], inside

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        rng = np.random.default_rng([settings.seed, self.fabric.global_rank, step])
        rows, identity, target, inside = self.batch(rng)
        predicted, _ = main.net(rows, identity, main.module.initial_state(len(rows)))
        terms = self._terms(predicted, main.module.own(identity)[:, None], target, inside)
        update(self.fabric, main, sum(terms.values()), settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

    def _terms(self, predicted: Tensor, own: Tensor, target: Tensor, inside: Tensor) -> dict[str, Tensor]:
        """The losses by name, of the lag between sound and picture that fits each window best.

        Cutting a broadcast into clips moves sound and picture apart by a frame or two, another way for each clip, and
        a network that is held to the nominal lag learns to blur.
        """
        settings, length = self.settings, predicted.shape[1]
        weights = {
            "codes": 1.0,
            "velocity": settings.velocity,
            "opening": settings.opening,
            "spread": settings.spread,
            "own": settings.own,
        }
        lags = range(2 * settings.shift + 1)
        by_lag = []
        for lag in lags:
            true, known = target[:, lag : lag + length], inside[:, lag : lag + length]
            found = losses.speech_losses(predicted, own, true, known, self._opening, settings.level)
            by_lag.append({name: weight * found[name] for name, weight in weights.items()})
        stacked = {name: torch.stack([found[name] for found in by_lag], dim=1) for name in weights}  # (B, lags)
        chances = losses.lag_chances(sum(stacked.values()).detach())
        return {name: (chances * values).sum(dim=1).mean() for name, values in stacked.items()}

    def sample(self, net: nn.Module) -> None:
        """AT-net draws nothing."""

    def ship(self, net: nn.Module, folder: Path, notes: dict[str, Any]) -> None:
        save_at_net(folder, net, self.shape, notes)


def _read(track: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A track (N, C) at fractional places, linearly interpolated, held at its ends."""
    places = np.clip(places, 0, len(track) - 1)
    low = np.minimum(places.astype(int), len(track) - 2)
    share = (places - low)[:, None]
    return (1 - share) * track[low] + share * track[low + 1]


def _hum(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Noise on features (B, R, C): a twice as large offset for each stretch and coefficient, and a white part."""
    count, _, width = shape
    return 2 * rng.standard_normal((count, 1, width)) + rng.standard_normal(shape)


def _blank(rows: np.ndarray, rng: np.random.Generator) -> None:
    """Two short stretches of each sound (B, R, C) become its mean, in place."""
    for stretch in rows:
        for start in rng.integers(len(stretch), size=2):
            stretch[start : start + rng.integers(_MASK_ROWS + 1)] = stretch.mean(axis=0)


def _silence(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Rows (R, C) in which nobody speaks: half of the times digital silence, else with faint noise."""
    faint = rng.uniform(0, 1.0) * (rng.random() < 0.5)
    return silent_row(shape[1]) + faint * rng.standard_normal(shape)
