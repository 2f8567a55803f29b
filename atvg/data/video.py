"""A clip's file → its frames at 25 a second, or why it cannot be used."""

import os

import cv2
import numpy as np

from atvg.config import FPS

MIN_FRAMES = 15
MAX_FRAMES = 60 * FPS  # of a longer clip the first minute is kept
BREAKS_OFF = 0.9  # share of the announced frames and seconds; a decoder that ends before has met damage


class Unusable(Exception):
    """Why a clip is left out; becomes a line of the report."""


def read_frames(path: str) -> np.ndarray:
    """Decodes a clip at 25 fps (nearest frame in time), uint8 RGB (T, H, W, 3)."""
    _check_file(path)
    video = cv2.VideoCapture(path)
    fps = video.get(cv2.CAP_PROP_FPS)
    if not video.isOpened():
        raise Unusable("not readable as a video")
    if not 5 <= fps <= 240:
        raise Unusable(f"not readable as a video of {fps:g} frames a second; 5 to 240 are")
    announced = video.get(cv2.CAP_PROP_FRAME_COUNT)
    frames: list[np.ndarray] = []
    read = 0
    while len(frames) < MAX_FRAMES:
        wanted = int((len(frames) + 0.5) / FPS * fps)
        while read <= wanted:
            ok, frame = video.read()
            if not ok:
                break
            read += 1
        if not ok:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    video.release()
    if len(frames) < MIN_FRAMES:
        raise Unusable(f"shorter than {MIN_FRAMES} frames")
    # Of a clip that was cut without encoding it anew, frames before the cut are counted that nobody is to see.
    if not ok and read < BREAKS_OFF * announced and read / fps < BREAKS_OFF * _announced_seconds(path):
        raise Unusable(f"damaged: it breaks off after {read} of {announced:.0f} frames")
    return np.stack(frames)


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


def _announced_seconds(path: str) -> float:
    """How long a clip says that it is, 0 if it does not."""
    import imageio_ffmpeg

    frames = imageio_ffmpeg.read_frames(path)
    try:
        return next(frames).get("duration", 0.0)
    except (OSError, RuntimeError, StopIteration):
        return 0.0
    finally:
        frames.close()
