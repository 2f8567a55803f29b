"""A split of a pack that is larger than memory: WebDataset reads its shards while training goes on."""

import itertools
import queue
import threading

import numpy as np
import torch

from atvg.data.bank import Driver, Windows
from atvg.data.pack import Clip, Shard, shards, unpack_clip
from atvg.data.storage import AnyPath, opened

_POOL = 512  # clips held at a time: enough people for a mixed batch, a gigabyte of one-second clips
_FRESH = 1  # clips replaced after every batch
_AHEAD = 16  # clips decoded before they are needed


class StreamBank:
    """Draws windows from a pool of clips that is renewed batch by batch, in the order of shuffled shards.

    Every process of a distributed run reads all shards in an order of its own. What a step draws depends on what has
    been read before, so unlike with `VideoBank` a resumed run does not repeat the interrupted one to the letter.
    """

    def __init__(
        self,
        pack_dir: str | AnyPath,
        split: str,
        device: torch.device,
        driver: Driver | None = None,
        rank: int = 0,
        world: int = 1,
    ):
        found = shards(pack_dir, split)
        order = np.random.default_rng([rank, world]).permutation(len(found))
        self.device, self._driver = device, driver
        self._shards = [found[i] for i in order]
        self._queue: queue.Queue[Clip | Exception] = queue.Queue(_AHEAD)
        threading.Thread(target=self._read, daemon=True).start()
        # A small split is read once, not over and over until the pool is full.
        first = self._next()
        self._pool = [first]
        while len(self._pool) < _POOL:
            clip = self._next()
            if clip.key == first.key:
                break
            self._pool.append(clip)
        self._oldest = 0

    def batch(self, rng: np.random.Generator, batch: int, steps: int) -> Windows:
        """Draws photos and windows of consecutive frames of the same clips.

        Raises:
            PackError: a shard turned out to be corrupt.
        """
        images, landmarks, transforms, errors = [], [], [], []
        for which in rng.integers(len(self._pool), size=batch):
            clip = self._pool[which]
            first = rng.integers(max(1, len(clip) - steps + 1))
            window = np.minimum(first + np.arange(steps), len(clip) - 1)
            chosen = np.concatenate([[rng.integers(len(clip))], window])
            images.append(clip.frames[chosen])
            landmarks.append(clip.landmarks[chosen])
            transforms.append(clip.transforms[chosen])
            if self._driver:
                errors.append(self._driver(clip)[chosen])
        for _ in range(_FRESH):
            self._pool[self._oldest] = self._next()
            self._oldest = (self._oldest + 1) % len(self._pool)
        pictures = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 1, 4, 2, 3)
        return Windows(pictures, np.stack(landmarks), np.stack(transforms), np.stack(errors) if errors else None)

    def _next(self) -> Clip:
        clip = self._queue.get()
        if isinstance(clip, Exception):
            self._queue.put(clip)  # the reader has stopped: whoever asks again is told again
            raise clip
        return clip

    def _read(self) -> None:
        try:
            for turn in itertools.count():
                for shard in self._shards:
                    self._read_shard(shard, turn == 0)
        except Exception as error:  # handed to the thread that trains, which would wait for ever otherwise
            self._queue.put(error)

    def _read_shard(self, shard: Shard, is_new: bool) -> None:
        from webdataset.tariterators import group_by_keys, tar_file_expander

        # Opened here: WebDataset would run the text of a name that begins with "pipe:".
        with shard.checked(), opened(shard.path) as file:
            if is_new:
                shard.compare_checksum(file)
            count = 0
            for sample in group_by_keys(tar_file_expander([{"url": shard.path.name, "stream": file}])):
                members = {ending: sample[ending] for ending in ("json", "npz", "mp4")}
                self._queue.put(unpack_clip(sample["__key__"], members))
                count += 1
            shard.compare_count(count)
