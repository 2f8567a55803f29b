"""What it costs to decode foreign files in a box (`atvg.box`): in turns with the same work outside."""

import statistics
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from atvg.bench.measure import seconds_of
from atvg.box.command import limited
from atvg.face import pixels
from atvg.face.image import load_image

_MEGAPIXELS = 12  # of a large photo, as phones take them


def time_box(photo: np.ndarray, runs: int) -> dict[str, dict[str, float]]:
    """Of a photo, of a large one and of a start of ffmpeg: median seconds ``inside`` and ``outside``, and ``price``.

    Args:
        photo: uint8 RGB (H, W, 3).
    """
    scale = (_MEGAPIXELS * 1e6 / photo[..., 0].size) ** 0.5
    picture = Image.fromarray(photo)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "photo.jpg", Path(folder) / "large.jpg"
        picture.save(small)
        picture.resize((round(picture.width * scale), round(picture.height * scale))).save(large)
        version = [imageio_ffmpeg.get_ffmpeg_exe(), "-version"]
        pairs = {
            "photo": (lambda: load_image(small), lambda: _outside(small)),
            "large photo": (lambda: load_image(large), lambda: _outside(large)),
            "start of ffmpeg": (lambda: _start(limited(version)), lambda: _start(version)),
        }
        medians = {}
        for name, both in pairs.items():
            turns = [[seconds_of(work, 1, warm=turn == 0)[0] for work in both] for turn in range(runs)]
            medians[name] = [statistics.median(column) for column in zip(*turns, strict=True)]
    return {name: {"inside": a, "outside": b, "price": a - b} for name, (a, b) in medians.items()}


def _outside(path: Path) -> None:
    with path.open("rb") as file:
        pixels.decode(file, path.name)


def _start(command: list[str]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
