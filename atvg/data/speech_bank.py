"""The clips that AT-net learns from: all of a split, or of a split larger than memory some at a time."""

import numpy as np

from atvg.data.bank import sqrt_chances
from atvg.data.heard import Hearing
from atvg.data.pack import Clip
from atvg.data.speech import SpeechClip, SpeechModel
from atvg.data.storage import AnyPath
from atvg.data.stream import Pool

_POOL = 512  # clips held at a time
_FRESH = 4  # clips replaced after every batch: LRW's half million pass by in a day of 120,000 batches
_TOGETHER = 8  # clips heard at once


class SpeechBank:
    """Clips with their sound; a person's chance to be drawn grows with the square root of their footage."""

    def __init__(self, clips: list[SpeechClip]):
        self.clips = clips
        self._chances: dict[int, np.ndarray] = {}

    def longest(self) -> int:
        """Frames of its longest clip."""
        return max(map(len, self.clips))

    def draw(self, rng: np.random.Generator, count: int, length: int) -> list[SpeechClip]:
        """So many clips of at least `length` frames."""
        if length not in self._chances:
            self._chances[length] = self._chances_of(length)
        return [self.clips[i] for i in rng.choice(len(self.clips), size=count, p=self._chances[length])]

    def _chances_of(self, length: int) -> np.ndarray:
        return sqrt_chances([(clip.identity, len(clip) * (len(clip) >= length)) for clip in self.clips])


class SpeechStream(SpeechBank):
    """The same of a pool that is renewed batch by batch; each clip is heard once, in one version, as it comes in.

    Args:
        versions: of so many one is clean.

    Raises:
        PackError: see `atvg.data.stream.Pool`.
    """

    def __init__(
        self,
        pack_dir: str | AnyPath,
        split: str,
        model: SpeechModel,
        hearing: Hearing,
        versions: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ):
        rng = np.random.default_rng([seed, rank])

        def ready(clips: list[Clip]) -> list[SpeechClip]:
            tracks = hearing.hear(clips, rng, changed=rng.integers(versions) > 0)
            return [model.clip(clip).with_sound(track[None]) for clip, track in zip(clips, tracks, strict=True)]

        self._pool = Pool(pack_dir, split, _POOL, ready, _TOGETHER, True, False, rank, world)
        super().__init__(self._pool.items)

    def draw(self, rng: np.random.Generator, count: int, length: int) -> list[SpeechClip]:
        """So many clips of at least `length` frames; others come in for the oldest.

        Raises:
            PackError: a shard turned out to be corrupt.
        """
        self._chances.clear()
        drawn = super().draw(rng, count, length)
        self._pool.renew(_FRESH)
        return drawn


def versions_of(hearing: Hearing, clips: list[Clip], versions: int, seed: int) -> list[np.ndarray]:
    """Clips in so many versions, the first of them clean: of each (V, N, C)."""
    heard = [hearing.hear(clips, np.random.default_rng([seed, v]), changed=v > 0) for v in range(versions)]
    return [np.stack(tracks) for tracks in zip(*heard, strict=True)]
