"""One photo and one voice through ATVG and the systems that the paper compares itself with, in step and measured.

Of a visitor's photo there is no true video, so every figure here is one of a video by itself, or of it and its photo.
The photo that does not move stands beside the systems: it shows what each figure is worth.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from atvg.animate.chunk import Chunk
from atvg.animate.settings import Settings
from atvg.animator import Animator
from atvg.config import CROP_SIZE
from atvg.evaluation import metrics
from atvg.evaluation.baselines import BASELINES, Baseline, load_baseline
from atvg.evaluation.sync import SyncExpert
from atvg.face.face import Face
from atvg.film.close_up import CloseUp
from atvg.film.label import sign
from atvg.film.output import check_output
from atvg.film.paste import Paster
from atvg.film.recording import envelope
from atvg.film.video import VideoWriter
from atvg.lab import tiles
from atvg.lab.judge import FIGURES, Judge, Take
from atvg.lab.measure import shown
from atvg.lab.run import draw, hear, settings_of, voice_of
from atvg.motion.turn import turn_face
from atvg.voice.audio import Audio, mfcc_rows, n_video_frames

SECONDS = 6.0  # of speech
PHOTO, ATVG = "Photo", "ATVG"
SYSTEMS = (PHOTO, ATVG, *(baseline.title for baseline in BASELINES.values()))

_SIDE, _TITLE = 224, 20  # of a face in the video, and of the names above, which are to be legible on a phone, pixels
_WAITING = "…"
_COMPOSED = "ATVG, composed"


@dataclass(frozen=True)
class Comparison:
    """The takes so far, of T frames each.

    Attributes:
        face: already turned.
        drawn: ATVG's take, with all that composing it on the photo's own pixels needs.
        sound: what was heard, float32 samples at 16 kHz.
        mouth: rows and columns of the box around the mouth that all takes share.
    """

    face: Face
    drawn: Chunk
    sound: np.ndarray
    mouth: tuple[slice, slice]
    takes: tuple[Take, ...]

    def table(self) -> list[list[str]]:
        """A row per figure: its name, then one cell for each of `SYSTEMS`."""
        known = {take.title: take.figures for take in self.takes}
        return [
            [
                figure.label,
                *(shown(known[title][name], name) if title in known else _WAITING for title in SYSTEMS),
            ]
            for name, figure in FIGURES.items()
        ]

    def openings(self) -> dict[str, np.ndarray]:
        """The lip opening of all that move, (T,) px at 128, by title."""
        return {take.title: take.opening for take in self.takes if take.title != PHOTO}

    def envelope(self) -> np.ndarray:
        """Peak of the sound of each frame, (T,)."""
        return envelope(self.sound, len(self.takes[0].frames))


@lru_cache(maxsize=len(BASELINES))
def _baseline(name: str) -> Baseline:
    return load_baseline(name)


@lru_cache(maxsize=1)
def _expert() -> SyncExpert:
    return SyncExpert.from_pretrained()


def compare(
    animator: Animator,
    face: Face,
    wave: Audio,
    *,
    baselines: Sequence[Baseline] | None = None,
    expert: SyncExpert | None = None,
    seconds: float = SECONDS,
    **settings: Any,
) -> Iterator[Comparison]:
    """Draws the photo, ATVG and each compared system, and yields the comparison after each, ever longer.

    Everything is checked before the iterator is returned.

    Args:
        face: from `Animator.read_face`.
        wave: speech; only the `seconds` with most of it are used.
        baselines: the compared systems; those shipped by default, which are read once and kept.
        expert: likewise, who judges the sync.
        settings: fields of `atvg.animator.Settings`. The head stays still; its pose is that of the photo which all
            systems get, the others are ATVG's alone.

    Raises:
        BadSettingError, BadAudioError, TooLongError: what they say.
        CheckpointError: weights of a compared system or of the expert are missing or damaged.
    """
    chosen = settings_of(settings)
    voice, face = voice_of(wave, seconds), turn_face(face, chosen.pose)
    baselines = [_baseline(name) for name in BASELINES] if baselines is None else baselines
    return _takes(animator, face, voice, chosen, baselines, expert or _expert())


def _takes(
    animator: Animator,
    face: Face,
    voice: np.ndarray,
    settings: Settings,
    baselines: Sequence[Baseline],
    expert: SyncExpert,
) -> Iterator[Comparison]:
    count = n_video_frames(voice)
    mouth = metrics.mouth_box(hear(animator, face, voice, settings).landmarks)
    judge = Judge(face, voice, mouth, expert)

    def by_atvg() -> Chunk:
        speech = hear(animator, face, voice, settings)
        return draw(animator, face.crop, face.crop_landmarks, speech, settings)

    def by_baseline(baseline: Baseline) -> np.ndarray:
        return np.concatenate(list(baseline.stream(face.crop, mfcc_rows(voice, count))))

    animator.engine(settings.beta)  # compiled before the clock runs
    still = judge.take(PHOTO, np.repeat(face.crop[None], count, axis=0), math.nan)
    drawn, speed = _timed(by_atvg)
    comparison = Comparison(face, drawn, voice, mouth, (still, judge.take(ATVG, drawn.frames, speed)))
    yield comparison
    for baseline in baselines:
        baseline.to(animator.device)
        take = judge.take(baseline.title, *_timed(partial(by_baseline, baseline)))
        comparison = replace(comparison, takes=(*comparison.takes, take))
        yield comparison


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Frames, and how many a second were drawn."""
    began = time.perf_counter()
    frames = work()
    return frames, len(frames) / (time.perf_counter() - began)


def side_by_side(path: str | os.PathLike, comparison: Comparison) -> Path:
    """One MP4 with the voice: all takes in step, below each its mouth enlarged.

    They are shown at the 128² that all draw; the last column is ATVG as its videos are, on the photo's own pixels.

    Raises:
        OutputError: `path` cannot be written.
    """
    path = check_output(path)
    close = _close_up(comparison.mouth)
    titles = [*(take.title for take in comparison.takes), _COMPOSED]
    ground, places = tiles.frame([(title, "its mouth, larger") for title in titles], _SIDE, _TITLE)
    sharp, paster = (CloseUp.of(comparison.face), CloseUp.around(comparison.face, *close)), Paster(comparison.face)
    height, width = sign(ground).shape[:2]
    with VideoWriter(path, (width, height), comparison.sound) as video:
        for t, composed in enumerate(paster.paste(comparison.drawn)):
            picture = ground.copy()
            for close_up, place in zip(sharp, places[-1], strict=True):
                picture[place] = tiles.enlarge(close_up.shrunk(composed), _SIDE)
            for take, (whole, mouth) in zip(comparison.takes, places[:-1], strict=True):
                picture[whole] = tiles.enlarge(take.frames[t], _SIDE)
                picture[mouth] = tiles.enlarge(take.frames[t][close], _SIDE)
            video.write(sign(picture)[None])
    return path


def _close_up(mouth: tuple[slice, slice]) -> tuple[slice, slice]:
    """A square of the crop around the mouth's box, rows and columns."""
    side = min(CROP_SIZE, max(part.stop - part.start for part in mouth))
    lows = [min(max(0, (part.start + part.stop - side) // 2), CROP_SIZE - side) for part in mouth]
    return slice(lows[0], lows[0] + side), slice(lows[1], lows[1] + side)
