"""How loud a recording is says nothing: the mouth follows whoever speaks, and rests where nobody does."""

import numpy as np
import pytest

from atvg.config import SAMPLE_RATE
from atvg.voice import audio, level
from tests.marks import quick

SECONDS = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE


def noise(slope: float, seed: int = 0) -> np.ndarray:
    """Of RMS 1, whose power falls with the frequency to the power of 2·slope."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(len(SECONDS)))
    frequencies = np.fft.rfftfreq(len(SECONDS), 1 / SAMPLE_RATE)
    spectrum[1:] *= frequencies[1:] ** -slope
    spectrum[frequencies < 20] = 0
    found = np.fft.irfft(spectrum, len(SECONDS))
    return (found / found.std()).astype(np.float32)


def hum(mains: int) -> np.ndarray:
    return sum(np.sin(2 * np.pi * mains * k * SECONDS + k) / k for k in (1, 2, 3, 5)).astype(np.float32)


BACKGROUNDS = {
    "white": noise(0), "pink": noise(0.5), "brown": noise(1), "50 Hz": hum(50), "60 Hz": hum(60),
    "a fan that starts": noise(0.5) * np.linspace(0.4, 1, len(SECONDS), dtype=np.float32),
}  # fmt: skip


@pytest.fixture(scope="module")
def voice(voice_path) -> np.ndarray:
    wave = audio.load_audio(voice_path)
    return np.concatenate([wave, np.zeros(SAMPLE_RATE, np.float32), wave])


@pytest.mark.parametrize("decibels", [-90, -60, -30, -10])
@pytest.mark.parametrize("name", BACKGROUNDS)
def test_where_nobody_speaks_the_mouth_rests(name, decibels):
    wave = (BACKGROUNDS[name] * 10 ** (decibels / 20)).clip(-1, 1)
    assert audio.silence(wave, 75).all()


@pytest.mark.parametrize("decibels", [-6, -45, -60])
def test_a_quiet_recording_has_the_pauses_and_rows_of_a_loud_one(voice, decibels):
    quiet, frames = voice * np.float32(10 ** (decibels / 20)), audio.n_video_frames(voice)
    np.testing.assert_array_equal(audio.silence(quiet, frames), audio.silence(voice, frames))
    assert audio.gain_of(quiet) == pytest.approx(audio.gain_of(voice) / 10 ** (decibels / 20), rel=1e-5)
    np.testing.assert_allclose(audio.mfcc_rows(quiet, 99), audio.mfcc_rows(voice, 99), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("decibels", quick([0, -45], -45))
def test_in_a_noisy_recording_the_mouth_rests_between_the_words(voice, decibels):
    background = 0.01 * np.resize(noise(0.5), len(voice))
    silent = audio.silence((voice + background) * np.float32(10 ** (decibels / 20)), audio.n_video_frames(voice))
    assert silent[105:118].all() and silent[:99].mean() < 0.4


def test_rare_words_set_the_level(voice):
    spoken = voice[: 2 * SAMPLE_RATE]
    rare = np.concatenate([np.zeros(30 * SAMPLE_RATE, np.float32), spoken])
    rare += 1e-4 * np.random.default_rng(0).standard_normal(len(rare)).astype(np.float32)
    assert audio.speech_level(rare) == pytest.approx(audio.speech_level(spoken), rel=0.25)
    assert audio.silence(rare, 800)[:745].all()


def test_of_half_a_second_nobody_can_tell():
    assert not level.is_steady(np.full(11, -20.0)) and level.is_steady(np.full(12, -20.0))


@pytest.mark.long
@pytest.mark.parametrize("ear", ["whisper", "none"])
@pytest.mark.parametrize("decibels", [-6, -45, -60])
def test_the_lips_do_not_know_how_loud_it_was(animator, face, voice, ear, decibels):
    loud, quiet = (
        animator.codes(face.crop_landmarks, voice * np.float32(gain), ear=ear) for gain in (1, 10 ** (decibels / 20))
    )
    assert np.abs(loud - quiet).max() < 1e-3 * loud.std()
