"""Codes come stretch by stretch, and are those of the whole."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from atvg import Animator
from atvg.animate import listener
from atvg.errors import BadSettingError
from atvg.voice import audio, hearing


@pytest.mark.parametrize("deviation", [0, 0.1, 0.8, 5])
@pytest.mark.parametrize("cuts", [[], [1], [3, 4, 5, 60], list(range(1, 100))])
def test_smoothing_in_parts_is_smoothing_the_whole(deviation, cuts):
    codes = np.random.default_rng(0).normal(size=(100, 3))
    parts = list(listener.smoothed(np.split(codes, cuts), deviation))
    whole = gaussian_filter1d(codes, deviation, axis=0, mode="nearest") if deviation else codes
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_what_is_smoothed_comes_as_soon_as_it_can():
    came = []

    def parts():
        for number in range(10):
            came.append(number)
            yield np.full((20, 1), float(number))

    first = next(listener.smoothed(parts(), 1.0))
    assert came == [0] and len(first) == 20 - 4


def test_batches_hold_as_many_as_asked():
    rows = np.arange(23)[:, None]
    found = list(listener.batches(np.split(rows, [1, 2, 15]), 5))
    assert [len(batch) for batch in found] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate(found), rows)


@pytest.mark.parametrize("ear", ["whisper", "none"])
def test_a_voice_said_three_times_is_heard_alike_in_every_stretch(animator, face, voice_path, ear):
    """Where stretches meet lies no step, and a sound heard in parts moves the lips as one heard whole."""
    wave = np.tile(audio.load_audio(voice_path), 3)
    codes = animator.codes(face.crop_landmarks, wave, ear=ear)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing, "FIRST", 600)
        whole = animator.codes(face.crop_landmarks, wave, ear=ear)
    assert codes.shape == whole.shape == (audio.n_video_frames(wave), 10)
    assert np.abs(codes - whole).mean() < 0.05 * whole.std()


def test_the_first_codes_do_not_wait_for_the_last(animator, face, voice_path):
    wave = np.tile(audio.load_audio(voice_path), 20)
    codes = animator.listener(face.crop_landmarks).speak(wave)
    assert 0 < len(next(codes)) <= hearing.FIRST


def test_ears_hear_differently_and_silence_alike(animator, face, voice_path):
    wave = audio.load_audio(voice_path)
    codes = {ear: animator.codes(face.crop_landmarks, wave, ear=ear) for ear in animator.ears}
    assert list(codes) == ["whisper", "none"] and np.abs(codes["whisper"] - codes["none"]).max() > 0.1
    for ear in animator.ears:
        quiet = animator.codes(face.crop_landmarks, np.zeros(16_000, np.float32), ear=ear)
        rest = animator.listener(face.crop_landmarks, ear).rest
        np.testing.assert_allclose(quiet[5:-5], np.tile(rest, (15, 1)), atol=1e-3)


def test_weights_without_an_ear_say_which_they_have(animator, face, voice_path):
    def never() -> None:
        raise AssertionError("nobody asked for the ear")

    bare = Animator(
        {"none": animator.at_nets["none"]}, animator.shape, animator.vg_nets, animator.detector, load_ear=never
    )
    assert bare.ears == ("none",)
    assert len(bare.codes(face.crop_landmarks, np.zeros(16_000, np.float32), ear="none")) == 25
    with pytest.raises(BadSettingError, match="whisper.*choose: none"):
        bare.stream(face, voice_path)
    with pytest.raises(BadSettingError, match="'nose'; choose from: whisper, none"):
        animator.stream(face, voice_path, ear="nose")
