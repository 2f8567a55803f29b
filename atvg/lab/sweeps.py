"""One thing turned from little to much, live on a user's own photo and voice; the poster's Fig. 5a and 5b among them.

Each sweep is checked when it is called, and then yields itself once per point, ever longer, so that it can be watched.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atvg.animator import Animator
from atvg.config import check_number
from atvg.errors import BadSettingError
from atvg.face.face import Face
from atvg.face.landmarks import five_points
from atvg.face.mediapipe import MediaPipeTracker
from atvg.film.label import label
from atvg.film.output import check_output
from atvg.film.video import Sound, VideoWriter
from atvg.lab import sound, tiles
from atvg.lab.measure import measure
from atvg.lab.points import Point, Sweep
from atvg.lab.run import SECONDS, draw, draw_parts, hear, settings_of, voice_of
from atvg.motion.turn import turn_face
from atvg.voice.audio import Audio, load_audio

BETAS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
YAWS = (-30.0, -15.0, 0.0, 15.0, 30.0, 45.0)
SIGMAS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14)
SNRS = (30.0, 20.0, 10.0, 5.0, 0.0, -5.0)
PAPER_BETA = 0.5

# Read off the chart of the poster's Fig. 5a: share of votes for "in sync" and "real" at each σ, ±0.01.
POSTER_SYNC = dict(zip(SIGMAS, (0.96, 0.90, 0.76, 0.66, 0.65, 0.51, 0.39, 0.33), strict=True))
POSTER_REAL = dict(zip(SIGMAS, (0.97, 0.92, 0.90, 0.72, 0.66, 0.61, 0.40, 0.25), strict=True))

_WIDE = 4  # faces that fit into a video at full size
_FULL, _SMALL = 256, 192  # side of a face in a video, pixels
_MOST_BETAS = 6


def beta_sweep(
    animator: Animator,
    face: Face,
    wave: Audio,
    values: Sequence[float] = BETAS,
    seconds: float = SECONDS,
    **settings: Any,
) -> Iterator[Sweep]:
    """The same landmarks drawn with the weights of each β; compared with the paper's β = 0.5.

    Args:
        face: from `Animator.read_face`.
        wave: speech; only the `seconds` with most of it are used.
        settings: fields of `atvg.animator.Settings`; the head stays still, and the one that is swept is replaced.

    Raises:
        BadSettingError, BadAudioError, TooLongError: what they say.
    """
    chosen = settings_of(settings)
    trained = [settings_of(settings, beta=value) for value in _some(values, "β")]
    heard, turned = voice_of(wave, seconds), turn_face(face, chosen.pose)
    measures = ("attention", "similarity", "lip_error", "lip_r", "opening", "sharpness", "change", "found")

    def points() -> Iterator[Point]:
        tracker, speech = MediaPipeTracker(), hear(animator, turned, heard, chosen)
        photo, example = turned.crop, turned.crop_landmarks
        reference = draw(animator, photo, example, speech, replace(chosen, beta=PAPER_BETA))
        for one in trained:
            drawn = reference if one.beta == PAPER_BETA else draw(animator, photo, example, speech, one)
            quality = measure(drawn, photo, reference=reference.frames, tracker=tracker)
            at = speech.widest
            yield Point(one.beta, drawn.frames[at], tiles.attention(drawn.attention[at], photo), quality)

    return _growing(Sweep("β =", "", "β = 0.5", (), measures, {}), points)


def pose_sweep(
    animator: Animator,
    face: Face,
    wave: Audio,
    yaws: Sequence[float] = YAWS,
    seconds: float = SECONDS,
    **settings: Any,
) -> Iterator[Sweep]:
    """The head turned by each yaw, degrees, and animated: the poster's Fig. 5b.

    Sharpness is compared with the photo before the turn, so it tells what turning a flat picture costs. Arguments and
    errors as of `beta_sweep`.
    """
    chosen = settings_of(settings)
    poses = [settings_of(settings, pose=replace(chosen.pose, yaw=yaw)).pose for yaw in _some(yaws, "yaw")]
    heard = voice_of(wave, seconds)

    def points() -> Iterator[Point]:
        tracker, at = MediaPipeTracker(), hear(animator, face, heard, chosen).widest
        for pose in poses:
            turned = turn_face(face, pose)
            speech = hear(animator, turned, heard, chosen)
            drawn = draw(animator, turned.crop, turned.crop_landmarks, speech, chosen)
            quality = measure(drawn, face.crop, tracker=tracker)
            under = tiles.attention(drawn.attention[at], turned.crop)
            yield Point(float(pose.yaw), drawn.frames[at], under, quality)

    measures = ("sharpness", "lip_error", "lip_r", "opening", "attention", "found")
    return _growing(Sweep("yaw", "°", "", (), measures, {}), points)


def noise_sweep(
    animator: Animator,
    face: Face,
    wave: Audio,
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 0,
    seconds: float = SECONDS,
    **settings: Any,
) -> Iterator[Sweep]:
    """Gaussian noise on every landmark of every frame that VG-net is asked for: the poster's Fig. 5a.

    σ is a share of the distance between the eyes' centres, about 32 px in the crop: the usual yardstick for errors of
    landmarks, the same for every face. (The poster names no unit.) The same draw, only larger, is added at each σ.
    Lips are compared with the clean landmarks: what is measured is how much of the speech survives. Arguments and
    errors as of `beta_sweep`, and `seed` is that of the noise.
    """
    chosen = settings_of(settings, seed=seed)
    shares = [check_number("σ", sigma, 0, 0.5) for sigma in _some(sigmas, "σ")]
    heard, turned = voice_of(wave, seconds), turn_face(face, chosen.pose)
    measures = ("lip_error", "lip_r", "similarity", "sharpness", "attention", "change", "found")

    def points() -> Iterator[Point]:
        tracker, clean = MediaPipeTracker(), hear(animator, turned, heard, chosen)
        photo, example = turned.crop, turned.crop_landmarks
        unit = np.random.default_rng(seed).standard_normal(clean.landmarks.shape)
        right, left = five_points(example[:, :2])[:2]
        unit *= np.linalg.norm(left - right)
        reference = draw(animator, photo, example, clean, chosen)
        for sigma in shares:
            noisy = replace(clean, landmarks=(clean.landmarks + sigma * unit).astype(np.float32))
            drawn = draw(animator, photo, example, noisy, chosen) if sigma else reference
            quality = measure(drawn, photo, asked=clean.landmarks, reference=reference.frames, tracker=tracker)
            at = clean.widest
            yield Point(sigma, drawn.frames[at], tiles.outlines(noisy.landmarks[at], photo), quality)

    votes = {"Poster: votes for “in sync” ↑": POSTER_SYNC, "Poster: votes for “real” ↑": POSTER_REAL}
    return _growing(Sweep("σ =", "", "σ = 0", (), measures, votes), points)


def snr_sweep(
    animator: Animator,
    face: Face,
    wave: Audio,
    snrs: Sequence[float] = SNRS,
    seed: int = 0,
    seconds: float = SECONDS,
    **settings: Any,
) -> Iterator[Sweep]:
    """White noise in the voice, from hardly audible to louder than the speech; compared with the clean voice.

    Arguments and errors as of `beta_sweep`, and `seed` is that of the noise.
    """
    chosen = settings_of(settings, seed=seed)
    levels = [check_number("signal-to-noise ratio", snr, -20, 60) for snr in _some(snrs, "signal-to-noise ratio")]
    heard, turned = voice_of(wave, seconds), turn_face(face, chosen.pose)

    def points() -> Iterator[Point]:
        tracker, clean = MediaPipeTracker(), hear(animator, turned, heard, chosen)
        photo, example = turned.crop, turned.crop_landmarks
        reference = draw(animator, photo, example, clean, chosen)
        for level in levels:
            noisy = hear(animator, turned, sound.add_noise(heard, sound.white(len(heard), seed), level), chosen)
            drawn = draw(animator, photo, example, noisy, chosen)
            quality = measure(drawn, photo, asked=clean.landmarks, reference=reference.frames, tracker=tracker)
            at = clean.widest
            yield Point(level, drawn.frames[at], tiles.outlines(noisy.landmarks[at], photo), quality)

    measures = ("lip_r", "lip_error", "opening", "similarity", "change", "found")
    return _growing(Sweep("", " dB", "the clean voice", (), measures, {}), points)


def side_by_side(
    path: str | os.PathLike,
    animator: Animator,
    face: Face,
    wave: Audio,
    betas: Sequence[float] = (0.0, 0.5, 2.0),
    audio: Sound | None = None,
    progress: Callable[[int], None] | None = None,
    **settings: Any,
) -> Path:
    """One MP4 in which the same landmarks are drawn with each β, in step: faces above, their attention below.

    Args:
        wave: speech, all of it; memory does not grow with its length.
        audio: the sound of the video, where that is not `wave`: a path keeps its own quality.
        progress: called with the number of frames done so far.

    Raises:
        BadSettingError, BadAudioError, TooLongError, OutputError: what they say.
    """
    chosen = settings_of(settings)
    trained = [settings_of(settings, beta=beta) for beta in _some(betas, "β", _MOST_BETAS)]
    heard, turned = load_audio(wave), turn_face(face, chosen.pose)
    path = check_output(path)
    photo, example = turned.crop, turned.crop_landmarks
    speech = hear(animator, turned, heard, chosen)
    side = _FULL if len(trained) <= _WIDE else _SMALL
    ground, places = tiles.frame([(f"β = {one.beta:g}", "attention α") for one in trained], side)
    height, width = ground.shape[:2]
    with VideoWriter(path, (width, height), heard if audio is None else audio) as video:
        takes = [draw_parts(animator, photo, example, speech, one) for one in trained]
        for chunks in zip(*takes, strict=True):
            canvas = np.repeat(ground[None], len(chunks[0]), axis=0)
            for chunk, spots in zip(chunks, places, strict=True):
                for spot, pictures in zip(spots, (chunk.frames, tiles.attention(chunk.attention, photo)), strict=True):
                    canvas[:, spot[0], spot[1]] = tiles.enlarge(pictures, side)
            video.write(label(canvas))
            if progress:
                progress(chunks[0].start + len(chunks[0]))
    return path


def _growing(sweep: Sweep, points: Callable[[], Iterator[Point]]) -> Iterator[Sweep]:
    for point in points():
        sweep = replace(sweep, points=(*sweep.points, point))
        yield sweep


def _some(values: Sequence[Any], name: str, most: int = 12) -> list[Any]:
    values = list(values)
    if not 1 <= len(values) <= most:
        raise BadSettingError(f"{len(values)} values of {name}; give 1 to {most}")
    return values
