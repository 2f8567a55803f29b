"""A recording's frames as chunks once more, for files that are asked for later."""

from collections.abc import Iterator
from itertools import groupby

from atvg.animate.chunk import CHUNK, Chunk, regroup
from atvg.film.recording import Recording


def replayed(recording: Recording) -> Iterator[Chunk]:
    """All chunks of a run, read from disk one after the other, each within one shot.

    Raises:
        RecordingError: as `Recording.chunk`.
    """
    for _, stretch in groupby(range(len(recording)), recording.shot):
        yield from regroup(map(recording.chunk, stretch), CHUNK)
