"""What a user can turn."""

from dataclasses import dataclass, field
from typing import Any

from atvg.config import EARS, check_number, shown
from atvg.errors import BadSettingError
from atvg.motion.pose import Pose


@dataclass(frozen=True)
class Settings:
    """What a user can turn. β is the weights' training value (0..2), pose in degrees; `seed` is of the idle motion.

    Raises:
        BadSettingError: a value of the wrong type or out of range.
    """

    beta: float = 0.5
    pose: Pose = field(default_factory=Pose)
    mouth_gain: float = 1.0  # movement of the mouth about its rest, 0..3
    smoothing: float = 0.8  # standard deviation in frames, 0..5
    teeth: float = 1.0  # how much of the teeth shows that no photo of a shut mouth can tell, 0..1
    ear: str = EARS[0]  # "whisper": AT-net hears through the trained ear; "none": windows of MFCC, as in the paper
    natural: bool = False  # the head moves a little and the eyes blink, as real ones did, and both follow the voice
    seed: int = 0
    liveliness: float = 1.0  # how much of the natural motion there is, 0..2: 0 none, 1 as real people move

    def __post_init__(self) -> None:
        check_number("beta", self.beta, 0, 2)
        check_number("mouth gain", self.mouth_gain, 0, 3)
        check_number("smoothing", self.smoothing, 0, 5)
        check_number("teeth", self.teeth, 0, 1)
        check_number("liveliness", self.liveliness, 0, 2)
        if not isinstance(self.pose, Pose):
            raise BadSettingError(f"pose must be an atvg.Pose, not {type(self.pose).__name__}")
        if self.ear not in EARS:
            raise BadSettingError(f"ear is {shown(self.ear)}; choose from: {', '.join(EARS)}")
        if not isinstance(self.natural, bool):
            raise BadSettingError(f"natural is {self.natural!r}; give True or False")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise BadSettingError(f"seed is {shown(self.seed)}; give a whole number from 0 to {2**32 - 1}")


def make_settings(values: dict[str, Any]) -> Settings:
    """`Settings` from keyword arguments.

    Raises:
        BadSettingError: an unknown name or a bad value.
    """
    unknown = sorted(set(values) - set(Settings.__dataclass_fields__))
    if unknown:
        raise BadSettingError(
            f"unknown setting {unknown[0]!r}; choose from: {', '.join(Settings.__dataclass_fields__)}"
        )
    return Settings(**values)
