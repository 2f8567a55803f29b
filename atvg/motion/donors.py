"""The rows of teeth that are painted behind other people's lips, as `atvg.data.donors` cuts them out of photographs."""

import functools
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from atvg.errors import CheckpointError
from atvg.shipped import shipped

INDEX = "teeth.json"
FINE = 6  # texture pixels per crop pixel: faces of 1000 pixels have 6 or 7
WIDTH = 36  # crop pixels that a row's picture spans
UPPER_ROWS, LOWER_ROWS = (-12, 3), (-3, 10)  # crop pixels above and below the incisors' edge that it spans
_SHIPPED = shipped("assets") / "teeth"


class Donors(NamedTuple):
    """The rows of D donors, `FINE` texture pixels per crop pixel, RGB multiplied by alpha.

    A row's origin is the middle of its incisors' edge. It spans `WIDTH` crop pixels and `UPPER_ROWS` or `LOWER_ROWS`.
    """

    upper: Tensor  # (D, 4, H, W) RGB relative to white, times alpha; alpha, in [0, 1]
    lower: Tensor  # (D, 4, H', W) likewise, of the jaw
    noses: Tensor  # (D,) width of the donor's nose, see `nose_width`


def load_donors(folder: str | os.PathLike | None = None, device: torch.device | str = "cpu") -> Donors:
    """Reads the shipped rows, or those that ``atvg teeth`` has written to another folder; cached.

    Raises:
        CheckpointError: missing or damaged.
    """
    return _load_donors(Path(os.fsdecode(folder)) if folder is not None else _SHIPPED, torch.device(device))


@functools.lru_cache(maxsize=4)
def _load_donors(folder: Path, device: torch.device) -> Donors:
    try:
        noses = json.loads((folder / INDEX).read_text(encoding="utf-8"))["nose_widths"]
        pictures = [np.array(Image.open(folder / f"{name}.png", formats=["PNG"]).convert("RGBA")) for name in noses]
        both = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        sizes = [FINE * (low - high) for high, low in (UPPER_ROWS, LOWER_ROWS)]
        if both.shape[2:] != (sum(sizes), WIDTH * FINE):
            raise ValueError("another size")
        widths = torch.tensor([float(width) for width in noses.values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, Image.DecompressionBombError):
        raise CheckpointError(f"the teeth in {folder} are missing or damaged; copy assets/teeth again") from None
    both[:, :3] *= both[:, 3:]
    upper, lower = both.to(device).split(sizes, dim=2)
    return Donors(upper, lower, widths.to(device))


def nose_width(landmarks: Tensor) -> Tensor:
    """Width of the nose ÷ distance of the outer eye corners, (…, 68, 2+) → (…). Dentists choose incisors by it."""
    nose, eyes = landmarks[..., 35, :2] - landmarks[..., 31, :2], landmarks[..., 45, :2] - landmarks[..., 36, :2]
    return nose.norm(dim=-1) / eyes.norm(dim=-1).clamp(min=1e-3)
