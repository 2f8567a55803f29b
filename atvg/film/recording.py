"""What one run leaves on disk, so that any frame of it can be looked at later; memory does not grow with the sound."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atvg.animate.chunk import Chunk
from atvg.config import CROP_SIZE, FPS, N_LANDMARKS, SAMPLE_RATE
from atvg.errors import BadSettingError, DiskFullError, OutputError, RecordingError
from atvg.face.face import Face
from atvg.motion.teeth import Teeth
from atvg.motion.turn import GRID, HeadTurn
from atvg.motion.warp import CELLS
from atvg.scratch import is_full

_PICTURE, _MAP = (CROP_SIZE, CROP_SIZE, 3), (CROP_SIZE, CROP_SIZE)
_INDEX = "recording.json"  # written last: where it lies, everything else does
_TURN = np.dtype(
    [("low", "<i8", 2), ("size", "<i8", 2), ("shift", "<f4", (GRID, GRID, 2)), ("landmarks", "<f8", (N_LANDMARKS, 3))]
)
# Type and size of one frame's part. In half precision α is off by 1/4096 at most, which moves no composed pixel by
# more than 1/16 of a grey level, and shifts by 1/128 of a pixel. The weights decide how many codes there are.
_STREAMED: dict[str, tuple[Any, tuple[int, ...] | None]] = {
    "photos": (np.uint8, _PICTURE),
    "attention": (np.float16, _MAP),
    "motion": (np.uint8, _PICTURE),
    "frames": (np.uint8, _PICTURE),
    "base": (np.uint8, _PICTURE),
    "shift": (np.float16, (CELLS, CELLS, 2)),
    "turns": (_TURN, ()),  # of no frame if the head stays still
    "landmarks": (np.float32, (N_LANDMARKS, 2)),
    "codes": (np.float32, None),
}
_FACE = {"photo": np.uint8, "points": np.float64, "mesh": np.float64}  # what the face is made of, by its arrays
_WHOLE = ("envelope", *_FACE)  # arrays of the whole run, written at its end
_TEETH = "teeth.npz"  # what lies behind the lips; nothing is in it if the network draws without layers


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
        face: that the chunks were drawn from, already turned.
    """

    def __init__(self, folder: Path, wave: np.ndarray, beta: float, expected_frames: int, face: Face):
        self._folder, self._wave, self._face = Path(folder), wave, face
        self._beta, self._expected = float(beta), expected_frames
        self._arrays: dict[str, _GrowingArray] = {}

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
            for name, (kind, _) in _STREAMED.items():
                self._arrays[name] = _GrowingArray(_array_file(self._folder, name), kind, self._expected)
        for name, array in self._arrays.items():
            values = getattr(chunk, name)
            if name == "photos" and not chunk.turns:  # one and the same picture, T times
                values = values[: 0 if array.length else 1]
            elif name == "turns":
                values = np.array([(turn.low, turn.size, turn.shift, turn.landmarks) for turn in values], _TURN)
            array.append(values)

    def _finish(self, n_frames: int, teeth: Teeth | None) -> None:
        for array in self._arrays.values():
            array.finish()
        np.save(_array_file(self._folder, "envelope"), envelope(self._wave, n_frames))
        for name, values in zip(_FACE, (self._face.photo, self._face.landmarks, self._face.mesh), strict=True):
            np.save(_array_file(self._folder, name), np.asarray(values, _FACE[name]))
        np.savez(
            self._folder / _TEETH, **{name: part.numpy() for name, part in teeth._asdict().items()} if teeth else {}
        )
        (self._folder / _INDEX).write_text(json.dumps({"beta": self._beta, "frames": n_frames}))

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
        for name in (*(f"{name}.npy" for name in (*_STREAMED, *_WHOLE)), _TEETH):
            (self._folder / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise (DiskFullError if is_full(error) else OutputError)(
                f"cannot write into {self._folder} ({reason}); check the folder and the free space"
            ) from None


class _GrowingArray:
    """A .npy file to append to; its first axis is `expected` long until `finish` puts the true length there."""

    def __init__(self, path: Path, kind: Any, expected: int):
        self.length = 0
        self._kind, self._expected = np.dtype(kind), expected
        self._part: tuple[int, ...] = ()
        self._file = path.open("wb")

    def append(self, values: np.ndarray) -> None:
        if not self._file.tell():
            self._part = values.shape[1:]
            self._write_header(self._expected)
        self._file.write(np.ascontiguousarray(values, self._kind).data)
        self.length += len(values)

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header(self.length)
        self.close()

    def close(self) -> None:
        self._file.close()

    def _write_header(self, length: int) -> None:
        """NumPy leaves room for a first axis of any length, so that the next header is as long as this one."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._kind),
            "fortran_order": False,
            "shape": (length, *self._part),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True)
class Moment:
    """One frame of a run: ``frame = attention · motion + (1 − attention) · photo``, to within one grey level.

    Attributes:
        photo: (128, 128, 3) uint8 RGB, the face's crop with its head turned.
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
        face: that it was drawn from.
        teeth: what lies behind the lips; None if the network draws without layers.
        landmarks: (T, 68, 2) float32 crop pixels, what VG-net was asked for.
        codes: (T, K) float32, AT-net's output after gain and smoothing.
        envelope: (T,) float32, peak of the sound of each frame.
        maps: the other arrays by name, (T, …); ``photos`` has one entry if the head stayed still, and ``turns`` none.
    """

    beta: float
    face: Face
    teeth: Teeth | None
    landmarks: np.ndarray
    codes: np.ndarray
    envelope: np.ndarray
    maps: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Recording":
        """The recording in a folder, memory-mapped.

        Raises:
            RecordingError: it is not there, or not whole.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / _INDEX).read_text())
            arrays = {name: _mapped(folder, name) for name in (*_STREAMED, *_WHOLE)}
            _check(arrays, index["frames"])
            beta, face = float(index["beta"]), Face(*(np.asarray(arrays.pop(name)) for name in _FACE))
            with np.load(folder / _TEETH) as parts:
                teeth = Teeth(**{name: torch.from_numpy(parts[name]) for name in parts}) if parts.files else None
        except Exception:  # damage shows itself in many ways, and there is one remedy
            raise RecordingError("that run is no longer here; generate it again") from None
        plain = {name: arrays.pop(name) for name in ("landmarks", "codes", "envelope")}
        return cls(beta=beta, face=face, teeth=teeth, maps=arrays, **plain)

    @property
    def example(self) -> np.ndarray:
        """(68, 2) float32 crop pixels, the photo's own landmarks."""
        return self.face.crop_landmarks[:, :2]

    def __len__(self) -> int:
        return len(self.landmarks)

    def __getitem__(self, t: int) -> Moment:
        """Frame t, copied.

        Raises:
            BadSettingError: there is no such frame.
        """
        chunk = self.chunk(t)
        parts = (chunk.photos, chunk.attention, chunk.motion, chunk.frames, chunk.landmarks)
        photo, attention, motion, frame, landmarks = (part[0] for part in parts)
        return Moment(photo, attention, motion, frame, landmarks, seconds=int(t) / FPS)

    def chunk(self, t: int) -> Chunk:
        """Frame t as the animator drew it, copied.

        Raises:
            BadSettingError: there is no such frame.
        """
        if isinstance(t, bool) or not isinstance(t, (int, np.integer)) or not 0 <= t < len(self):
            raise BadSettingError(f"frame is {t!r}; give a whole number from 0 to {len(self) - 1}")
        at = {name: slice(t, t + 1) if len(array) == len(self) else slice(0, 1) for name, array in self.maps.items()}
        parts = {name: np.array(array[at[name]]) for name, array in self.maps.items()}
        turns = tuple(HeadTurn(*turn) for turn in parts.pop("turns"))
        parts |= {name: parts[name].astype(np.float32) for name in ("attention", "shift")}
        one = slice(t, t + 1)
        return Chunk(
            start=int(t), turns=turns, teeth=self.teeth, landmarks=np.array(self.landmarks[one]),
            codes=np.array(self.codes[one]), **parts,
        )  # fmt: skip


def envelope(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """Peak of each video frame's own samples (N,) at 16 kHz, float32 (n_frames,); silence where there are none."""
    edges = np.arange(n_frames + 1) * SAMPLE_RATE // FPS
    padded = np.zeros(edges[-1], np.float32)
    padded[: min(len(wave), len(padded))] = np.abs(wave[: len(padded)])
    return np.maximum.reduceat(padded, edges[:-1])


def _array_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _mapped(folder: Path, name: str) -> np.ndarray:
    return np.asarray(np.lib.format.open_memmap(_array_file(folder, name), mode="r"))


def _check(arrays: dict[str, np.ndarray], n_frames: int) -> None:
    """Raises ValueError unless the arrays are those of `n_frames` frames."""
    for name, (kind, part) in _STREAMED.items():
        array = arrays[name]
        lengths = {"photos": (1, n_frames), "turns": (0, n_frames)}.get(name, (n_frames,))
        if array.dtype != kind or len(array) not in lengths or part not in (None, array.shape[1:]):
            raise ValueError(name)
    if arrays["codes"].ndim != 2 or arrays["envelope"].shape != (n_frames,):
        raise ValueError("codes or envelope")
    if arrays["points"].shape != (N_LANDMARKS, 3) or any(arrays[name].dtype != kind for name, kind in _FACE.items()):
        raise ValueError("face")
