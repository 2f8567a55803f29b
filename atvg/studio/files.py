"""Files that visitors bring, opened; and pictures that they get, saved."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import check_all_files_in_cache
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from atvg.errors import ATVGError, BadAudioError, BadImageError
from atvg.face.image import image_format, load_image
from atvg.face.placing import parse_place
from atvg.film.label import LABEL
from atvg.studio.explaining import sorry
from atvg.studio.settings import MAX_SECONDS, MAX_SIDE, PAGE, SHOWN
from atvg.voice.audio import Cut, load_audio

Upload = dict[str, Any] | None  # how Gradio names a file, before it would open it itself


def path_of(upload: Any) -> str | None:
    """The path of an upload, or of whatever a client sent in its place; nobody has looked at it yet."""
    path = upload.get("path") if isinstance(upload, dict) else None
    return path if isinstance(path, str) and path and "\0" not in path else None


def open_photo(photo: Upload) -> tuple[np.ndarray, float]:
    """The picture, uint8 RGB (H, W, 3), not larger than `MAX_SIDE`, and the scale it was shrunk by.

    Raises:
        BadImageError: it is none, or there is none.
        gr.Error: it is no upload.
    """
    image = Image.fromarray(load_image(_allowed(photo, BadImageError(PAGE["no_photo"]))))
    width = image.width
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(image), image.width / width


def is_shown(photo: Upload) -> bool:
    """Whether browsers show a photo as it was brought.

    Raises:
        BadImageError, gr.Error: as `open_photo`.
    """
    return image_format(_allowed(photo, BadImageError(PAGE["no_photo"]))) in SHOWN


def turned_copy(photo: Upload, quarters: int, folder: Path) -> str:
    """A JPEG of a photo in all its pixels, turned so many quarters counter-clockwise.

    Raises:
        BadImageError, gr.Error: as `open_photo`.
    """
    image = load_image(_allowed(photo, BadImageError(PAGE["no_photo"])))
    path = folder / "photo.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(image, quarters))).save(path, quality=95, subsampling=0)
    return str(path)


def open_voice(audio: Upload, start: float | None = None, end: float | None = None) -> tuple[Cut, np.ndarray]:
    """The sound from `start` to `end`, seconds, as a part of its file, and its float32 samples (N,) at 16 kHz.

    Fields that were left empty say nothing.

    Raises:
        BadAudioError: it is none, or there is none.
        TooLongError: it is longer than `MAX_SECONDS`.
        BadSettingError: start and end are no seconds, or the wrong way round.
        gr.Error: it is no upload.
    """
    voice = Cut(_allowed(audio, BadAudioError(PAGE["no_voice"])), start or 0, end)
    return voice, load_audio(voice, MAX_SECONDS)


def _allowed(upload: Any, missing: ATVGError) -> str:
    """Its path, if it is an upload or an example, and not another file of this machine."""
    path = path_of(upload)
    if path is None:
        raise missing
    try:
        check_all_files_in_cache(upload)  # Gradio forgets to, for images not marked as uploads
    except gr.Error as error:
        raise sorry(str(error.message)) from None
    except (OSError, RuntimeError, ValueError):  # a name that no file can have, or a link to itself
        raise missing from None
    return path


def typed_place(box: str | None, points: str | None, scale: float) -> dict[str, list[float]]:
    """What was typed about the place of the face, as keyword arguments of `read_face`; empty fields say nothing.

    Raises:
        BadSettingError: something else than numbers was typed.
    """
    box, points = (str(text or "").strip() or None for text in (box, points))
    return parse_place(box, points, scale)


def save_png(picture: np.ndarray, path: Path, made: bool = True) -> str:
    """Writes a PNG; unless a person made what it shows, it says so in the file."""
    info = PngInfo()
    if made:
        info.add_itxt("Comment", f"{LABEL} (ATVG)")
    Image.fromarray(picture).save(path, pnginfo=info, compress_level=1)  # a third of the time, a fifth larger
    return str(path)
