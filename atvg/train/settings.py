"""What can be set about a training run; every field can be overridden with ``--set name=value``."""

from dataclasses import dataclass
from typing import Literal

from atvg.config import check_choices


@dataclass(frozen=True)
class RunSettings:
    """What both stages share."""

    lr: float = 6e-4
    weight_decay: float = 1e-2
    warmup: int = 200  # steps
    steps: int = 1_000_000  # the run's full length; the last fifth anneals the learning rate
    ema: float = 0.999
    clip_norm: float = 1.0
    seed: int = 0
    log_every: int = 50
    sample_every: int = 1000
    save_minutes: float = 5.0


@dataclass(frozen=True)
class ATSettings(RunSettings):
    """AT-net's training."""

    lr: float = 3e-3
    ema: float = 0.998
    batch: int = 72
    short: int = 24  # frames of most training windows
    long: int = 100  # and of the others, so that the recurrence stays calm on long speech
    long_share: float = 0.05
    tempo: float = 0.12  # speech up to so much faster or slower
    smooth: float = 0.7  # standard deviation, in frames, of the low-pass that takes the tracker's tremble off
    velocity: float = 2.0  # weights of the loss terms
    opening: float = 0.5
    closure: float = 0.2
    spread: float = 1.0
    level: float = 0.6  # what a mean error over a window costs, as a share of one that comes and goes
    own: float = 1.0
    shift: int = 1  # frames by which the sound of a clip may be off
    lag: float = 0.15  # what a lag of one frame costs
    silence: float = 0.06  # share of windows in which nobody speaks and the mouth rests
    distort: float = 0.3  # share of windows, or of clips' versions, that get each effect of `atvg.data.sound`
    noise: float = 0.2  # feature noise, standard deviations
    identity_noise: float = 0.2  # standard deviations, of what the photo's own shape is
    manner_noise: float = 1.0  # more of it, where it says how a face moves: few people are in a pack
    versions: int = 4  # in which the ear hears each clip: clean, and with other effects each time
    cache: str = ""  # folder in which what it heard is kept for the next run; "" for none
    stream: bool = False  # read the pack while training, for packs larger than memory


@dataclass(frozen=True)
class VideoSettings(RunSettings):
    """What the trainings that draw frames share."""

    batch: int = 6
    frames: int = 4
    stride: int = 1  # frames between those of a sample
    contrast: float = 0.4  # share of samples that lead from a shut mouth to an open one or back
    beta: float = 0.5
    pixel: float = 10.0  # weights of the loss terms
    gradient: float = 4.0
    texture: float = 25.0
    mouth_weight: float = 6.0  # around the mouth, and within the box of the lips, where the rest of the face has 1
    lips_weight: float = 15.0
    landmark_noise: float = 0.3  # pixels
    sound_noise: float = 0.15  # standard deviations of the features, where sound drives
    at_errors: float = 0.5  # up to this share of AT-net's errors, if they are known, in half of the samples
    affine: float = 0.4  # share of samples that are scaled, turned and shifted
    colour: float = 1.0  # strength of the changes of light and colours; 0 is none
    grey: float = 0.08  # shares of samples that are grey, or monochrome with a tone
    toned: float = 0.04
    speech_only: float = 0.3  # share of samples in which, as with AT-net, jaw and mouth alone leave the turned photo
    turn: bool = True  # give the network the photo in the head pose of each frame
    stream: bool = False  # read the pack while training, for packs larger than memory


@dataclass(frozen=True)
class VGSettings(VideoSettings):
    """VG-net's training. ``discriminator`` > 0 switches the adversary on with that weight.

    Raises:
        BadSettingError: an unknown choice.
    """

    loss: Literal["dynamic", "l1"] = "dynamic"  # of pixels; "l1" is β → ∞: without α, and ``pixel`` its whole weight
    sparsity: float = 0.02
    stay: float = 1.0  # how many times as much attention costs far from the face, where the photo ought to stay
    presence: float = 0.3
    calm: float = 0.5  # of what is drawn over the layers
    discriminator: float = 0.0
    regression: float = 1.0  # of landmarks, by the discriminator; with 0 it is a plain one
    at_net: str = ""  # folder of AT-net's weights, whose own errors are then added to landmarks

    def __post_init__(self) -> None:
        check_choices(self)


@dataclass(frozen=True)
class BaselineSettings(VideoSettings):
    """Training of a compared system: VG-net's pictures and losses, without what concerns landmarks and attention."""

    lr: float = 1e-3
    ema: float = 0.99
    batch: int = 8
    frames: int = 3
    stride: int = 5  # neighbours say nearly the same
    contrast: float = 0.0
    landmark_noise: float = 0.0
    speech_only: float = 0.0
    others: float = 1.0  # weight of a system's own loss terms beside those of its pictures


@dataclass(frozen=True)
class SyncSettings(RunSettings):
    """Training of the sync expert."""

    lr: float = 1e-3
    ema: float = 0.998
    batch: int = 32  # clips
    looks: int = 12  # at each, anywhere within a span
    short: int = 24  # frames of most spans, whose other moments are the wrong answers
    long: int = 60  # and of the others
    long_share: float = 0.3
    reach: int = 1  # frames by which the sound of a clip may be off
    versions: int = 4  # in which the ear hears each clip: clean, and with other effects each time
    distort: float = 0.3  # share of these that get each effect of `atvg.data.sound`
    begin: bool = True  # with the eye that compared systems begin with, which must have the same size
    noise: float = 0.1  # of what is heard, standard deviations
    shift: float = 4.0  # of a clip's mouths: pixels,
    size: float = 0.12  # logarithm of their size,
    tilt: float = 8.0  # degrees,
    blur: float = 0.25  # share of clips that are blurred,
    bend: float = 0.3  # how much brighter grey becomes,
    light: float = 0.3  # how much brighter either edge is,
    grain: float = 0.06  # noise
