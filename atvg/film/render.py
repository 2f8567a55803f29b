"""Chunks → files: the finished video, the panels and the arrays, written while the frames are still being made."""

import contextlib
import os
import zipfile
from collections.abc import Generator, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from atvg.animate.chunk import Chunk, join
from atvg.config import FPS
from atvg.face.face import Face
from atvg.film.ahead import ahead
from atvg.film.colour import Colour
from atvg.film.output import Outputs, outputs, unwritable
from atvg.film.reel import Reel
from atvg.voice.audio import Audio, sound_of

_SAVED = ("frames", "attention", "motion", "landmarks", "codes")


def render(
    face: Face,
    chunks: Iterable[Chunk],
    audio: Audio,
    path: str | os.PathLike | Outputs,
    frame: str = "full",
    panels: str | os.PathLike | None = None,
    arrays: str | os.PathLike | None = None,
    fps: Fraction = Fraction(FPS),
    colour: Colour | None = None,
) -> int:
    """Writes every file that is asked for in one pass over `chunks`; none of them stays if anything goes wrong.

    Args:
        face: the face the chunks were drawn from, already turned.
        audio: the sound of the video; a path, or a `Cut` of one, keeps its own quality.
        path: MP4 of the whole photo (``frame="full"``), of the face's close-up (``"face"``) or of the network's crop
            (``"crop"``); or all `Outputs`, which say what those are, and what panels and arrays are.
        fps, colour: those of the film, if it is one that is dubbed.

    Returns:
        the number of frames.

    Raises:
        OutputError: a file cannot be written.
        BadSettingError: unknown ``frame``, or one name for two files.
    """
    return max(done for done, _ in rendering(face, chunks, audio, path, frame, panels, arrays, fps, colour))


def rendering(
    face: Face,
    chunks: Iterable[Chunk],
    audio: Audio,
    path: str | os.PathLike | Outputs,
    frame: str = "full",
    panels: str | os.PathLike | None = None,
    arrays: str | os.PathLike | None = None,
    fps: Fraction = Fraction(FPS),
    colour: Colour | None = None,
) -> Generator[tuple[int, np.ndarray], None, None]:
    """`render`, step by step: after each chunk the number of frames done, and the newest picture, (H, W, 3) uint8 RGB.

    Of several pictures it is the close-up, or else the whole photo. The files are whole when the iterator has ended; if
    it is closed before, none of them stays.
    """
    wanted = path if isinstance(path, Outputs) else outputs(path, frame, panels=panels, arrays=arrays)
    reel = Reel(face, wanted, sound_of(audio), fps, colour)
    kept: list[Chunk] = []
    made: list[Path] = []
    done = 0
    with contextlib.ExitStack() as stack:
        # Pushed first and so asked last: if one file fails at its very end, the others go again.
        stack.push(lambda kind, error, trace: _remove(made) if kind else None)
        for writer in reel.writers.values():
            # Noted when it is whole, which is before those that were opened earlier are.
            stack.push(lambda kind, error, trace, path=writer.path: None if kind else made.append(path))
            stack.enter_context(writer)
        for chunk in stack.enter_context(contextlib.closing(ahead(iter(chunks)))):
            picture = reel.write(chunk)
            if wanted.arrays:
                kept.append(chunk)
            done += len(chunk)
            yield done, picture
        if wanted.arrays:
            path = Path(wanted.arrays)
            save_arrays(path, face, kept, fps)
            made.append(path)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def save_arrays(path: Path, face: Face, chunks: list[Chunk], fps: Fraction = Fraction(FPS)) -> None:
    """Writes what `chunks` hold, the photo's landmarks in the crop, and the 2×3 matrix photo → crop.

    ``photos``, the turned crop of each frame, is among them only where the head moves.
    """
    half = path.with_name(f".{path.name}.half")
    joined = join(chunks)
    values = {name: joined[name] for name in (*_SAVED, *(["photos"] if joined["turns"] or joined["scenes"] else []))}
    try:
        # Not np.savez: on a full disk it leaves an archive that complains once more when it is garbage.
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
            more = {
                "example_landmarks": face.crop_landmarks[:, :2],
                "matrix": face.matrix,
                "fps": np.int64(int(fps)) if fps.denominator == 1 else np.float64(float(fps)),
            }
            for name, value in (values | more).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
        half.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        half.unlink(missing_ok=True)
