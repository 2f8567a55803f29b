"""Speech → what AT-net reads: 16 kHz mono samples, MFCC rows, one window of 28 rows per video frame.

Row j has its centre at 10·j + 5 ms. The window of video frame t (centre 40·t + 20 ms) is the 28 rows around it, so the
rows of a clip run from 4·0 − 12 to 4·T + 11.
"""

import os
from dataclasses import dataclass
from numbers import Real
from typing import Any, Union

import numpy as np
from scipy.fft import dct

from atvg.config import (
    EXTRA_ROWS,
    MAX_SECONDS,
    MFCC_HOP,
    MFCC_WINDOW,
    MIN_SECONDS,
    N_MFCC_STORED,
    ROWS_PER_FRAME,
    SAMPLE_RATE,
    WINDOW_ROWS,
    check_number,
)  # fmt: skip
from atvg.errors import BadAudioError, BadSettingError, TooLongError
from atvg.voice.decoding import mixed, read_voice, refusal, seconds_of
from atvg.voice.level import SAMPLES_PER_FRAME, details, frame_levels, is_steady, loud_level, noise_below
from atvg.voice.spectrum import mel_power

Audio = Union[str, os.PathLike, "tuple[int, np.ndarray]", np.ndarray, "Cut"]

LEAD_ROWS = EXTRA_ROWS // 2  # rows before the first frame: 12

_RATES = (1_000, 400_000)  # Hz
_DAY = 86_400.0  # seconds

_SPEECH_RMS = 0.1  # level speech is brought to
_MAX_GAIN = 30.0  # of noise alone
POWER_FLOOR = 1e-6  # of the mel power; about −60 dB below loud speech, so that room noise and digital zero look alike
N_MELS = 40
_N_FFT = 512
_BLOCK_ROWS = 2000  # 20 s at a time: memory does not grow with the audio
_SILENT_DB = -35.0  # below the level of the clip's speech


@dataclass(frozen=True)
class Cut:
    """A part of a voice, from `start` to `end`, seconds; 0 or None for the end of it.

    Raises:
        BadSettingError: they are no seconds, or the end does not come after the start.
    """

    audio: Audio
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        check_number("start", self.start, 0, _DAY)
        if self.end and check_number("end", self.end, 0, _DAY) <= self.start:
            raise BadSettingError(f"end is {self.end:g} s; give more than the start, {self.start:g} s, or 0 for all")

    def seconds(self, most: float) -> float:
        """How much of it is wanted at most."""
        return min(most, self.end - self.start) if self.end else most


def load_audio(
    source: Audio, max_seconds: float = MAX_SECONDS, start: float = 0.0, end: float | None = None
) -> np.ndarray:
    """Decodes anything ffmpeg reads (a video's sound too), or ``(rate, samples)``, or 16 kHz samples, or a `Cut`.

    Args:
        start, end: seconds; only what lies between them, to the end for 0 or None.

    Returns:
        float32 (N,), mono, 16 kHz, in [−1, 1]. Of several channels it is the mean, or the clearest where a mean would
        cancel or drown the voice; of several tracks the first that is not silent.

    Of a file no more is decoded than that, or than `max_seconds` and one, and nothing but that file is opened.

    Raises:
        BadAudioError: unreadable, empty, non-finite, shorter than `MIN_SECONDS`, or it takes too long to decode.
        TooLongError: longer than `max_seconds`.
        BadSettingError: `max_seconds` is not a number of seconds up to a day, `start` and `end` are none.
    """
    max_seconds = check_number("max_seconds", max_seconds, MIN_SECONDS, _DAY)
    cut = source if isinstance(source, Cut) else Cut(source, start, end)
    source = (SAMPLE_RATE, cut.audio) if isinstance(cut.audio, np.ndarray) else cut.audio
    if isinstance(source, tuple):
        if len(source) != 2 or not isinstance(source[0], Real) or isinstance(source[0], bool):
            raise BadAudioError("audio in memory must be a pair (sample rate, samples)")
        return _from_samples(*source, cut, max_seconds)
    return _from_file(source, cut, max_seconds)


def sound_of(audio: Audio) -> str | os.PathLike | np.ndarray | Cut:
    """What a film takes for its sound: a file as it is or a `Cut` of one, all else as samples at 16 kHz."""
    cut_samples = isinstance(audio, Cut) and isinstance(audio.audio, (tuple, np.ndarray))
    return load_audio(audio) if cut_samples or isinstance(audio, tuple) else audio


def _check_length(seconds: float, whole: float, cut: Cut, max_seconds: float) -> None:
    """Of so many seconds that are used, of as many as there are."""
    if seconds > max_seconds:
        raise TooLongError(f"the audio lasts {whole:.0f} s, {max_seconds:g} s is the limit; cut it with start and end")
    if seconds < MIN_SECONDS and cut.start:
        raise BadAudioError(f"the audio lasts {whole:.2f} s; start before that, {MIN_SECONDS:g} s at least")
    if seconds < MIN_SECONDS:
        raise BadAudioError(f"the audio lasts {seconds:.2f} s; give at least {MIN_SECONDS:g} s of speech")


def _from_file(path: Any, cut: Cut, max_seconds: float) -> np.ndarray:
    if not isinstance(path, (str, os.PathLike)):
        raise BadAudioError(f"audio must be a path, samples or (rate, samples), not {type(path).__name__}")
    path, place, channels = read_voice(path, cut.seconds(max_seconds + 1), cut.start)
    seconds = channels.shape[1] / SAMPLE_RATE
    short = MIN_SECONDS <= seconds <= max_seconds  # or what is asked for is not there, and it is told what is
    whole = seconds if short else seconds_of(path, place)
    if not channels.size and not (cut.start and whole):
        raise refusal(path)
    _check_length(seconds, whole, cut, max_seconds)
    return mixed(_finite(channels))


def _from_samples(rate: float, samples: np.ndarray, cut: Cut, max_seconds: float) -> np.ndarray:
    samples = _as_samples(samples)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise BadAudioError(f"the sample rate is not between {_RATES[0]} and {_RATES[1]} Hz; give the true one")
    rate = float(rate)
    whole = max(samples.shape) / rate
    seconds = cut.seconds(max(0.0, whole - cut.start))
    _check_length(seconds, whole, cut, max_seconds)
    first = round(cut.start * rate)
    channels = _channels(samples)[:, first : first + round(seconds * rate)]
    wave = _finite(mixed(channels, rate))
    if rate != SAMPLE_RATE:
        import librosa  # 130 MB: only for those who bring samples; files are decoded at this rate

        wave = librosa.resample(wave, orig_sr=rate, target_sr=SAMPLE_RATE)
    return np.clip(wave, -1, 1)


def mono(samples: np.ndarray, channels_last: bool | None = None) -> np.ndarray:
    """Samples (N,) or (N, channels), floats in [−1, 1] or integers of any width → their mean, float32 (N,).

    Unless it is said whether the channels come last, the longer axis is taken for time.

    Raises:
        BadAudioError: they are none, or not finite.
    """
    return _finite(_channels(_as_samples(samples), channels_last).mean(axis=0))


def _channels(samples: np.ndarray, last: bool | None = None) -> np.ndarray:
    """(channels, N) floats."""
    if samples.dtype.kind in "iu":
        limits = np.iinfo(samples.dtype)
        middle = 0 if samples.dtype.kind == "i" else (limits.max + 1) // 2
        samples = (samples.astype(np.float64) - middle) / (limits.max - middle)
    if samples.ndim == 1:
        return samples[None]
    if last is None:
        last = samples.shape[1] <= samples.shape[0]
    return samples.T if last else samples


def _as_samples(samples: np.ndarray) -> np.ndarray:
    try:
        samples = np.asarray(samples)
    except ValueError:  # lists of different lengths
        samples = np.zeros(0)
    if samples.dtype.kind not in "iuf" or samples.ndim not in (1, 2) or samples.size == 0:
        raise BadAudioError("audio samples must be a non-empty array of numbers, (N,) or (N, channels)")
    return samples


def _finite(wave: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        wave = wave.astype(np.float32)
    if not np.isfinite(wave).all():
        raise BadAudioError("the audio holds NaN or infinite samples; export it again")
    return np.clip(wave, -1, 1)


def n_video_frames(wave: np.ndarray) -> int:
    """Frames a clip of this sound has: round(25 · seconds), at least one."""
    return max(1, round(len(wave) / SAMPLES_PER_FRAME))


def speech_level(wave: np.ndarray) -> float:
    """RMS of the loud parts: the 90th percentile over frames, of those with words if they are rare; 0 of silence."""
    frames = n_video_frames(wave)
    return loud_level(frame_levels(wave, frames), details(wave, frames))


def silence(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """Which video frames hold no speech, bool (n_frames,), however loud the recording is.

    Those 35 dB below its own speech; in a noisy one those that are no louder than the noise; all, if nothing but noise,
    a hum or silence is in it.
    """
    found = details(wave, n_frames)
    if is_steady(found):
        return np.ones(n_frames, bool)
    return (frame_levels(wave, n_frames) <= silent_below(speech_level(wave))) | (found < noise_below(found))


def silent_below(level: float) -> float:
    """The RMS below which a frame is silence among speech of this level."""
    return level * 10 ** (_SILENT_DB / 20)


def mfcc_rows(wave: np.ndarray, n_frames: int, n_mfcc: int = N_MFCC_STORED) -> np.ndarray:
    """MFCC c0..c(n_mfcc−1) at 100 rows a second, for `n_frames` video frames.

    The level of the whole recording is evened out first (its gain says nothing about lips).

    Returns:
        float32 (4·n_frames + 24, n_mfcc).
    """
    gain = gain_of(wave)
    n_rows = ROWS_PER_FRAME * n_frames + EXTRA_ROWS
    blocks = []
    for first in range(0, n_rows, _BLOCK_ROWS):
        rows = min(_BLOCK_ROWS, n_rows - first)
        blocks.append(plain_rows(wave, first - LEAD_ROWS, rows, gain, n_mfcc))
    return np.concatenate(blocks)


def even_gain(level: float) -> float:
    """What samples of this speech level are multiplied by, so that recordings are alike."""
    return _SPEECH_RMS / level if level > 0 else 1.0


def gain_of(wave: np.ndarray) -> float:
    """The same of a whole recording; noise alone is not raised to speech."""
    frames = n_video_frames(wave)
    found = details(wave, frames)
    gain = even_gain(loud_level(frame_levels(wave, frames), found))
    return min(gain, _MAX_GAIN) if is_steady(found) else gain


def plain_rows(wave: np.ndarray, first: int, count: int, gain: float, n_mfcc: int = N_MFCC_STORED) -> np.ndarray:
    """MFCC rows first..first + count − 1 of samples times `gain`, float32 (count, n_mfcc); silence around them."""
    start = first * MFCC_HOP + MFCC_HOP // 2 - MFCC_WINDOW // 2
    mel = mel_power(_cut(wave, start, (count - 1) * MFCC_HOP + _N_FFT) * gain, _N_FFT, N_MELS)
    return dct(np.log(mel + POWER_FLOOR), norm="ortho", axis=0)[:n_mfcc].T.astype(np.float32)


def silent_row(n_mfcc: int) -> np.ndarray:
    """The MFCC row of silence, (n_mfcc,): a flat spectrum at the floor, so all but c0 is 0."""
    row = np.zeros(n_mfcc, np.float32)
    row[0] = np.log(POWER_FLOOR) * np.sqrt(N_MELS)  # the orthonormal DCT's first value
    return row


def _cut(wave: np.ndarray, start: int, length: int) -> np.ndarray:
    """Samples start..start+length, zeros where there are none. The 400 lie in the middle of 512: shift by 56."""
    start -= (_N_FFT - MFCC_WINDOW) // 2
    piece = np.zeros(length, np.float32)
    low, high = max(start, 0), min(start + length, len(wave))
    if high > low:
        piece[low - start : high - start] = wave[low:high]
    return piece


def windows(rows: np.ndarray) -> np.ndarray:
    """Rows (4·T + 24, C) → windows (T, 28, C), a view."""
    view = np.lib.stride_tricks.sliding_window_view(rows, WINDOW_ROWS, axis=0)[::ROWS_PER_FRAME]
    return view.transpose(0, 2, 1)
