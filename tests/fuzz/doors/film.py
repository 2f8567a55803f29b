"""A film that is to speak anew. ffmpeg decodes it in a process apart, which no coverage is measured in."""

import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from atvg.dub.footage import LEAST_RATE, LEAST_SIDE, MOST_RATE, frames, open_footage
from tests.bad_inputs import ffmpeg
from tests.fuzz.harness import laid

SECONDS, EXAMPLES = 20, 3
FRAMES = 3  # that are read from the beginning, and once more from within
KINDS: dict[str, tuple[str, ...]] = {
    "mp4": ("-pix_fmt", "yuv420p"), "mkv": (), "avi": (), "webm": (), "ts": ("-c:v", "mpeg2video"), "flv": (),
    "mov": ("-c:v", "mjpeg", "-vf", "setsar=4/3"), "mpg": (),
}  # fmt: skip


@cache
def seeds() -> list[bytes]:
    """A second and a half of a test picture in several containers."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for ending, options in KINDS.items():
            path = Path(folder) / f"film.{ending}"
            ffmpeg("-f", "lavfi", "-i", "testsrc=size=80x64:rate=25:duration=1.5", *options, path)
            made.append(path.read_bytes())
    return made


def one(data: bytes) -> None:
    """Opens it, and reads its first frames and some from its middle."""
    film = open_footage(laid("film", data))
    assert min(film.size) >= LEAST_SIDE and LEAST_RATE <= film.fps <= MOST_RATE and film.seconds >= 0
    for first in (0, 30):
        for frame in islice(frames(film, first, FRAMES), FRAMES):
            assert frame.dtype == np.uint8 and frame.shape == (film.size[1], film.size[0], 3)
