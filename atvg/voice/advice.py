"""What lies under a voice and will move the mouth with it, said before any work: warnings, never obstacles.

"Measured" below means on 93 clips of talking people and 8 synthetic voices, and on a third of them with a hum of 50 or
60 Hz, arpeggios and a drum, or white noise mixed in, so many dB below the speech.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.ndimage import median_filter

from atvg.config import FPS, SAMPLE_RATE
from atvg.errors import Advice
from atvg.voice.audio import n_video_frames, silence, speech_level
from atvg.voice.level import decibels, details, noise_floor

# Most harmful first.
_MESSAGES = {
    "music": "there seems to be music under the voice, and the mouth will move with it; use the voice alone",
    "noise": "there is much noise under the voice, and the mouth may move with it; record closer to the microphone",
    "hum": "the mains hum under the voice, which may dull the lips; use another cable or a recording without",
}
KINDS = tuple(_MESSAGES)

_MOST = 120 * SAMPLE_RATE  # samples that are looked at
_LEAST = 2 * SAMPLE_RATE  # of less nothing can be told: one vowel is a hum, or a note

_NOISY = 15.0  # dB between speech and background; measured: less in 3 of 101, and in 9 of 10 at −15 and −20 dB

_MAINS, _HARMONICS = (50, 60), 8  # Hz, and how many multiples of it
_LINE = 4096  # samples that tell them from their neighbours
# dB by which the three clearest lines stand out at moments that are soft for them, and of their power below speech.
# Measured: 11 dB in 1 of 101, under which lies music; found in 9 of 10 at −20 and −25 dB, in 7 of 10 at −35.
_STANDS_OUT, _HEARD = 11.0, -36.0

_TONE, _NOTE = 2048, 5  # samples; frames that a note lasts, 0.2 s: in speech the pitch glides
_ABOVE = 8.0  # dB between a partial and what lies around
_BAND = (250, 4000)  # Hz
# Share of the power that notes have in the soft moments, and dB of these below the loud ones: music has no pause.
# Measured: in 4 of 101; found in 9 of 10 at −10 dB, in 6 of 10 at −15 and −20, in 1 of 10 at −30.
_TONAL, _SOFT = 0.3, -32.0


def advise(wave: np.ndarray) -> list[Advice]:
    """What will harm the lips, most harmful first; an empty list for a good voice, or where nobody speaks.

    Args:
        wave: float32 samples (N,), 16 kHz; of more than two minutes the first two are heard.
    """
    wave = wave[:_MOST]
    if len(wave) < _LEAST or silence(wave, n_video_frames(wave)).all():
        return []
    hum = _hums(wave)  # whose upper harmonics are tones as well
    found = {"music": not hum and _has_music(wave), "noise": _is_noisy(wave), "hum": hum}
    return [Advice(kind, message) for kind, message in _MESSAGES.items() if found[kind]]


def _is_noisy(wave: np.ndarray) -> bool:
    levels = details(wave, n_video_frames(wave))
    return bool(np.percentile(levels, 90) - noise_floor(levels) < _NOISY)


def _power(wave: np.ndarray, window: int, step: int) -> np.ndarray:
    """(frequencies, moments), float32: of a sine, a quarter of its squared amplitude."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    found = rfft(sliding_window_view(wave, window)[::step] * np.float32(hann / hann.sum()), axis=-1).T
    return np.abs(found) ** 2 + 1e-16


def _hums(wave: np.ndarray) -> bool:
    """Whether lines at multiples of the mains' frequency are always there."""
    power = np.percentile(_power(wave, _LINE, _LINE // 4), 20, axis=1)
    speech = float(decibels(np.array(speech_level(wave))))
    for mains in _MAINS:
        at = [round(mains * k * _LINE / SAMPLE_RATE) for k in range(1, 1 + _HARMONICS)]
        around = [np.median(np.r_[power[max(0, i - 7) : i - 3], power[i + 4 : i + 8]]) for i in at]
        lines = np.array([power[i - 1 : i + 2].sum() for i in at])
        clear = 10 * np.log10(np.array([power[i - 1 : i + 2].max() for i in at]) / around)
        heard = 10 * np.log10(2 * lines[clear > _STANDS_OUT / 2].sum() + 1e-16) - speech
        if np.sort(clear)[-3:].mean() > _STANDS_OUT and heard > _HEARD:
            return True
    return False


def _has_music(wave: np.ndarray) -> bool:
    """Whether notes that last are heard where the voice is soft, and nothing is ever much softer than the voice."""
    power = _power(wave, _TONE, SAMPLE_RATE // FPS)
    if power.shape[1] < 2 * _NOTE:
        return False
    low, high = (round(frequency * _TONE / SAMPLE_RATE) for frequency in _BAND)
    levels = 10 * np.log10(power[: 2 * high])
    partials = (levels - median_filter(levels, (17, 1)) > _ABOVE)[low:high]
    power = power[low:high]
    notes = np.zeros_like(partials)
    for first in range(partials.shape[1] - _NOTE + 1):
        moments = slice(first, first + _NOTE)
        notes[:, moments] |= partials[:, moments].all(axis=1, keepdims=True)
    loudness = 10 * np.log10(power.sum(axis=0))
    soft = loudness <= np.percentile(loudness, 30)
    share = (power * notes)[:, soft].sum() / power[:, soft].sum()
    return bool(share > _TONAL and np.subtract(*np.percentile(loudness, [15, 90])) > _SOFT)
