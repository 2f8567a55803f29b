"""A split of a pack that is larger than memory: WebDataset reads its shards while training goes on."""

import itertools
import queue
import threading

import numpy as np
import torch

from atvg.data.bank import Driver, Windows, no_sound, number_of, row_numbers
from atvg.data.pack import Clip, Shard, shards, unpack_clip
from atvg.data.pairs import Extremes, draw_pair, extremes
from atvg.data.storage import AnyPath, opened

_POOL = 512  # clips held at a time: enough people for a mixed batch, a gigabyte of one-second clips
_FRESH = 1  # clips replaced after every batch
_AHEAD = 16  # clips decoded before they are needed


class StreamBank:
    """Draws windows from a pool of clips that is renewed batch by batch, in the order of shuffled shards.

    Every process of a distributed run reads all shards in an order of its own. What a step draws depends on what has
    been read before, so unlike with `VideoBank` a resumed run does not repeat the interrupted one to the letter.
    Arguments as of `VideoBank`.
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
        found = shards(pack_dir, split)
        order = np.random.default_rng([rank, world]).permutation(len(found))
        self.device, self._driver, self._sound, self._contrast = device, driver, sound, contrast
        self._no_sound = no_sound(pack_dir, split)
        self._shards = [found[i] for i in order]
        self._queue: queue.Queue[tuple[Clip, Extremes] | Exception] = queue.Queue(_AHEAD)
        threading.Thread(target=self._read, daemon=True).start()
        # A small split is read once, not over and over until the pool is full.
        first = self._next()
        self._pool = [first]
        while len(self._pool) < _POOL:
            following = self._next()
            if following[0].key == first[0].key:
                break
            self._pool.append(following)
        self._oldest = 0

    def batch(self, rng: np.random.Generator, batch: int, steps: int, stride: int = 1) -> Windows:
        """Draws photos and windows of frames of the same clips, consecutive or `stride` apart.

        Raises:
            PackError: a shard turned out to be corrupt.
        """
        images, landmarks, transforms, errors, sound, people = [], [], [], [], [], []
        for which in rng.integers(len(self._pool), size=batch):
            clip, ends = self._pool[which]
            chosen = draw_pair(rng, len(clip), steps, stride, ends, self._contrast)
            images.append(clip.frames[chosen])
            landmarks.append(clip.landmarks[chosen])
            transforms.append(clip.transforms[chosen])
            if self._driver:
                errors.append(self._driver(clip)[chosen])
            if self._sound:
                sound.append(clip.mfcc[row_numbers(chosen)])
                people.append(number_of(clip.identity))
        for _ in range(_FRESH):
            self._pool[self._oldest] = self._next()
            self._oldest = (self._oldest + 1) % len(self._pool)
        pictures = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 1, 4, 2, 3)
        optional = (np.stack(parts) if parts else None for parts in (errors, sound, people))
        return Windows(pictures, np.stack(landmarks), np.stack(transforms), *optional)

    def _next(self) -> tuple[Clip, Extremes]:
        found = self._queue.get()
        if isinstance(found, Exception):
            self._queue.put(found)  # the reader has stopped: whoever asks again is told again
            raise found
        return found

    def _read(self) -> None:
        try:
            for turn in itertools.count():
                used = sum(self._read_shard(shard, turn == 0) for shard in self._shards)
                if not used:  # or whoever waits for a clip would wait for ever
                    raise self._no_sound
        except Exception as error:  # handed to the thread that trains, which would wait for ever otherwise
            self._queue.put(error)

    def _read_shard(self, shard: Shard, is_new: bool) -> int:
        """Queues the clips of a shard; returns how many."""
        from webdataset.tariterators import group_by_keys, tar_file_expander

        # Opened here: WebDataset would run the text of a name that begins with "pipe:".
        with shard.checked(), opened(shard.path) as file:
            if is_new:
                shard.compare_checksum(file)
            count = used = 0
            for sample in group_by_keys(tar_file_expander([{"url": shard.path.name, "stream": file}])):
                members = {ending: sample[ending] for ending in ("json", "npz", "mp4")}
                clip = unpack_clip(sample["__key__"], members)
                if clip.sync or not self._sound:
                    self._queue.put((clip, extremes(clip.landmarks)))
                    used += 1
                count += 1
            shard.compare_count(count)
        return used
