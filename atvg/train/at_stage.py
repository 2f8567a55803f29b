"""Training of AT-net on codes of rotation-free shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg import losses
from atvg.audio import silent_row
from atvg.checkpoint import save_at_net
from atvg.config import N_MFCC_STORED, ROWS_PER_FRAME, WINDOW_ROWS, ATNetConfig
from atvg.data.bank import sqrt_chances
from atvg.data.speech import SpeechClip, load_speech
from atvg.nets.at_net import ATNet
from atvg.train.settings import ATSettings
from atvg.train.stage import Stage, make_player, update

_LEAD = WINDOW_ROWS // 2 - ROWS_PER_FRAME // 2  # rows of a window before its own frame's four
_RAMP = 4  # frames in which a mouth comes to rest
_MASK_ROWS = 6  # longest stretch of sound that is blanked


class ATStage(Stage):
    """The photo is a random frame of the clip; the target is the offset of every frame of a window from it."""

    name = "at_net"

    def __init__(self, fabric: Fabric, pack_dir: Path, settings: ATSettings, config: ATNetConfig):
        self.fabric, self.settings, self.config = fabric, settings, config
        self.clips, self.shape = load_speech(pack_dir, "train", config.identity_codes, config.motion_codes)
        net = ATNet(config)
        rows = np.concatenate([self._features(clip.rows) for clip in self.clips])
        net.mfcc_mean.copy_(torch.from_numpy(rows.mean(axis=0)))
        net.mfcc_std.copy_(torch.from_numpy(rows.std(axis=0)))
        self._spread = rows.std(axis=0)
        self._silent = self._features(silent_row(N_MFCC_STORED)[None])
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
        return rows[:, self.config.first_mfcc : self.config.first_mfcc + self.config.n_mfcc]

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """windows (B, T, 28, n_mfcc), identity codes (B, K_e), target codes (B, T, K_z)."""
        settings = self.settings
        length = self._fitting(settings.long if rng.random() < settings.long_share else settings.short)
        # Fewer of the long windows, so that every batch holds about as many frames.
        count = max(2, round(settings.batch * min(1.0, settings.short / length)))
        rows, identities, codes = [], [], []
        for which in rng.choice(len(self.clips), size=count, p=self._chances[length]):
            sound, identity, target = self._draw(self.clips[which], length, rng)
            rows.append(sound)
            identities.append(identity)
            codes.append(target)
        tensors = (np.stack(rows), np.stack(identities), np.stack(codes))
        sound, identity, target = (torch.as_tensor(t, dtype=torch.float32, device=self.fabric.device) for t in tensors)
        return sound.unfold(1, WINDOW_ROWS, ROWS_PER_FRAME).transpose(2, 3), identity, target

    def _draw(self, clip: SpeechClip, length: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """One window: rows (4·length + 24, n_mfcc), identity code, codes (length, K_z) as offsets from the photo."""
        tempo = 1 + self.settings.tempo * rng.uniform(-1, 1)
        tempo = min(tempo, len(clip) / length)
        first = rng.uniform(0, max(0.0, len(clip) - length * tempo))
        # Both tracks are read at the same instants: frame t of the window has its centre at tempo·(t + ½).
        codes = _read(clip.codes, first + tempo * (np.arange(length) + 0.5) - 0.5)
        rows = np.arange(ROWS_PER_FRAME * length + WINDOW_ROWS - ROWS_PER_FRAME) - _LEAD + 0.5
        rows = _read(self._features(clip.rows), ROWS_PER_FRAME * first + tempo * rows + _LEAD - 0.5)
        rows = self._distort(rows, rng)
        if rng.random() < self.settings.silence:
            rows, codes = _fall_silent(rows, self._silent, codes, clip.rest, rng)
        photo = rng.integers(len(clip))
        identity = self.shape.identity_code(clip.shapes[photo])
        identity = identity + self.settings.identity_noise * rng.standard_normal(identity.shape)
        return rows, identity, codes - clip.codes[photo]

    def _distort(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Another microphone (one offset per coefficient), noise, and two blanked stretches."""
        noise = self.settings.noise
        rows = rows + self._spread * (
            2 * noise * rng.standard_normal(rows.shape[1]) + noise * rng.standard_normal(rows.shape)
        )
        for _ in range(2):
            start = rng.integers(len(rows))
            rows[start : start + rng.integers(_MASK_ROWS + 1)] = rows.mean(axis=0)
        return rows

    def step(self, step: int) -> dict[str, Tensor]:
        settings, main = self.settings, self.players["main"]
        windows, identity, target = self.batch(np.random.default_rng([settings.seed, self.fabric.global_rank, step]))
        predicted, _ = main.net(windows, identity, main.module.initial_state(len(windows)))
        terms = {
            "codes": losses.code_loss(predicted, target),
            "velocity": settings.velocity * losses.velocity_loss(predicted, target),
            "opening": settings.opening * ((predicted - target) @ self._opening).abs().mean(),
        }
        update(self.fabric, main, sum(terms.values()), settings.clip_norm)
        return {name: term.detach() for name, term in terms.items()}

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


def _fall_silent(
    rows: np.ndarray, silent: np.ndarray, codes: np.ndarray, rest: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Stops the sound at a random frame, for a while or for good, and brings the mouth to rest there.

    Half of the silences are digital, the others have faint noise: ``silent`` (1, n_mfcc) is the row of none at all.
    """
    length = len(codes)
    start = int(rng.integers(-_RAMP, length))
    end = int(rng.integers(start + 2 * _RAMP, length + 4 * _RAMP))
    rows, codes = rows.copy(), codes.copy()
    low, high = max(0, ROWS_PER_FRAME * start + _LEAD), max(0, ROWS_PER_FRAME * end + _LEAD)
    faint = rng.uniform(0, 1.0) * (rng.random() < 0.5)
    rows[low:high] = silent + faint * rng.standard_normal(rows[low:high].shape)
    times = np.arange(length)
    calm = np.clip(np.minimum(times - start, end - 1 - times) / _RAMP, 0, 1)[:, None]
    return rows, (1 - calm) * codes + calm * rest
