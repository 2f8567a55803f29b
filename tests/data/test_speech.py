"""What AT-net learns from: speech without pose, coded against each clip's own shape."""

from dataclasses import replace

import numpy as np
import pytest

from atvg.data import speech as speech_of
from atvg.data.pack import NO_FRAMES, Clip, read_pack
from atvg.data.speech import fit_speech, sample_clips
from atvg.errors import PackError
from atvg.face.landmarks import mouth_opening
from atvg.motion.pose import Pose, head_centre, turn_points
from tests.synthetic import syllables


@pytest.fixture(scope="module")
def speech(tiny_pack):
    sample = sample_clips(tiny_pack, "train")
    model = fit_speech(sample, identity_codes=4, motion_codes=3)
    return [model.clip(clip) for clip in sample], model.shape


def test_every_clip_has_shapes_and_codes_of_its_length(speech):
    clips, _ = speech
    assert [len(clip) for clip in clips] == [30, 25]
    for clip in clips:
        assert clip.shapes.shape == (len(clip), 68, 3) and clip.codes.shape == (len(clip), 3)
        assert clip.rest.shape == (3,) and clip.heard.size == 0  # nobody has listened


def test_differences_of_codes_are_differences_of_shapes(speech):
    clips, model = speech
    clip = clips[0]
    expected = model.encode(clip.shapes[9] - clip.shapes[0])
    np.testing.assert_allclose(clip.codes[9] - clip.codes[0], expected, atol=1e-4)


def test_codes_open_and_shut_the_mouth_as_in_the_clip(speech):
    clips, model = speech
    for clip in clips:
        coded = clip.codes @ model.opening_per_code()
        assert np.corrcoef(coded, mouth_opening(clip.shapes))[0, 1] > 0.95


def test_the_mouth_at_rest_is_more_closed_than_most(speech):
    clips, model = speech
    for clip in clips:
        coded = clip.codes @ model.opening_per_code()
        assert clip.rest @ model.opening_per_code() < np.quantile(coded, 0.25)


def test_another_split_can_be_coded_with_the_same_model(tiny_pack):
    model = fit_speech(sample_clips(tiny_pack, "train"), 4, 3)
    (clip,) = read_pack(tiny_pack, "val", with_frames=False)
    coded = model.clip(clip)
    assert coded.identity == "hopper" and coded.codes.shape == (len(clip), 3)


def test_a_fit_is_the_same_to_the_bit_each_time(tiny_pack):
    """Nets that hear differently may then stand side by side."""
    one, other = (fit_speech(sample_clips(tiny_pack, "train"), 4, 3) for _ in range(2))
    for name, array in one.shape.arrays().items():
        np.testing.assert_array_equal(array, other.shape.arrays()[name])


class TestSample:
    def test_a_small_split_is_taken_whole(self, tiny_pack):
        assert [len(clip) for clip in sample_clips(tiny_pack, "train")] == [30, 25]

    def test_of_a_large_one_it_takes_the_first_clips_of_shards_all_over(self, tiny_pack, monkeypatch):
        (clip,) = read_pack(tiny_pack, "val", with_frames=False)
        read = []

        def endless(shard, with_frames):
            assert not with_frames
            read.append(shard)
            while True:
                yield clip

        monkeypatch.setattr(speech_of, "shards", lambda *_: list(range(100)))
        monkeypatch.setattr(speech_of, "read_shard", endless)
        clips = sample_clips("pack", "train")
        assert read == list(range(0, 100, 7)) and 4096 <= len(clips) < 4096 + len(read)

    def test_a_split_without_fitting_sound_is_refused(self, tiny_pack, refuses, monkeypatch):
        read = speech_of.read_shard

        def unfit(*args, **kwargs):
            return (replace(clip, sync=False) for clip in read(*args, **kwargs))

        monkeypatch.setattr(speech_of, "read_shard", unfit)
        with refuses(PackError, "train"):
            sample_clips(tiny_pack, "train")


def test_what_nodding_leaks_into_the_shape_is_taken_out(face68):
    """A head that turns with its depth misjudged by a quarter seems to speak; one that also speaks still does."""
    rng = np.random.default_rng(0)
    clips, openings = [], []
    for number in range(6):
        face = np.repeat(face68[None], 60, axis=0)
        opening = 8 * syllables(60, 7.0 + number)
        face[:, [55, 56, 57, 58, 59, 65, 66, 67], 1] += opening[:, None]
        sway = np.cumsum(rng.normal(0, 2, (60, 3)), axis=0).clip(-12, 12)
        turned = np.stack([turn_points(f, head_centre(face68), Pose(*a)) for f, a in zip(face, sway, strict=True)])
        turned[..., 2] *= 0.75
        still = np.repeat(np.eye(2, 3)[None], 60, axis=0)
        rows = (np.zeros((0, 20)), np.zeros((0, 80)))
        clips.append(Clip(str(number), "", str(number), "train", True, NO_FRAMES, turned, still, *rows))
        openings.append(opening)
    from atvg.motion.shape import normalise, rigid_fit

    leaked, errors = [], []
    model = fit_speech(clips, 1, 1)
    for clip, opening in zip(clips, openings, strict=True):
        cleaned = model.clip(clip).shapes
        plain = normalise(clip.landmarks, rigid_fit(clip.landmarks, model.shape.mean))
        leaked.append(plain[:, 8, :2].std(axis=0).mean())  # the chin does not move in this speech
        errors.append(cleaned[:, 8, :2].std(axis=0).mean())
        assert np.corrcoef(mouth_opening(cleaned), opening)[0, 1] > 0.95
    assert np.mean(errors) < 0.65 * np.mean(leaked)  # the mean shape is fitted to speech too
