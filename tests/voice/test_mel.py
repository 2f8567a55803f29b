"""The 80 MFCC that the ear reads: a rotation of the log-mel, the same in a stretch as in the whole."""

import numpy as np
import pytest
from scipy.fft import idct

from atvg.voice import audio, mel


@pytest.fixture(scope="module")
def wave(voice_path) -> np.ndarray:
    return audio.load_audio(voice_path)


def test_the_cepstrum_is_a_rotation_of_the_log_mel(wave):
    rows, logs = mel.mfcc80_rows(wave, 0, 300), mel.log_mel(wave, 0, 300)
    assert rows.shape == logs.shape == (300, 80)
    np.testing.assert_allclose(idct(rows, norm="ortho", axis=-1), logs, atol=1e-5)
    np.testing.assert_allclose((rows**2).sum(axis=1), (logs**2).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("first", [0, 1, 57, 250])
def test_a_stretch_has_the_rows_of_the_whole(wave, first):
    whole = mel.mfcc80_rows(wave, 0, 300)
    np.testing.assert_allclose(mel.mfcc80_rows(wave, first, 40), whole[first : first + 40], atol=1e-5)


def test_a_tone_is_loudest_in_its_band(wave):
    t = np.arange(16_000) / 16_000
    low, high = (mel.log_mel(0.1 * np.sin(2 * np.pi * f * t), 20, 50).mean(axis=0).argmax() for f in (300, 3000))
    assert low < 15 < 45 < high


def test_ten_times_the_level_is_half_more_log_mel():
    tone = 0.01 * np.sin(np.arange(16_000) * 0.2)
    loud, quiet = (mel.log_mel(tone, 20, 50, gain).max(axis=1) for gain in (10, 1))
    np.testing.assert_allclose(loud - quiet, 2 / 4, atol=0.01)  # 20 dB are 2 in log10 of power


def test_silence_is_the_silent_row():
    np.testing.assert_allclose(mel.mfcc80_rows(np.zeros(8000), 0, 40), np.tile(mel.silent_mfcc80(), (40, 1)), atol=1e-5)


def test_beyond_the_end_there_is_silence(wave):
    rows = mel.mfcc80_rows(wave, len(wave) // 160 + 3, 10)
    np.testing.assert_allclose(rows, np.tile(mel.silent_mfcc80(), (10, 1)), atol=1e-5)


def test_packed_rows_come_back(wave):
    rows = mel.mfcc80_rows(wave, 0, 300, audio.even_gain(audio.speech_level(wave)))
    packed = mel.packed(rows)
    assert packed.dtype == np.uint8 and packed.shape == rows.shape
    errors = idct(mel.unpacked(packed) - rows, norm="ortho", axis=-1)
    assert np.abs(errors).max() < 0.0051


def test_power_comes_back(wave):
    logs = mel.log_mel(wave, 0, 100)
    np.testing.assert_allclose(mel.scaled(mel.mel_power(mel.mfcc80_rows(wave, 0, 100))), logs, atol=1e-4)
