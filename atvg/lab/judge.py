"""What is measured of one system's frames, where there is no true video: in the same way for all of them."""

import math
from dataclasses import dataclass

import numpy as np

from atvg.evaluation import metrics
from atvg.evaluation.sync import SyncExpert
from atvg.face.face import Face
from atvg.face.landmarks import mouth_opening
from atvg.face.mediapipe import MediaPipeTracker
from atvg.lab.measure import LABELS, difference, look
from atvg.voice.audio import n_video_frames, silence
from atvg.voice.mel import clip_mfcc80

_NOSE_TIP = 30  # above it speech moves next to nothing


@dataclass(frozen=True)
class Figure:
    """What is measured: its name with its unit, and what it means and which way is better."""

    label: str
    meaning: str


FIGURES = {
    "lse_c": Figure(
        "LSE-C ↑",
        "how much better lips and sound fit at their best offset than at a middling one, as this project's sync expert "
        "sees it: higher is better, and the photo's is what pure chance gives.",
    ),
    "lse_d": Figure(
        "LSE-D ↓", "how far the expert finds lips and sound apart at that offset, from 0 to 2: lower is better."
    ),
    "offset": Figure(
        "Offset, frames of 40 ms",
        "by how much the sound seems late (+) or early (−) there: the nearer to 0 the better, but it says nothing "
        "where LSE-C is no higher than the photo's.",
    ),
    "opening": Figure(
        LABELS["opening"],
        "how much the lip opening changes, tracked in the frames: near 0 the mouth hardly moves; more is livelier, and "
        "not always truer.",
    ),
    "unrest": Figure(
        "Unrest of the upper face, grey levels ↓",
        "mean change from frame to frame above the tip of the nose, where speech moves next to nothing: lower is "
        "better, 0 is perfectly still.",
    ),
    "sharpness": Figure(
        "Sharpness of the mouth ÷ photo's ↑",
        "share of sharp edges (CPBD) around the mouth: higher is sharper, 1 is as sharp as the photo.",
    ),
    "likeness": Figure(
        "Likeness outside the mouth, dB ↑",
        "PSNR to the photo of all that lies outside the mouth's box: higher is closer to the photo's own pixels.",
    ),
    "speed": Figure(
        "Frames drawn per second ↑",
        "measured just now on this machine, from the sound on, one system after the other: higher is faster, and 25 "
        "keep up with playing. ATVG is drawn by the engine chosen for this machine, the others by PyTorch.",
    ),
}


@dataclass(frozen=True)
class Take:
    """What one system made.

    Attributes:
        title: of the system.
        frames: (T, 128, 128, 3) uint8 RGB.
        opening: (T,) lip opening seen in the frames, px at 128; NaN where no face is found.
        figures: by the names of `FIGURES`; NaN where undefined.
    """

    title: str
    frames: np.ndarray
    opening: np.ndarray
    figures: dict[str, float]


class Judge:
    """Measures every take of one face and voice in the same way."""

    def __init__(self, face: Face, voice: np.ndarray, mouth: tuple[slice, slice], expert: SyncExpert):
        count = n_video_frames(voice)
        self._photo, self._mouth = face.crop, (slice(None), *mouth)
        self._upper = round(float(face.crop_landmarks[_NOSE_TIP, 1]))
        self._heard = None if silence(voice, count).all() else expert.hear(clip_mfcc80(voice, count))
        self._expert, self._tracker = expert, MediaPipeTracker()
        self._sharpness = metrics.sharpness(self._photo[None][self._mouth])
        self._outside = np.ones(self._photo.shape[:2], bool)
        self._outside[mouth] = False

    def take(self, title: str, frames: np.ndarray, speed: float) -> Take:
        """Frames (T, 128, 128, 3), of which `speed` were drawn in a second."""
        opening = mouth_opening(look(frames, self._tracker))
        seen, upper = opening[~np.isnan(opening)], frames[:, : self._upper]
        sharpness = metrics.sharpness(frames[self._mouth])
        figures = self._sync(frames) | {
            "opening": float(seen.std()) if len(seen) else math.nan,
            "unrest": difference(upper[1:], upper[:-1]),
            "sharpness": sharpness / self._sharpness if self._sharpness else math.nan,
            "likeness": self._likeness(frames),
            "speed": speed,
        }
        return Take(title, frames, opening, figures)

    def _sync(self, frames: np.ndarray) -> dict[str, float]:
        """Undefined where nothing is said; what never moves has no offset."""
        found = None if self._heard is None else self._expert.measure(frames, self._heard)
        if found is None:
            return dict.fromkeys(("lse_c", "lse_d", "offset"), math.nan)
        moves = (frames != frames[0]).any()
        offset = float(found.offset) if moves else math.nan
        return {"lse_c": found.confidence, "lse_d": found.distance, "offset": offset}

    def _likeness(self, frames: np.ndarray) -> float:
        """PSNR outside the mouth's box, dB; undefined for the photo's own pixels."""
        kept = frames[:, self._outside][:, None]
        psnr = metrics.psnr(kept, np.broadcast_to(self._photo[self._outside], kept.shape))
        return psnr if psnr < metrics.PSNR_CEILING else math.nan
