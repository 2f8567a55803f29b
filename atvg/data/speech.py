"""What AT-net learns from: rotation-free shapes, codes and MFCC rows of every clip whose sound fits its lips."""

from dataclasses import dataclass

import numpy as np

from atvg import shape as shapes
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.errors import PackError
from atvg.face.landmarks import mouth_opening
from atvg.pose import angles_of
from atvg.shape import ShapeModel

_FIT_FRAMES = 20_000  # enough for a stable PCA, small enough for one SVD
_RIDGE = 10.0
_REST_SHARE = 0.1  # the most closed tenth of a clip's frames shows its mouth at rest


@dataclass(frozen=True)
class SpeechClip:
    """One clip as AT-net sees it: normalised shapes (T, 68, 3), codes against ``origin``, rows (4T + 24, 20)."""

    identity: str
    shapes: np.ndarray
    codes: np.ndarray  # (T, K_z), offsets from the clip's mean shape; differences of two are true offsets
    rest: np.ndarray  # (K_z,), the same for the mouth at rest
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.shapes)


def load_speech(
    pack_dir: str | AnyPath, split: str, identity_codes: int, motion_codes: int, model: ShapeModel | None = None
) -> tuple[list[SpeechClip], ShapeModel]:
    """Reads a split and, unless one is given, fits the shape model to it.

    Raises:
        PackError: unreadable pack, or no clip with usable sound.
    """
    clips = [clip for clip in read_pack(pack_dir, split, with_frames=False) if clip.sync]
    if not clips:
        raise PackError(f"{pack_dir} has no {split} clip whose sound fits its picture; AT-net needs some")
    mean = shapes.fit_mean(_sample([clip.landmarks for clip in clips])) if model is None else model.mean
    cleaned = _without_pose(clips, mean)
    if model is None:
        offsets = _sample([c - c.mean(axis=0) for c in cleaned])
        model = shapes.fit(_sample(cleaned), offsets, mean, identity_codes, motion_codes)
    return [_speech_clip(clip, normal, model) for clip, normal in zip(clips, cleaned, strict=True)], model


def _without_pose(clips: list[Clip], mean: np.ndarray) -> list[np.ndarray]:
    """Normalised shapes, less what still varies with the head's angles within a clip.

    A detector's depth is an estimate, so turning a head back leaves a trace that looks like speech; one linear map
    from angles to shape, fitted over all clips, takes it out.
    """
    normal, angles = [], []
    for clip in clips:
        frame = shapes.rigid_fit(clip.landmarks, mean)
        normal.append(shapes.normalise(clip.landmarks, frame))
        turn = angles_of(frame.rotation)
        angles.append(turn - turn.mean(axis=0))
    x = np.concatenate(angles)
    y = np.concatenate([n - n.mean(axis=0) for n in normal]).reshape(len(x), -1)
    leak = np.linalg.solve(x.T @ x + _RIDGE * np.eye(3), x.T @ y)
    return [n - (a @ leak).reshape(n.shape) for n, a in zip(normal, angles, strict=True)]


def _speech_clip(clip: Clip, normal: np.ndarray, model: ShapeModel) -> SpeechClip:
    codes = model.encode(normal - normal.mean(axis=0))
    opening = mouth_opening(normal)
    rest = codes[opening <= np.quantile(opening, _REST_SHARE)].mean(axis=0)
    arrays = (normal, codes, rest, clip.mfcc)
    return SpeechClip(clip.identity, *(np.ascontiguousarray(a, np.float32) for a in arrays))


def _sample(per_clip: list[np.ndarray]) -> np.ndarray:
    """Evenly spaced frames over all clips, at most `_FIT_FRAMES`."""
    joined = np.concatenate(per_clip)
    return joined[:: max(1, len(joined) // _FIT_FRAMES)]
