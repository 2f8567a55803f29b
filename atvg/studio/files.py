"""Files that visitors bring, opened; and pictures that they get, saved."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import check_all_files_in_cache
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from atvg.dub.footage import Footage, open_footage
from atvg.dub.pace import n_film_frames
from atvg.dub.pictures import Pictures
from atvg.errors import ATVGError, BadAudioError, BadFilmError, BadImageError, TooLongError
from atvg.face.image import image_format, load_image
from atvg.face.placing import parse_place
from atvg.film.label import LABEL
from atvg.film.recording import Recording
from atvg.studio.explaining import sorry
from atvg.studio.settings import (
    FILM,
    MAX_FILM_SIDE,
    MAX_FRAMES,
    MAX_SECONDS,
    MAX_SIDE,
    PAGE,
    RECORDING,
    SHOWN,
)
from atvg.voice.audio import Cut, load_audio

Upload = dict[str, Any] | None  # how Gradio names a file, before it would open it itself


def path_of(upload: Any) -> str | None:
    """The path of an upload, or of whatever a client sent in its place; nobody has looked at it yet."""
    path = upload.get("path") if isinstance(upload, dict) else None
    return path if isinstance(path, str) and path and "\0" not in path else None


def uploads_in(inputs: Any) -> Iterator[Upload]:
    """All that is named as an upload is in what a client sent, however deep."""
    waiting = [inputs]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


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


def open_film(film: Upload) -> Footage:
    """What a film is.

    Raises:
        BadFilmError: it is none, there is none, or it has more pixels than this page takes.
        TooLongError: it is longer than `MAX_SECONDS`.
        gr.Error: it is no upload.
    """
    footage = open_footage(_allowed(film, BadFilmError(PAGE["no_film"])))
    if footage.seconds > MAX_SECONDS:
        raise TooLongError(PAGE["film_long"].format(round(footage.seconds), MAX_SECONDS))
    if max(footage.size) > MAX_FILM_SIDE:
        raise BadFilmError(PAGE["film_large"].format(*footage.size, MAX_FILM_SIDE))
    return footage


def check_frames(footage: Footage, wave: np.ndarray) -> None:
    """Whether a voice, float32 (N,) at 16 kHz, is not too long for a film of that many frames a second.

    Raises:
        TooLongError: more than `MAX_FRAMES` would have to be drawn.
    """
    if n_film_frames(wave, footage.fps) > MAX_FRAMES:
        rate = float(footage.fps)
        raise TooLongError(PAGE["film_fast"].format(f"{rate:g}", int(MAX_FRAMES / rate)))


def keep_film(footage: Footage, folder: Path) -> None:
    """Puts a film beside what is made of it: it stays as long as that, and takes no room of its own."""
    try:
        os.link(footage.path, folder / FILM)
    except OSError:  # a file system without links
        shutil.copyfile(footage.path, folder / FILM)


def open_recording(folder: Path, in_order: bool = False) -> Recording:
    """What the run in a folder left, with the pictures of its film if it is of one.

    Args:
        in_order: its chunks will be asked for one after the other.

    Raises:
        RecordingError: it is not there, or not whole.
        BadFilmError: the film cannot be read any more, if it is wanted `in_order`.
    """
    pictures = Pictures(folder / FILM)
    recording = Recording.open(folder / RECORDING, pictures)
    if in_order and recording.numbers is not None:
        return Recording.open(folder / RECORDING, pictures.in_order(recording.numbers))
    return recording


def _allowed(upload: Any, missing: ATVGError) -> str:
    """Its path, if it is an upload or an example, and not another file of this machine."""
    path = path_of(upload)
    if path is None:
        raise missing
    if path.startswith(("http://", "https://")):
        raise type(missing)(PAGE["no_address"])
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
