"""What a run leaves of the film that was dubbed: where the face is in each frame, and the mouth of each shot.

The pictures themselves stay in the film: they would take a hundred times as much.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from atvg.animate.chunk import Chunk, Scene
from atvg.config import N_LANDMARKS
from atvg.motion.filmed import Filmed
from atvg.motion.teeth import Teeth

SCENE = np.dtype(
    [
        ("number", "<i8"), ("matrix", "<f8", (2, 3)), ("landmarks", "<f4", (N_LANDMARKS, 2)),
        ("rest", "<f4", (N_LANDMARKS, 2)), ("light", "<f4", 3), ("mouth", "<i8"),
    ]
)  # fmt: skip
"""One frame: the fields of `Scene`, and which of the run's mouths it has."""

_PLAIN = ("number", "matrix", "landmarks", "rest", "light")


class Mouth(NamedTuple):
    """What lies behind the lips in one shot."""

    teeth: Teeth | None
    filmed: Filmed | None


class Mouths:
    """Numbers the mouths of a run as its shots come, and writes each down when it is new: memory stays flat."""

    def __init__(self, folder: Path):
        self._folder, self._last, self._number = folder, Mouth(None, None), -1

    def rows(self, chunk: Chunk) -> np.ndarray:
        """The scenes of a chunk, (T,) of `SCENE`; a photo has none.

        Raises:
            OSError: a file cannot be written.
        """
        if not chunk.scenes:
            return np.empty(0, SCENE)
        mouth = Mouth(chunk.teeth, chunk.scenes[0].filmed)
        if self._number < 0 or any(new is not old for new, old in zip(mouth, self._last, strict=True)):
            self._last, self._number = mouth, self._number + 1
            _write(_file(self._folder, self._number), mouth)
        rows = [(*(getattr(scene, name) for name in _PLAIN), self._number) for scene in chunk.scenes]
        return np.array(rows, SCENE)


def mouth_files(folder: Path) -> Iterable[Path]:
    """All that `Mouths` has written into a folder."""
    return folder.glob("mouth-*.npz")


def check_mouths(folder: Path, rows: np.ndarray) -> None:
    """Raises ValueError unless every scene (T,) of a run has its mouth."""
    if not all(_file(folder, number).is_file() for number in np.unique(rows["mouth"])):
        raise ValueError("mouths")


def read_mouth(folder: Path, number: int) -> Mouth:
    """One of the mouths that `Mouths` wrote.

    Raises:
        OSError, ValueError, TypeError: it is not there, or damaged.
    """
    with np.load(_file(folder, number)) as file:
        parts = {name: torch.from_numpy(file[name]) for name in file}
    return Mouth(*(kind(**_of(name, parts)) if _of(name, parts) else None for name, kind in _KINDS.items()))


def scene_of(row: Any, picture: np.ndarray, mouth: Mouth) -> Scene:
    """The scene that was a row of `SCENE`, with the film's own picture, (H, W, 3) uint8 RGB."""
    matrix, landmarks, rest, light = (np.array(row[name]) for name in _PLAIN[1:])
    return Scene(picture, matrix, landmarks, rest, light, mouth.filmed, int(row["number"]))


_KINDS: dict[str, Any] = {"teeth": Teeth, "filmed": Filmed}


def _write(path: Path, mouth: Mouth) -> None:
    known = {name: part for name, part in mouth._asdict().items() if part is not None}
    np.savez(
        path,
        **{f"{name}.{key}": value.numpy() for name, part in known.items() for key, value in part._asdict().items()},
    )


def _of(name: str, parts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Those of one kind, by their own names."""
    return {key.removeprefix(f"{name}."): part for key, part in parts.items() if key.startswith(f"{name}.")}


def _file(folder: Path, number: int) -> Path:
    return folder / f"mouth-{number}.npz"
