"""What is done to a voice, and sounds that are none: pure functions of float32 samples in [−1, 1] at 16 kHz."""

import numpy as np

from atvg.config import SAMPLE_RATE
from atvg.lab.run import SAMPLES_PER_FRAME
from atvg.voice.audio import speech_level

PIECES = (1, 5)  # frames of a piece that is shuffled: 40 to 200 ms, a phone to a syllable

QUIET = 0.01  # RMS, −40 dBFS; what a voice counts as at least, or noise in a silent recording would be none
_TALKERS = 6
_BEAT = 0.4  # seconds
_CHORDS = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7), (164.8, 207.7, 246.9))  # Am F G E, Hz


def shuffled(wave: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames' sounds in pieces of 40 to 200 ms, in random order; what is left over at the end stays there.

    Returns:
        the sound, and the order of its frames: frame t of it is frame ``order[t]`` of `wave`, for whole frames.
    """
    random, n_frames = np.random.default_rng(seed), len(wave) // SAMPLES_PER_FRAME
    cuts = np.cumsum(random.integers(PIECES[0], PIECES[1] + 1, n_frames))
    pieces = np.split(np.arange(n_frames), cuts[cuts < n_frames])
    order = np.concatenate([pieces[i] for i in random.permutation(len(pieces))]) if n_frames else np.arange(0)
    samples = (order[:, None] * SAMPLES_PER_FRAME + np.arange(SAMPLES_PER_FRAME)).reshape(-1)
    return np.concatenate([wave[samples], wave[len(samples) :]]), order


def add_noise(wave: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Voice + noise with `snr` decibels between their powers over the whole stretch.

    A sum that would clip is made quieter as a whole: clipping would be one more disturbance.
    """
    power = max(float((wave.astype(np.float64) ** 2).mean()), QUIET**2)
    loudness = np.sqrt(power / max(float((noise.astype(np.float64) ** 2).mean()), 1e-20) / 10 ** (snr / 10))
    mixed = wave + loudness * noise
    return (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)


def white(length: int, seed: int) -> np.ndarray:
    """White noise, (length,)."""
    return np.random.default_rng(seed).standard_normal(length).astype(np.float32)


def babble(wave: np.ndarray, seed: int) -> np.ndarray:
    """A crowd made of one voice: pieces of it at other pitches, shifted and half of them backwards."""
    random, crowd = np.random.default_rng(seed), np.zeros(len(wave))
    for talker in range(_TALKERS):
        pitch = 2 ** random.uniform(-0.35, 0.35)
        places = (random.integers(len(wave)) + pitch * np.arange(len(wave))) % len(wave)
        voice = np.interp(places, np.arange(len(wave)), wave)
        crowd += voice[::-1] if talker % 2 else voice
    return crowd.astype(np.float32)


def music(length: int, level: float) -> np.ndarray:
    """Arpeggios over chords and a drum, (length,); `level` is what `atvg.voice.audio.speech_level` will say of it."""
    times = np.arange(length) / SAMPLE_RATE
    total = np.zeros(length)
    for beat in range(int(length / SAMPLE_RATE / _BEAT) + 1):
        chord = _CHORDS[beat // 4 % len(_CHORDS)]
        since = times - beat * _BEAT
        for start, pitch, strength in (
            *((0.0, pitch / 2, 0.25) for pitch in chord),  # the chord, low
            *((k * _BEAT / 2, 2 * chord[(2 * beat + k) % 3], 0.5) for k in (0, 1)),  # two notes of the arpeggio
        ):
            total += strength * _note(since - start, pitch)
        total += 1.2 * _struck(since, 0.08) * np.sin(2 * np.pi * 60 * since)
    return (total * level / max(speech_level(total.astype(np.float32)), 1e-9)).clip(-1, 1).astype(np.float32)


def _note(since: np.ndarray, pitch: float) -> np.ndarray:
    """A plucked string: overtones that fade, higher ones sooner."""
    return sum(_struck(since, 0.3 / k) * np.sin(2 * np.pi * k * pitch * since) / k for k in range(1, 6))


def _struck(since: np.ndarray, seconds: float) -> np.ndarray:
    """Nothing before the stroke, then a decay."""
    return np.where(since >= 0, np.exp(-np.maximum(since, 0) / seconds), 0) * np.clip(since / 0.004, 0, 1)
