"""The rows of the protocol's table: each a way to turn a clip's photo, and mostly its sound, into frames."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atvg.data.pack import Clip
from atvg.face.landmarks import mouth_opening
from atvg.motion.carry import background_movement, carry

if TYPE_CHECKING:
    from atvg.animator import Animator
    from atvg.evaluation.baselines import Baseline

OURS = "ATVG"
SHUT = ", shut"  # ends the name of a row whose photo is the frame with the most closed mouth
_HEAD_SMOOTHING = 2.0  # frames; a head is too heavy to tremble as tracked landmarks do

Choice = Callable[[Clip], int]  # which frame of a clip is the photo


def first(clip: Clip) -> int:
    """The first frame, however wide its mouth is open."""
    return 0


def most_shut(clip: Clip) -> int:
    """The frame whose inner lips are closest by the pack's landmarks; of several the earliest.

    What such a photo has to open into, it does not show: the hardest and commonest case.
    """
    return int(mouth_opening(clip.landmarks).argmin())


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: its title.
        draw: a clip → its frames, (T, 128, 128, 3) uint8.
        photo: which frame of a clip they are drawn from.
    """

    name: str
    draw: Callable[[Clip], np.ndarray]
    photo: Choice = first


def copy_row(photo: Choice = first) -> Row:
    """The photo, unmoving: what a picture scores that does nothing."""
    return Row(_named("copy", photo), lambda clip: np.repeat(clip.frames[photo(clip)][None], len(clip), axis=0), photo)


def oracle_row(
    animator: "Animator",
    name: str = "oracle",
    disturb: Callable[[np.ndarray], np.ndarray] = lambda landmarks: landmarks,
    photo: Choice = first,
) -> Row:
    """VG-net driven by the true landmarks and head movement: the ceiling of AT-net.

    The background stands still in the whole picture, so in the stabilised crop it moves, as it does in the truth.

    Args:
        disturb: what is done to the landmarks (T, 68, 2) of the frames, though not to the head's movement.
    """

    def draw(clip: Clip) -> np.ndarray:
        at = photo(clip)
        background = background_movement(clip.transforms, clip.transforms[at])
        moved = carry(clip.landmarks[at], clip.landmarks, background, _HEAD_SMOOTHING)
        return animator.draw(clip.frames[at], clip.landmarks[at], disturb(clip.landmarks[..., :2]), moved=moved)

    return Row(_named(name, photo), draw, photo)


def audio_row(animator: "Animator", name: str = OURS, photo: Choice = first, ear: str | None = None) -> Row:
    """The whole way from the clip's own sound, heard through one of the ears of `animator`, its best by default."""
    ear = ear or animator.ears[0]

    def draw(clip: Clip) -> np.ndarray:
        at = photo(clip)
        landmarks = animator.landmarks_from_rows(clip.heard(ear), clip.landmarks[at], ear=ear)
        return animator.draw(clip.frames[at], clip.landmarks[at], landmarks)

    return Row(_named(name, photo), draw, photo)


def baseline_row(baseline: "Baseline") -> Row:
    """A compared system, from the clip's first frame and its own sound, named after its authors."""
    return Row(baseline.title, lambda clip: np.concatenate(list(baseline.stream(clip.frames[0], clip.mfcc))))


def standard_rows(animator: "Animator", photo: Choice = first) -> list[Row]:
    """copy, oracle and ATVG."""
    return [copy_row(photo), oracle_row(animator, photo=photo), audio_row(animator, photo=photo)]


def other_ears(animator: "Animator") -> list[Row]:
    """ATVG through every ear but the best that there is an AT-net for."""
    return [audio_row(animator, f"{OURS}, ear {ear}", ear=ear) for ear in animator.ears[1:]]


def evaluated_rows(weights: Path, engine: str) -> list[Row]:
    """What ``atvg evaluate`` measures: the standard rows of either photo, and ATVG with every other ear.

    Raises:
        CheckpointError, BadSettingError: as `Animator.from_pretrained`.
    """
    from atvg.animator import Animator

    animator = Animator.from_pretrained(weights, engine=engine)
    return [*standard_rows(animator), *other_ears(animator), *standard_rows(animator, most_shut)]


def _named(name: str, photo: Choice) -> str:
    return name + SHUT if photo is most_shut else name
