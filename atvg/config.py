"""Constants and sizes that every part of ATVG shares, and the dataclasses stored inside checkpoints."""

import math
from dataclasses import Field, asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin

from atvg.errors import BadSettingError

_WIDEST = 4096  # channels, codes or layers in a network; the shipped ones have 224

VERSION = "0.1.0"

FPS = 25
SAMPLE_RATE = 16_000
CROP_SIZE = 128  # side of the canonical face crop, pixels
N_LANDMARKS = 68  # iBUG-68

MFCC_HOP = 160  # samples: 10 ms
MFCC_WINDOW = 400  # samples: 25 ms
ROWS_PER_FRAME = SAMPLE_RATE // FPS // MFCC_HOP  # 4 MFCC rows per video frame
WINDOW_ROWS = 28  # 7 video frames, centred on the frame the window belongs to
EXTRA_ROWS = WINDOW_ROWS - ROWS_PER_FRAME  # rows beyond 4 per frame that the windows of a stretch of frames need: 24
FEATURES_PER_FRAME = 2  # of the ear
N_MFCC_STORED = 20  # packs keep c0..c19 of 40 mel bands, so that the number used stays a training choice
N_MFCC_EAR = 80  # and all of the 80 bands that the ear reads: a rotation of its log-mel

EARS = ("whisper", "none")  # what AT-net hears through, the better first

MIN_SECONDS = 0.2  # below this there is not even a syllable to show
MAX_SECONDS = 600.0


class Config(Protocol):
    """Any dataclass, as `dataclasses` itself tells them."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=Config)


@dataclass(frozen=True)
class EarConfig:
    """Sizes of the ear, which are those of Whisper base but for the number of layers."""

    n_mels: int = N_MFCC_EAR
    width: int = 512
    heads: int = 8
    layers: int = 4
    positions: int = 1500  # features it can hear at once: 30 s


@dataclass(frozen=True)
class ATNetConfig:
    """Sizes of AT-net.

    Attributes:
        ear: what it hears through: features of the trained ear (``"whisper"``), or windows of MFCC as in the paper
            (``"none"``).
        ear_layers: with the ear, after which of its layers features are taken; those of several lie side by side.
        squeezed: and into how many principal components.
        around: and how many features, 50 a second, a frame hears; of an even number one more lies before the frame.
        first_mfcc, n_mfcc: without the ear, which coefficients it reads. The paper's are 1 and 12; with c0 (level) and
            20 it follows unseen voices better, see checkpoints/README.md.

    Raises:
        BadSettingError: an unknown ear, or layers that it does not have.
    """

    ear: Literal["whisper", "none"] = "whisper"
    ear_layers: tuple[int, ...] = (3, 4)
    squeezed: int = 128
    around: int = 13
    first_mfcc: int = 0
    n_mfcc: int = 20
    identity_codes: int = 16  # size of e, the PCA code of the photo's own shape
    motion_codes: int = 10  # size of z_t, the PCA code of the offset from the photo's shape
    widths: tuple[int, int, int] = (64, 128, 192)  # channels of the convolutions over a window of MFCC
    hidden: int = 192
    layers: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_choices(self)
        known = range(EarConfig().layers + 1)
        if not self.ear_layers or any(layer not in known for layer in self.ear_layers):
            raise BadSettingError(f"ear_layers is {shown(self.ear_layers)}; the ear has layers 0 to {known[-1]}")


@dataclass(frozen=True)
class VGNetConfig:
    """Sizes of VG-net, and its ablations.

    Attributes:
        photo_widths, landmark_widths, decoder_widths: channels at 64², 32², 16² and 8², as far as there are any.
        hidden: channels of the MMCRNN state at 8².
        heat_sigma: of the landmark maps, in cells of 32².
        recurrence: the MMCRNN runs over ``"time"``, over the ``"batch"`` as in the authors' released code, or every
            frame starts from the photo (``"none"``).
        landmark_maps: landmarks enter as maps; as a vector otherwise.
        warp: motion is drawn over the photo warped by the landmarks; from nothing otherwise.
        layers: what lies behind lips and lids is not warped with them, see `atvg.motion.layers`; without, or without
            `warp`, the photo is one sheet.
        attention: drawn for each frame (``"dynamic"``), one learnt map for all frames of everybody (``"static"``), or
            α = 1, so that the motion map is the frame (``"none"``).
        driver: frames are driven by ``"landmarks"``, or by ``"audio"`` without any; see `atvg.nets.direct_net`.

    Raises:
        BadSettingError: an unknown choice, or choices that exclude each other.
    """

    photo_widths: tuple[int, int, int, int] = (40, 80, 144, 224)
    landmark_widths: tuple[int, int, int] = (48, 64, 96)
    decoder_widths: tuple[int, int, int] = (40, 88, 144)
    hidden: int = 192
    heat_sigma: float = 1.0
    recurrence: Literal["time", "batch", "none"] = "time"
    landmark_maps: bool = True
    warp: bool = True
    layers: bool = True
    attention: Literal["dynamic", "static", "none"] = "dynamic"
    driver: Literal["landmarks", "audio"] = "landmarks"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.driver == "audio" and self.warp:
            raise BadSettingError("driver='audio' has no landmarks to warp the photo by; set warp=false too")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminator. ``regression``: it says the landmarks of the frames too, as in the paper."""

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    hidden: int = 256
    regression: bool = True


@dataclass(frozen=True)
class BaselineConfig:
    """Sizes of a system that ATVG is compared with.

    Attributes:
        photo_widths: channels of its encoder of pictures at 64², 32², 16², 8² and 4².
        decoder_widths: channels of its decoders at 4², 8², 16², 32² and 64².
        codes: values that say who it is.
    """

    photo_widths: tuple[int, int, int, int, int] = (32, 64, 112, 160, 224)
    decoder_widths: tuple[int, int, int, int, int] = (192, 160, 128, 72, 40)
    codes: int = 256


@dataclass(frozen=True)
class SpeechConfig:
    """Sizes of what compared systems hear and read lips with: channels over MFCC and, see `SyncNetConfig`, pictures."""

    picture_widths: tuple[int, int, int, int] = (32, 64, 96, 160)
    sound_widths: tuple[int, int, int] = (64, 128, 256)
    codes: int = 128
    dropout: float = 0.2


@dataclass(frozen=True)
class SyncNetConfig:
    """Sizes of the sync expert.

    Attributes:
        picture_widths: channels at 24×32, 12×16, 6×8 and 3×4.
        squeezed: principal components of the ear's features.
        around: how many of these, 50 a second, a frame hears.
        hidden: channels of what is heard.
    """

    picture_widths: tuple[int, int, int, int] = (32, 64, 96, 160)
    squeezed: int = 64
    around: int = 14
    hidden: int = 256
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


def check_choices(config: Any) -> None:
    """Checks the fields of a config dataclass that take one of a few words, declared as `Literal`.

    Raises:
        BadSettingError: one of them has another value.
    """
    for item in fields(config):
        value, words = getattr(config, item.name), get_args(item.type)
        if get_origin(item.type) is Literal and value not in words:
            raise BadSettingError(f"{item.name} is {shown(value)}; choose from: {', '.join(words)}")


def with_overrides(config: T, overrides: dict[str, str]) -> T:
    """Returns `config` with text values, as typed on a command line, put in place of its fields.

    Raises:
        BadSettingError: unknown field, or a value that the field cannot have.
    """
    known = {f.name: f for f in fields(config)}
    changes: dict[str, Any] = {}
    for key, text in overrides.items():
        if key not in known:
            raise BadSettingError(f"unknown setting {key!r}; choose from: {', '.join(sorted(known))}")
        changes[key] = _parse(text, getattr(config, key), key, is_list(known[key]))
    return replace(config, **changes)


def is_list(item: Field) -> bool:
    """Whether a field of a config holds a tuple of any length."""
    return get_origin(item.type) is tuple and get_args(item.type)[-1] is Ellipsis


def _parse(text: str, example: Any, key: str, any_length: bool) -> Any:
    try:
        if isinstance(example, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if any_length:
            return tuple(type(example[0])(part) for part in text.split(","))
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


def checked_config(config: Any) -> Any:
    """`config`, if each of its values has the type of the default and a size that a network can have.

    Raises:
        ValueError: it has not.
    """
    fits = all(_fits(getattr(config, item.name), _example(config, item), _least(item)) for item in fields(config))
    if fits and isinstance(config, ATNetConfig):
        fits = config.first_mfcc + config.n_mfcc <= N_MFCC_STORED
        fits &= config.squeezed <= EarConfig().width * len(config.ear_layers)
    if fits and isinstance(config, VGNetConfig):
        fits = config.heat_sigma > 0
    if not fits:
        raise ValueError("no such sizes")
    return config


def _example(config: Any, item: Field) -> Any:
    """The default of a field; of a tuple of any length one that is as long as the value."""
    value, usual = getattr(config, item.name), item.default
    if is_list(item) and isinstance(value, tuple) and isinstance(usual, tuple):
        return usual[:1] * len(value)
    return usual


def _least(item: Field) -> int:
    return 0 if item.name in ("first_mfcc", "ear_layers") else 1


def _fits(value: Any, default: Any, least: int) -> bool:
    if isinstance(default, tuple):
        same = isinstance(value, tuple) and len(value) == len(default)
        return same and all(_fits(part, usual, least) for part, usual in zip(value, default, strict=True))
    if isinstance(default, (bool, str)):  # of words a config itself knows which it may have
        return isinstance(value, type(default))
    if isinstance(default, float):
        return type(value) in (int, float) and 0 <= value <= _WIDEST  # which no NaN is
    return type(value) is int and least <= value <= _WIDEST
