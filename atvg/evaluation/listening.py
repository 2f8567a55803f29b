"""Do head and eyes belong to the voice? Real ones and natural motion, measured alike on the same sound.

Where a real head goes cannot be told from its voice, so motion is not compared frame by frame, but in what it has in
common with the voice: how fast the head is where the voice is loud and where it rests, and when the eyes blink.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_opening, gaussian_filter1d

from atvg.checkpoint import load_idle
from atvg.config import FPS
from atvg.data.idle import blink_peaks, eye_opening, smooth_angles
from atvg.data.manners import log_speed
from atvg.data.pack import Clip, read_pack, shards
from atvg.data.storage import AnyPath, as_path
from atvg.errors import PackError
from atvg.evaluation.metrics import mean_of_known
from atvg.motion.shape import fit_mean
from atvg.voice.prosody import around, loudness_of_rows

STRENGTHS = (0.5, 1.0, 1.5)  # of liveliness
SEEDS = 8

_LEAST = 75  # frames of a clip
_QUIET = -0.73  # loudness: 20 dB below the speech's level; recordings with a noise of their own never fall to −35
_PAUSE = 5  # frames; a shorter silence is part of speech
_EDGE = 8  # frames around the end of a phrase
_LEAD = 4  # frames by which a head is ahead of the voice
_DRIFT = 15  # standard deviation in frames: what is slower is no nod

CHOICE = (
    f"clips in sync of at least {_LEAST} frames; head: smooth angles; speed r: correlation of the logarithm of its "
    f"speed with the loudness {_LEAD} frames later; nod r: size of the correlation of its pitch without drift with the "
    "same; pauses ÷ speech: mean speeds; blinks: in a pause ÷ in speech, and within "
    f"±{_EDGE} frames of the end of a phrase ÷ further inside phrases; a pause is {_PAUSE} frames 20 dB below the "
    f"speech's level; ours: {SEEDS} seeds on each clip's sound; r are means over clips, the rest is of all frames"
)

Motion = tuple[np.ndarray, np.ndarray]  # smooth angles (T, 3) in degrees, frames in which a blink is most closed


def evaluate_listening(pack_dir: str | AnyPath, split: str, weights: Path) -> dict[str, Any]:
    """What ``atvg evaluate --motion`` reports.

    Returns:
        ``motion`` maps rows (``real``, ``not listening``, ``liveliness 1`` …) to figures; NaN where undefined.

    Raises:
        PackError: no such pack or split, a corrupt shard, or no clip that is long enough.
        CheckpointError: missing or damaged weights.
    """
    shards(pack_dir, split)  # a wrong folder or split must be known before anything is loaded
    idle = load_idle(weights)
    clips = [c for c in read_pack(pack_dir, split, with_frames=False) if c.sync and len(c) >= _LEAST]
    if not clips:
        raise PackError(f"{pack_dir} has no {split} clip in sync of at least {_LEAST} frames; add longer ones")
    mean = fit_mean(np.concatenate([clip.landmarks for clip in clips]))

    def made(listening: bool, liveliness: float) -> Iterator[tuple[Clip, Motion]]:
        for clip in clips:
            heard = around(loudness_of_rows(clip.mfcc80))
            for seed in range(SEEDS):
                frames = list(idle.sample(seed, heard if listening else 0 * heard, liveliness))
                angles = np.array([[f.pose.yaw, f.pose.pitch, f.pose.roll] for f in frames])
                yield clip, (angles, np.array(blink_peaks(1 - np.array([f.closure for f in frames])), int))

    real = (
        (clip, (smooth_angles(clip, mean), np.array(blink_peaks(eye_opening(clip.landmarks, mean)), int)))
        for clip in clips
    )
    rows = {"real": measure(real), "not listening": measure(made(False, 1.0))}
    rows |= {f"liveliness {strength:g}": measure(made(True, strength)) for strength in STRENGTHS}
    return {
        "pack": as_path(pack_dir).resolve().name,
        "split": split,
        "protocol": {"motion": CHOICE},
        "clips": len(clips),
        "identities": len({clip.identity for clip in clips}),
        "motion": rows,
    }


def measure(moved: Iterator[tuple[Clip, Motion]]) -> dict[str, float]:
    """The figures of one row, from clips and how somebody moves to their sound."""
    fast, nods, speeds, places = [], [], [], []
    for clip, (angles, blinks) in moved:
        loud = loudness_of_rows(clip.mfcc80)
        later = gaussian_filter1d(loud, 2.0)[_LEAD:]
        pitch = angles[:, 1] - gaussian_filter1d(angles[:, 1], _DRIFT, mode="nearest")
        fast.append(_correlation(log_speed(angles)[:-_LEAD], later))
        nods.append(abs(_correlation(pitch[:-_LEAD], later)))
        pause = binary_opening(loud < _QUIET, np.ones(_PAUSE))
        ends = np.flatnonzero(pause[1:] & ~pause[:-1]) + 1
        near = (np.abs(np.arange(len(clip))[:, None] - ends) <= _EDGE).any(axis=1)
        blinked = np.bincount(blinks, minlength=len(clip))
        places.append(np.stack([blinked, pause, near, ~pause & ~near]))
        speeds.append(FPS * np.linalg.norm(np.gradient(angles, axis=0), axis=1))
    speed, (blinked, pause, near, inside) = np.concatenate(speeds), np.concatenate(places, axis=1)

    def share(values: np.ndarray, where: np.ndarray) -> float:
        return float(values[where > 0].mean()) if where.any() else float("nan")

    return {
        "speed": float(speed.mean()),
        "speed_r": mean_of_known(fast),
        "nod_r": mean_of_known(nods),
        "pauses_to_speech": _ratio(share(speed, pause), share(speed, 1 - pause)),
        "blinks": float(blinked.mean() * FPS * 60),
        "blinks_in_pauses": _ratio(share(blinked, pause), share(blinked, 1 - pause)),
        "blinks_at_ends": _ratio(share(blinked, near), share(blinked, inside)),
    }


def table(found: Mapping[str, Any]) -> str:
    """The figures of `evaluate_listening` as Markdown."""
    lines = [
        f"**head and eyes on {found['clips']} clips, people: {found['identities']}**\n",
        "| | head speed, °/s | speed r | nod r | speed in pauses ÷ speech | blinks a minute | in pauses ÷ speech "
        "| at phrase ends ÷ inside |",
        "|---|" + "---:|" * 7,
    ]
    for name, figures in found["motion"].items():
        cells = [f"{value:.{1 if key in ('speed', 'blinks') else 2}f}" for key, value in figures.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", CHOICE[0].upper() + CHOICE[1:] + "."]).replace("nan", "–")


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    still = min(first.std(), second.std()) < 1e-6
    return float("nan") if still else float(np.corrcoef(first, second)[0, 1])


def _ratio(first: float, second: float) -> float:
    return first / second if second > 0 else float("nan")
