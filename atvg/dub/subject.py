"""Who is dubbed: where the face is in each frame of the film, and how it would be there with its mouth at rest.

A film shows its talker speaking, so no frame of it is the photo of a mouth at rest that AT-net's offsets start from.
The frames in which the lips are shut are such photos; between them the face at rest follows from those near in time,
and so keeps its smile, or the way it is seen from the side.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atvg.face import geometry
from atvg.face.crop import stabilising_transforms
from atvg.face.landmarks import MOUTH, SPEAKING, eye_distance, mouth_opening
from atvg.motion.shape import HeadFrame, ShapeModel, denormalise_offset, normalise

# Seconds: standard deviations of the low-pass over a tracker's points, lips and others, and over the pose they tell.
_LIPS, _TREMBLE, _HEAD = 0.02, 0.06, 0.06
_SHUT = 0.05  # of the eyes' distance: lips that are this far apart count half as shut
_NEAR = 0.6  # seconds: standard deviation of the time within which shut lips tell how the mouth rests
_ALWAYS = 2.0  # what the whole film tells of it, in shut frames nearby
_FADE = 0.16  # seconds in which the new mouth takes over, where the face comes into view or leaves it


@dataclass(frozen=True)
class Subject:
    """One person in N frames of a film.

    Attributes:
        matrices: (N, 2, 3) frame → crop, steady; of frames that do not show the person those of the nearest that does.
        own: (N, 68, 3) float32 crop pixels and depth, the landmarks as filmed, likewise.
        rest: (N, 68, 3) the same with the mouth at rest.
        share: (N,) how far the new mouth has taken over, in [0, 1]; 0 where the person is not seen.
        shots: (N,) number of the shot that each frame belongs to.
    """

    matrices: np.ndarray
    own: np.ndarray
    rest: np.ndarray
    share: np.ndarray
    shots: np.ndarray

    def __len__(self) -> int:
        return len(self.share)

    def calmest(self, frames: np.ndarray) -> int:
        """Of some frames (K,) the one most like a photo of the person at rest: lips shut, seen from the front."""
        own = self.own[frames]
        across = own[:, 45] - own[:, 36]
        turned = np.abs(across[:, 2]) / np.maximum(np.abs(across[:, 0]), 1)
        opened = mouth_opening(own) / eye_distance(own)
        return int(frames[np.argmin(opened / _SHUT + 2 * turned + 10 * (1 - self.share[frames]))])


def survey(landmarks: np.ndarray, shots: np.ndarray, shape: ShapeModel, fps: float) -> Subject:
    """Says of a followed person all that is needed to dub them.

    Args:
        landmarks: (N, 68, 3) picture pixels and depth, NaN where the person is not seen; in one frame they are.
        shots: (N,) number of the shot of each frame.
        shape: tells what does not move with speech.
    """
    seen = ~np.isnan(landmarks[:, 0, 0])
    matrices, own = np.zeros((len(seen), 2, 3)), np.zeros(landmarks.shape, np.float32)
    normal, frames = np.zeros((len(seen), len(SPEAKING), 3), np.float32), []
    for part in _stretches(seen, shots):
        points = gaussian_filter1d(landmarks[part].astype(np.float64), _TREMBLE * fps, axis=0, mode="nearest")
        points[:, MOUTH] = gaussian_filter1d(landmarks[part][:, MOUTH], _LIPS * fps, axis=0, mode="nearest")
        matrices[part] = stabilising_transforms(points)
        own[part] = geometry.apply(matrices[part], points)
        frame = _steady(shape.frame_of(own[part]), _HEAD * fps)
        normal[part] = normalise(own[part], frame)[:, SPEAKING]
        frames.append((part, frame))
    mouth = _resting(normal, own, seen, fps)
    rest = own.copy()
    for part, frame in frames:
        offset = denormalise_offset(mouth[part] - normal[part], frame)
        rest[part, SPEAKING] += offset.astype(np.float32)
    nearest = _nearest(seen, shots)
    return Subject(matrices[nearest], own[nearest], rest[nearest], _shares(seen, shots, fps), shots)


def _stretches(seen: np.ndarray, shots: np.ndarray) -> list[slice]:
    """Runs of frames of one shot that show the person."""
    key = np.where(seen, shots, -1)
    edges = [0, *(np.flatnonzero(np.diff(key)) + 1), len(key)]
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if seen[a]]


def _steady(frame: HeadFrame, deviation: float) -> HeadFrame:
    """Poses of a stretch, low-passed over time."""
    rotation, scale, origin = (
        gaussian_filter1d(part, deviation, axis=0, mode="nearest") for part in vars(frame).values()
    )
    u, _, vt = np.linalg.svd(rotation)  # the nearest rotation to a mean of some
    return HeadFrame(u @ vt, scale, origin)


def _resting(normal: np.ndarray, own: np.ndarray, seen: np.ndarray, fps: float) -> np.ndarray:
    """How mouth and jaw, `SPEAKING`, rest in each frame, (N, 35, 3) normalised as `normal` is."""
    opened = mouth_opening(own) / np.maximum(eye_distance(own), 1e-6)
    least = np.quantile(opened[seen], 0.05)
    shut = np.where(seen, np.exp(-((np.maximum(opened - least, 0) / _SHUT) ** 2)), 0)
    shapes = normal.reshape(len(normal), -1)
    often = shut**4  # of the whole film the most shut frames tell
    overall = (often[:, None] * shapes).sum(0) / often.sum()
    deviation = _NEAR * fps
    unit = deviation * np.sqrt(2 * np.pi)  # a filter's weights sum to 1, those of frames are to count frames
    weight = gaussian_filter1d(shut, deviation, mode="constant") * unit
    total = gaussian_filter1d(shut[:, None] * (shapes - overall), deviation, axis=0, mode="constant") * unit
    return (overall + total / (weight[:, None] + _ALWAYS)).reshape(normal.shape)


def _nearest(seen: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Of each frame the nearest that shows the person, (N,), in the same shot if one does."""
    there = np.flatnonzero(seen)
    nearest = np.zeros(len(seen), np.int64)
    for shot in np.unique(shots):
        frames = np.flatnonzero(shots == shot)
        known = there[shots[there] == shot] if seen[frames].any() else there
        right = np.searchsorted(known, frames).clip(0, len(known) - 1)
        left = (right - 1).clip(0)
        closer = np.abs(known[left] - frames) <= np.abs(known[right] - frames)
        nearest[frames] = np.where(closer, known[left], known[right])
    return nearest


def _shares(seen: np.ndarray, shots: np.ndarray, fps: float) -> np.ndarray:
    """How far the new mouth has taken over: gradually within a shot, at once at its ends, where nothing was before."""
    share = seen.astype(np.float32)
    span = max(1, round(_FADE * fps))
    for part in _stretches(seen, shots):
        ramp = (np.arange(part.stop - part.start) + 1) / (span + 1)
        ramp = ramp * ramp * (3 - 2 * ramp.clip(0, 1))
        if part.start > 0 and shots[part.start - 1] == shots[part.start]:
            share[part] = np.minimum(share[part], ramp.clip(0, 1))
        if part.stop < len(seen) and shots[part.stop] == shots[part.start]:
            share[part] = np.minimum(share[part], ramp[::-1].clip(0, 1))
    return share
