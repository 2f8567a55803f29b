"""The stretch of speech that experiments use, and how they put the pipeline together."""

import numpy as np
import pytest

from atvg.errors import BadSettingError
from atvg.lab import run
from atvg.motion.pose import Pose
from tests import synthetic


class TestExcerpt:
    def test_is_where_the_syllables_are_and_not_the_beginning(self):
        loudness = np.zeros(100)
        loudness[60:90] = synthetic.syllables(30, 6)
        wave = synthetic.tone(4.0, loudness)
        part = run.excerpt(wave, 1.2)
        assert len(part) == 30 * 640
        assert (part**2).sum() > 0.95 * (wave**2).sum()

    def test_prefers_syllables_to_one_long_vowel(self):
        loudness = np.concatenate([np.ones(30), np.zeros(5), synthetic.syllables(30, 6), np.zeros(5)])
        wave = synthetic.tone(len(loudness) / 25, loudness)
        part = run.excerpt(wave, 1.0)
        start = next(i for i in range(0, len(wave), 640) if np.array_equal(wave[i : i + len(part)], part)) // 640
        assert start >= 30

    @pytest.mark.parametrize("seconds", [0.2, 1.0, 1.6])
    def test_of_a_short_voice_is_all_of_it(self, seconds):
        wave = np.ones(round(16_000 * seconds), np.float32)
        assert run.excerpt(wave, 1.6) is wave

    def test_of_silence_is_silence(self):
        assert len(run.excerpt(np.zeros(64_000, np.float32), 1.0)) == 16_000


def test_a_run_is_what_the_animator_streams(animator, face, voice):
    chosen = run.settings_of({"beta": 0.0, "mouth_gain": 1.5})
    drawn = run.draw(animator, face.crop, face.crop_landmarks, run.hear(animator, face, voice, chosen), chosen)
    streamed = run.whole(animator.stream(face, voice, beta=0.0, mouth_gain=1.5))
    assert np.array_equal(drawn.frames, streamed.frames)
    assert np.array_equal(drawn.landmarks, streamed.landmarks)
    assert np.array_equal(drawn.photos, streamed.photos) and len(drawn) == 15


def test_the_widest_frame_is_the_one_with_the_widest_lips(animator, face, voice):
    from atvg.face.landmarks import mouth_opening

    speech = run.hear(animator, face, voice, run.settings_of({}))
    assert mouth_opening(speech.landmarks)[speech.widest] == mouth_opening(speech.landmarks).max()


def test_settings_are_checked_and_the_head_stays_still(refuses):
    chosen = run.settings_of({"natural": True, "pose": Pose(yaw=5)}, beta=1)
    assert not chosen.natural and chosen.beta == 1 and chosen.pose.yaw == 5
    with refuses(BadSettingError, "unknown setting"):
        run.settings_of({"colour": 1})
    with refuses(BadSettingError, "beta"):
        run.settings_of({}, beta=3)
