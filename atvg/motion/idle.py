"""Natural idle motion: the small turns of a head and the blinks of somebody who talks, drawn from real sequences.

A pose is a real sequence's, joined to the one before by blending how they move, not where they are: each step is the
real step of that frame plus a slow return to the real sequence, and never a faster one than the fastest real step.

Head and eyes listen. The sequences run faster where the voice is loud and nearly stand where it rests, the head nods
with it on top of them, and the time to the next blink goes by faster between phrases. How much of that a loudness
brings is a real person's manner: linear filters over the loudness around a frame.
"""

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from itertools import chain, repeat, tee

import numpy as np

from atvg.config import FPS
from atvg.face.landmarks import LEFT_EYE, RIGHT_EYE
from atvg.motion.pose import Pose
from atvg.voice.prosody import SPAN

SHORTEST = 25  # frames of a pose sequence; two joins must fit into it
LIMITS = np.array([8.0, 5.0, 4.0])  # degrees of yaw, pitch, roll: beyond them a turned photo shows that it is one

# Upper and lower lid, left to right as seen; pairs lie one above the other.
UPPER_LID = np.array([RIGHT_EYE[1], RIGHT_EYE[2], LEFT_EYE[1], LEFT_EYE[2]])
LOWER_LID = np.array([RIGHT_EYE[5], RIGHT_EYE[4], LEFT_EYE[5], LEFT_EYE[4]])

_JOIN = 12  # frames in which one sequence takes over from another
_RETURN = 0.03  # share of the distance to the real sequence that a frame makes up for: 1.3 s to be back
_KNEE = 0.5  # share of the limits within which poses are the real ones
_MOST_PACE = 2.0  # times the real speed, at most; what is faster would look hasty
_EYES_OPEN = 0.5  # seconds before the first blink, at least
# Of the distance between the lids, the part that the upper one covers: mean over 1212 real blinks, in which it travels
# 0.19 eye widths and the lower one 0.03.
_UPPER_SHARE = 0.88


@dataclass(frozen=True)
class IdleFrame:
    """Idle motion at one frame: head pose relative to the photo, and eye closure in [0, 1], 0 = as in the photo."""

    pose: Pose
    closure: float


@dataclass(frozen=True)
class IdleModel:
    """Real idle motion at 25 fps; the arrays are stored in a checkpoint.

    Attributes:
        poses: (N, 3) yaw, pitch, roll in degrees, the sequences one after the other, each about its own mean.
        pose_lengths: (S,) how many frames each sequence has.
        blinks: (M,) eye closure in [0, 1], the blinks one after the other, each from open to shut to open.
        blink_lengths: (B,) likewise.
        blink_intervals: (K,) seconds from the start of a blink to that of the next.
        paces: (P, `SPAN`) how each of P people follows a voice, as filters over `atvg.voice.prosody.around`: the
            logarithm of the speed of the head, relative to its usual one.
        nods: (P, `SPAN`) likewise: degrees of pitch.
        blink_paces: (`SPAN`,) the same for all: the logarithm of how readily eyes blink, relative to the usual.

    Weights that were made before heads listened lack the last three; then they are 0, and nothing follows the voice.

    Raises:
        ValueError: arrays that do not belong together, are empty, or hold what cannot be.
    """

    poses: np.ndarray
    pose_lengths: np.ndarray
    blinks: np.ndarray
    blink_lengths: np.ndarray
    blink_intervals: np.ndarray
    paces: np.ndarray = field(default_factory=lambda: np.zeros((1, SPAN), np.float32))
    nods: np.ndarray = field(default_factory=lambda: np.zeros((1, SPAN), np.float32))
    blink_paces: np.ndarray = field(default_factory=lambda: np.zeros(SPAN, np.float32))

    def __post_init__(self) -> None:
        if not all(np.isfinite(array).all() for array in self.arrays().values()):
            raise ValueError("NaN or infinite values")
        sizes = [(self.poses, self.pose_lengths, (3,), SHORTEST), (self.blinks, self.blink_lengths, (), 1)]
        for values, lengths, inner, least in sizes:
            if lengths.ndim != 1 or lengths.size == 0 or lengths.dtype.kind not in "iu" or lengths.min() < least:
                raise ValueError("sequences that are missing or too short")
            if values.shape != (lengths.sum(), *inner):
                raise ValueError("sequences of other lengths than said")
        if self.blink_intervals.ndim != 1 or self.blink_intervals.size == 0 or not (self.blink_intervals > 0).all():
            raise ValueError("no intervals between blinks")
        if self.blinks.min() < 0 or self.blinks.max() > 1:
            raise ValueError("eyes more than open or shut")
        people = len(self.paces)
        if not people or not self.paces.shape == self.nods.shape == (people, SPAN) or self.blink_paces.shape != (SPAN,):
            raise ValueError("filters of another span, or of other people")

    @classmethod
    def required(cls) -> set[str]:
        """The arrays that even the oldest weights have."""
        return {f.name for f in fields(cls) if f.default_factory is MISSING}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def sample(
        self, seed: int, voice: Iterable[np.ndarray] | None = None, liveliness: float = 1.0
    ) -> Iterator[IdleFrame]:
        """Idle motion, one frame at a time; frame 0 is the photo. The same seed and voice give the same motion.

        Args:
            voice: for each frame the loudness around it, (`SPAN`,), from `atvg.voice.prosody`; the motion ends with
                it. Without one it is endless and follows nothing.
            liveliness: 0 nothing moves; 1 as real people; more: the head moves further and follows the voice more, and
                the eyes blink more often.
        """
        # Each has numbers of its own: what one draws does not depend on how far the other is.
        person = np.random.default_rng([seed, 2]).integers(len(self.paces))
        filters = np.stack([self.paces[person], self.nods[person], self.blink_paces]).astype(np.float64)
        heard = repeat(np.zeros(3)) if voice is None else (filters @ window for window in voice)
        of_head, of_eyes = tee(heard)
        poses = self._poses(np.random.default_rng([seed, 0]), of_head, liveliness)
        closures = self._closures(np.random.default_rng([seed, 1]), of_eyes, liveliness)
        for pose, closure in zip(poses, closures, strict=True):
            yield IdleFrame(Pose(*map(float, pose)), float(closure))

    def _poses(self, rng: np.random.Generator, heard: Iterable[np.ndarray], liveliness: float) -> Iterator[np.ndarray]:
        """(3,) per frame."""
        ends = np.cumsum(self.pose_lengths)
        sequences = np.split(self.poses.astype(np.float64), ends[:-1])
        fastest = np.max([np.abs(np.diff(s, axis=0)).max(axis=0) for s in sequences], axis=0)
        track = _endless(sequences, rng)
        here, after, share = next(track), next(track), 0.0
        pose, nod = np.zeros(3), np.zeros(3)
        # The photo may have been taken in the middle of a word: a head that hears one does not jump to where it nods.
        begun = chain(_ease(np.arange(_JOIN) / _JOIN), repeat(1.0))
        for (log_pace, pitch, _), part in zip(heard, begun, strict=False):
            pace = min(float(np.exp(liveliness * log_pace)), _MOST_PACE)
            nods = np.array([0.0, part * pitch, 0.0])
            real = here + share * (after - here)
            step = pace * real[3:] + nods - nod
            way = liveliness * (real[:3] + nods) - pose
            pose = pose + np.clip(liveliness * step + _RETURN * way, -fastest, fastest)
            yield _within_limits(pose)
            nod, share = nods, share + pace
            while share >= 1:
                here, after, share = after, next(track), share - 1

    def _closures(self, rng: np.random.Generator, heard: Iterable[np.ndarray], liveliness: float) -> Iterator[float]:
        curves = np.split(self.blinks, np.cumsum(self.blink_lengths)[:-1])
        # The photo was not taken just after a blink: any part of an interval may have gone by.
        wait = _frames(max(_EYES_OPEN, rng.choice(self.blink_intervals) * rng.random()))
        blinking: Iterator[float] = iter(())
        for _, _, log_pace in heard:
            closure = next(blinking, None)
            if closure is None and wait <= 0:
                curve = curves[rng.integers(len(curves))]
                wait = _frames(rng.choice(self.blink_intervals) - len(curve) / FPS)
                blinking = iter(curve)
                closure = next(blinking)
            elif closure is None:
                wait -= liveliness * np.exp(log_pace)
            yield closure or 0.0


def _endless(sequences: list[np.ndarray], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Position and step, (6,) per frame. Sequences are mirrored at random, never reversed: heads nod down faster."""
    share = _ease(np.arange(_JOIN) / _JOIN)[:, None]
    before = np.zeros((_JOIN, 6))  # the photo is a sequence that stands still
    while True:
        side = rng.choice([-1.0, 1.0])
        real = sequences[rng.integers(len(sequences))] * [side, 1.0, side]
        track = np.hstack([real, np.diff(real, axis=0, prepend=real[:1])])
        track[:_JOIN] = (1 - share) * before + share * track[:_JOIN]
        yield from track[:-_JOIN]
        before = track[-_JOIN:]


def blink(landmarks: np.ndarray, closure: float | np.ndarray) -> np.ndarray:
    """Closes the eyes of landmarks, (..., 68, 2 or 3) → the same shape; ``closure`` (...) is 0 as they are, 1 shut.

    The upper lid comes down and the lower one rises a little until they meet. Each point moves along the line to its
    partner on the other lid, so a tilted head is treated alike, and lids that already touch stay where they are.
    """
    upper, lower = landmarks[..., UPPER_LID, :], landmarks[..., LOWER_LID, :]
    way = np.asarray(closure)[..., None, None] * (lower - upper)
    result = landmarks.copy()
    result[..., UPPER_LID, :] = upper + _UPPER_SHARE * way
    result[..., LOWER_LID, :] = lower - (1 - _UPPER_SHARE) * way
    return result


def _frames(seconds: float) -> float:
    return float(max(1, round(seconds * FPS)))


def _ease(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with no speed at either end."""
    return share * share * (3 - 2 * share)


def _within_limits(pose: np.ndarray) -> np.ndarray:
    """Soft clipping to `LIMITS`: untouched up to the knee, then ever slower, never faster."""
    knee, room = _KNEE * LIMITS, (1 - _KNEE) * LIMITS
    size = np.abs(pose)
    return np.sign(pose) * np.where(size < knee, size, knee + room * np.tanh((size - knee) / room))
