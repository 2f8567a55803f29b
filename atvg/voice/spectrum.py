"""Sound → mel power, and sound at another rate: what librosa computes, bit for bit, without what it brings along.

Importing librosa takes a second and 130 MB, nearly all of them numba's compiler, which none of this needs. That the
figures are the same matters: networks were trained on them (`tests/voice/test_spectrum.py` compares).
"""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from atvg.config import MFCC_HOP, MFCC_WINDOW, SAMPLE_RATE

_AT_ONCE = 2**18  # bytes of windowed samples: what is transformed at once stays in the processor's cache
# Slaney's scale: linear below 1000 Hz, logarithmic above.
_MEL, _LINEAR, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27.0  # Hz a mel, Hz, a mel


def mel_power(wave: np.ndarray, size: int, bands: int) -> np.ndarray:
    """The power of every `MFCC_HOP` samples in mel bands of equal area, 0 to 8 kHz; no window begins before the sound.

    Args:
        wave: float32 samples (N,), 16 kHz, N ≥ size.
        size: of the Fourier transform, in whose middle the window of `MFCC_WINDOW` samples lies.
        bands: how many.

    Returns:
        float32 (bands, 1 + (N − size) // MFCC_HOP).
    """
    frames = sliding_window_view(wave, size)[::MFCC_HOP].T
    window = _window(size)[:, None]
    # In Fortran's order, as the sums over its frequencies end in other last digits in the other.
    spectrum = np.empty((1 + size // 2, frames.shape[1]), np.complex64, order="F")
    step = max(_AT_ONCE // (size * frames.itemsize), 1)
    for first in range(0, frames.shape[1], step):
        part = slice(first, first + step)
        spectrum[:, part] = rfft(window * frames[:, part], axis=-2)
    return np.einsum("ft,mf->mt", np.abs(spectrum) ** 2.0, _filters(size, bands), optimize=True)


def resample(wave: np.ndarray, rate: float, wanted: float = SAMPLE_RATE) -> np.ndarray:
    """Float samples (N,) at one rate, Hz → (⌈N · wanted ÷ rate⌉,) of the same type at another."""
    if rate == wanted:
        return wave
    import soxr  # here, as a training machine does without

    length = int(np.ceil(len(wave) * (float(wanted) / rate)))
    made = soxr.resample(wave, rate, wanted, quality="soxr_hq")[:length]
    return np.pad(made, (0, length - len(made))).astype(wave.dtype, copy=False)


@lru_cache(maxsize=4)
def _window(size: int) -> np.ndarray:
    """A periodic Hann window with zeros around it."""
    window = 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, MFCC_WINDOW + 1)[:-1])
    before = (size - MFCC_WINDOW) // 2
    return np.pad(window, (before, size - MFCC_WINDOW - before))


@lru_cache(maxsize=4)
def _filters(size: int, bands: int) -> np.ndarray:
    """Triangles between neighbouring centres, float32 (bands, 1 + size // 2)."""
    centres = _hertz(np.linspace(0.0, _mels(SAMPLE_RATE / 2), bands + 2))
    ramps = np.subtract.outer(centres, np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE))
    widths = np.diff(centres)[:, None]
    rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= (2.0 / (centres[2:] - centres[:-2]))[:, None]
    return triangles


def _mels(hertz: float) -> float:
    """Of a frequency of `_LINEAR` or more."""
    return _LINEAR / _MEL + np.log(hertz / _LINEAR) / _LOG_STEP


def _hertz(mels: np.ndarray) -> np.ndarray:
    linear = _LINEAR / _MEL
    return np.where(mels < linear, _MEL * mels, _LINEAR * np.exp(_LOG_STEP * (mels - linear)))
