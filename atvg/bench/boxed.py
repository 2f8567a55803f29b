"""What it costs to decode foreign files in a box (`atvg.box`): in turns with the same work outside."""

import contextlib
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from atvg.bench.measure import exhaust, seconds_of
from atvg.bench.samples import sample_voice
from atvg.box import command, program
from atvg.config import FPS, SAMPLE_RATE
from atvg.dub.footage import frames, open_footage
from atvg.face.image import load_image
from atvg.film.video import VideoWriter
from atvg.voice import speak
from atvg.voice.audio import load_audio

RUNS = 20
_MEGAPIXELS = 12  # of a large photo, as phones take them
_SOUND, _FILM = 10, 2  # seconds
_SOUNDS = ("wav", "mp3", "m4a")
_SENTENCE = "The box that reads what strangers bring costs a moment for every file."


def time_box(photo: np.ndarray, runs: int = RUNS) -> dict[str, dict[str, float]]:
    """By what is brought: median seconds ``inside`` and ``outside``, and ``price``, what the former takes longer.

    That are a photo, a photo of 12 megapixels, 10 s of sound in several formats, a film of 2 s, from the file to its
    last frame, a sentence that is spoken, and nothing: a start of ffmpeg.

    Args:
        photo: uint8 RGB (H, W, 3).
    """
    scale = (_MEGAPIXELS * 1e6 / photo[..., 0].size) ** 0.5
    picture = Image.fromarray(photo)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large, film = folder / "photo.jpg", folder / "large.jpg", folder / "film.mp4"
        picture.save(small)
        picture.resize((round(picture.width * scale), round(picture.height * scale))).save(large)
        voice = sample_voice(_SOUND)
        with VideoWriter(film, (photo.shape[1], photo.shape[0])) as writer:
            writer.write(np.broadcast_to(photo, (_FILM * FPS, *photo.shape)))
        for kind in _SOUNDS:
            _record(voice, folder / f"voice.{kind}")
        works: dict[str, Callable[[], object]] = {
            "photo": partial(_look, small), "large photo": partial(_look, large),
            **{f"sound ({kind})": partial(load_audio, folder / f"voice.{kind}") for kind in _SOUNDS},
            "film": partial(_watch, film), "sentence": partial(speak.say, _SENTENCE),
            "start of ffmpeg": partial(program.run, [imageio_ffmpeg.get_ffmpeg_exe(), "-version"]),
        }  # fmt: skip
        medians = {}
        for kind, work in works.items():
            turns = []
            for turn in range(runs):
                inside = seconds_of(work, 1, warm=turn == 0)
                with _outside():
                    turns.append(inside + seconds_of(work, 1, warm=turn == 0))
            medians[kind] = [statistics.median(column) for column in zip(*turns, strict=True)]
    return {name: {"inside": a, "outside": b, "price": a - b} for name, (a, b) in medians.items()}


@contextlib.contextmanager
def _outside() -> Iterator[None]:
    here = command.HERE
    command.HERE = False
    try:
        yield
    finally:
        command.HERE = here


def _look(path: Path) -> None:
    if command.HERE:
        load_image(path)
        return
    with Image.open(path) as image:  # and not by a process of its own, as on other systems
        load_image(image)


def _watch(path: Path) -> None:
    exhaust(frames(open_footage(path)))


def _record(voice: np.ndarray, path: Path) -> None:
    line = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1",
        "-i", "pipe:0", path,
    ]  # fmt: skip
    subprocess.run(line, input=voice.tobytes(), check=True)
