"""Disturbed voices, and sounds that are none."""

import numpy as np
import pytest

from atvg.lab import sound
from atvg.voice.audio import speech_level


def snr(mixed: np.ndarray, wave: np.ndarray) -> float:
    """Decibels, measured: the part of `mixed` that is `wave`, and the rest."""
    voice = (mixed @ wave) / (wave @ wave) * wave
    return 10 * np.log10((voice @ voice) / ((mixed - voice) @ (mixed - voice)))


def foreign(noise: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Noise without what it has, by chance, in common with `wave`, which would count as voice."""
    return noise - (noise @ wave) / (wave @ wave) * wave


class TestNoise:
    @pytest.mark.parametrize("asked", [20, 5, 0, -10])
    def test_has_the_ratio_that_was_asked_for(self, voice, asked):
        mixed = sound.add_noise(voice, foreign(sound.white(len(voice), 0), voice), asked)
        assert snr(mixed.astype(float), voice.astype(float)) == pytest.approx(asked, abs=0.1)
        assert np.abs(mixed).max() <= 1

    def test_of_a_crowd_too(self, voice):
        crowd = foreign(sound.babble(voice, 0), voice)
        assert snr(sound.add_noise(voice, crowd, 5).astype(float), voice.astype(float)) == pytest.approx(5, abs=0.1)

    def test_is_heard_in_silence_too(self):
        mixed = sound.add_noise(np.zeros(8000, np.float32), sound.white(8000, 0), 0)
        assert mixed.std() == pytest.approx(sound.QUIET, rel=0.01)

    def test_is_decided_by_the_seed(self, voice):
        for make in (lambda seed: sound.white(800, seed), lambda seed: sound.babble(voice, seed)):
            assert np.array_equal(make(1), make(1)) and not np.array_equal(make(1), make(2))

    def test_of_silence_is_finite(self):
        silence = np.zeros(8000, np.float32)
        assert np.array_equal(sound.add_noise(silence, sound.babble(silence, 0), 5), silence)


class TestShuffled:
    def test_voices_hold_the_same_frames_in_the_order_that_is_told(self, voice):
        wave = np.append(voice, [0.1, 0.2]).astype(np.float32)
        mixed, order = sound.shuffled(wave, 0)
        assert sorted(order) == list(range(15)) and list(order) != list(range(15))
        for t, source in enumerate(order):
            assert np.array_equal(mixed[640 * t : 640 * (t + 1)], wave[640 * source : 640 * (source + 1)])
        assert np.array_equal(mixed[-2:], wave[-2:])

    def test_voices_are_cut_into_pieces_of_40_to_200_ms(self, voice):
        _, order = sound.shuffled(np.tile(voice, 10), 3)
        cuts = np.flatnonzero(np.diff(order) != 1)
        assert np.diff(cuts).min() >= 1
        assert np.diff(cuts).mean() == pytest.approx(3, abs=0.5)

    def test_is_decided_by_the_seed(self, voice):
        assert np.array_equal(sound.shuffled(voice, 1)[0], sound.shuffled(voice, 1)[0])
        assert not np.array_equal(sound.shuffled(voice, 1)[0], sound.shuffled(voice, 2)[0])


@pytest.mark.parametrize("length", [3200, 16_000, 51_234])
def test_music_is_as_loud_as_it_should_be(length):
    tune = sound.music(length, 0.07)
    assert len(tune) == length and tune.dtype == np.float32 and np.abs(tune).max() <= 1
    assert speech_level(tune) == pytest.approx(0.07, rel=0.05)
