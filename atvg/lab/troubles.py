"""One stage of the pipeline disturbed at a time, and what that did, measured against the undisturbed run."""

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from atvg.animate.chunk import Chunk
from atvg.animate.settings import Settings
from atvg.animator import Animator
from atvg.config import CROP_SIZE, check_number
from atvg.errors import BadSettingError
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import MOUTH, RIGID, mouth_opening
from atvg.face.mediapipe import MediaPipeTracker
from atvg.film.drawing import FACE, GROUND, LIPS, MUTED, PLATE
from atvg.film.label import label
from atvg.film.output import check_output
from atvg.film.video import VideoWriter
from atvg.lab import sound, tiles
from atvg.lab.disturbances import TROUBLES, Trouble
from atvg.lab.findings import Figures, Pair, find
from atvg.lab.measure import LABELS, Quality, look, measure, shown
from atvg.lab.run import SAMPLES_PER_FRAME, Speech, draw, hear, settings_of, voice_of
from atvg.motion.turn import turn_face
from atvg.voice.audio import Audio, speech_level

SECONDS = 2.4  # of speech
BOX_COLOUR = (44, 92, 138)  # of no face, so that paint on the box is seen
BOX_HEIGHT = 0.6  # of its width

_SIDE, _CURVE = 256, 124  # of a face in the video, and height of the lips' curves, pixels


@dataclass(frozen=True)
class Outcome:
    """Two runs of the same photo and speech, of which one was disturbed.

    Attributes:
        sound: what was heard in the disturbed run, float32 samples at 16 kHz.
        figures: what is measured for this trouble only: label → (normal, disturbed), NaN where undefined.
        lips: lip opening seen in the frames, px, (T,) each: normal, disturbed; NaN where no face is found.
        finding: one sentence, made of the figures.
    """

    trouble: Trouble
    normal: Chunk
    disturbed: Chunk
    sound: np.ndarray
    quality_normal: Quality
    quality: Quality
    figures: Figures
    lips: tuple[np.ndarray, np.ndarray]
    finding: str

    def picture(self) -> np.ndarray:
        """The moment at which the two runs differ most, side by side, uint8 RGB (H, W, 3)."""
        apart = np.abs(self.disturbed.frames.astype(np.int16) - self.normal.frames).mean(axis=(1, 2, 3))
        at = int(apart.argmax())
        runs = (("Normal", self.normal), (self.trouble.title, self.disturbed))
        return tiles.sheet(
            [tiles.Tile((run.frames[at], _under(run, self.trouble, at)), title) for title, run in runs], _SIDE
        )


def disturb(
    animator: Animator,
    face: Face,
    wave: Audio,
    trouble: str,
    *,
    snr: float = 5.0,
    box: float = 0.5,
    at: tuple[float, float] | None = None,
    other: Face | None = None,
    seed: int = 0,
    seconds: float = SECONDS,
    **settings: Any,
) -> Outcome:
    """Runs the pipeline twice, once with the trouble.

    Args:
        wave: speech; only the `seconds` with most of it are used.
        trouble: a key of `TROUBLES`.
        snr: of noise and babble, decibels, −20..60.
        box: width of the box, as a share of the crop's, 0.1..1; it is 0.6 times as high.
        at: x and y of its centre, as shares of the crop, 0..1; the mouth's by default.
        other: whose landmarks; the average face's by default.
        seed: of everything that is random.
        settings: fields of `atvg.animator.Settings`; the head stays still.

    Raises:
        BadSettingError, BadAudioError, TooLongError: what they say.
    """
    if trouble not in list(TROUBLES):  # what is no name may not be hashable
        raise BadSettingError(f"unknown trouble {str(trouble)[:80]!r}; choose from: {', '.join(TROUBLES)}")
    chosen = settings_of(settings, seed=seed)
    check_number("signal-to-noise ratio", snr, -20, 60)
    voice, face = voice_of(wave, seconds), turn_face(face, chosen.pose)
    covered, where = cover(face.crop, face.crop_landmarks, box, at)
    speech = hear(animator, face, voice, chosen)

    def drawn(of: Speech, photo: np.ndarray = face.crop, recurrent: bool = True) -> Chunk:
        return draw(animator, photo, face.crop_landmarks, of, chosen, recurrent)

    normal = drawn(speech)
    heard, order = voice, np.arange(len(normal))
    if TROUBLES[trouble].stage == "voice":
        heard, order = _other_sound(voice, trouble, snr, seed)
        disturbed = drawn(hear(animator, face, heard, chosen))
    elif trouble == "other_landmarks":
        points = animator.shape.mean if other is None else other.crop_landmarks
        disturbed = drawn(_laid_over(face.crop_landmarks, points, _say(animator, points, voice, chosen)))
    elif trouble == "frozen":
        disturbed = drawn(speech, recurrent=False)
    elif trouble == "attention_0":
        disturbed = replace(normal, frames=np.array(normal.photos), attention=np.zeros_like(normal.attention))
    elif trouble == "attention_1":
        disturbed = replace(normal, frames=normal.motion, attention=np.ones_like(normal.attention))
    else:
        disturbed = drawn(speech, covered)

    tracker = MediaPipeTracker()
    seen = look(normal.frames, tracker), look(disturbed.frames, tracker)
    figures, finding = find(trouble, Pair(normal, disturbed, seen, snr, order[order < len(normal)], where))
    return Outcome(
        trouble=TROUBLES[trouble],
        normal=normal,
        disturbed=disturbed,
        sound=heard,
        quality_normal=measure(normal, face.crop, reference=normal.frames, seen=seen[0]),
        quality=measure(disturbed, face.crop, reference=normal.frames, seen=seen[1]),
        figures=figures,
        lips=(mouth_opening(seen[0]), mouth_opening(seen[1])),
        finding=finding,
    )


def cover(
    crop: np.ndarray, landmarks: np.ndarray, box: float, at: tuple[float, float] | None = None
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Puts a box on a crop (128, 128, 3), see `disturb` → the covered crop, and the box's rows and columns.

    Raises:
        BadSettingError: a size or a place that makes no sense.
    """
    width = CROP_SIZE * check_number("size of the box", box, 0.1, 1)
    if at is None:
        centre = np.clip(landmarks[MOUTH, :2].mean(axis=0), 0, CROP_SIZE - 1)
    elif np.size(at) == 2:
        centre = np.array([check_number("place of the box", value, 0, 1) for value in at]) * (CROP_SIZE - 1)
    else:
        raise BadSettingError(f"place of the box is {at!r}; give x and y, each from 0 to 1")
    half = np.array([width, width * BOX_HEIGHT]) / 2
    low, high = np.clip(np.round([centre - half, centre + half]).astype(int), 0, CROP_SIZE)
    where = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    covered = crop.copy()
    covered[where] = BOX_COLOUR
    return covered, where


def _other_sound(voice: np.ndarray, trouble: str, snr: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What is heard instead, and from which frames of the voice its own come."""
    length, order = len(voice), np.arange(len(voice) // SAMPLES_PER_FRAME)
    if trouble == "shuffled":
        return sound.shuffled(voice, seed)
    if trouble == "reversed":
        return np.ascontiguousarray(voice[::-1]), order[::-1]
    if trouble == "silence":
        return np.zeros_like(voice), order
    if trouble == "music":
        return sound.music(length, max(speech_level(voice), sound.QUIET)), order
    noise = sound.white(length, seed) if trouble == "noise" else sound.babble(voice, seed)
    return sound.add_noise(voice, noise, snr), order


def _say(animator: Animator, points: np.ndarray, voice: np.ndarray, settings: Settings) -> Speech:
    """`hear` for landmarks (68, 3) without a photo."""
    codes = animator.codes(points, voice, settings.mouth_gain, settings.smoothing, settings.ear)
    return Speech(codes, animator.landmarks(codes, points))


def _laid_over(own: np.ndarray, others: np.ndarray, speech: Speech) -> Speech:
    """The other's landmarks, moved, turned and scaled as a whole, so that what speech does not move fits best."""
    fit = geometry.fit_similarity(others[RIGID, :2], own[RIGID, :2])
    return replace(speech, landmarks=geometry.apply(fit, speech.landmarks).astype(np.float32))


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of measure, normal, disturbed; first what is measured of this trouble only."""
    rows = [[name, *map(shown, values)] for name, values in outcome.figures.items()]
    for field in fields(Quality):
        values = getattr(outcome.quality_normal, field.name), getattr(outcome.quality, field.name)
        name = LABELS[field.name].replace("the reference", "the normal run")
        rows.append([name, *(shown(value, field.name) for value in values)])
    return rows


def compare_video(path: str | os.PathLike, outcome: Outcome) -> Path:
    """One MP4: the normal and the disturbed run in step, below each what explains it, and the lips' curves.

    Its sound is what was heard in the disturbed run.

    Raises:
        OutputError: `path` cannot be written.
    """
    path = check_output(path)
    runs = outcome.normal, outcome.disturbed
    notes = ("landmarks asked for" if outcome.trouble.stage in ("voice", "landmarks") else "attention α",) * 2
    ground, places = tiles.frame(
        [(title, note) for title, note in zip(("Normal", outcome.trouble.title), notes, strict=True)], _SIDE
    )
    curve, left, step = _curves(outcome.lips, ground.shape[1])
    canvas = np.concatenate([ground, curve])
    height, width = canvas.shape[:2]
    with VideoWriter(path, (width, height), outcome.sound) as video:
        for t in range(len(outcome.normal)):
            picture = canvas.copy()
            for run, spots in zip(runs, places, strict=True):
                for spot, tile in zip(spots, (run.frames[t], _under(run, outcome.trouble, t)), strict=True):
                    picture[spot] = tiles.enlarge(tile, _SIDE)
            x = round(left + step * t)
            picture[len(ground) :, x : x + 2] = np.maximum(picture[len(ground) :, x : x + 2], MUTED)
            video.write(label(picture[None]))
    return path


def _under(run: Chunk, trouble: Trouble, t: int) -> np.ndarray:
    """What explains frame t: the landmarks where they were disturbed, else the attention."""
    if trouble.stage in ("voice", "landmarks"):
        return tiles.outlines(run.landmarks[t], run.photos[t])
    return tiles.attention(run.attention[t], run.photos[t])


def _curves(lips: tuple[np.ndarray, np.ndarray], width: int) -> tuple[np.ndarray, float, float]:
    """Lip openings over time → a picture as wide as the video, the x of frame 0 and pixels per frame."""
    canvas = np.full((_CURVE, width, 3), GROUND, np.uint8)
    top, bottom, left, right = 24, _CURVE - 36, tiles.MARGIN, width - tiles.MARGIN
    canvas[top - 4 : bottom + 4, left:right] = PLATE
    step = (right - left - 1) / max(1, len(lips[0]) - 1)
    values = np.concatenate(lips)
    highest = max(2.0, float(np.nanmax(values))) if np.isfinite(values).any() else 2.0
    for opening, colour in zip(lips, (FACE, LIPS), strict=True):
        places = np.stack([left + step * np.arange(len(opening)), bottom - (bottom - top) * opening / highest], axis=1)
        for start, end in zip(places[:-1], places[1:], strict=True):
            if np.isfinite([start, end]).all():
                first, last = ((point * 16).round().astype(int).tolist() for point in (start, end))
                cv2.line(canvas, first, last, colour, 2, cv2.LINE_AA, 4)
    tiles.write(canvas, "Lip opening seen", left, 10, width, 12, MUTED)
    tiles.write(canvas, "normal", left + 130, 10, width, 12, FACE)
    tiles.write(canvas, "disturbed", left + 190, 10, width, 12, LIPS)
    return canvas, left, step
