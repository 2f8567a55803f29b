"""What one run leaves on disk, so that any frame of it can be looked at later; memory does not grow with the sound."""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atvg.animate.chunk import Chunk, Scene
from atvg.config import FPS, SAMPLE_RATE
from atvg.errors import BadSettingError, DiskFullError, OutputError, RecordingError
from atvg.face.face import Face
from atvg.film.growing import GrowingArray
from atvg.film.kept import FACE, STREAMED, TURN, WHOLE, array_file, check, check_scenes, mapped
from atvg.film.scenes import SCENE, Mouth, Mouths, mouth_files, read_mouth, scene_of
from atvg.motion.teeth import Teeth
from atvg.motion.turn import HeadTurn
from atvg.scratch import is_full

_INDEX = "recording.json"  # written last: where it lies, everything else does
_SCENES = "scenes"  # of a film alone
_TEETH = "teeth.npz"  # what lies behind a photo's lips; nothing is in it if the network draws without layers
_GONE = "that run is no longer here; generate it again"


class Recorder:
    """Lets chunks pass and writes them down: one raw .npy, to be memory-mapped, per array in `folder`.

    ::

        for chunk in Recorder(folder, wave, beta, n_frames, face).watch(chunks):
            ...
        moment = Recording.open(folder)[7]

    Args:
        folder: made if missing; an older recording in it is replaced.
        wave: float32 samples (N,), 16 kHz; its envelope is kept.
        beta: β of the weights that drew the chunks.
        expected_frames: how many are to come; the files say so until the true number is known.
        face: that the chunks were drawn from, already turned; of a film, in one of its frames.
        fps: frames a second.
    """

    def __init__(
        self, folder: Path, wave: np.ndarray, beta: float, expected_frames: int, face: Face,
        fps: Fraction = Fraction(FPS),
    ):  # fmt: skip
        self._folder, self._wave, self._face, self._fps = Path(folder), wave, face, fps
        self._beta, self._expected, self._mouths = float(beta), expected_frames, Mouths(Path(folder))
        self._arrays: dict[str, GrowingArray] = {}

    def watch(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The same chunks. Unless they are taken to their end, nothing stays on disk.

        Raises:
            OutputError: the folder cannot be written.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self._discard, self._folder.exists())
            done, teeth = 0, None
            for chunk in chunks:
                with self._complaining():
                    self._write(chunk)
                done, teeth = done + len(chunk), chunk.teeth
                yield chunk
            if done:
                with self._complaining():
                    self._finish(done, teeth)
                undo.pop_all()

    def _write(self, chunk: Chunk) -> None:
        if not self._arrays:
            self._folder.mkdir(exist_ok=True)
            self._remove()  # and not overwrite: whoever has an older recording mapped keeps reading that
            kinds = {name: kind for name, (kind, _) in STREAMED.items()} | ({_SCENES: SCENE} if chunk.scenes else {})
            for name, kind in kinds.items():
                self._arrays[name] = GrowingArray(array_file(self._folder, name), kind, self._expected)
        for name, array in self._arrays.items():
            values = self._mouths.rows(chunk) if name == _SCENES else getattr(chunk, name)
            if name == "photos" and not (chunk.turns or chunk.scenes):  # one and the same picture, T times
                values = values[: 0 if array.length else 1]
            elif name == "turns":
                values = np.array([(turn.low, turn.size, turn.shift, turn.landmarks) for turn in values], TURN)
            array.append(values)

    def _finish(self, n_frames: int, teeth: Teeth | None) -> None:
        for array in self._arrays.values():
            array.finish()
        np.save(array_file(self._folder, "envelope"), envelope(self._wave, n_frames, self._fps))
        for name, values in zip(FACE, (self._face.photo, self._face.landmarks, self._face.mesh), strict=True):
            np.save(array_file(self._folder, name), np.asarray(values, FACE[name]))
        film = _SCENES in self._arrays
        kept = teeth._asdict() if teeth and not film else {}
        np.savez(self._folder / _TEETH, **{name: part.numpy() for name, part in kept.items()})
        index = {"beta": self._beta, "frames": n_frames} | ({"fps": str(self._fps)} if film else {})
        (self._folder / _INDEX).write_text(json.dumps(index))

    def _discard(self, keep_folder: bool) -> None:
        for array in self._arrays.values():
            with contextlib.suppress(OSError):  # on a full disk, closing fails too
                array.close()
        with contextlib.suppress(OSError):  # gone already, or somebody keeps other files in it
            self._remove()
            if not keep_folder:
                self._folder.rmdir()

    def _remove(self) -> None:
        (self._folder / _INDEX).unlink(missing_ok=True)
        for name in (*(f"{name}.npy" for name in (*STREAMED, _SCENES, *WHOLE)), _TEETH):
            (self._folder / name).unlink(missing_ok=True)
        for path in mouth_files(self._folder):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise (DiskFullError if is_full(error) else OutputError)(
                f"cannot write into {self._folder} ({reason}); check the folder and the free space"
            ) from None


@dataclass(frozen=True)
class Moment:
    """One frame of a run: ``frame = attention · motion + (1 − attention) · photo``, to within one grey level.

    Attributes:
        photo: (128, 128, 3) uint8 RGB, the face's crop with its head turned, or that of the film's frame.
        attention: (128, 128) float32 in [0, 1].
        motion, frame: (128, 128, 3) uint8 RGB.
        landmarks: (68, 2) float32 crop pixels.
        seconds: since the clip's start.
    """

    photo: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    frame: np.ndarray
    landmarks: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Recording:
    """A run written down by `Recorder`; ``recording[t]`` reads no more than frame t from disk.

    Attributes:
        beta: β of the weights that drew it.
        face: that it was drawn from; of a film, in one of its frames.
        teeth: what lies behind the lips of a photo; None if the network draws without layers.
        landmarks: (T, 68, 2) float32 crop pixels, what VG-net was asked for.
        codes: (T, K) float32, AT-net's output after gain and smoothing.
        envelope: (T,) float32, peak of the sound of each frame.
        maps: the other arrays by name, (T, …); ``photos`` has one entry if the head stayed still, and ``turns`` none.
        fps: frames a second.
        numbers: (T,) which of the film's frames each is; None of a photo.
    """

    beta: float
    face: Face
    teeth: Teeth | None
    landmarks: np.ndarray
    codes: np.ndarray
    envelope: np.ndarray
    maps: dict[str, np.ndarray]
    fps: Fraction
    folder: Path
    scenes: np.ndarray | None
    picture_of: Callable[[int], np.ndarray] | None

    @classmethod
    def open(
        cls, folder: str | os.PathLike, picture_of: Callable[[int], np.ndarray] | None = None
    ) -> "Recording":  # fmt: skip
        """The recording in a folder, memory-mapped.

        Args:
            picture_of: of a film gives the frame of a number, (H, W, 3) uint8 RGB, which `chunk` needs.

        Raises:
            RecordingError: it is not there, or not whole.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / _INDEX).read_text())
            arrays = {name: mapped(folder, name) for name in (*STREAMED, *WHOLE)}
            check(arrays, index["frames"])
            beta, face = float(index["beta"]), Face(*(np.asarray(arrays.pop(name)) for name in FACE))
            with np.load(folder / _TEETH) as parts:
                teeth = Teeth(**{name: torch.from_numpy(parts[name]) for name in parts}) if parts.files else None
            fps, scenes = Fraction(index.get("fps", FPS)), mapped(folder, _SCENES) if "fps" in index else None
            if scenes is not None:
                check_scenes(folder, scenes, index["frames"])
        except Exception:  # damage shows itself in many ways, and there is one remedy
            raise RecordingError(_GONE) from None
        plain = {name: arrays.pop(name) for name in ("landmarks", "codes", "envelope")}
        return cls(
            beta=beta, face=face, teeth=teeth, maps=arrays, fps=fps, folder=folder, scenes=scenes,
            picture_of=picture_of, **plain,
        )  # fmt: skip

    @property
    def example(self) -> np.ndarray:
        """(68, 2) float32 crop pixels, the photo's own landmarks."""
        return self.face.crop_landmarks[:, :2]

    @property
    def numbers(self) -> np.ndarray | None:
        return None if self.scenes is None else self.scenes["number"]

    def __len__(self) -> int:
        return len(self.landmarks)

    def __getitem__(self, t: int) -> Moment:
        """Frame t, copied.

        Raises:
            BadSettingError: there is no such frame.
        """
        parts = self._parts(t)
        photo, attention, motion, frame = (parts[name][0] for name in ("photos", "attention", "motion", "frames"))
        return Moment(photo, attention, motion, frame, np.array(self.landmarks[t]), seconds=float(int(t) / self.fps))

    def shot(self, t: int) -> int:
        """Which shot of a film frame t is of; of a photo there is one."""
        return 0 if self.scenes is None else int(self.scenes["mouth"][t])

    def chunk(self, t: int) -> Chunk:
        """Frame t as the animator drew it, copied.

        Raises:
            BadSettingError: there is no such frame.
            RecordingError: it is one of a film, and there is no `picture_of`, or its mouth is gone.
        """
        parts, one = self._parts(t), slice(t, t + 1)
        turns = tuple(HeadTurn(*turn) for turn in parts.pop("turns"))
        teeth = self.teeth
        scenes: tuple[Scene, ...] = ()
        if self.scenes is not None:
            if self.picture_of is None:
                raise RecordingError("that run is of a film: give picture_of, which reads the film's frames")
            mouth, row = self._mouth(t), self.scenes[t]
            teeth, scenes = mouth.teeth, (scene_of(row, self.picture_of(int(row["number"])), mouth),)
        return Chunk(
            start=int(t), turns=turns, teeth=teeth, landmarks=np.array(self.landmarks[one]),
            codes=np.array(self.codes[one]), **parts, scenes=scenes,
        )  # fmt: skip

    def _mouth(self, t: int) -> Mouth:
        try:
            return read_mouth(self.folder, self.shot(t))
        except Exception:  # as of the arrays
            raise RecordingError(_GONE) from None

    def _parts(self, t: int) -> dict[str, Any]:
        """What `maps` hold of frame t, (1, …) each."""
        if isinstance(t, bool) or not isinstance(t, (int, np.integer)) or not 0 <= t < len(self):
            raise BadSettingError(f"frame is {t!r}; give a whole number from 0 to {len(self) - 1}")
        at = {name: slice(t, t + 1) if len(array) == len(self) else slice(0, 1) for name, array in self.maps.items()}
        parts = {name: np.array(array[at[name]]) for name, array in self.maps.items()}
        return parts | {name: parts[name].astype(np.float32) for name in ("attention", "shift")}


def envelope(wave: np.ndarray, n_frames: int, fps: Fraction = Fraction(FPS)) -> np.ndarray:
    """Peak of each video frame's own samples (N,) at 16 kHz, float32 (n_frames,); silence where there are none."""
    edges = np.arange(n_frames + 1) * SAMPLE_RATE * fps.denominator // fps.numerator
    padded = np.zeros(edges[-1], np.float32)
    padded[: min(len(wave), len(padded))] = np.abs(wave[: len(padded)])
    return np.maximum.reduceat(padded, edges[:-1])
