"""A recording's frames as chunks once more, for files that are asked for later."""

from collections.abc import Iterator

from atvg.animate.chunk import CHUNK, Chunk, regroup
from atvg.film.recording import Recording


def replayed(recording: Recording) -> Iterator[Chunk]:
    """All chunks of a run, read from disk one after the other."""
    return regroup((recording.chunk(t) for t in range(len(recording))), CHUNK)
