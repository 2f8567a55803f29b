"""Sound augmentation without sound: what throats, rooms, microphones and noise do to stored MFCC rows.

MFCC are an orthonormal DCT-II of log mel powers, so the inverse transform gives the spectrogram back, and what happens
to sound happens there: gain and equaliser multiply its power, noise adds to it, a room smears it over time. No audio is
decoded and a whole batch is done at once. Of 40 bands (`atvg.voice.audio`) 20 coefficients are stored, which smooths a
little; of the ear's 80 (`atvg.voice.mel`) all are.

Spectrograms are mel power, (B, R, M): B stretches of R rows, 10 ms apart, of 40 or 80 bands.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct, idct

from atvg.voice.audio import N_MELS, POWER_FLOOR
from atvg.voice.mel import mel_power, scaled

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
    """Mel power (..., 40) → the first `count` coefficients (..., count), as `atvg.voice.audio.mfcc_rows` has them."""
    return dct(np.log(power + POWER_FLOOR), norm="ortho", axis=-1)[..., :count]


def distort(rows: np.ndarray, limits: SoundLimits, rng: np.random.Generator) -> np.ndarray:
    """Another throat, room, microphone and noise for each of (B, R, n) MFCC rows from c0 on, each drawn at random."""
    power = spectrogram(rows)
    changed = affect(power, limits, rng)
    # Twenty coefficients ripple about the floor where there is little sound. Only the change is taken from what lies
    # above it, so that rows to which nothing happens stay as they are.
    return rows + mfcc(changed, rows.shape[-1]) - mfcc(power, rows.shape[-1])


def distort80(rows: np.ndarray, limits: SoundLimits, rng: np.random.Generator) -> np.ndarray:
    """The same for (B, R, 80) rows that the ear reads."""
    return dct(scaled(affect(mel_power(rows), limits, rng)), norm="ortho", axis=-1)


def affect(power: np.ndarray, limits: SoundLimits, rng: np.random.Generator) -> np.ndarray:
    """All effects on (B, R, M) mel power, each on some of the stretches."""
    count = len(power)

    def some() -> np.ndarray:
        return rng.random(count) < limits.share

    power = warp(power, 1 + some() * limits.throat * rng.uniform(-1, 1, count))
    power = reverberate(power, rng.uniform(*limits.decay, count), some() * limits.reverb * rng.random(count))
    level = limits.gain * rng.standard_normal((count, 1))
    power = amplify(power, some()[:, None] * (level + limits.colour * _colour(count, power.shape[-1], rng)))
    noise = _noise(power, rng.uniform(*limits.snr, count), rng.random(count) < limits.babble, rng)
    return power + some()[:, None, None] * noise


def warp(power: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Another vocal-tract length: band m gets what band factor·m held; `factor` (B,)."""
    bands = power.shape[-1]
    places = np.clip(np.arange(bands) * factor[:, None], 0, bands - 1)  # (B, M)
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
    """A gain in dB for each stretch and band, (B, M) or (B, 1)."""
    return power * 10 ** (decibels[:, None] / 10)


def _colour(count: int, bands: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random curves over the bands, (count, bands), of about unit variance."""
    angles = np.pi * (np.arange(bands) + 0.5) / bands
    curves = np.cos(np.arange(1, _CURVES + 1)[:, None] * angles) * np.sqrt(2 / _CURVES)
    return rng.standard_normal((count, _CURVES)) @ curves


def hiss(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mel power of steady, coloured noise, `shape` being (B, R, M), of about unit level."""
    return 10 ** (0.6 * _colour(shape[0], shape[2], rng)[:, None]) * rng.exponential(size=shape)


def _noise(power: np.ndarray, snr: np.ndarray, babble: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise `snr` (B,) dB below the voice, (B, R, M): steady and coloured, or another voice where `babble`."""
    noise = np.where(babble[:, None, None], np.roll(power, 1, axis=0), hiss(power.shape, rng))
    voice, loud = (np.percentile(x.mean(axis=2), _LOUD, axis=1) for x in (power, noise))
    return noise * (voice * 10 ** (-snr / 10) / np.maximum(loud, POWER_FLOOR))[:, None, None]
