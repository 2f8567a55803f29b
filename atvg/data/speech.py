"""What AT-net learns from: rotation-free shapes, codes and sound of every clip whose sound fits its lips."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from atvg.data.pack import Clip, Shard, read_shard, shards
from atvg.data.storage import AnyPath
from atvg.errors import PackError
from atvg.face.landmarks import mouth_opening
from atvg.motion import shape as shapes
from atvg.motion.pose import angles_of
from atvg.motion.shape import ShapeModel

_FIT_CLIPS, _FIT_SHARDS = 4096, 16  # what a fit reads of a pack at most: an hour of one-second clips
_FIT_FRAMES = 20_000  # enough for a stable PCA, small enough for one SVD
_RIDGE = 10.0
_REST_SHARE = 0.1  # the most closed tenth of a clip's frames shows its mouth at rest


@dataclass(frozen=True)
class SpeechClip:
    """One clip of T frames as AT-net sees and hears it.

    Attributes:
        shapes: (T, 68, 3) normalised.
        codes: (T, K_z), offsets from the clip's mean shape; differences of two are true offsets.
        rest: (K_z,), the same for the mouth at rest.
        heard: (V, N, C) in V versions, see `atvg.data.heard`; V = 0 as long as nobody has listened.
    """

    identity: str
    shapes: np.ndarray
    codes: np.ndarray
    rest: np.ndarray
    heard: np.ndarray

    def __len__(self) -> int:
        return len(self.shapes)

    def with_sound(self, heard: np.ndarray) -> "SpeechClip":
        return replace(self, heard=heard)


@dataclass(frozen=True)
class SpeechModel:
    """Codes of speech, and what of a head's turning has to be taken out of shapes first.

    A detector's depth is an estimate, so turning a head back leaves a trace that looks like speech; one linear map from
    angles to shape, fitted over many clips, takes it out.

    Attributes:
        leak: (3, 204), shape for each degree that a head has turned since the clip's mean pose.
    """

    shape: ShapeModel
    leak: np.ndarray

    def clip(self, clip: Clip) -> SpeechClip:
        """What AT-net sees of a clip."""
        normal, angles = _turned_back(clip, self.shape.mean)
        normal = normal - (angles @ self.leak).reshape(normal.shape)
        codes = self.shape.encode(normal - normal.mean(axis=0))
        opening = mouth_opening(normal)
        rest = codes[opening <= np.quantile(opening, _REST_SHARE)].mean(axis=0)
        arrays = (normal, codes, rest, np.zeros((0, 0, 0)))
        return SpeechClip(clip.identity, *(np.ascontiguousarray(a, np.float32) for a in arrays))


def sample_clips(pack_dir: str | AnyPath, split: str) -> list[Clip]:
    """Clips with usable sound, without frames, from all over a split; all of a small one, and never more than fit.

    Raises:
        PackError: unreadable pack, or no such clip.
    """
    found = shards(pack_dir, split)
    chosen = found[:: -(-len(found) // _FIT_SHARDS)]
    share = -(-_FIT_CLIPS // len(chosen))
    clips = [clip for shard in chosen for clip in islice(_fitting(shard), share)]
    if not clips:
        raise PackError(f"{pack_dir} has no {split} clip whose sound fits its picture; AT-net needs some")
    return clips


def _fitting(shard: Shard) -> Iterator[Clip]:
    return (clip for clip in read_shard(shard, with_frames=False) if clip.sync)


def fit_speech(clips: list[Clip], identity_codes: int, motion_codes: int) -> SpeechModel:
    """Fits mean shape, pose leak and codes, always to the same bits for the same clips."""
    mean = shapes.fit_mean(_sample([clip.landmarks for clip in clips]))
    normal, angles = zip(*(_turned_back(clip, mean) for clip in clips), strict=True)
    x = np.concatenate(angles)
    y = np.concatenate([n - n.mean(axis=0) for n in normal]).reshape(len(x), -1)
    leak = np.linalg.solve(x.T @ x + _RIDGE * np.eye(3), x.T @ y)
    cleaned = [n - (a @ leak).reshape(n.shape) for n, a in zip(normal, angles, strict=True)]
    offsets = _sample([c - c.mean(axis=0) for c in cleaned])
    return SpeechModel(shapes.fit(_sample(cleaned), offsets, mean, identity_codes, motion_codes), leak)


def _turned_back(clip: Clip, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised shapes (T, 68, 3), and the head's angles (T, 3) about their mean."""
    frame = shapes.rigid_fit(clip.landmarks, mean)
    angles = angles_of(frame.rotation)
    return shapes.normalise(clip.landmarks, frame), angles - angles.mean(axis=0)


def _sample(per_clip: list[np.ndarray]) -> np.ndarray:
    """Evenly spaced frames over all clips, at most `_FIT_FRAMES`."""
    joined = np.concatenate(per_clip)
    return joined[:: max(1, len(joined) // _FIT_FRAMES)]
