"""Natural idle motion: the small turns of a head and the blinks of somebody who talks, drawn from real sequences.

A pose is a real sequence's, joined to the one before by blending how they move, not where they are: each step is the
real step of that frame plus a slow return to the real sequence, and never a faster one than the fastest real step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from atvg.config import FPS
from atvg.face.landmarks import LEFT_EYE, RIGHT_EYE
from atvg.motion.pose import Pose

SHORTEST = 25  # frames of a pose sequence; two joins must fit into it
LIMITS = np.array([8.0, 5.0, 4.0])  # degrees of yaw, pitch, roll: beyond them a turned photo shows that it is one

# Upper and lower lid, left to right as seen; pairs lie one above the other.
UPPER_LID = np.array([RIGHT_EYE[1], RIGHT_EYE[2], LEFT_EYE[1], LEFT_EYE[2]])
LOWER_LID = np.array([RIGHT_EYE[5], RIGHT_EYE[4], LEFT_EYE[5], LEFT_EYE[4]])

_JOIN = 12  # frames in which one sequence takes over from another
_RETURN = 0.03  # share of the distance to the real sequence that a frame makes up for: 1.3 s to be back
_KNEE = 0.5  # share of the limits within which poses are the real ones
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

    Raises:
        ValueError: arrays that do not belong together, are empty, or hold what cannot be.
    """

    poses: np.ndarray
    pose_lengths: np.ndarray
    blinks: np.ndarray
    blink_lengths: np.ndarray
    blink_intervals: np.ndarray

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

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def sample(self, seed: int) -> Iterator[IdleFrame]:
        """Endless idle motion, one frame at a time; frame 0 is the photo. The same seed gives the same motion."""
        # Each has numbers of its own: what one draws does not depend on how far the other is.
        poses = self._poses(np.random.default_rng([seed, 0]))
        closures = self._closures(np.random.default_rng([seed, 1]))
        for pose, closure in zip(poses, closures, strict=True):
            yield IdleFrame(Pose(*map(float, pose)), float(closure))

    def _poses(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """(3,) per frame. Sequences are mirrored at random, never reversed: a head nods down faster than up."""
        ends = np.cumsum(self.pose_lengths)
        sequences = np.split(self.poses.astype(np.float64), ends[:-1])
        fastest = np.max([np.abs(np.diff(s, axis=0)).max(axis=0) for s in sequences], axis=0)
        share = _ease(np.arange(_JOIN) / _JOIN)[:, None]
        pose = np.zeros(3)
        before = np.zeros((_JOIN, 6))  # position and step; the photo is a sequence that stands still
        while True:
            side = rng.choice([-1.0, 1.0])
            real = sequences[rng.integers(len(sequences))] * [side, 1.0, side]
            track = np.hstack([real, np.diff(real, axis=0, prepend=real[:1])])
            track[:_JOIN] = (1 - share) * before + share * track[:_JOIN]
            for frame in track[:-_JOIN]:
                pose = pose + np.clip(frame[3:] + _RETURN * (frame[:3] - pose), -fastest, fastest)
                yield _within_limits(pose)
            before = track[-_JOIN:]

    def _closures(self, rng: np.random.Generator) -> Iterator[float]:
        curves = np.split(self.blinks, np.cumsum(self.blink_lengths)[:-1])
        # The photo was not taken just after a blink: any part of an interval may have gone by.
        wait = max(_EYES_OPEN, rng.choice(self.blink_intervals) * rng.random())
        while True:
            yield from np.zeros(max(1, round(wait * FPS)))
            curve = curves[rng.integers(len(curves))]
            yield from curve
            wait = rng.choice(self.blink_intervals) - len(curve) / FPS


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


def _ease(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with no speed at either end."""
    return share * share * (3 - 2 * share)


def _within_limits(pose: np.ndarray) -> np.ndarray:
    """Soft clipping to `LIMITS`: untouched up to the knee, then ever slower, never faster."""
    knee, room = _KNEE * LIMITS, (1 - _KNEE) * LIMITS
    size = np.abs(pose)
    return np.sign(pose) * np.where(size < knee, size, knee + room * np.tanh((size - knee) / room))
