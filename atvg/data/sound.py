"""Sound augmentation without sound: what throats, rooms, microphones and noise do to stored MFCC rows.

The 20 stored coefficients are the first of an orthonormal DCT-II over 40 log mel powers (`atvg.audio`), so the inverse
transform gives the spectrogram back, a little smoothed, and what happens to sound happens there: gain and equaliser
multiply its power, noise adds to it, a room smears it over time. No audio is decoded and a whole batch is done at once.

Spectrograms are mel power, (B, R, 40): B stretches of R rows, 10 ms apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, idct

from atvg.audio import N_MELS, POWER_FLOOR

_ROW_SECONDS = 0.01
_LOUD = 85  # percentile over rows: the level of the voice in a stretch of speech
_CURVES = 4  # cosines over the mel bands that make up a random colour


@dataclass(frozen=True)
class SoundLimits:
    """How far each effect goes at most; each is applied to `share` of the stretches."""

    share: float = 0.5
    throat: float = 0.12  # longer or shorter vocal tract
    decay: tuple[float, float] = (0.1, 0.6)  # reverberation time, seconds
    reverb: float = 0.5  # reverberant share of the power
    colour: float = 2.0  # standard deviation of a microphone's response, dB
    gain: float = 3.0  # the same of its level, dB
    snr: tuple[float, float] = (5.0, 35.0)  # signal to noise, dB
    babble: float = 0.3  # share of the noise that is another voice


def spectrogram(rows: np.ndarray) -> np.ndarray:
    """MFCC rows (..., n) from c0 on → mel power (..., 40); what is below the floor of the features is 0."""
    return np.maximum(np.exp(idct(rows, n=N_MELS, norm="ortho", axis=-1)) - POWER_FLOOR, 0)


def mfcc(power: np.ndarray, count: int) -> np.ndarray:
    """Mel power (..., 40) → the first `count` coefficients (..., count), as `atvg.audio.mfcc_rows` has them."""
    return dct(np.log(power + POWER_FLOOR), norm="ortho", axis=-1)[..., :count]


def distort(rows: np.ndarray, limits: SoundLimits, rng: np.random.Generator) -> np.ndarray:
    """Another throat, room, microphone and noise for each of (B, R, n) MFCC rows from c0 on, each drawn at random."""
    count = len(rows)

    def some() -> np.ndarray:
        return rng.random(count) < limits.share

    original = power = spectrogram(rows)
    power = warp(power, 1 + some() * limits.throat * rng.uniform(-1, 1, count))
    power = reverberate(power, rng.uniform(*limits.decay, count), some() * limits.reverb * rng.random(count))
    level = limits.gain * rng.standard_normal((count, 1))
    power = amplify(power, some()[:, None] * (level + limits.colour * _colour(count, rng)))
    noise = _noise(power, rng.uniform(*limits.snr, count), rng.random(count) < limits.babble, rng)
    power = power + some()[:, None, None] * noise
    # Twenty coefficients ripple about the floor where there is little sound. Only the change is taken from what lies
    # above it, so that rows to which nothing happens stay as they are.
    return rows + mfcc(power, rows.shape[-1]) - mfcc(original, rows.shape[-1])


def warp(power: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Another vocal-tract length: band m gets what band factor·m held; `factor` (B,)."""
    bands = power.shape[-1]
    places = np.clip(np.arange(bands) * factor[:, None], 0, bands - 1)  # (B, 40)
    low = np.minimum(places.astype(int), bands - 2)
    share = (places - low)[:, None]
    below, above = (np.take_along_axis(power, index[:, None], axis=-1) for index in (low, low + 1))
    return (1 - share) * below + share * above


def reverberate(power: np.ndarray, seconds: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A room: `share` (B,) of the power comes late, as an exponential tail that falls by 60 dB in `seconds` (B,).

    A steady sound keeps its power.
    """
    keep = (10 ** (-6 * _ROW_SECONDS / seconds))[:, None]
    tail = np.empty_like(power)
    state = power[:, 0]
    for row in range(power.shape[1]):
        state = keep * state + (1 - keep) * power[:, row]
        tail[:, row] = state
    share = share[:, None, None]
    return (1 - share) * power + share * tail


def amplify(power: np.ndarray, decibels: np.ndarray) -> np.ndarray:
    """A gain in dB for each stretch and band, (B, 40) or (B, 1)."""
    return power * 10 ** (decibels[:, None] / 10)


def _colour(count: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random curves over the bands, (count, 40), of about unit variance."""
    angles = np.pi * (np.arange(N_MELS) + 0.5) / N_MELS
    curves = np.cos(np.arange(1, _CURVES + 1)[:, None] * angles) * np.sqrt(2 / _CURVES)
    return rng.standard_normal((count, _CURVES)) @ curves


def _noise(power: np.ndarray, snr: np.ndarray, babble: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise `snr` (B,) dB below the voice, (B, R, 40): steady and coloured, or another voice where `babble`."""
    hiss = 10 ** (0.6 * _colour(len(power), rng)[:, None]) * rng.exponential(size=power.shape)
    noise = np.where(babble[:, None, None], np.roll(power, 1, axis=0), hiss)
    voice, loud = (np.percentile(x.mean(axis=2), _LOUD, axis=1) for x in (power, noise))
    return noise * (voice * 10 ** (-snr / 10) / np.maximum(loud, POWER_FLOOR))[:, None, None]
