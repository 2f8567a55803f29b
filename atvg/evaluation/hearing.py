"""What is lost when a voice is heard while it is still being spoken: landmarks, live and of the whole sound."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atvg.animate.listener import smoothed
from atvg.config import FPS
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.evaluation.metrics import mouth_correlation
from atvg.face.landmarks import mouth_opening
from atvg.voice.hearing import LIVE_AFTER, LIVE_BEFORE, listen_live, stored_rows

if TYPE_CHECKING:
    from atvg.animator import Animator

EAR = "whisper"  # without it a window of MFCC is all that anybody hears
SMOOTHING = 0.8  # frames, the usual one


def measure_live(pack_dir: str | AnyPath, split: str, weights: Path) -> dict[str, Any] | None:
    """Correlations of lip openings, pooled as `mouth_correlation` does, of all clips whose sound fits.

    Returns:
        ``agreement`` of live and whole, and ``r[source]`` of either with the truth; None if the weights have no AT-net
        that hears through the ear.

    Raises:
        PackError, CheckpointError: as `read_pack` and `Animator.from_pretrained`.
    """
    from atvg.animator import Animator

    animator = Animator.from_pretrained(weights)
    if EAR not in animator.ears:
        return None
    found: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for clip in read_pack(pack_dir, split, with_frames=False):
        if clip.sync:
            whole = animator.landmarks_from_rows(clip.mfcc80, clip.landmarks[0], SMOOTHING, EAR)
            openings = mouth_opening(whole), mouth_opening(_live(animator, clip)), mouth_opening(clip.landmarks)
            for source in ("all", clip.source):
                found.setdefault(source, []).append(openings)
    wholes, lives, _ = zip(*found["all"], strict=True)
    return {
        "before": LIVE_BEFORE / FPS,
        "after": LIVE_AFTER / FPS,
        "agreement": mouth_correlation(lives, wholes)[0],
        "r": {source: _against_truth(openings) for source, openings in found.items()},
    }


def _live(animator: "Animator", clip: Clip) -> np.ndarray:
    """Landmarks (T, 68, 2) of what is heard live."""
    listener = animator.listener(clip.landmarks[0], EAR)
    assert listener.ear is not None  # AT-net hears through it
    heard = listen_live(listener.ear, stored_rows(clip.mfcc80), len(clip), listener.net.config.ear_layers)
    codes = smoothed((listener.hear(stretch.for_net(listener.net)) for stretch in heard), SMOOTHING)
    return animator.landmarks(np.concatenate(list(codes)), clip.landmarks[0])


def _against_truth(openings: list[tuple[np.ndarray, ...]]) -> dict[str, float]:
    wholes, lives, truths = zip(*openings, strict=True)
    return {"live": mouth_correlation(lives, truths)[0], "whole": mouth_correlation(wholes, truths)[0]}
