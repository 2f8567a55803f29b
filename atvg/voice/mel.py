"""Speech → the 80 MFCC that the ear reads: the orthonormal DCT of Whisper's log-mel, four rows a video frame.

Row j has its centre at 10·j ms, so rows 4·t to 4·t + 3 lie in video frame t. Whisper takes what is 80 dB below the
loudest moment of a recording for silence, which would make a stretch's rows depend on where it is cut. Here all speech
is brought to one level first (`atvg.voice.audio.even_gain`), and the loudest moment of speech at that level is a
constant, `TOP`: a stretch has the rows that the whole has.
"""

import numpy as np
from scipy.fft import dct, idct

from atvg.config import MFCC_HOP, MFCC_WINDOW, N_MFCC_EAR, ROWS_PER_FRAME
from atvg.voice import spectrum
from atvg.voice.audio import gain_of

TOP = 1.0  # log10 of mel power: the loudest moments of 160 clips at the level of `even_gain` lie between 0.5 and 1.8
DEPTH = 8.0  # log10 below the top, where silence begins
_LEAST = 1e-10
_SHIFT = 4.0  # Whisper's scaling: (log-mel + 4) / 4
_FLOOR = (TOP - DEPTH + _SHIFT) / _SHIFT  # the log-mel of silence
_STEPS = 100  # of 1 of a packed log-mel


def mfcc80_rows(wave: np.ndarray, first: int, count: int, gain: float = 1.0, top: float | None = TOP) -> np.ndarray:
    """MFCC rows first..first + count − 1 of samples times `gain`, float32 (count, 80).

    The sound is mirrored at its ends, for half a window, as Whisper does it, and silent beyond.

    Args:
        wave: float32 samples at 16 kHz.
        top: log10 of the mel power that counts as the loudest moment; None for that of these rows, as in Whisper.
    """
    return dct(log_mel(wave, first, count, gain, top), norm="ortho", axis=-1).astype(np.float32)


def clip_mfcc80(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """All rows of `n_frames` video frames of a recording whose level is evened out, (4·n_frames, 80)."""
    return mfcc80_rows(wave, 0, ROWS_PER_FRAME * n_frames, gain_of(wave))


def log_mel(wave: np.ndarray, first: int, count: int, gain: float = 1.0, top: float | None = TOP) -> np.ndarray:
    """The log-mel rows of which `mfcc80_rows` gives the DCT, float32 (count, 80)."""
    piece = _cut(wave, first * MFCC_HOP - MFCC_WINDOW // 2, (count - 1) * MFCC_HOP + MFCC_WINDOW) * np.float32(gain)
    power = spectrum.mel_power(piece, MFCC_WINDOW, N_MFCC_EAR)
    return scaled(power.T, top).astype(np.float32)


def scaled(power: np.ndarray, top: float | None = TOP) -> np.ndarray:
    """Mel power → log-mel as Whisper reads it."""
    loudness = np.log10(np.maximum(power, _LEAST))
    return (np.maximum(loudness, (loudness.max() if top is None else top) - DEPTH) + _SHIFT) / _SHIFT


def mel_power(mfcc80: np.ndarray) -> np.ndarray:
    """MFCC rows (..., 80) → the mel power they were made of, where it was not silence."""
    return 10 ** (idct(mfcc80, norm="ortho", axis=-1) * _SHIFT - _SHIFT)


def packed(mfcc80: np.ndarray) -> np.ndarray:
    """MFCC rows → their log-mel in whole hundredths, uint8, an eighth of the bytes; it is off by 0.005 at most."""
    steps = (idct(mfcc80, norm="ortho", axis=-1) - _FLOOR) * _STEPS
    return np.clip(np.round(steps), 0, 255).astype(np.uint8)


def unpacked(steps: np.ndarray) -> np.ndarray:
    """What `packed` made → MFCC rows (..., 80) float32."""
    return dct(steps / np.float32(_STEPS) + np.float32(_FLOOR), norm="ortho", axis=-1).astype(np.float32)


def silent_mfcc80() -> np.ndarray:
    """The MFCC row of silence, (80,): a flat spectrum, so all but c0 is 0."""
    row = np.zeros(N_MFCC_EAR, np.float32)
    row[0] = _FLOOR * np.sqrt(N_MFCC_EAR)
    return row


def _cut(wave: np.ndarray, start: int, length: int) -> np.ndarray:
    """Samples start..start+length of a sound that is mirrored at its ends for half a window, and silent beyond."""
    half = MFCC_WINDOW // 2
    piece = np.zeros(length, np.float32)
    low, high = max(start, 0), min(start + length, len(wave))
    if high > low:
        piece[low - start : high - start] = wave[low:high]
    before, after = wave[half:0:-1], wave[-2 : -half - 2 : -1]
    for place, mirrored in ((-len(before) - start, before), (len(wave) - start, after)):
        low, high = max(place, 0), min(place + len(mirrored), length)
        if high > low:
            piece[low:high] = mirrored[low - place : high - place]
    return piece
