"""The still that stands for a video until it is played: the face as it speaks, not as it rests."""

import io
import os
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from atvg.box import program
from atvg.config import FPS
from atvg.errors import OutputError
from atvg.face.landmarks import mouth_opening
from atvg.film.output import check_output, unwritable
from atvg.film.video import COMMENT

_SOON = 3  # seconds in which it is chosen, so that it belongs to the beginning


def speaking(landmarks: np.ndarray, fps: Fraction = Fraction(FPS)) -> int:
    """Of the first three seconds the frame with the widest mouth.

    Args:
        landmarks: (T, 68, 2).
    """
    return int(mouth_opening(landmarks[: max(1, int(_SOON * fps))]).argmax())


def save_poster(
    path: str | os.PathLike, video: str | os.PathLike, frame: int, fps: Fraction = Fraction(FPS)
) -> Path:  # fmt: skip
    """Writes one frame of a video of ours as a JPEG, with its label, and returns the absolute path.

    Raises:
        OutputError: `path` does not end in ``.jpg`` or cannot be written, or the video has no such frame.
    """
    path = check_output(path, ".jpg")
    # A quarter of a frame early, for times are rounded.
    seek = ["-ss", f"{float(max(0, frame - 0.25) / fps):.4f}", "-i", str(video)]
    as_png = ["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"]
    try:
        out, _ = program.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *seek, *as_png], [video])
        picture = Image.open(io.BytesIO(out)).convert("RGB")
    except (OSError, program.Killed):
        raise OutputError(f"{Path(video).name} has no frame {frame}; make it again") from None
    try:
        picture.save(path, quality=88, comment=COMMENT)
    except OSError as error:
        raise unwritable(path, error) from None
    return path
