"""What happens to sound, done to its stored MFCC rows."""

import numpy as np
import pytest

from atvg.data import sound
from atvg.data.sound import SoundLimits
from atvg.voice import audio, mel


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Two stretches of something that sounds, (2, 60, 20), well above the floor."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1.5, (2, 60, 20)) / (1 + np.arange(20) / 4)
    rows[..., 0] += 4 * np.sin(np.arange(60) / 5)
    return rows


@pytest.fixture(scope="module")
def power(rows) -> np.ndarray:
    return sound.spectrogram(rows)


def test_there_and_back_is_where_one_was(rows):
    np.testing.assert_allclose(sound.mfcc(sound.spectrogram(rows), 20), rows, atol=1e-4)


def test_features_are_those_of_real_sound():
    wave = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    all_40 = audio.mfcc_rows(wave, 25, n_mfcc=40)
    np.testing.assert_allclose(sound.mfcc(sound.spectrogram(all_40), 20), audio.mfcc_rows(wave, 25), atol=1e-2)


def test_silence_has_no_power():
    np.testing.assert_allclose(sound.spectrogram(audio.silent_row(20)), 0, atol=1e-9)


def test_a_gain_moves_only_the_first_coefficient(rows, power):
    louder = sound.mfcc(sound.amplify(power, np.array([[6.0], [-6.0]])), 20)
    step = 0.6 * np.log(10) * np.sqrt(40)
    np.testing.assert_allclose(louder[0, :, 0] - rows[0, :, 0], step, atol=0.01)
    np.testing.assert_allclose(louder[1, :, 0] - rows[1, :, 0], -step, atol=0.01)
    np.testing.assert_allclose(louder[..., 1:], rows[..., 1:], atol=0.01)


def test_rows_of_the_ear_come_and_go_whole():
    wave = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    rows = np.stack([mel.mfcc80_rows(wave, 0, 100, gain) for gain in (1.0, 0.01)])
    np.testing.assert_allclose(sound.distort80(rows, SoundLimits(share=0.0), np.random.default_rng(0)), rows, atol=1e-4)
    changed = sound.distort80(rows, SoundLimits(share=1.0), np.random.default_rng(0))
    assert changed.shape == rows.shape and np.isfinite(changed).all() and np.abs(changed - rows).max() > 0.5


class TestWarp:
    def test_one_changes_nothing(self, power):
        np.testing.assert_allclose(sound.warp(power, np.ones(2)), power)

    def test_a_peak_moves_to_where_the_factor_says(self):
        power = np.zeros((1, 3, 40))
        power[..., 20] = 1
        assert (sound.warp(power, np.array([1.25])).argmax(axis=2) == 16).all()
        assert (sound.warp(power, np.array([0.8])).argmax(axis=2) == 25).all()


class TestReverberation:
    def test_a_steady_sound_keeps_its_power(self):
        power = np.full((2, 50, 40), 3.0)
        np.testing.assert_allclose(sound.reverberate(power, np.array([0.2, 0.6]), np.array([0.5, 1.0])), power)

    def test_a_click_rings_on_and_falls_by_60_decibels_in_the_given_time(self):
        power = np.zeros((1, 60, 40))
        power[:, 5] = 1
        wet = sound.reverberate(power, np.array([0.4]), np.array([0.5]))[0, :, 0]
        assert (wet[:5] == 0).all()  # no echo comes before the sound
        assert wet[46] / wet[6] == pytest.approx(1e-6)
        assert wet[5] > 0.5

    def test_a_dry_room_changes_nothing(self, power):
        np.testing.assert_allclose(sound.reverberate(power, np.array([0.4, 0.4]), np.zeros(2)), power)


class TestNoise:
    @pytest.mark.parametrize("babble", [False, True])
    def test_it_is_as_loud_as_asked(self, power, babble):
        noise = sound._noise(power, np.array([0.0, 20.0]), np.full(2, babble), np.random.default_rng(0))
        assert (noise >= 0).all()  # so that no band is ever lowered
        voice, loud = (np.percentile(x.mean(axis=2), 85, axis=1) for x in (power, noise))
        np.testing.assert_allclose(10 * np.log10(voice / loud), [0, 20], atol=0.1)

    def test_babble_is_the_other_stretch(self, power):
        noise = sound._noise(power, np.zeros(2), np.ones(2, bool), np.random.default_rng(0))
        assert np.corrcoef(noise[0].ravel(), power[1].ravel())[0, 1] > 0.999


class TestDistort:
    def test_nothing_happens_to_a_share_of_none(self, rows):
        np.testing.assert_allclose(sound.distort(rows, SoundLimits(share=0), np.random.default_rng(0)), rows, atol=1e-4)

    def test_most_sounds_change_and_stay_finite(self, rows):
        many = np.repeat(rows, 50, axis=0)
        changed = sound.distort(many, SoundLimits(share=0.5), np.random.default_rng(0))
        assert changed.shape == many.shape and np.isfinite(changed).all()
        assert (np.abs(changed - many).max(axis=(1, 2)) > 0.1).mean() > 0.8

    def test_speech_stays_recognisable(self, rows):
        many = np.repeat(rows, 50, axis=0)
        changed = sound.distort(many, SoundLimits(share=0.5), np.random.default_rng(0))
        level, before = changed[..., 0].ravel(), many[..., 0].ravel()
        assert np.corrcoef(level, before)[0, 1] > 0.7

    def test_silence_survives(self):
        silent = np.repeat(audio.silent_row(20)[None, None], 30, axis=1)
        changed = sound.distort(silent, SoundLimits(share=1), np.random.default_rng(0))
        np.testing.assert_allclose(changed, silent, atol=1e-2)

    def test_the_same_seed_gives_the_same(self, rows):
        one, other = (sound.distort(rows, SoundLimits(), np.random.default_rng(3)) for _ in range(2))
        np.testing.assert_array_equal(one, other)
