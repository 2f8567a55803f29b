"""What can be said of drawn frames without a true video: do they do what was asked, and what became of the photo."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from atvg.animate.chunk import Chunk
from atvg.evaluation import metrics
from atvg.evaluation.tracking import track
from atvg.face.landmarks import mouth_opening

STILL = 0.1  # px; lips that move less correlate with nothing: the tracker's own unrest on a still reaches 0.05

LABELS = {
    "lip_error": "Lip error, px ↓",
    "lip_r": "Lip opening, r ↑",
    "opening": "Lip movement, std in px",
    "sharpness": "Sharpness ÷ photo's ↑",
    "similarity": "SSIM to the reference ↑",
    "attention": "Mean attention α",
    "change": "Change, grey levels ↓",
    "found": "Share of frames with a face ↑",
}
_DIGITS = {"similarity": 3, "attention": 3, "change": 1, "offset": 0, "likeness": 1, "speed": 0}


@dataclass(frozen=True)
class Quality:
    """Of a stretch of drawn frames; NaN where undefined.

    Attributes:
        lip_error: LMD, px at 128: the 20 mouth points tracked in the frames against those asked for, both centred.
        lip_r: Pearson's r of the lip opening, tracked against asked for; undefined if either stands still.
        opening: standard deviation of the tracked lip opening, px at 128.
        sharpness: CPBD of the frames ÷ CPBD of the photo's crop.
        similarity: SSIM to the reference frames.
        attention: mean α.
        change: mean |frame − reference|, grey levels.
        found: share of the frames in which the tracker finds the face.
    """

    lip_error: float
    lip_r: float
    opening: float
    sharpness: float
    similarity: float
    attention: float
    change: float
    found: float


def measure(
    drawn: Chunk,
    photo: np.ndarray,
    *,
    asked: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    tracker: Any = None,
    seen: np.ndarray | None = None,
) -> Quality:
    """Measures a whole stretch; the tracker is the evaluation's, `atvg.evaluation.tracking.track`.

    Args:
        photo: (128, 128, 3) uint8, the crop whose sharpness counts as 1.
        asked: (T, 68, 2) crop pixels, what the lips should have done; `drawn.landmarks` by default.
        reference: (T, 128, 128, 3) uint8, what the frames are compared with; left out, similarity and change are
            undefined.
        tracker: a `MediaPipeTracker` that may be used again; a new one by default.
        seen: `look(drawn.frames)`, where it is known already.
    """
    asked = drawn.landmarks if asked is None else asked
    seen = look(drawn.frames, tracker) if seen is None else seen
    found = ~np.isnan(seen[:, 0, 0])
    opening = mouth_opening(seen[found])
    before = metrics.sharpness(photo[None])
    return Quality(
        lip_error=metrics.landmark_distance(seen[found], asked[found]),
        lip_r=correlation(opening, mouth_opening(asked[found])),
        opening=float(opening.std()) if len(opening) else math.nan,
        sharpness=metrics.sharpness(drawn.frames) / before if before else math.nan,
        similarity=math.nan if reference is None else metrics.ssim(drawn.frames, reference),
        attention=float(drawn.attention.mean()),
        change=math.nan if reference is None else difference(drawn.frames, reference),
        found=float(found.mean()),
    )


def look(frames: np.ndarray, tracker: Any = None) -> np.ndarray:
    """The landmarks that are seen in frames (T, 128, 128, 3), (T, 68, 2) crop pixels, NaN where no face is found."""
    if tracker is None:
        from atvg.face.mediapipe import MediaPipeTracker

        tracker = MediaPipeTracker()
    return track(frames, tracker)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r of two (T,) courses of lip opening, px; NaN if either moves less than `STILL`, or none is there."""
    if len(one) < 2 or min(one.std(), other.std()) < STILL:
        return math.nan
    return metrics.mouth_correlation([one], [other])[0]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean |difference| of uint8 pictures, grey levels; NaN if there are no pixels."""
    return float(np.abs(one.astype(np.int16) - other).mean()) if one.size else math.nan


def shown(value: float, name: str = "") -> str:
    """A figure as people read it: – if undefined, else with the digits that mean something."""
    return "–" if math.isnan(value) else f"{value:.{_DIGITS.get(name, 2)}f}".replace("-", "−")
