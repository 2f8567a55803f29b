"""A split of a pack held in memory, decoded once, and how training windows are drawn from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg.config import CROP_SIZE
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath


class Windows(NamedTuple):
    """B training samples: a photo and T consecutive frames of its clip, the photo first."""

    images: Tensor  # (B, 1 + T, 3, 128, 128) uint8, on the device of the training
    landmarks: np.ndarray  # (B, 1 + T, 68, 3) float32 crop pixels and depth
    transforms: np.ndarray  # (B, 1 + T, 2, 3) float32, see `atvg.data.pack.Clip`
    errors: np.ndarray | None = None  # (B, 1 + T, 68, 2) float32, what a `Driver` gets wrong, if there is one


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


class VideoBank:
    """All frames of a split in one uint8 tensor (N, 3, 128, 128), landmarks and transforms beside them.

    Clips are drawn so that a person's chance grows with the square root of their footage: many identities matter
    more than many minutes of one.
    """

    def __init__(self, pack_dir: str | AnyPath, split: str, device: torch.device, driver: Driver | None = None):
        clips = list(read_pack(pack_dir, split, with_frames=False))
        total = sum(len(clip) for clip in clips)
        self.frames = torch.empty(total, 3, CROP_SIZE, CROP_SIZE, dtype=torch.uint8, device=device)
        self.landmarks = np.empty((total, 68, 3), np.float32)
        self.transforms = np.empty((total, 2, 3), np.float32)
        self.errors = np.concatenate([driver(clip) for clip in clips]).astype(np.float32) if driver else None
        self.entries: list[Entry] = []
        start = 0
        for clip in read_pack(pack_dir, split):
            end = start + len(clip)
            self.frames[start:end] = torch.from_numpy(clip.frames).to(device).permute(0, 3, 1, 2)
            self.landmarks[start:end], self.transforms[start:end] = clip.landmarks, clip.transforms
            self.entries.append(Entry(clip.key, clip.source, clip.identity, start, len(clip)))
            start = end
        self._chances = sqrt_chances([(entry.identity, entry.length) for entry in self.entries])

    def batch(self, rng: np.random.Generator, batch: int, steps: int) -> Windows:
        """Draws photos and windows of consecutive frames of the same clips."""
        rows = []
        for which in rng.choice(len(self.entries), size=batch, p=self._chances):
            entry = self.entries[which]
            photo = entry.start + rng.integers(entry.length)
            first = entry.start + rng.integers(max(1, entry.length - steps + 1))
            rows.append([photo, *np.minimum(first + np.arange(steps), entry.start + entry.length - 1)])
        chosen = np.array(rows)
        errors = None if self.errors is None else self.errors[chosen]
        return Windows(self.frames[torch.as_tensor(chosen)], self.landmarks[chosen], self.transforms[chosen], errors)


def sqrt_chances(clips: list[tuple[str, int]]) -> np.ndarray:
    """Chance of each clip, given (identity, length): √footage per person, shared among their clips by length."""
    footage: dict[str, int] = {}
    for identity, length in clips:
        footage[identity] = footage.get(identity, 0) + length
    chances = np.array([length / np.sqrt(max(1, footage[identity])) for identity, length in clips])
    return chances / chances.sum()
