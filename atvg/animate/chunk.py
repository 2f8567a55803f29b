"""What passes from the networks to everything that shows or saves it: stretches of frames."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from atvg.motion.filmed import Behind, Filmed
from atvg.motion.teeth import Teeth
from atvg.motion.turn import HeadTurn

CHUNK = 10  # frames drawn at once: 0.4 s of video, a good batch for a CPU


class Scene(NamedTuple):
    """A frame of a film, and the face in it.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        matrix: 2×3, picture → crop.
        landmarks: (68, 2) float32 crop pixels, as it was filmed.
        rest: (68, 2) float32, the same with the mouth at rest.
        light: (3,) float32, how much more of each colour there is than in the photo.
        filmed: how the film shows the inside of the mouth, if it does.
        number: which of the film's frames it is, from 0.
    """

    picture: np.ndarray
    matrix: np.ndarray
    landmarks: np.ndarray
    rest: np.ndarray
    light: np.ndarray
    filmed: Filmed | None
    number: int


@dataclass(frozen=True)
class Chunk:
    """A stretch of T frames: ``frames = attention · motion + (1 − attention) · photos``.

    Attributes:
        start: index of the first frame in the clip.
        frames, motion: (T, 128, 128, 3) uint8 RGB.
        photos: (T, 128, 128, 3) uint8 RGB, the face's crop with its head turned; one and the same while it stays still.
        base: (T, 128, 128, 3) uint8 RGB, what motion was drawn over: ``motion = base + residual``.
        shift: (T, 64, 64, 2) float32 crop pixels, how far away each place of the warped photo has its source.
        attention: (T, 128, 128) float32 in [0, 1].
        landmarks: (T, 68, 2) float32 crop pixels.
        codes: (T, K) float32, AT-net's output after gain and smoothing.
        turns: T turns of the head beyond the face's own pose; none while it stays still.
        scenes: the T frames of the film that is dubbed; none of a photo.
        teeth: what lies behind the lips, of one photo; None if the network draws without layers.
    """

    start: int
    frames: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    photos: np.ndarray
    base: np.ndarray
    shift: np.ndarray
    landmarks: np.ndarray
    codes: np.ndarray
    turns: tuple[HeadTurn, ...]
    teeth: Teeth | None
    scenes: tuple[Scene, ...] = field(default=(), kw_only=True)

    def __len__(self) -> int:
        return len(self.frames)

    def cut(self, first: int, last: int) -> "Chunk":
        """Frames first..last − 1 of this stretch."""
        parts = {name: getattr(self, name)[first:last] for name in (*_ARRAYS, "turns", "scenes")}
        return Chunk(start=self.start + first, teeth=self.teeth, **parts)


_ARRAYS = ("frames", "attention", "motion", "photos", "base", "shift", "landmarks", "codes")


def behind(scenes: tuple[Scene, ...]) -> Behind:
    """What is known of the mouth in T frames of one shot, as tensors of one clip."""
    rest, light = (torch.from_numpy(np.stack([getattr(s, name) for s in scenes]))[None] for name in ("rest", "light"))
    return Behind(rest, light, scenes[0].filmed)


def join(chunks: list[Chunk]) -> dict[str, Any]:
    """What consecutive chunks hold, by name, joined."""
    turns, scenes = (tuple(one for chunk in chunks for one in getattr(chunk, name)) for name in ("turns", "scenes"))
    moves = bool(turns or scenes)
    joined = {name: np.concatenate([getattr(c, name) for c in chunks]) for name in _ARRAYS if name != "photos" or moves}
    if not moves:  # one and the same picture
        photo = chunks[0].photos[0]
        joined["photos"] = np.broadcast_to(photo, (len(joined["frames"]), *photo.shape))
    return {**joined, "turns": turns, "scenes": scenes, "teeth": chunks[0].teeth}


def regroup(chunks: Iterable[Chunk], size: int) -> Iterator[Chunk]:
    """The same frames, `size` at a time."""
    waiting: list[Chunk] = []
    for chunk in chunks:
        rest: Chunk | None = chunk
        while rest is not None:
            room = size - sum(map(len, waiting))
            waiting.append(rest.cut(0, room))
            rest = rest.cut(room, len(rest)) if room < len(rest) else None
            if sum(map(len, waiting)) == size:
                yield Chunk(start=waiting[0].start, **join(waiting))
                waiting = []
    if waiting:
        yield Chunk(start=waiting[0].start, **join(waiting))
