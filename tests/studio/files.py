"""Files that are brought to the app, and those that it gives."""

from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from gradio_client import handle_file
from PIL import Image

SECONDS = 0.8  # of the voice in most tests


def bring(picture: np.ndarray, path: Path) -> Any:
    """A picture, saved and ready to be uploaded."""
    Image.fromarray(picture).save(path)
    return handle_file(path)


def listed(numbers: Any) -> str:
    """A place in a photo, as it is typed."""
    return ", ".join(map(str, np.ravel(numbers)))


def path_of(output: Any) -> Path:
    """Where an output lies on the server."""
    return Path(output["video"]["path"] if "video" in output else output["path"])


def size_of(video: Path) -> tuple[int, int]:
    """Width and height."""
    reader = imageio_ffmpeg.read_frames(video)
    size = next(reader)["size"]
    reader.close()
    return size
