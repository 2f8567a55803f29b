"""The ear over sound of any length: overlapping stretches, of which each is heard with two seconds around it.

So memory does not grow with the sound, the first frames need not wait for the last, and what is heard of a frame hardly
depends on where the stretches lie (checkpoints/README.md says by how much).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from atvg.config import FEATURES_PER_FRAME, ROWS_PER_FRAME

FIRST = 100  # frames of the first stretch, a short one: nothing can be shown before it is heard
LENGTH = 400  # frames of every other
AROUND = 50  # frames heard beyond either end of a stretch
LIVE_BEFORE, LIVE_AFTER = 40, 5  # and beyond the newest frames of a voice that is still being spoken


class HearsFeatures(Protocol):
    """A network that hears components of the ear's features: AT-net, the sync expert."""

    @property
    def lead(self) -> int: ...

    def length(self, frames: int) -> int:
        """How many features make up what so many frames hear, from `lead` before the first that lies in one on."""

    def squeeze(self, features: Tensor) -> Tensor:
        """Features (..., C) → components."""


class Listens(Protocol):
    """The ear, or what computes the same."""

    @property
    def positions(self) -> Tensor: ...

    def __call__(self, mfcc: Tensor, layers: tuple[int, ...] | None = None, start: int = 0) -> Tensor:
        """As `Ear.forward`."""


Rows = Callable[[int, int], np.ndarray]
"""First row and how many → MFCC rows (count, 80), as `atvg.voice.mel.mfcc80_rows` makes them."""


def stored_rows(rows: np.ndarray) -> Rows:
    """Rows that are there already, as packs hold them."""
    return lambda first, count: rows[first : first + count]


@dataclass(frozen=True)
class Stretch:
    """What was heard of frames first..last − 1, and around them.

    Attributes:
        features: (N, C) of the ear.
        begin: which of all features, 2·t and 2·t + 1 of frame t, is the first of these.
    """

    first: int
    last: int
    features: Tensor
    begin: int

    def __len__(self) -> int:
        return self.last - self.first

    def own(self) -> Tensor:
        """The features of its own frames, (2·T, C)."""
        first, last = (FEATURES_PER_FRAME * t - self.begin for t in (self.first, self.last))
        return self.features[first:last]

    def for_net(self, net: HearsFeatures) -> Tensor:
        """What a network wants for its frames, (1, `length`, squeezed); the ends of the sound go on for ever."""
        start = FEATURES_PER_FRAME * self.first - net.lead - self.begin
        places = torch.arange(start, start + net.length(len(self))).clamp(0, len(self.features) - 1)
        return net.squeeze(self.features[places.to(self.features.device)])[None]


def stretches(frames: int) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) of the stretches that so many frames are heard in."""
    first, last = 0, min(FIRST, frames)
    while first < frames:
        yield first, last
        first, last = last, min(last + LENGTH, frames)


def listen(ear: Listens, rows: Rows, frames: int, layers: tuple[int, ...] | None = None) -> Iterator[Stretch]:
    """Hears the sound of so many frames, stretch by stretch; `layers` as of `Ear`."""
    for first, last in stretches(frames):
        yield window(ear, rows, first, last, (AROUND, min(AROUND, frames - last)), layers)


@torch.inference_mode()
def window(
    ear: Listens,
    rows: Rows,
    first: int,
    last: int,
    around: tuple[int, int],
    layers: tuple[int, ...] | None = None,
) -> Stretch:
    """Hears frames first..last − 1, and so many frames before, as far as there are any, and after them."""
    begin, end = max(0, first - around[0]), last + around[1]
    mfcc = rows(ROWS_PER_FRAME * begin, ROWS_PER_FRAME * (end - begin))
    heard = torch.as_tensor(mfcc, dtype=torch.float32, device=ear.positions.device)[None]
    start = place(FEATURES_PER_FRAME * begin, FEATURES_PER_FRAME * (end - begin), len(ear.positions))
    return Stretch(first, last, ear(heard, layers, start)[0], FEATURES_PER_FRAME * begin)


def listen_live(
    ear: Listens, rows: Rows, frames: int, layers: tuple[int, ...] | None = None, at_once: int = 5
) -> Iterator[Stretch]:
    """Hears what `listen` hears as somebody does who gets `at_once` frames of it at a time, and no later ones."""
    for first in range(0, frames, at_once):
        last = min(frames, first + at_once)
        yield window(ear, rows, first, last, (LIVE_BEFORE, min(LIVE_AFTER, frames - last)), layers)


def place(begin: int, count: int, places: int) -> int:
    """Where `count` features that begin at the feature `begin` of a sound are put among the ear's places."""
    return min(begin, places - count)


def features_of(ear: Listens, mfcc80: np.ndarray, layers: tuple[int, ...] | None = None) -> Tensor:
    """All features of rows (4·T, 80) that are there already, (2·T, C)."""
    frames = len(mfcc80) // ROWS_PER_FRAME
    heard = listen(ear, stored_rows(mfcc80), frames, layers)
    return torch.cat([stretch.own() for stretch in heard])
