"""What idle motion is drawn from: how heads really turn and eyes really blink in the clips of a pack."""

from collections import Counter, defaultdict

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atvg.config import FPS
from atvg.data.manners import fit_blink_paces, fit_manners
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.errors import PackError
from atvg.face.geometry import scale_of
from atvg.face.landmarks import EYE_CORNERS
from atvg.motion.idle import LIMITS, LOWER_LID, SHORTEST, UPPER_LID, IdleModel
from atvg.motion.pose import angles_of
from atvg.motion.shape import fit_mean, normalise, rigid_fit

MAX_SEQUENCES = 200  # of poses and of blinks: enough variety, and a file of 200 kB
_LONGEST = 100  # frames of a sequence; a longer clip is cut: few people stay within the limits for longer
_PER_IDENTITY = 8  # sequences: nobody's manner is everybody's
_MEAN_EVERY = 8  # frames; neighbours add nothing to the mean face
_SMOOTH = 1.5  # standard deviation in frames: above 5 Hz the tracker's noise is all there is
_WITHIN = 0.95  # share of a sequence's frames that must lie within the limits
_FASTEST = 1.5  # degrees a frame about any axis; faster is a gesture, or the tracker that lost the face

_SHUT, _OPEN = 0.4, 0.85  # of the clip's usual opening: a blink falls below the one and is over at the other
_CLOSING, _OPENING = 6, 9  # frames at most, from open to shut and back
_BLINK_FRAMES = 6  # shorter dips are mostly the tracker's
_REBOUND = 0.1  # eyes that open shut again by no more than this, or it was two blinks
_SOONEST, _LATEST = 1.0, 8.0  # seconds between blinks: a flutter counts once, and nobody stares for longer
_BLINK_SECONDS = 60  # a person's clips that count for how often people blink


def fit_idle(pack_dir: str | AnyPath, split: str = "train") -> IdleModel:
    """Collects the pose sequences, blinks and intervals of a split, and how its people follow their voices.

    Raises:
        PackError: unreadable pack, or no clip that can be used, moderate motion, or blinks in it.
    """
    # Stills of a person are a clip out of sync, too, but nobody moves from one of its frames to the next.
    clips = [clip for clip in read_pack(pack_dir, split, with_frames=False) if clip.sync and len(clip) >= SHORTEST]
    if not clips:
        raise PackError(f"{pack_dir} has no {split} clip in sync of at least {SHORTEST} frames; idle motion needs some")
    mean = fit_mean(np.concatenate([clip.landmarks[::_MEAN_EVERY] for clip in clips]))
    sequences = pose_sequences(clips, mean)
    if not sequences:
        raise PackError(f"in {pack_dir} every {split} clip moves too much for idle motion; add calmer clips")
    blinks, intervals = find_blinks(clips, mean)
    if not blinks or not len(intervals):
        raise PackError(f"in {pack_dir} hardly anybody blinks; idle motion needs more or longer {split} clips")
    paces, nods = fit_manners(clips, [smooth_angles(clip, mean) for clip in clips])
    return IdleModel(
        poses=np.concatenate(sequences).astype(np.float32),
        pose_lengths=np.array([len(s) for s in sequences], np.int32),
        blinks=np.concatenate(blinks).astype(np.float32),
        blink_lengths=np.array([len(b) for b in blinks], np.int32),
        blink_intervals=intervals.astype(np.float32),
        paces=paces,
        nods=nods,
        blink_paces=fit_blink_paces(clips, [blink_peaks(eye_opening(clip.landmarks, mean)) for clip in clips]),
    )


def head_angles(clip: Clip, mean: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll of the head in the *source* picture, (T, 3) degrees, against the frontal mean face."""
    head = np.swapaxes(rigid_fit(clip.landmarks, mean).rotation, -1, -2)
    # Stabilising has turned the picture in its plane, and the head with it.
    picture = np.zeros((len(clip), 3, 3))
    picture[:, :2, :2] = clip.transforms[:, :, :2] / scale_of(clip.transforms)[:, None, None]
    picture[:, 2, 2] = 1
    return angles_of(np.swapaxes(picture, -1, -2) @ head)


def smooth_angles(clip: Clip, mean: np.ndarray) -> np.ndarray:
    """The same without the tracker's noise."""
    return gaussian_filter1d(head_angles(clip, mean), _SMOOTH, axis=0, mode="nearest")


def pose_sequences(clips: list[Clip], mean: np.ndarray) -> list[np.ndarray]:
    """(T, 3) degrees each about its own mean: the longest moderate ones, no more than a few of each person."""
    found = []
    for clip in clips:
        angles = smooth_angles(clip, mean)
        for piece in np.array_split(angles, -(-len(angles) // _LONGEST)):
            piece = piece - piece.mean(axis=0)
            calm = np.abs(np.diff(piece, axis=0)).max() <= _FASTEST
            if calm and (np.quantile(np.abs(piece), _WITHIN, axis=0) <= LIMITS).all():
                found.append((clip.identity, piece))
    longest_first = _ranked(sorted(found, key=lambda item: -len(item[1])))
    return [piece for rank, piece in longest_first if rank < _PER_IDENTITY][:MAX_SEQUENCES]


def find_blinks(clips: list[Clip], mean: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Closure curves of clear blinks, and the seconds between blinks.

    Most clips are shorter than an interval, so they are laid end to end: what is lost at one border is found at the
    next, and the number of blinks a minute stays the pack's.
    """
    curves: list[tuple[str, np.ndarray]] = []
    starts: list[float] = []
    seconds: dict[str, float] = defaultdict(float)
    now = 0.0
    for clip in clips:
        opening = eye_opening(clip.landmarks, mean)
        peaks = blink_peaks(opening)
        curves += [(clip.identity, c) for c in (_curve(opening, peak) for peak in peaks) if c is not None]
        if seconds[clip.identity] < _BLINK_SECONDS:
            for start in (now + peak / FPS for peak in peaks):
                if not starts or start - starts[-1] >= _SOONEST:
                    starts.append(start)
            now += len(clip) / FPS
            seconds[clip.identity] += len(clip) / FPS
    intervals = np.minimum(np.diff(starts), _LATEST)
    if len(intervals) > MAX_SEQUENCES:
        intervals = np.quantile(intervals, (np.arange(MAX_SEQUENCES) + 0.5) / MAX_SEQUENCES)
    one_of_each_first = sorted(_ranked(curves), key=lambda item: item[0])
    return [curve for _, curve in one_of_each_first][:MAX_SEQUENCES], intervals


def eye_opening(landmarks: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Distance of the lids, both eyes, in eye widths and seen from the front, (T, 68, 3) → (T,)."""
    shapes = normalise(landmarks, rigid_fit(landmarks, mean))
    outer, inner = shapes[:, EYE_CORNERS[[0, 3]]], shapes[:, EYE_CORNERS[[1, 2]]]
    gap = (shapes[:, LOWER_LID, 1] - shapes[:, UPPER_LID, 1]).mean(axis=1)
    return gap / np.linalg.norm(outer - inner, axis=-1).mean(axis=1)


def blink_peaks(opening: np.ndarray) -> list[int]:
    """The frame of each blink at which the eyes are most closed, from `eye_opening`."""
    usual = np.median(opening)
    closing = (opening < _SHUT * usual).astype(np.int8)
    edges = np.flatnonzero(np.diff(closing, prepend=0, append=0))
    peaks: list[int] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        # Eyes that stay shut, or look down, do not blink.
        if end - start <= _OPENING:
            peak = start + int(np.argmin(opening[start:end]))
            if not peaks or peak - peaks[-1] > _CLOSING:
                peaks.append(peak)
    return peaks


def _curve(opening: np.ndarray, peak: int) -> np.ndarray | None:
    """Closure (T,) from 0 to 1 to 0, of a blink that is wholly in the clip and one; else None."""
    is_open = opening >= _OPEN * np.median(opening)
    before = np.flatnonzero(is_open[max(0, peak - _CLOSING) : peak])
    after = np.flatnonzero(is_open[peak + 1 : peak + 1 + _OPENING])
    if not len(before) or not len(after):
        return None
    start, end = max(0, peak - _CLOSING) + before[-1], peak + 1 + after[0]
    if end - start + 1 < _BLINK_FRAMES:
        return None
    part = opening[start : end + 1]
    depth = np.linspace(part[0], part[-1], len(part)) - part
    closure = np.clip(depth / depth.max(), 0, 1)
    top = int(np.argmax(closure))
    if np.diff(closure[: top + 1]).min() < -_REBOUND or np.diff(closure[top:]).max() > _REBOUND:
        return None
    return closure


def _ranked(found: list[tuple[str, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
    """Each with how many of the same person come before it."""
    count: Counter[str] = Counter()
    ranked = []
    for identity, values in found:
        ranked.append((count[identity], values))
        count[identity] += 1
    return ranked
