"""Chunks → files: the finished video, the panels and the arrays, written while the frames are still being made."""

import contextlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

from atvg.animate.chunk import Chunk, join
from atvg.config import FPS
from atvg.errors import BadSettingError
from atvg.face.face import Face
from atvg.film.ahead import ahead
from atvg.film.close_up import CloseUp
from atvg.film.composition import Composition
from atvg.film.label import label, stamp
from atvg.film.output import check_output, unwritable
from atvg.film.panels import PanelRenderer
from atvg.film.paste import Paster
from atvg.film.video import VideoWriter
from atvg.voice.audio import Audio, load_audio

FRAMES = ("full", "face", "crop")
_SAVED = ("frames", "attention", "motion", "landmarks", "codes")


def render(
    face: Face,
    chunks: Iterable[Chunk],
    audio: Audio,
    path: str | os.PathLike,
    frame: str = "full",
    panels: str | os.PathLike | None = None,
    arrays: str | os.PathLike | None = None,
) -> int:
    """Writes every file that is asked for in one pass over `chunks`; none of them stays if anything goes wrong.

    Args:
        face: the face the chunks were drawn from, already turned.
        audio: the sound of the video; a path keeps its own quality.
        path: MP4 of the whole photo (``frame="full"``), of a square close-up of the face at the photo's own resolution,
            at most 512 px (``"face"``, see `atvg.film.close_up`), or of the network's 128×128 crop (``"crop"``).
        panels: MP4 of landmarks, attention, motion and result side by side.
        arrays: NPZ of all frames, attention, motion, landmarks and codes; the only output whose memory grows with time.

    Returns:
        the number of frames.

    Raises:
        OutputError: a file cannot be written.
        BadSettingError: unknown ``frame``.
    """
    return max(done for done, _ in rendering(face, chunks, audio, path, frame, panels, arrays))


def rendering(
    face: Face,
    chunks: Iterable[Chunk],
    audio: Audio,
    path: str | os.PathLike,
    frame: str = "full",
    panels: str | os.PathLike | None = None,
    arrays: str | os.PathLike | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """`render`, step by step: after each chunk the number of frames done, and the newest picture, (H, W, 3) uint8 RGB.

    The files are whole when the iterator has ended; if it is closed before, none of them stays.
    """
    if frame not in FRAMES:
        raise BadSettingError(f"frame is {frame!r}; choose from: {', '.join(FRAMES)}")
    sound = load_audio(audio) if isinstance(audio, tuple) else audio
    paths = [check_output(path), *([check_output(panels)] if panels else [])]
    arrays = check_output(arrays, ".npz") if arrays else None
    if len({p.resolve() for p in paths}) < len(paths):
        raise BadSettingError("the video and the panels cannot be the same file; give two names")
    close_up = CloseUp.of(face)
    square = (close_up.side, close_up.side)
    width, height = {"full": face.photo.shape[1::-1], "face": square, "crop": face.crop.shape[1::-1]}[frame]
    paster = Paster(face) if panels or frame != "crop" else None
    drawer = PanelRenderer(face) if panels else None
    kept: list[Chunk] = []
    made: list[Path] = []
    done = 0
    with contextlib.ExitStack() as stack:
        # Pushed first and so asked last: if one file fails at its very end, the others go again.
        stack.push(lambda kind, error, trace: _remove(made) if kind else None)
        video = stack.enter_context(VideoWriter(path, (width, height), sound))
        if panels:  # noted when it is whole, which is before the video is
            stack.push(lambda kind, error, trace: None if kind else made.append(Path(panels)))
        side = stack.enter_context(VideoWriter(panels, PanelRenderer.size, sound)) if panels else None
        for chunk in stack.enter_context(contextlib.closing(ahead(iter(chunks)))):
            crops = zip(chunk.frames, repeat(None), strict=False)
            composing: Iterable[tuple[np.ndarray, Composition | None]] = paster.frames(chunk) if paster else crops
            for t, (pasted, composed) in enumerate(composing):
                if side is not None and drawer is not None:
                    side.write(label(drawer.render(chunk, t, pasted, composed)[None]))
                if frame == "crop":
                    picture = chunk.frames[t].copy()
                else:
                    picture = pasted if frame == "full" else close_up.shrunk(pasted)
                stamp(picture[None])
                video.write(picture[None])
            if arrays:
                kept.append(chunk)
            done += len(chunk)
            yield done, picture
        if arrays:
            save_arrays(arrays, face, kept)
            made.append(arrays)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def save_arrays(path: Path, face: Face, chunks: list[Chunk]) -> None:
    """Writes what `chunks` hold, the photo's landmarks in the crop, and the 2×3 matrix photo → crop.

    ``photos``, the turned crop of each frame, is among them only where the head moves.
    """
    half = path.with_name(f".{path.name}.half")
    joined = join(chunks)
    values = {name: joined[name] for name in (*_SAVED, *(["photos"] if joined["turns"] else []))}
    try:
        # Not np.savez: on a full disk it leaves an archive that complains once more when it is garbage.
        with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
            more = {"example_landmarks": face.crop_landmarks[:, :2], "matrix": face.matrix, "fps": np.int64(FPS)}
            for name, value in (values | more).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
        half.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        half.unlink(missing_ok=True)
