"""The sync expert: how well a mouth fits a sound, and by how much one of them is late, judged from pixels alone.

The figures are those of Wav2Lip (Prajwal et al. 2020): LSE-D is the distance of mouth and sound at the offset where it
is least, LSE-C by how much that is less than at a middling offset. They had SyncNet's codes and we have our own, of
length 1, so that only figures of one expert compare.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from atvg.checkpoint import load_ear, load_sync_net, locate
from atvg.config import ROWS_PER_FRAME
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.nets.ear import Ear
from atvg.nets.sync_net import SEEN, SyncNet, evened, mouths
from atvg.voice.hearing import Stretch, features_of

REACH = 15  # frames to either side among which an offset is looked for, as in SyncNet
TOLERANCE = 1  # frames by which an offset may be off and still count as found
TRIAL_FRAMES, TRIAL_SHIFT = 50, 10  # stretches of real clips whose sound is moved, and by how much at most

_LEAST = 8  # looks that an offset must be judged by
_STRETCH = 256  # looks encoded at a time


@dataclass(frozen=True)
class Sync:
    """What the expert says of one clip.

    Attributes:
        offset: frames by which the sound comes too early (< 0) or too late (> 0).
        confidence: LSE-C, median − least of the distances; in [0, 2], higher is better.
        distance: LSE-D, the least of them, less willingly of lags that few looks speak for; in [0, 2], lower is better.
        aligned: the distance where the clip says it is in sync, at offset 0.
    """

    offset: int
    confidence: float
    distance: float
    aligned: float


class SyncExpert:
    """Judges crops in stabilised space against what is heard, once a clip, through the ear."""

    def __init__(self, net: SyncNet, ear: Ear):
        self.net, self.ear = net.eval(), ear.eval()

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike | None = None) -> "SyncExpert":
        """The shipped one, or one from a folder or Hub id of weights.

        Raises:
            CheckpointError: as `atvg.checkpoint.load_sync_net`.
        """
        folder = locate(source)
        return cls(load_sync_net(folder), load_ear(folder))

    @torch.inference_mode()
    def hear(self, mfcc80: np.ndarray) -> Tensor:
        """MFCC rows (4·T, 80), see `atvg.voice.mel` → codes (T, codes); the ends of the sound go on for ever."""
        frames = len(mfcc80) // ROWS_PER_FRAME
        return self.net.hear(Stretch(0, frames, features_of(self.ear, mfcc80), 0).for_net(self.net))[0]

    def measure(self, frames: np.ndarray, heard: Tensor, reach: int = REACH) -> Sync | None:
        """Compares every look with the sounds up to `reach` frames around it.

        Args:
            frames: (T, 128, 128, 3) uint8 RGB, as long as the sound.
            heard: (T, codes) from `hear`.

        Returns:
            None for a clip that is too short to say anything: of fewer than 14 frames.
        """
        distances = self.distances(frames, heard, reach)
        if len(distances) < 3:
            return None
        looks, middle = len(frames) - SEEN + 1, len(distances) // 2
        # The farther the lag, the fewer looks have a sound at it, and the deeper chance alone may reach.
        judging = looks - np.maximum(0, np.abs(np.arange(-middle, middle + 1)) - SEEN // 2)
        depth = np.median(distances) - distances
        best = int((depth * np.sqrt(judging)).argmax())
        # The lag says which sound fits: a later one if the sound comes late.
        return Sync(best - middle, float(depth[best]), float(distances[best]), float(distances[middle]))

    @torch.inference_mode()
    def distances(self, frames: np.ndarray, heard: Tensor, reach: int = REACH) -> np.ndarray:
        """Mean distance at each lag from −r to r, (2·r + 1,); r ≤ `reach` leaves half of the looks at every lag."""
        looks = len(frames) - SEEN + 1
        reach = min(reach, looks // 2, looks - _LEAST)
        if reach < 0:
            return np.zeros(0)
        seen = self._see(frames)
        found = []
        for lag in range(-reach, reach + 1):
            places = np.arange(looks) + SEEN // 2 + lag
            inside = (places >= 0) & (places < len(heard))
            likeness = (seen[inside] * heard[places[inside]]).sum(dim=1)
            found.append(float((2 - 2 * likeness).clamp(min=0).sqrt().mean()))
        return np.array(found)

    def _see(self, frames: np.ndarray) -> Tensor:
        grey = mouths(torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1)
        grey = evened(grey[None])  # of the whole clip, however it is cut below
        parts = [
            self.net.see(grey[:, first : first + _STRETCH + SEEN - 1])[0]
            for first in range(0, len(frames) - SEEN + 1, _STRETCH)
        ]
        return torch.cat(parts)


def trials(clips: Iterable[Clip], seed: int = 0) -> Iterator[tuple[Clip, int]]:
    """Stretches of real clips whose sound was moved, with the number of frames by which it comes late.

    Each clip is cut into stretches of up to `TRIAL_FRAMES`; of a short clip the ends are given up so that there is
    sound to move: both tracks of a stretch come from within the clip, and nothing is padded.
    """
    rng = np.random.default_rng(seed)
    for clip in clips:
        length = min(TRIAL_FRAMES, 2 * len(clip) // 3)
        reach = min(TRIAL_SHIFT, (len(clip) - length) // 2)
        for first in range(reach, len(clip) - length - reach + 1, length):
            late = int(rng.integers(-reach, reach + 1))
            start = first - late
            rows = clip.mfcc80[ROWS_PER_FRAME * start : ROWS_PER_FRAME * (start + length)]
            part = slice(first, first + length)
            yield replace(
                clip, frames=clip.frames[part], landmarks=clip.landmarks[part], transforms=clip.transforms[part],
                mfcc80=rows,
            ), late  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What came of a trial: `error` is found − moved, frames; `chance` that of guessing right."""

    identity: str
    error: int
    chance: float


def accuracy(expert: SyncExpert, pack_dir: str | AnyPath, split: str) -> dict[str, dict[str, float]]:
    """How often the expert finds by how much real clips were moved, by source and over ``"all"``.

    Returns:
        per source ``trials``, ``within`` (share found within `TOLERANCE` frames), ``chance`` (what guessing would
        give), ``error`` (median of the absolute error, frames) and ``steady``: recordings are off by a frame or more
        themselves, so this is the share found within `TOLERANCE` of what a person's other trials say, if there are any.

    Raises:
        PackError: see `atvg.data.pack.read_pack`.
    """
    by_source: dict[str, list[Found]] = {}
    for part, late in trials(clip for clip in read_pack(pack_dir, split) if clip.sync):
        found = expert.measure(part.frames, expert.hear(part.mfcc80))
        if found is None:
            continue
        lags = 2 * min(REACH, (len(part) - SEEN + 1) // 2) + 1
        result = Found(part.identity, found.offset - late, min(1.0, (2 * TOLERANCE + 1) / lags))
        by_source.setdefault(part.source, []).append(result)
    steady = {source: _steady(found) for source, found in by_source.items()}
    by_source["all"] = [one for found in by_source.values() for one in found]
    steady["all"] = [one for found in steady.values() for one in found]
    return {
        source: {
            "trials": len(found),
            "within": float(np.mean([abs(one.error) <= TOLERANCE for one in found])),
            "steady": float(np.mean(steady[source])),
            "chance": float(np.mean([one.chance for one in found])),
            "error": float(np.median([abs(one.error) for one in found])),
        }
        for source, found in by_source.items()
        if found
    }


def _steady(found: list[Found]) -> list[bool]:
    """Of each trial of a source, whether it agrees with the others of its person."""
    agree = []
    for i, one in enumerate(found):
        others = [other.error for j, other in enumerate(found) if j != i and other.identity == one.identity]
        agree.append(abs(one.error - round(np.median(others or [0]))) <= TOLERANCE)
    return agree
