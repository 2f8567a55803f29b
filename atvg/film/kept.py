"""Which arrays a run leaves in its folder, and whether they are whole."""

from pathlib import Path
from typing import Any

import numpy as np

from atvg.config import CROP_SIZE, N_LANDMARKS
from atvg.film.scenes import SCENE, check_mouths
from atvg.motion.turn import GRID
from atvg.motion.warp import CELLS

_PICTURE, _MAP = (CROP_SIZE, CROP_SIZE, 3), (CROP_SIZE, CROP_SIZE)
TURN = np.dtype(
    [("low", "<i8", 2), ("size", "<i8", 2), ("shift", "<f4", (GRID, GRID, 2)), ("landmarks", "<f8", (N_LANDMARKS, 3))]
)
# Type and size of one frame's part. In half precision α is off by 1/4096 at most, which moves no composed pixel by
# more than 1/16 of a grey level, and shifts by 1/128 of a pixel. The weights decide how many codes there are.
STREAMED: dict[str, tuple[Any, tuple[int, ...] | None]] = {
    "photos": (np.uint8, _PICTURE),
    "attention": (np.float16, _MAP),
    "motion": (np.uint8, _PICTURE),
    "frames": (np.uint8, _PICTURE),
    "base": (np.uint8, _PICTURE),
    "shift": (np.float16, (CELLS, CELLS, 2)),
    "turns": (TURN, ()),  # of no frame if the head stays still
    "landmarks": (np.float32, (N_LANDMARKS, 2)),
    "codes": (np.float32, None),
}
FACE = {"photo": np.uint8, "points": np.float64, "mesh": np.float64}  # what the face is made of, by its arrays
WHOLE = ("envelope", *FACE)  # arrays of the whole run, written at its end


def array_file(folder: Path, name: str) -> Path:
    """Where an array of that name lies."""
    return folder / f"{name}.npy"


def mapped(folder: Path, name: str) -> np.ndarray:
    """An array of a run, memory-mapped.

    Raises:
        OSError, ValueError: it is not there, or damaged.
    """
    return np.asarray(np.lib.format.open_memmap(array_file(folder, name), mode="r"))


def check(arrays: dict[str, np.ndarray], n_frames: int) -> None:
    """Raises ValueError unless the arrays are those of `n_frames` frames."""
    for name, (kind, part) in STREAMED.items():
        array = arrays[name]
        lengths = {"photos": (1, n_frames), "turns": (0, n_frames)}.get(name, (n_frames,))
        if array.dtype != kind or len(array) not in lengths or part not in (None, array.shape[1:]):
            raise ValueError(name)
    if arrays["codes"].ndim != 2 or arrays["envelope"].shape != (n_frames,):
        raise ValueError("codes or envelope")
    if arrays["points"].shape != (N_LANDMARKS, 3) or any(arrays[name].dtype != kind for name, kind in FACE.items()):
        raise ValueError("face")


def check_scenes(folder: Path, scenes: np.ndarray, n_frames: int) -> None:
    """Raises ValueError unless they are those of `n_frames` frames."""
    if scenes.dtype != SCENE or scenes.shape != (n_frames,):
        raise ValueError("scenes")
    check_mouths(folder, scenes)
