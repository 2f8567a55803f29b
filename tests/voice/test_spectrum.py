"""Mel power and resampling: the figures of librosa, with which the networks were trained."""

import numpy as np
import pytest

from atvg.voice.spectrum import mel_power, resample

librosa = pytest.importorskip("librosa")


def noise(count: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize("size, bands", [(512, 40), (400, 80)])
@pytest.mark.parametrize("count", [512, 4_000, 40_123])  # one window, one block of them, several
def test_mel_power_is_librosas_bit_for_bit(size, bands, count):
    wave = noise(count)
    expected = librosa.feature.melspectrogram(
        y=wave, sr=16_000, n_fft=size, win_length=400, hop_length=160, center=False, n_mels=bands, power=2.0
    )
    found = mel_power(wave, size, bands)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 11_025.5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_another_rate_is_librosas_bit_for_bit(rate, kind):
    wave = noise(10_007).astype(kind)
    expected = librosa.resample(wave, orig_sr=rate, target_sr=16_000)
    found = resample(wave, rate)
    assert found.dtype == kind and np.array_equal(found, expected)


def test_the_same_rate_changes_nothing():
    wave = noise(100)
    assert resample(wave, 16_000) is wave


def test_a_tone_lies_in_the_band_of_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    # 1000 Hz are 15 mels of 45.2 up to 8 kHz, which 41 steps share: 13.6 steps, between the peaks of bands 12 and 13.
    assert mel_power(tone, 512, 40).mean(axis=1).argmax() in (12, 13)
