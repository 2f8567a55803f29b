"""A split of a pack that is larger than memory: WebDataset reads its shards while training goes on."""

import contextlib
import itertools
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from atvg.data.bank import Driver, Windows, no_sound, number_of, row_numbers
from atvg.data.pack import Clip, Shard, shards, unpack_clip
from atvg.data.pairs import Extremes, draw_pair, extremes
from atvg.data.storage import AnyPath, opened
from atvg.errors import PackError

_POOL = 512  # clips held at a time: enough people for a mixed batch, a gigabyte of one-second clips
_FRESH = 1  # clips replaced after every batch
_AHEAD = 16  # clips made ready before they are needed
_LOOKS = 0.5  # seconds after which a reader that waits looks whether its pool is still there

T = TypeVar("T")


class Pool(Generic[T]):
    """Clips of a split, made ready in a thread, of which so many are held at a time and the oldest give way to others.

    Every process of a distributed run reads all shards in an order of its own, over and over. The thread ends with the
    pool.

    Args:
        size: how many are held; of a small split all, each once.
        with_sound: leaves clips out whose sound does not fit.
        ready: what is made of clips that have just been read, `together` at a time.
        with_frames: whether their frames are decoded.

    Raises:
        PackError: unreadable pack, or no clip that is wanted.
    """

    def __init__(
        self,
        pack_dir: str | AnyPath,
        split: str,
        size: int,
        ready: Callable[[list[Clip]], list[T]],
        together: int = 1,
        with_sound: bool = False,
        with_frames: bool = True,
        rank: int = 0,
        world: int = 1,
    ):
        found = shards(pack_dir, split)
        order = np.random.default_rng([rank, world]).permutation(len(found))
        self._queue: queue.Queue[tuple[str, T] | Exception] = queue.Queue(_AHEAD)
        let_go = threading.Event()
        weakref.finalize(self, let_go.set)
        reader = _Reader(
            [found[i] for i in order], ready, together, with_sound, with_frames, no_sound(pack_dir, split), self._queue,
            let_go,
        )  # fmt: skip
        threading.Thread(target=reader.read, daemon=True).start()
        # A small split is read once, not over and over until the pool is full.
        first, item = self._next()
        self.items: list[T] = [item]
        while len(self.items) < size:
            key, item = self._next()
            if key == first:
                break
            self.items.append(item)
        self._oldest = 0

    def renew(self, count: int) -> None:
        """Puts so many clips that follow in the place of the oldest.

        Raises:
            PackError: a shard turned out to be corrupt.
        """
        for _ in range(count):
            _, self.items[self._oldest] = self._next()
            self._oldest = (self._oldest + 1) % len(self.items)

    def _next(self) -> tuple[str, T]:
        found = self._queue.get()
        if isinstance(found, Exception):
            self._queue.put(found)  # the reader has stopped: whoever asks again is told again
            raise found
        return found


class _LetGoError(Exception):
    """Nobody wants the clips any more."""


@dataclass
class _Reader(Generic[T]):
    """What the thread of a `Pool` runs; it must not hold the pool, which would never go then."""

    shards: list[Shard]
    ready: Callable[[list[Clip]], list[T]]
    together: int
    with_sound: bool
    with_frames: bool
    no_sound: PackError
    queue: "queue.Queue[tuple[str, T] | Exception]"
    let_go: threading.Event

    def read(self) -> None:
        """Over and over, until the pool is gone."""
        try:
            for turn in itertools.count():
                self._read_all(is_new=turn == 0)
        except _LetGoError:
            return
        except Exception as error:  # handed to the thread that trains, which would wait for ever otherwise
            with contextlib.suppress(_LetGoError):
                self._put(error)

    def _read_all(self, is_new: bool) -> None:
        waiting: list[Clip] = []
        used = 0
        for clip in itertools.chain.from_iterable(self._clips(shard, is_new) for shard in self.shards):
            waiting.append(clip)
            used += 1
            if len(waiting) == self.together:
                self._hand_over(waiting)
                waiting = []
        if waiting:
            self._hand_over(waiting)
        if not used:  # or whoever waits for a clip would wait for ever
            raise self.no_sound

    def _clips(self, shard: Shard, is_new: bool) -> Iterator[Clip]:
        """The clips of a shard that are wanted."""
        from webdataset.tariterators import group_by_keys, tar_file_expander

        # Opened here: WebDataset would run the text of a name that begins with "pipe:".
        with shard.checked(), opened(shard.path) as file:
            if is_new:
                shard.compare_checksum(file)
            count = 0
            for sample in group_by_keys(tar_file_expander([{"url": shard.path.name, "stream": file}])):
                members = {ending: sample[ending] for ending in ("json", "npz", "mp4")}
                clip = unpack_clip(sample["__key__"], members, self.with_frames)
                count += 1
                if clip.sync or not self.with_sound:
                    yield clip
            shard.compare_count(count)

    def _hand_over(self, clips: list[Clip]) -> None:
        """Makes ready what has been read, and queues it."""
        for clip, item in zip(clips, self.ready(clips), strict=True):
            self._put((clip.key, item))

    def _put(self, found: tuple[str, T] | Exception) -> None:
        while not self.let_go.is_set():
            with contextlib.suppress(queue.Full):
                return self.queue.put(found, timeout=_LOOKS)
        raise _LetGoError


class StreamBank:
    """Draws windows from a pool of clips that is renewed batch by batch, in the order of shuffled shards.

    What a step draws depends on what has been read before, so unlike with `VideoBank` a resumed run does not repeat the
    interrupted one to the letter. Arguments as of `VideoBank`.
    """

    def __init__(
        self,
        pack_dir: str | AnyPath,
        split: str,
        device: torch.device,
        driver: Driver | None = None,
        rank: int = 0,
        world: int = 1,
        sound: bool = False,
        contrast: float = 0.0,
    ):
        def ready(clips: list[Clip]) -> list[tuple[Clip, Extremes, np.ndarray | None]]:
            return [(clip, extremes(clip.landmarks), driver(clip) if driver else None) for clip in clips]

        self.device, self._sound, self._contrast = device, sound, contrast
        self._pool = Pool(pack_dir, split, _POOL, ready, with_sound=sound, rank=rank, world=world)

    def batch(self, rng: np.random.Generator, batch: int, steps: int, stride: int = 1) -> Windows:
        """Draws photos and windows of frames of the same clips, consecutive or `stride` apart.

        Raises:
            PackError: a shard turned out to be corrupt.
        """
        images, landmarks, transforms, errors, sound, people = [], [], [], [], [], []
        for which in rng.integers(len(self._pool.items), size=batch):
            clip, ends, missed = self._pool.items[which]
            chosen = draw_pair(rng, len(clip), steps, stride, ends, self._contrast)
            images.append(clip.frames[chosen])
            landmarks.append(clip.landmarks[chosen])
            transforms.append(clip.transforms[chosen])
            if missed is not None:
                errors.append(missed[chosen])
            if self._sound:
                sound.append(clip.mfcc[row_numbers(chosen)])
                people.append(number_of(clip.identity))
        self._pool.renew(_FRESH)
        pictures = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 1, 4, 2, 3)
        optional = (np.stack(parts) if parts else None for parts in (errors, sound, people))
        return Windows(pictures, np.stack(landmarks), np.stack(transforms), *optional)
