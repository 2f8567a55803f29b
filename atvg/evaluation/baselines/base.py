"""What the compared systems have in common: what they see in training, what they make, and how frames are drawn."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from atvg.config import BaselineConfig
from atvg.evaluation.baselines.layers import Speech
from atvg.voice.audio import windows

_STRETCH = 25  # frames drawn at a time: memory does not grow with the sound


class Seen(NamedTuple):
    """N frames to learn from, of several people."""

    photo: Tensor  # (N, 3, 128, 128) in [−1, 1], its head turned as in the frame
    real: Tensor  # (N, 3, 128, 128) in [−1, 1], the frame itself
    sound: Tensor  # (N, 28, 20) raw MFCC window of the frame
    person: Tensor  # (N,) int64, a number for each identity of the split


class Made(NamedTuple):
    """What a system makes of it: pictures (N, 3, 128, 128), each compared with the truth, and other losses by name."""

    pictures: dict[str, Tensor]
    terms: dict[str, Tensor]


class Baseline(nn.Module, ABC):
    """One photo and sound → frames, each drawn by itself.

    Attributes:
        name: of its weights.
        title: as tables name it, by its authors.
        sizes: those its shipped weights have.
        speech: what it knows of hearing and lip-reading.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    sizes: ClassVar[BaselineConfig] = BaselineConfig()

    def __init__(self, config: BaselineConfig):
        super().__init__()
        self.config, self.speech = config, Speech()

    @abstractmethod
    def forward(self, seen: Seen) -> Made:
        """One step of training."""

    def begin(self, examples: Iterable[Seen]) -> None:
        """What is done once before training, if anything."""

    def finish(self, examples: Iterable[Seen]) -> None:
        """What is done once with trained networks, if anything."""

    @abstractmethod
    def prepare(self, photo: Tensor) -> Any:
        """What all frames of a photo (1, 3, 128, 128) share."""

    @abstractmethod
    def draw(self, prepared: Any, sound: Tensor) -> Tensor:
        """N frames (N, 3, 128, 128) of MFCC windows (N, 28, 20)."""

    @torch.no_grad()
    def stream(self, photo: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Draws a clip stretch by stretch.

        Args:
            photo: (128, 128, 3) uint8 RGB face crop.
            rows: (4·T + 24, 20) MFCC rows, see `atvg.voice.audio`.

        Yields:
            (n, 128, 128, 3) uint8 RGB, T frames together.
        """
        device = next(self.parameters()).device
        prepared = self.prepare(to_tensor(photo[None]).to(device))
        heard = windows(rows)
        for first in range(0, len(heard), _STRETCH):
            sound = torch.tensor(heard[first : first + _STRETCH], dtype=torch.float32, device=device)
            yield to_pixels(self.draw(prepared, sound))


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 (N, 128, 128, 3) → (N, 3, 128, 128) in [−1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(pictures: Tensor) -> np.ndarray:
    """(N, 3, 128, 128) in [−1, 1] → uint8 (N, 128, 128, 3)."""
    levels = (pictures.float().clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()
