"""One stretch of speech, one face: the parts of the pipeline that the experiments put together differently."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from atvg.animate.chunk import CHUNK, Chunk, join
from atvg.animate.settings import Settings, make_settings
from atvg.animator import Animator
from atvg.config import FPS, SAMPLE_RATE
from atvg.face.face import Face
from atvg.face.landmarks import mouth_opening
from atvg.voice.audio import load_audio, n_video_frames, speech_level
from atvg.voice.level import frame_levels

SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
# Of speech per point of a sweep: short enough to wait for. In less, r of the lip opening says little: of one voice and
# face it is 0.39 over 1.6 s and 0.74 over 2 s.
SECONDS = 2.0
_PLAIN = Settings()


def excerpt(wave: np.ndarray, seconds: float) -> np.ndarray:
    """The stretch with most syllables, float32 samples at 16 kHz; all of it if it is not longer than `seconds`.

    Syllables are rises and falls of the level, up to that of the loud parts: a door that slams is not much speech, and
    one long vowel moves no lips. The stretch begins with a frame.
    """
    length = max(2, round(seconds * FPS))
    n_frames = n_video_frames(wave)
    if n_frames <= length:
        return wave
    levels = np.minimum(frame_levels(wave, n_frames), speech_level(wave))
    steps = np.abs(np.diff(uniform_filter1d(levels, 3)))
    total = np.concatenate([[0], np.cumsum(steps, dtype=np.float64)])
    start = int(np.argmax(total[length - 1 :] - total[: len(total) - length + 1])) * SAMPLES_PER_FRAME
    return wave[start : start + length * SAMPLES_PER_FRAME]


@dataclass(frozen=True)
class Speech:
    """What AT-net makes of a sound, for one face: codes (T, K) and landmarks (T, 68, 2), crop pixels."""

    codes: np.ndarray
    landmarks: np.ndarray

    @property
    def widest(self) -> int:
        """The frame in which the lips should be widest apart."""
        return int(mouth_opening(self.landmarks).argmax())


def settings_of(values: dict[str, Any], **fixed: Any) -> Settings:
    """`Settings` for an experiment: `fixed` replaces what the user chose, and the head always stays still, so that
    nothing differs between two runs but what is looked at.

    Raises:
        BadSettingError: an unknown name or a bad value.
    """
    return replace(make_settings(values | fixed), natural=False)


def hear(animator: Animator, face: Face, wave: np.ndarray, settings: Settings) -> Speech:
    """AT-net on a face that is already turned."""
    codes = animator.codes(face.crop_landmarks, wave, settings.mouth_gain, settings.smoothing, settings.ear)
    return Speech(codes, animator.landmarks(codes, face.crop_landmarks))


def draw(
    animator: Animator,
    photo: np.ndarray,
    example: np.ndarray,
    speech: Speech,
    settings: Settings = _PLAIN,
    recurrent: bool = True,
) -> Chunk:
    """VG-net on a crop (128, 128, 3) uint8 whose landmarks are (68, 2+): all frames as one chunk.

    Of the settings, β and teeth count.
    """
    return whole(draw_parts(animator, photo, example, speech, settings, recurrent))


def draw_parts(
    animator: Animator,
    photo: np.ndarray,
    example: np.ndarray,
    speech: Speech,
    settings: Settings = _PLAIN,
    recurrent: bool = True,
) -> Iterator[Chunk]:
    """The same, chunk by chunk."""
    drawer = animator.drawer(photo, example, settings.beta, recurrent, settings.teeth)
    for start in range(0, len(speech.codes), CHUNK):
        part = slice(start, start + CHUNK)
        landmarks, codes = speech.landmarks[part], speech.codes[part]
        photos = np.broadcast_to(photo, (len(codes), *photo.shape))
        yield drawer.draw(landmarks).chunk(start, photos, codes)


def whole(chunks: Iterable[Chunk]) -> Chunk:
    """Consecutive chunks as one."""
    chunks = list(chunks)
    return Chunk(start=chunks[0].start, **join(chunks))


def voice_of(audio: Any, seconds: float) -> np.ndarray:
    """Checked samples, 16 kHz mono: no more than the `seconds` with most speech.

    Raises:
        BadAudioError, TooLongError: what they say.
    """
    return excerpt(load_audio(audio), seconds)
