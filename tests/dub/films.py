"""Films of the tests' portraits, and what becomes of them."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from atvg.dub.dub import Dub
from atvg.film.paste import Paster

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "12")


def ffmpeg(*arguments, feed: bytes | None = None) -> bytes:
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, input=feed, check=True, stdout=subprocess.PIPE).stdout


def save(path: Path, pictures: Iterable[np.ndarray], rate: object = 25, options: tuple = H264) -> Path:
    """Frames (H, W, 3) uint8 RGB → a film without sound."""
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0", *options, path,
        feed=b"".join(np.ascontiguousarray(picture).tobytes() for picture in pictures),
    )  # fmt: skip
    return path


def drawn(dub: Dub) -> tuple[np.ndarray, np.ndarray]:
    """The film's frames that a dub draws over, and what it makes of them before they are encoded: (T, H, W, 3) each."""
    paster, filmed, made = Paster(dub.talker.face), [], []
    for chunk in dub.chunks():
        filmed += [scene.picture for scene in chunk.scenes]
        made += [picture.copy() for picture in paster.paste(chunk)]
    return np.stack(filmed), np.stack(made)


def heard(path: Path) -> np.ndarray:
    """The sound of a film, float32 (N,) at 16 kHz, mono."""
    return np.frombuffer(ffmpeg("-i", path, "-map", "0:a:0", "-ac", 1, "-ar", 16_000, "-f", "f32le", "-"), np.float32)
