"""What AT-net hears of clips while it learns: features of the ear, computed beforehand, or MFCC rows as they are."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor

from atvg.config import EXTRA_ROWS, FEATURES_PER_FRAME, N_MFCC_STORED, ROWS_PER_FRAME, ATNetConfig
from atvg.data import sound
from atvg.data.pack import Clip
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear, lead, length
from atvg.voice.audio import silent_row
from atvg.voice.mel import TOP, scaled, silent_mfcc80

_FIT_FRAMES = 12_000  # of which the principal components are made: 8 minutes
_BATCH_FRAMES = 1600  # heard at once
_PLACE_RIDGE = 0.1  # of a feature's mean variance: so little of it may come from the clip's place among the ear's
_PEAKED = 40.0  # kurtosis: single moments of so peaked a feature, hundreds of times the others, say nothing of speech
_LONGEST = 500  # frames: longer clips are heard in parts, as the ear has no more than 750 places
_WINDOWED = 0.5  # share of changed versions heard in windows as of a stream, so that what is heard is the same in both
_CORE, _BEFORE, _AFTER = (25, 75), (25, 100), (5, 50)  # frames of these windows, and around them
_SILENCES, _SILENCE_FRAMES = 24, 150
_FAINT = (-6.5, -2.5)  # log10 of the mel power of a quiet room, where loud speech has 0.5 to 1.8


Window = tuple[int, int, int, int]
"""Frames begin ≤ first < last ≤ end: first..last − 1 are heard together with what lies around them."""


class Hearing(ABC):
    """How clips are heard. A clip's sound is a track (N, C) in V versions, of which a window is read at any tempo.

    Attributes:
        per_frame, first: place `first` + `per_frame`·t of a track is heard at time t, in frames.
    """

    per_frame: int
    first: float

    @abstractmethod
    def hear(self, clips: list[Clip], rng: np.random.Generator, changed: bool = False) -> list[np.ndarray]:
        """A version of each clip's track, (N, C): the clean one, or one in which something happens to the sound."""

    @abstractmethod
    def times(self, frames: int) -> np.ndarray:
        """When what the network hears of a window of so many frames is heard, in frames from its beginning, (L,)."""

    @abstractmethod
    def silence(self, length: int, rng: np.random.Generator) -> np.ndarray:
        """So many places of a track, (L, C), in which nobody speaks: half of the times digital silence."""

    @abstractmethod
    def roughen(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What happens to a batch of windows, (B, L, C) → what the network gets."""

    @abstractmethod
    def prepare(self, net: ATNet) -> None:
        """Fills the statistics of a network that is to hear in this way."""

    def read(self, track: np.ndarray, times: np.ndarray) -> np.ndarray:
        """A track at any times."""
        return read(track, self.first + self.per_frame * times)


class Rows(Hearing):
    """MFCC rows, changed anew for every window.

    Args:
        sample: clips of which the statistics are made.
        distort: share of the windows to which each effect of `atvg.data.sound` is applied.
        noise: standard deviations of the rows.
    """

    per_frame = ROWS_PER_FRAME
    first = EXTRA_ROWS // 2 - 0.5

    def __init__(self, config: ATNetConfig, sample: list[Clip], distort: float, noise: float):
        self._chosen = slice(config.first_mfcc, config.first_mfcc + config.n_mfcc)
        self._limits, self._noise = sound.SoundLimits(share=distort), noise
        rows = np.concatenate([clip.mfcc[:, self._chosen] for clip in sample])
        self._mean, self._std = rows.mean(axis=0), rows.std(axis=0)

    def hear(self, clips: list[Clip], rng: np.random.Generator, changed: bool = False) -> list[np.ndarray]:
        return [clip.mfcc for clip in clips]

    def times(self, frames: int) -> np.ndarray:
        return (np.arange(ROWS_PER_FRAME * frames + EXTRA_ROWS) - self.first) / ROWS_PER_FRAME

    def silence(self, length: int, rng: np.random.Generator) -> np.ndarray:
        faint = rng.uniform(0, 1.0) * (rng.random() < 0.5)
        return silent_row(N_MFCC_STORED) + faint * rng.standard_normal((length, N_MFCC_STORED))

    def roughen(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows = sound.distort(windows, self._limits, rng)[..., self._chosen]
        return rows + self._std * self._noise * hum(rows.shape, rng)

    def prepare(self, net: ATNet) -> None:
        net.mfcc_mean.copy_(torch.from_numpy(self._mean))
        net.mfcc_std.copy_(torch.from_numpy(self._std))


class Features(Hearing):
    """Components of the ear's features, see `_components`; each version of a clip computed once.

    Args:
        ear: on the device that is to hear.
        sample: clips of which the components are made; not read if `components`, (C,) and (squeezed, C), are known.
        distort: share of the clips to which each effect of `atvg.data.sound` is applied in versions that are changed.
        noise: standard deviations of the components.
    """

    per_frame = FEATURES_PER_FRAME
    first = 0.0

    def __init__(
        self,
        ear: Ear,
        config: ATNetConfig,
        sample: list[Clip],
        distort: float,
        noise: float,
        seed: int,
        components: tuple[Tensor, Tensor] | None = None,
        silences: np.ndarray | None = None,
    ):
        self._ear, self._config = ear, config
        self._limits, self._noise = sound.SoundLimits(share=distort), noise
        rng = np.random.default_rng(seed)
        self.mean, self.basis = components or self._components(sample, rng)
        # (S, N, squeezed) half, even ones digital
        self.silences = self._silences(rng) if silences is None else silences

    def hear(self, clips: list[Clip], rng: np.random.Generator, changed: bool = False) -> list[np.ndarray]:
        tracks: list[np.ndarray] = [np.zeros(0)] * len(clips)
        for chosen in _alike([len(clip) for clip in clips]):
            length = max(len(clips[i]) for i in chosen)
            rows = np.tile(silent_mfcc80(), (len(chosen), ROWS_PER_FRAME * length, 1))
            for row, i in zip(rows, chosen, strict=True):
                row[: ROWS_PER_FRAME * len(clips[i])] = clips[i].mfcc80
            if changed:
                rows = sound.distort80(rows, self._limits, rng)
            windows = _windows(length, rng) if changed and rng.random() < _WINDOWED else _parts(length)
            for i, track in zip(chosen, self._squeezed(rows, windows, rng), strict=True):
                tracks[i] = track[: FEATURES_PER_FRAME * len(clips[i])]
        return tracks

    def times(self, frames: int) -> np.ndarray:
        around = self._config.around
        return (np.arange(length(frames, around)) - lead(around)) / FEATURES_PER_FRAME

    def silence(self, length: int, rng: np.random.Generator) -> np.ndarray:
        track = self.silences[rng.integers(len(self.silences))]
        return track[(rng.integers(len(track)) + np.arange(length)) % len(track)]

    def roughen(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return windows + self._noise * hum(windows.shape, rng)

    def prepare(self, net: ATNet) -> None:
        net.ear_mean.copy_(self.mean)
        net.ear_basis.copy_(self.basis)

    @torch.inference_mode()
    def _features(self, rows: np.ndarray, windows: list["Window"], rng: np.random.Generator) -> Tensor:
        """Rows (B, 4·T, 80) → features (B, 2·T, C), heard in windows, each from some place on."""
        places, device, heard = len(self._ear.positions), self._ear.positions.device, []
        for begin, first, last, end in windows:
            part = rows[:, ROWS_PER_FRAME * begin : ROWS_PER_FRAME * end]
            start = int(rng.integers(places - FEATURES_PER_FRAME * (end - begin) + 1))
            given = torch.as_tensor(part, dtype=torch.float32, device=device)
            # Twice as fast, and off by a fiftieth of what a feature varies by.
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device)):
                features = self._ear(given, self._config.ear_layers, start).float()
            heard.append(features[:, FEATURES_PER_FRAME * (first - begin) : FEATURES_PER_FRAME * (last - begin)])
        return torch.cat(heard, dim=1)

    def _squeezed(self, rows: np.ndarray, windows: list["Window"], rng: np.random.Generator) -> np.ndarray:
        """Rows (B, 4·T, 80) → components (B, 2·T, squeezed), half precision."""
        mean, basis = (part.to(self._ear.positions.device) for part in (self.mean, self.basis))
        return ((self._features(rows, windows, rng) - mean) @ basis.T).half().cpu().numpy()

    def _components(self, sample: list[Clip], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Mean (C,) and whitened components (squeezed, C) of clean sound, evenly from all of the clips.

        They are the directions in which what is heard varies most, compared with how it varies when the same sound is
        heard from another place on: a plain principal component may tell little but the place.
        """
        step = max(1, sum(map(len, sample)) // _FIT_FRAMES)
        both = [
            torch.cat([self._features(clip.mfcc80[None], _parts(len(clip)), rng)[0] for clip in sample[::step]])
            for _ in range(2)
        ]
        first, second = (features.double().cpu() for features in both)
        features = torch.cat([first, second])
        mean = features.mean(dim=0)
        usual = _usual(features - mean)
        features, difference = (features - mean)[:, usual], (first - second)[:, usual]
        heard = features.T @ features / len(features)
        place = difference.T @ difference / (2 * len(difference))
        base = place + _PLACE_RIDGE * heard.trace() / len(heard) * torch.eye(len(heard), dtype=torch.double)
        inverse = torch.linalg.inv(torch.linalg.cholesky(base))
        _, axes = torch.linalg.eigh(inverse @ heard @ inverse.T)
        axes = (inverse.T @ axes).flip(-1)[:, : self._config.squeezed].T  # (squeezed, usual ones), uncorrelated
        basis = torch.zeros(len(axes), len(mean), dtype=torch.double)
        basis[:, usual] = axes / ((axes @ heard) * axes).sum(dim=1, keepdim=True).clamp(min=1e-9).sqrt()
        return mean.float(), basis.float()

    def _silences(self, rng: np.random.Generator) -> np.ndarray:
        count = ROWS_PER_FRAME * _SILENCE_FRAMES
        tracks = []
        for number in range(_SILENCES):
            rows = np.tile(silent_mfcc80(), (1, count, 1))
            if number % 2:
                level = rng.uniform(*_FAINT)
                power = 10**level * sound.hiss((1, count, rows.shape[-1]), rng)
                rows = dct(scaled(power, TOP), norm="ortho", axis=-1)
            tracks.append(self._squeezed(rows, _parts(_SILENCE_FRAMES), rng)[0])
        return np.stack(tracks)


def _usual(centred: Tensor) -> Tensor:
    """Which of the features (N, C), their mean subtracted, are not peaked; a normal one has a kurtosis of 3."""
    kurtosis = centred.pow(4).mean(dim=0) / centred.square().mean(dim=0).square().clamp(min=1e-12)
    return kurtosis < _PEAKED


def has_bf16(device: torch.device) -> bool:
    """Whether it computes in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def read(track: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A track (N, C) at fractional places, linearly interpolated, held at its ends."""
    places = np.clip(places, 0, len(track) - 1)
    low = np.minimum(places.astype(int), len(track) - 2)
    share = (places - low)[:, None]
    return (1 - share) * track[low] + share * track[low + 1]


def hum(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Noise on what is heard (B, L, C): a twice as large offset for each window and channel, and a white part."""
    count, _, width = shape
    return 2 * rng.standard_normal((count, 1, width)) + rng.standard_normal(shape)


def _parts(frames: int) -> list[Window]:
    """So many frames, as much at once as can be."""
    return [(first, first, last, last) for first, last in _cuts(frames, _LONGEST)]


def _windows(frames: int, rng: np.random.Generator) -> list[Window]:
    """So many frames in windows of one random size."""
    core, before, after = (int(rng.integers(*limits)) for limits in (_CORE, _BEFORE, _AFTER))
    return [(max(0, a - before), a, b, min(frames, b + after)) for a, b in _cuts(frames, core)]


def _cuts(frames: int, length: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + length, frames)) for first in range(0, frames, length))


def _alike(lengths: list[int]) -> Iterator[list[int]]:
    """Which clips are heard together: of nearly one length, and together no more than `_BATCH_FRAMES`."""
    batch: list[int] = []
    for i in np.argsort(lengths, kind="stable").tolist():
        full = (len(batch) + 1) * lengths[i] > _BATCH_FRAMES
        if batch and (full or lengths[i] > 1.1 * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
