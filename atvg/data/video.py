"""A clip's file → its frames at 25 a second, or why it cannot be used."""

import math
import os
from typing import Any

import numpy as np

from atvg.box import decoders
from atvg.box.command import Limits
from atvg.config import FPS
from atvg.data import frames

MIN_FRAMES = 15
MAX_FRAMES = 60 * FPS  # of a longer clip the first minute is kept
BREAKS_OFF = 0.9  # share of the announced frames and seconds; a decoder that ends before has met damage
_MOST = MAX_FRAMES * 1920 * 1080 * 3  # bytes
_SECONDS = 600.0  # for a clip
_LIMITS = Limits(cpu=1200, files=32)


class Unusable(Exception):
    """Why a clip is left out; becomes a line of the report."""


def read_frames(path: str) -> np.ndarray:
    """Decodes a clip at 25 fps (nearest frame in time), uint8 RGB (T, H, W, 3), in a box.

    Raises:
        Unusable: with the reason.
    """
    from atvg.voice.decoding import announced_seconds, containers

    _check_file(path)
    try:
        said, data = decoders.run(
            frames.decode, path, _MOST, seconds=_SECONDS, limits=_LIMITS, names=True,
            path=os.path.abspath(path), containers=containers(), most=MAX_FRAMES,
        )  # fmt: skip
        shape = _checked(said, len(data))
    except (decoders.Refused, decoders.Broken, OSError) as error:
        raise Unusable(f"not readable as a video: {error}") from None
    read, announced = said["read"], said["announced"]
    if shape[0] < MIN_FRAMES:
        raise Unusable(f"shorter than {MIN_FRAMES} frames")
    # Of a clip that was cut without encoding it anew, frames before the cut are counted that nobody is to see.
    if said["ended"] and read < BREAKS_OFF * announced and read / said["fps"] < BREAKS_OFF * announced_seconds(path):
        raise Unusable(f"damaged: it breaks off after {read} of {announced:.0f} frames")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _checked(said: Any, size: int) -> list[int]:
    """The shape of the frames, if all that is said of them can be true."""
    fps = said.get("fps", "") if isinstance(said, dict) else ""
    if fps is None:
        raise Unusable("not readable as a video")
    if not isinstance(fps, float):
        raise decoders.Broken("it died")
    if not frames.FEWEST_FPS <= fps <= frames.MOST_FPS:
        raise Unusable(
            f"not readable as a video of {fps:g} frames a second; {frames.FEWEST_FPS} to {frames.MOST_FPS} are"
        )
    shape, counts = said.get("shape"), [said.get("read"), said.get("announced")]
    if not (isinstance(shape, list) and [type(length) for length in shape] == [int] * 4 and math.prod(shape) == size):
        raise decoders.Broken("it died")
    if [type(count) for count in counts] != [int, float] or min(shape) < 0 or shape[3] != 3 or "ended" not in said:
        raise decoders.Broken("it died")
    return shape


def _check_file(path: str) -> None:
    """OpenCV says of nothing why it cannot be read, and waits for ever for somebody to write into a pipe."""
    if not os.path.isfile(path):
        raise Unusable("not readable as a video: it is not a file")
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise Unusable("not readable as a video: it is empty")
    except OSError as error:
        raise Unusable(f"not readable as a video: {error.strerror}") from None
