"""Speech → what AT-net reads: 16 kHz mono samples, MFCC rows, one window of 28 rows per video frame.

Row j has its centre at 10·j + 5 ms. The window of video frame t (centre 40·t + 20 ms) is the 28 rows around it, so the
rows of a clip run from 4·0 − 12 to 4·T + 11.
"""

import os
import subprocess
from numbers import Real
from typing import Union

import numpy as np

from atvg.config import (
    EXTRA_ROWS,
    FPS,
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
from atvg.errors import BadAudioError, TooLongError, existing_file

Audio = Union[str, os.PathLike, "tuple[int, np.ndarray]", np.ndarray]

LEAD_ROWS = EXTRA_ROWS // 2  # rows before the first frame: 12

# What a foreign file may be: sound and films that lie in one file, by the names of ffmpeg's demuxers. It knows hundreds
# more, and of those some are lists (concat, hls, dash, imf, …) that would make it open other files, or addresses.
_CONTAINERS = "aac,ac3,aiff,amr,amrnb,amrwb,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,w64,wav,wv"
_MAX_BLOCK = 2**28  # bytes ffmpeg may ask for at once; an index of ten hours takes a tenth
PATIENCE = 60.0  # seconds for one file; ten minutes of an MP3 take 1
_RATES = (1_000, 400_000)  # Hz

_SPEECH_RMS = 0.1  # level speech is brought to
_MAX_GAIN = 30.0  # a recording that needs more is noise, not speech
POWER_FLOOR = 1e-6  # of the mel power; about −60 dB below loud speech, so that room noise and digital zero look alike
N_MELS = 40
_N_FFT = 512
_BLOCK_ROWS = 2000  # 20 s at a time: memory does not grow with the audio
_SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
_SILENT_DB = -35.0  # below the level of the clip's speech
_SILENT_RMS = 1.1e-3  # −59 dBFS: the noise of a quiet room, amplified, would pass for speech


def load_audio(source: Audio, max_seconds: float = MAX_SECONDS) -> np.ndarray:
    """Decodes anything ffmpeg reads (a video's sound too), or ``(rate, samples)``, or 16 kHz samples.

    Returns:
        float32 (N,), mono, 16 kHz, in [−1, 1].

    Of a file no more is decoded than `max_seconds` and one, and nothing but that file is opened.

    Raises:
        BadAudioError: unreadable, empty, non-finite, shorter than `MIN_SECONDS`, or it takes too long to decode.
        TooLongError: longer than `max_seconds`.
        BadSettingError: `max_seconds` is not a number of seconds up to a day.
    """
    max_seconds = check_number("max_seconds", max_seconds, MIN_SECONDS, 86_400)
    if isinstance(source, np.ndarray):
        source = (SAMPLE_RATE, source)
    if isinstance(source, tuple):
        if len(source) != 2 or not isinstance(source[0], Real) or isinstance(source[0], bool):
            raise BadAudioError("audio in memory must be a pair (sample rate, samples)")
        wave = _from_samples(*source, max_seconds)
    else:
        wave = _decode(source, max_seconds)
    _check_length(len(wave) / SAMPLE_RATE, max_seconds)
    return wave


def _check_length(seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise TooLongError(f"the audio is longer than {max_seconds:g} s; cut it and try again")
    if seconds < MIN_SECONDS:
        raise BadAudioError(f"the audio lasts {seconds:.2f} s; give at least {MIN_SECONDS:g} s of speech")


def ffmpeg_input(path: Union[str, os.PathLike], seconds: float) -> list[str]:
    """Arguments of ffmpeg: a foreign file and nothing but that, its first `seconds`."""
    return [
        "-nostdin", "-max_alloc", str(_MAX_BLOCK), "-protocol_whitelist", "file,pipe",
        "-format_whitelist", _CONTAINERS, "-t", f"{seconds:g}", "-i", f"file:{os.fspath(path)}",
    ]  # fmt: skip


def _decode(path: Union[str, os.PathLike], max_seconds: float) -> np.ndarray:
    if not isinstance(path, (str, os.PathLike)):
        raise BadAudioError(f"audio must be a path, samples or (rate, samples), not {type(path).__name__}")
    import imageio_ffmpeg

    path = existing_file(path, BadAudioError, "audio file", "give a WAV, MP3, M4A, OGG or video file")
    # The times in a file may be wrong, and ffmpeg cuts by them: so what comes out is limited too, in bytes.
    most = round((max_seconds + 2) * SAMPLE_RATE) * 4
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", *ffmpeg_input(path, max_seconds + 1), "-map", "0:a:0",
        "-ac", "1", "-ar", str(SAMPLE_RATE), "-fs", str(most), "-f", "f32le", "pipe:1",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BadAudioError(f"{path.name} takes too long to decode; save it as WAV or MP3 and try again") from None
    wave = np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], np.float32)
    if len(wave) == 0:
        raise BadAudioError(f"{path.name} holds no audio that can be decoded; give a WAV, MP3, M4A or OGG file")
    return _finite(wave)


def _from_samples(rate: float, samples: np.ndarray, max_seconds: float) -> np.ndarray:
    samples = _as_samples(samples)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise BadAudioError(f"the sample rate is not between {_RATES[0]} and {_RATES[1]} Hz; give the true one")
    rate = float(rate)
    _check_length(max(samples.shape) / rate, max_seconds)
    wave = mono(samples)
    if rate != SAMPLE_RATE:
        import librosa

        wave = librosa.resample(wave, orig_sr=rate, target_sr=SAMPLE_RATE)
    return np.clip(wave, -1, 1)


def mono(samples: np.ndarray, channels_last: bool | None = None) -> np.ndarray:
    """Samples (N,) or (N, channels), floats in [−1, 1] or integers of any width → float32 (N,).

    Unless it is said whether the channels come last, the longer axis is taken for time.

    Raises:
        BadAudioError: they are none, or not finite.
    """
    samples = _as_samples(samples)
    if samples.dtype.kind in "iu":
        limits = np.iinfo(samples.dtype)
        middle = 0 if samples.dtype.kind == "i" else (limits.max + 1) // 2
        samples = (samples.astype(np.float64) - middle) / (limits.max - middle)
    if samples.ndim == 2:
        if channels_last is None:
            channels_last = samples.shape[1] <= samples.shape[0]
        samples = samples.mean(axis=1 if channels_last else 0)
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return _finite(samples.astype(np.float32))


def _as_samples(samples: np.ndarray) -> np.ndarray:
    try:
        samples = np.asarray(samples)
    except ValueError:  # lists of different lengths
        samples = np.zeros(0)
    if samples.dtype.kind not in "iuf" or samples.ndim not in (1, 2) or samples.size == 0:
        raise BadAudioError("audio samples must be a non-empty array of numbers, (N,) or (N, channels)")
    return samples


def _finite(wave: np.ndarray) -> np.ndarray:
    if not np.isfinite(wave).all():
        raise BadAudioError("the audio holds NaN or infinite samples; export it again")
    return np.clip(wave, -1, 1)


def n_video_frames(wave: np.ndarray) -> int:
    """Frames a clip of this sound has: round(25 · seconds), at least one."""
    return max(1, round(len(wave) / _SAMPLES_PER_FRAME))


def frame_levels(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """RMS of each video frame's own 40 ms, (n_frames,)."""
    padded = np.zeros(n_frames * _SAMPLES_PER_FRAME, np.float32)
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    return np.sqrt((padded.reshape(n_frames, -1) ** 2).mean(axis=1))


def speech_level(wave: np.ndarray) -> float:
    """RMS of the loud parts: the 90th percentile over frames; 0 for digital silence."""
    return float(np.percentile(frame_levels(wave, n_video_frames(wave)), 90))


def silence(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """Which video frames hold no speech, bool (n_frames,): 35 dB below the clip's own speech, or below −59 dBFS."""
    return frame_levels(wave, n_frames) < silent_below(speech_level(wave))


def silent_below(level: float) -> float:
    """The RMS below which a frame is silence among speech of this level."""
    return max(_SILENT_RMS, level * 10 ** (_SILENT_DB / 20))


def mfcc_rows(wave: np.ndarray, n_frames: int, n_mfcc: int = N_MFCC_STORED) -> np.ndarray:
    """MFCC c0..c(n_mfcc−1) at 100 rows a second, for `n_frames` video frames.

    The level of the whole recording is evened out first (its gain says nothing about lips).

    Returns:
        float32 (4·n_frames + 24, n_mfcc).
    """
    gain = even_gain(speech_level(wave))
    n_rows = ROWS_PER_FRAME * n_frames + EXTRA_ROWS
    blocks = []
    for first in range(0, n_rows, _BLOCK_ROWS):
        rows = min(_BLOCK_ROWS, n_rows - first)
        blocks.append(plain_rows(wave, first - LEAD_ROWS, rows, gain, n_mfcc))
    return np.concatenate(blocks)


def even_gain(level: float) -> float:
    """What samples of this speech level are multiplied by, so that recordings are alike."""
    return min(_SPEECH_RMS / level, _MAX_GAIN) if level > 0 else 1.0


def plain_rows(wave: np.ndarray, first: int, count: int, gain: float, n_mfcc: int = N_MFCC_STORED) -> np.ndarray:
    """MFCC rows first..first + count − 1 of samples times `gain`, float32 (count, n_mfcc); silence around them."""
    import librosa

    start = first * MFCC_HOP + MFCC_HOP // 2 - MFCC_WINDOW // 2
    mel = librosa.feature.melspectrogram(
        y=_cut(wave, start, (count - 1) * MFCC_HOP + _N_FFT) * gain, sr=SAMPLE_RATE, n_fft=_N_FFT,
        win_length=MFCC_WINDOW, hop_length=MFCC_HOP, center=False, n_mels=N_MELS, power=2.0,
    )  # fmt: skip
    return librosa.feature.mfcc(S=np.log(mel + POWER_FLOOR), n_mfcc=n_mfcc).T.astype(np.float32)


def silent_row(n_mfcc: int) -> np.ndarray:
    """The MFCC row of silence, (n_mfcc,): a flat spectrum at the floor, so all but c0 is 0."""
    row = np.zeros(n_mfcc, np.float32)
    row[0] = np.log(POWER_FLOOR) * np.sqrt(N_MELS)  # the orthonormal DCT's first value
    return row


def _cut(wave: np.ndarray, start: int, length: int) -> np.ndarray:
    """Samples start..start+length, zeros where there are none. librosa centres the 400 in its 512: shift by 56."""
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
