"""A film to and fro, for as long as a voice lasts: forwards to its end, backwards to its beginning, forwards again.

Films can only be decoded forwards. So going backwards is done block by block: a block is read forwards into a file
that has no name, and given out from its end. The larger the block, the less is decoded in vain before each: with a key
frame every ten seconds of 1080p about 3 frames for one that is used, and only the one becomes RGB. The last block is
kept while it is read forwards, so a film that fits into one is decoded once.
"""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from atvg.dub.footage import Footage, frames
from atvg.errors import BadFilmError, DiskFullError
from atvg.scratch import is_full

BLOCK = 2**29  # bytes of frames in the file at once


def to_and_fro(
    footage: Footage, n_frames: int, count: int, hold: bool = False, scratch: Path | None = None
) -> Generator[tuple[int, np.ndarray], None, None]:
    """The number and the picture of each of `count` frames: 0 … n − 1, n − 2 … 0, 1 …; memory stays flat.

    Args:
        n_frames: of the film, n; if fewer can be read, the last of these is the last.
        hold: stay at the last frame instead of turning round.
        scratch: a folder for the file, of at most half a gigabyte; None is the system's.

    Returns:
        Pairs of an int and uint8 RGB (height, width, 3), to be read only: one that is held is the same again.

    Raises:
        BadFilmError: no frame can be read, or not those that could be before.
        DiskFullError: no room for the file.
    """
    if count <= 0:
        return
    width, height = footage.size
    size = max(1, BLOCK // (width * height * 3))
    try:
        with tempfile.TemporaryFile(dir=scratch) as file:
            block = _Block(file, footage, size, n_frames)
            ways = _forwards(block, count) if hold or count <= n_frames else _turning(block)
            for _, (number, frame) in zip(range(count), ways, strict=False):
                yield number, frame
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFullError("the folder for temporary files is full; free half a gigabyte") from None


class _Block:
    """The frames of one stretch of a film, in a file. Block b holds frames b·size … b·size + size − 1."""

    def __init__(self, file: BinaryIO, footage: Footage, size: int, n_frames: int):
        self.footage, self.size, self.n_frames = footage, size, n_frames
        self._file, self._held, self._filled = file, -1, 0
        self._shape = (footage.size[1], footage.size[0], 3)

    @property
    def last(self) -> int:
        return (self.n_frames - 1) // self.size

    def put(self, number: int, frame: np.ndarray) -> None:
        """Keeps a frame; those of a block come one after the other."""
        at = number % self.size
        self._file.seek(at * frame.nbytes)
        self._file.write(frame.data)
        self._held, self._filled = number // self.size, at + 1

    def load(self, block: int) -> None:
        """Reads a block, unless it is held."""
        first, end = block * self.size, min((block + 1) * self.size, self.n_frames)
        if self._held == block and self._filled == end - first:
            return
        for number, frame in enumerate(frames(self.footage, first, end - first), first):
            self.put(number, frame)
        if (self._held, self._filled) != (block, end - first):
            raise BadFilmError(f"{self.footage.path.name} changed while it was read; copy it and try again")

    def get(self, number: int) -> np.ndarray:
        frame: np.ndarray = np.empty(self._shape, np.uint8)
        self._file.seek(number % self.size * frame.nbytes)
        self._file.readinto(frame.data)  # type: ignore[attr-defined]
        return frame


def _forwards(block: _Block, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """The film, and then its last frame for ever."""
    number, last = -1, None
    for number, frame in enumerate(frames(block.footage, 0, min(count, block.n_frames))):
        last = frame
        yield number, frame
    if last is None:
        raise _nothing(block)
    while True:
        yield number, last


def _turning(block: _Block) -> Iterator[tuple[int, np.ndarray]]:
    """The film forwards, and backwards and forwards for ever."""
    number = -1
    for number, frame in enumerate(frames(block.footage, 0, block.n_frames)):
        if number // block.size == block.last:
            block.put(number, frame)
        yield number, frame
    if number < 0:
        raise _nothing(block)
    block.n_frames = number + 1
    while True:
        for number in range(max(0, block.n_frames - 2), -1, -1):
            block.load(number // block.size)
            yield number, block.get(number)
        block.load(0)
        for number in range(1, min(block.size, block.n_frames)):
            yield number, block.get(number)
        for number, frame in enumerate(frames(block.footage, block.size, block.n_frames - block.size), block.size):
            if number // block.size == block.last:
                block.put(number, frame)
            yield number, frame


def _nothing(block: _Block) -> BadFilmError:
    return BadFilmError(f"of {block.footage.path.name} no frame can be decoded; save it as MP4 (H.264) and try again")
