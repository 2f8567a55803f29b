"""A split of a pack held in memory, decoded once, and how training windows are drawn from it."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg.config import CROP_SIZE, N_MFCC_STORED, ROWS_PER_FRAME, WINDOW_ROWS
from atvg.data.pack import Clip, read_pack
from atvg.data.pairs import Extremes, draw_pair, extremes
from atvg.data.storage import AnyPath
from atvg.errors import PackError


class Windows(NamedTuple):
    """B training samples: a photo and T consecutive frames of its clip, the photo first."""

    images: Tensor  # (B, 1 + T, 3, 128, 128) uint8, on the device of the training
    landmarks: np.ndarray  # (B, 1 + T, 68, 3) float32 crop pixels and depth
    transforms: np.ndarray  # (B, 1 + T, 2, 3) float32, see `atvg.data.pack.Clip`
    errors: np.ndarray | None = None  # (B, 1 + T, 68, 2) float32, what a `Driver` gets wrong, if there is one
    sound: np.ndarray | None = None  # (B, 1 + T, 28, 20) float32 MFCC rows, if the bank was made with sound
    people: np.ndarray | None = None  # (B,) int64, their `number_of`, with sound only


Driver = Callable[[Clip], np.ndarray]
"""A clip → by how much somebody who heard it misses its landmarks, (T, 68, 2) crop pixels."""


@dataclass(frozen=True)
class Entry:
    """One clip of a bank: where its frames lie in the bank's tensors."""

    key: str
    source: str
    identity: str
    start: int
    length: int
    ends: Extremes


class VideoBank:
    """All frames of a split in one uint8 tensor (N, 3, 128, 128), landmarks and transforms beside them.

    Clips are drawn so that a person's chance grows with the square root of their footage: many identities matter
    more than many minutes of one.

    Args:
        driver: somebody whose errors are wanted with the landmarks.
        sound: whether windows come with what is heard in them; clips whose sound does not fit are left out then.
        contrast: share of the samples that lead from a shut mouth to an open one or back, see `draw_pair`.

    Raises:
        PackError: an unreadable pack, or sound is wanted and no clip has any that fits.
    """

    def __init__(
        self,
        pack_dir: str | AnyPath,
        split: str,
        device: torch.device,
        driver: Driver | None = None,
        sound: bool = False,
        contrast: float = 0.0,
    ):
        clips = [clip for clip in read_pack(pack_dir, split, with_frames=False) if clip.sync or not sound]
        if sound and not clips:
            raise no_sound(pack_dir, split)
        total = sum(len(clip) for clip in clips)
        self.frames = torch.empty(total, 3, CROP_SIZE, CROP_SIZE, dtype=torch.uint8, device=device)
        self.landmarks = np.empty((total, 68, 3), np.float32)
        self.transforms = np.empty((total, 2, 3), np.float32)
        self.errors = np.concatenate([driver(clip) for clip in clips]).astype(np.float32) if driver else None
        self.rows = np.concatenate([clip.mfcc for clip in clips]) if sound else None
        self.entries: list[Entry] = []
        self._contrast = contrast
        start = 0
        for clip in read_pack(pack_dir, split):
            if sound and not clip.sync:
                continue
            end = start + len(clip)
            self.frames[start:end] = torch.from_numpy(clip.frames).to(device).permute(0, 3, 1, 2)
            self.landmarks[start:end], self.transforms[start:end] = clip.landmarks, clip.transforms
            ends = extremes(clip.landmarks)
            self.entries.append(Entry(clip.key, clip.source, clip.identity, start, len(clip), ends))
            start = end
        self._chances = sqrt_chances([(entry.identity, entry.length) for entry in self.entries])
        self._people = np.array([number_of(entry.identity) for entry in self.entries])

    def batch(self, rng: np.random.Generator, batch: int, steps: int, stride: int = 1) -> Windows:
        """Draws photos and windows of frames of the same clips, consecutive or `stride` apart."""
        rows, drawn = [], rng.choice(len(self.entries), size=batch, p=self._chances)
        for which in drawn:
            entry = self.entries[which]
            rows.append(entry.start + draw_pair(rng, entry.length, steps, stride, entry.ends, self._contrast))
        chosen = np.array(rows)
        errors = None if self.errors is None else self.errors[chosen]
        sound = people = None
        if self.rows is not None:  # each clip before has as many rows as 4 for each of its frames, and the same over
            over = (WINDOW_ROWS - ROWS_PER_FRAME) * drawn[:, None, None]
            sound, people = self.rows[row_numbers(chosen) + over], self._people[drawn]
        pictures = self.frames[torch.as_tensor(chosen)]
        return Windows(pictures, self.landmarks[chosen], self.transforms[chosen], errors, sound, people)


def number_of(identity: str) -> int:
    """A number that stands for a person, the same in every process and run."""
    return zlib.crc32(identity.encode())


def row_numbers(frames: np.ndarray) -> np.ndarray:
    """Which MFCC rows of a clip are heard in its frames: (...) → (..., 28)."""
    return ROWS_PER_FRAME * frames[..., None] + np.arange(WINDOW_ROWS)


def sound_statistics(pack_dir: str | AnyPath, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the MFCC rows, (20,) each, of the clips whose sound fits.

    Raises:
        PackError: an unreadable pack, or one without such a clip.
    """
    count, total, squares = 0, np.zeros(N_MFCC_STORED), np.zeros(N_MFCC_STORED)
    for clip in read_pack(pack_dir, split, with_frames=False):
        if clip.sync:
            rows = clip.mfcc.astype(np.float64)
            count, total, squares = count + len(rows), total + rows.sum(axis=0), squares + (rows**2).sum(axis=0)
    if not count:
        raise no_sound(pack_dir, split)
    mean = total / count
    return mean, np.sqrt(squares / count - mean**2)


def no_sound(pack_dir: str | AnyPath, split: str) -> PackError:
    """What is wrong with a pack of stills, where sound is wanted."""
    return PackError(f"{pack_dir} has no {split} clip whose sound fits its lips; add videos that have")


def sqrt_chances(clips: list[tuple[str, int]]) -> np.ndarray:
    """Chance of each clip, given (identity, length): √footage per person, shared among their clips by length."""
    footage: dict[str, int] = {}
    for identity, length in clips:
        footage[identity] = footage.get(identity, 0) + length
    chances = np.array([length / np.sqrt(max(1, footage[identity])) for identity, length in clips])
    return chances / chances.sum()
