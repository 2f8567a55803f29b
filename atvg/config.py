"""Constants and sizes that every part of ATVG shares, and the dataclasses stored inside checkpoints."""

import math
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, TypeVar

from atvg.errors import BadSettingError

FPS = 25
SAMPLE_RATE = 16_000
CROP_SIZE = 128  # side of the canonical face crop, pixels
N_LANDMARKS = 68  # iBUG-68

MFCC_HOP = 160  # samples: 10 ms
MFCC_WINDOW = 400  # samples: 25 ms
ROWS_PER_FRAME = SAMPLE_RATE // FPS // MFCC_HOP  # 4 MFCC rows per video frame
WINDOW_ROWS = 28  # 7 video frames, centred on the frame the window belongs to
N_MFCC_STORED = 20  # packs keep c0..c19, so that the number used stays a training choice

MIN_SECONDS = 0.2  # below this there is not even a syllable to show
MAX_SECONDS = 600.0

T = TypeVar("T")


@dataclass(frozen=True)
class ATNetConfig:
    """Sizes of AT-net.

    ``first_mfcc`` and ``n_mfcc`` say which coefficients it reads. The paper's are 1 and 12; with c0 (level) and 20 it
    follows unseen voices better, see checkpoints/README.md.
    """

    first_mfcc: int = 0
    n_mfcc: int = 20
    identity_codes: int = 16  # size of e, the PCA code of the photo's own shape
    motion_codes: int = 10  # size of z_t, the PCA code of the offset from the photo's shape
    widths: tuple[int, int, int] = (64, 128, 192)  # channels of the convolutions over a window
    hidden: int = 192
    layers: int = 2
    dropout: float = 0.2


@dataclass(frozen=True)
class VGNetConfig:
    """Sizes of VG-net. Widths are channels at 64², 32², 16² and 8²; ``heat_sigma`` is in cells of 32²."""

    photo_widths: tuple[int, int, int, int] = (40, 80, 144, 224)
    landmark_widths: tuple[int, int, int] = (48, 64, 96)
    decoder_widths: tuple[int, int, int] = (40, 88, 144)
    hidden: int = 192  # channels of the MMCRNN state at 8²
    heat_sigma: float = 1.0
    recurrent: bool = True
    landmark_maps: bool = True  # landmarks enter as maps; as a vector otherwise
    warp: bool = True  # motion is drawn over the photo warped by the landmarks; from nothing otherwise


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the regression-based discriminator."""

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    hidden: int = 256


@dataclass(frozen=True)
class SyncNetConfig:
    """Sizes of the sync expert. ``picture_widths`` are channels at 24×32, 12×16, 6×8 and 3×4."""

    picture_widths: tuple[int, int, int, int] = (32, 64, 96, 160)
    sound_widths: tuple[int, int, int] = (64, 128, 256)
    codes: int = 128
    dropout: float = 0.2


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """`value`, if it is a number from `low` to `high`.

    Raises:
        BadSettingError: it is not.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # which no NaN is
        raise BadSettingError(f"{name} is {shown(value)}; give a number from {low:g} to {high:g}")
    return float(value)


def shown(value: Any) -> str:
    """What somebody gave, as an error may repeat it."""
    try:
        return repr(value)[:80]
    except ValueError:  # Python does not print numbers of thousands of digits
        return "a number of thousands of digits"


def with_overrides(config: T, overrides: dict[str, str]) -> T:
    """Returns `config` with text values, as typed on a command line, put in place of its fields.

    Raises:
        BadSettingError: unknown field, or a value that does not have the field's type.
    """
    known = {f.name: getattr(config, f.name) for f in fields(config)}
    changes: dict[str, Any] = {}
    for key, text in overrides.items():
        if key not in known:
            raise BadSettingError(f"unknown setting {key!r}; choose from: {', '.join(sorted(known))}")
        changes[key] = _parse(text, known[key], key)
    return replace(config, **changes)


def _parse(text: str, example: Any, key: str) -> Any:
    try:
        if isinstance(example, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(example, tuple):
            return tuple(type(item)(part) for part, item in zip(text.split(","), example, strict=True))
        value = type(example)(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        return value
    except (KeyError, ValueError):
        raise BadSettingError(f"{key}={text!r} is not a {type(example).__name__}; the default is {example!r}") from None


def from_dict(cls: type[T], values: dict[str, Any]) -> T:
    """Rebuilds a config dataclass from JSON, where tuples have become lists."""
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


to_dict = asdict
