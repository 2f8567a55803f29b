"""A split of a pack held in memory, decoded once, and how training windows are drawn from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atvg.config import CROP_SIZE
from atvg.data.pack import read_pack


@dataclass(frozen=True)
class Entry:
    """One clip of a bank: where its frames lie in the bank's tensors."""

    key: str
    source: str
    identity: str
    start: int
    length: int


class VideoBank:
    """All frames of a split in one uint8 tensor (N, 3, 128, 128), all landmarks in one float tensor (N, 68, 2).

    Clips are drawn so that a person's chance grows with the square root of their footage: many identities matter
    more than many minutes of one.
    """

    def __init__(self, pack_dir: Path, split: str, device: torch.device):
        clips = list(read_pack(pack_dir, split, with_frames=False))
        total = sum(len(clip) for clip in clips)
        self.frames = torch.empty(total, 3, CROP_SIZE, CROP_SIZE, dtype=torch.uint8, device=device)
        self.landmarks = torch.empty(total, 68, 2, device=device)
        self.entries: list[Entry] = []
        start = 0
        for clip in read_pack(pack_dir, split):
            end = start + len(clip)
            self.frames[start:end] = torch.from_numpy(clip.frames).to(device).permute(0, 3, 1, 2)
            self.landmarks[start:end] = torch.from_numpy(clip.landmarks[..., :2]).to(device)
            self.entries.append(Entry(clip.key, clip.source, clip.identity, start, len(clip)))
            start = end
        self._chances = sqrt_chances([(entry.identity, entry.length) for entry in self.entries])

    def batch(self, rng: np.random.Generator, batch: int, steps: int) -> tuple[Tensor, Tensor]:
        """What `draw` chooses: images (B, 1 + steps, 3, 128, 128) uint8, the photo first, and their landmarks."""
        photos, windows = self.draw(rng, batch, steps)
        chosen = torch.cat([photos[:, None], windows], dim=1)
        return self.frames[chosen], self.landmarks[chosen]

    def draw(self, rng: np.random.Generator, batch: int, steps: int) -> tuple[Tensor, Tensor]:
        """Indices of `batch` photos (B,) and of as many windows of consecutive frames (B, steps)."""
        photos, windows = [], []
        for which in rng.choice(len(self.entries), size=batch, p=self._chances):
            entry = self.entries[which]
            photos.append(entry.start + rng.integers(entry.length))
            first = entry.start + rng.integers(max(1, entry.length - steps + 1))
            windows.append(np.minimum(first + np.arange(steps), entry.start + entry.length - 1))
        device = self.frames.device
        return torch.as_tensor(np.array(photos), device=device), torch.as_tensor(np.stack(windows), device=device)


def sqrt_chances(clips: list[tuple[str, int]]) -> np.ndarray:
    """Chance of each clip, given (identity, length): √footage per person, shared among their clips by length."""
    footage: dict[str, int] = {}
    for identity, length in clips:
        footage[identity] = footage.get(identity, 0) + length
    chances = np.array([length / np.sqrt(max(1, footage[identity])) for identity, length in clips])
    return chances / chances.sum()
