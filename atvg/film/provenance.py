"""What it takes to make a result again: settings, versions, and what went in, by its hash and never by its name."""

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from atvg.animate.pipeline import Pipeline
from atvg.config import SAMPLE_RATE, VERSION
from atvg.film.output import check_output, write_text
from atvg.motion.donors import load_donors

_LIBRARIES = ("torch", "openvino", "numpy", "scipy", "mediapipe", "soxr")


@dataclass(frozen=True)
class Source:
    """The film that was dubbed.

    Attributes:
        path: where it lies.
        size: (width, height) of its frames, upright, pixels.
        fps: frames a second.
        frames: so many of its own were used.
        at: number of the frame that named the person,
        box: and their place in it: x, y, width, height, pixels.
        left_alone: so many of the frames that were used do not show the person, and stay as they are.
    """

    path: str | os.PathLike
    size: tuple[int, int]
    fps: Fraction
    frames: int
    at: int
    box: tuple[float, ...]
    left_alone: int

    def described(self) -> dict[str, Any]:
        """As JSON can hold it, with the hash of the file's bytes.

        Raises:
            OSError: it cannot be read any more.
        """
        with Path(self.path).open("rb") as file:
            total = hashlib.sha256()
            while block := file.read(2**20):
                total.update(block)
        return {
            "size": list(self.size), "fps": str(self.fps), "frames": self.frames,
            "face": {"frame": self.at, "box": _plain(self.box)}, "left_alone": self.left_alone,
            "sha256": total.hexdigest(),
        }  # fmt: skip


def provenance(
    animator: Pipeline, settings: Mapping[str, Any], source: np.ndarray | Source, wave: np.ndarray
) -> dict[str, Any]:
    """Describes how a video was made, as JSON can hold it.

    Args:
        animator: that made it.
        settings: the options of ``atvg animate`` that were used, by their names: ``beta``, ``mouth_gain``, …;
            ``box`` and ``points``, in pixels of the photo, may be None.
        source: the photo, (H, W, 3) uint8 RGB; or the film, to which the options ``hold`` and ``box`` belong.
        wave: float32 samples (N,), 16 kHz.

    Returns:
        ``command`` makes the same frames from the photo or film and the sound, with the weights that ``weights``
        identifies.
    """
    settings = {name: _plain(value) for name, value in settings.items()}
    engine = animator.engine(settings.get("beta", 0.5)).name
    if isinstance(source, Source):
        seen, brought = {"film": source.described()}, "FILM"
    else:
        size = [source.shape[1], source.shape[0]]
        seen, brought = {"photo": {"size": size, "sha256": _hash(source)}}, "PHOTO"
    return {
        "settings": settings,
        "versions": _versions() | {"device": str(animator.device), "engine": engine},
        "weights": _weights(animator),
        **seen,
        "voice": {"seconds": len(wave) / SAMPLE_RATE, "sha256": _hash(np.asarray(wave, np.float32))},
        "command": _command(brought, settings | {"detector": animator.detector.name, "engine": engine}),
    }


def write_provenance(path: str | os.PathLike, data: Mapping[str, Any]) -> Path:
    """Writes what `provenance` returned, whole or not at all, and returns the file's absolute path.

    Raises:
        OutputError: `path` does not end in ``.json`` or cannot be written.
    """
    path = check_output(path, ".json")
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def _plain(value: Any) -> Any:
    """Numbers and lists of Python for those of NumPy."""
    if isinstance(value, (list, tuple, np.ndarray, np.generic)):
        return np.asarray(value).tolist()
    return value


def _versions() -> dict[str, str]:
    return {
        "atvg": VERSION,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "opencv": cv2.__version__,  # several wheels bring it
        "platform": f"{platform.system()} {platform.machine()}",
    }


@lru_cache(maxsize=1)  # nobody changes them, and hashing takes half a second
def _weights(animator: Pipeline) -> dict[str, Any]:
    """Hashes of the loaded weights, of VG-net one per trained β, and of the donors' teeth."""
    found = {
        "at_net": {ear: _hash_all(net.state_dict()) for ear, net in animator.at_nets.items()},
        "shape": _hash_all(animator.shape.arrays()),
        "vg_net": {f"{beta:g}": _hash_all(net.state_dict()) for beta, net in sorted(animator.vg_nets.items())},
        "teeth": _hash_all(load_donors()._asdict()),
    }
    return found | ({"idle": _hash_all(animator.idle.arrays())} if animator.idle else {})


def _hash_all(arrays: Mapping[str, Any]) -> dict[str, str]:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name] if isinstance(arrays[name], np.ndarray) else arrays[name].cpu().numpy()
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).data)
    return {"sha256": total.hexdigest()}


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _command(brought: str, settings: Mapping[str, Any]) -> str:
    options = []
    for name, value in settings.items():
        if value is None or value is False:
            continue
        option = f"--{name.replace('_', '-')}"
        if value is True:
            options.append(option)
            continue
        text = shlex.quote(",".join(map(_said, np.ravel(value).tolist())))
        # After a space "-5" is a number for the parser, but "-5,3" looks like another option.
        options.append(option + ("=" if text.startswith("-") else " ") + text)
    return " ".join([f"atvg animate {brought} AUDIO -o OUT.mp4", *options])


def _said(value: Any) -> str:
    """As one would type it, with every digit that matters."""
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
