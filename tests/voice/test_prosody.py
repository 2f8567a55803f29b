"""How loud a voice is: the same whatever the recording's level, finite in silence, and live as it is afterwards."""

import numpy as np
import pytest

from atvg.config import SAMPLE_RATE
from atvg.voice.audio import frame_levels, speech_level
from atvg.voice.mel import clip_mfcc80
from atvg.voice.prosody import AFTER, BEFORE, SILENCE, SPAN, Prosody, around, loudness_of, loudness_of_rows


@pytest.fixture
def wave() -> np.ndarray:
    """Two seconds of noise that swells and rests."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    swell = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1)
    return (0.3 * swell * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def test_stress_is_loud_and_a_pause_silent(wave):
    loud = loudness_of(wave, 50)
    assert loud.min() == pytest.approx(SILENCE) and 1 < loud.max() < 2


def test_a_quiet_recording_is_as_loud(wave):
    np.testing.assert_allclose(loudness_of(0.1 * wave, 50), loudness_of(wave, 50), atol=1e-4)


def test_no_sound_at_all_is_silence():
    assert (loudness_of(np.zeros(SAMPLE_RATE, np.float32), 25) == SILENCE).all()


def test_a_packs_rows_tell_the_same(wave):
    found = loudness_of_rows(clip_mfcc80(wave, 50))
    assert np.corrcoef(found, loudness_of(wave, 50))[0, 1] > 0.95


def test_around_a_voice_it_is_silent():
    windows = around(np.arange(30.0))
    assert windows.shape == (30, SPAN)
    assert (windows[0, :BEFORE] == SILENCE).all() and (windows[-1, -AFTER:] == SILENCE).all()
    assert (windows[:, BEFORE] == np.arange(30)).all()


@pytest.mark.parametrize("sizes", [(50,), (1,) * 50, (7, 20, 23)])
def test_live_it_is_the_same_in_any_pieces(wave, sizes):
    live, level = Prosody(), speech_level(wave)
    for value in frame_levels(wave, 50):
        live.hear(value, level)
    found = np.concatenate([live.around(size) for size in sizes])
    np.testing.assert_allclose(found, around(loudness_of(wave, 50)), rtol=1e-6)


def test_live_nothing_is_heard_that_was_not_spoken_yet():
    live = Prosody(after=4)
    for level in [0.1] * 20 + [1.0] * 20:
        live.hear(level, 0.1)
    windows = live.around(20)
    assert (windows[:16] <= windows[0, BEFORE]).all() and windows[16, BEFORE + 4] > windows[15, BEFORE + 4]
    assert (windows[:, BEFORE + 4 :] == windows[:, BEFORE + 4 : BEFORE + 5]).all()
