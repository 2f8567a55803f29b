"""People who come to the app with photos and voices of which no two are alike, and how to tell whose a video is."""

import json
import os
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image

from tests.server import write_wav

os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")  # a hundred threads look at videos, see `encode_video`
SIDE, BAND = 256, 40  # pixels of a photo, and of the stripe of its own colour at its lower edge
LEVELS = (40, 100, 160, 220)  # of red, green and blue of a stripe: 64 colours


def colour(number: int) -> tuple[int, ...]:
    return tuple(LEVELS[number // 4**i % 4] for i in range(3))


def frames(number: int) -> int:
    return 10 + number % 7


def bring_photo(folder: Path, face: np.ndarray, number: int) -> Path:
    """A photo with its own stripe; `face` is uint8 RGB (H, W, 3)."""
    picture = np.array(Image.fromarray(face).resize((SIDE, SIDE)))
    picture[-BAND:] = colour(number)
    path = folder / f"{number}.png"
    Image.fromarray(picture).save(path)
    return path


def bring_voice(folder: Path, noise: np.ndarray, number: int) -> Path:
    """A voice of its own length, cut out of `noise`: float (N,), 16 kHz."""
    return write_wav(folder / f"{number}.wav", noise[number : number + frames(number) * 640])


def is_own(result: tuple, number: int) -> bool:
    """Whether a video shows the stripe and lasts as long as what this one sent, and its settings say so."""
    video, settings = path_in(result[0]), path_in(result[3])
    made = json.loads(Path(settings).read_text(encoding="utf-8"))["settings"]
    return made["seed"] == number and look(video) == (colour(number), frames(number))


def is_dubbed(result: tuple, number: int, voice: int) -> bool:
    """Whether a film shows the stripe of one number, and lasts as long as another's voice."""
    return look(path_in(result[0])) == (colour(number), frames(voice))


def path_in(output: dict[str, Any]) -> str:
    return output["video"]["path"] if "video" in output else output["path"]


def look(video: str) -> tuple[tuple[int, ...], int]:
    """The colour of the stripe in the first frame, as one of those there are, and the number of frames."""
    reader = imageio_ffmpeg.read_frames(video)
    width, height = next(reader)["size"]
    pictures = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    seen = pictures[0][-BAND + 8 :, : width // 2].reshape(-1, 3).mean(0)
    return tuple(min(LEVELS, key=lambda level: abs(level - value)) for value in seen), len(pictures)
