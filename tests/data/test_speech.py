"""What AT-net learns from: speech without pose, coded against each clip's own shape."""

import numpy as np
import pytest

from atvg.data.pack import Clip
from atvg.data.speech import _without_pose, load_speech
from atvg.face.landmarks import mouth_opening
from atvg.pose import Pose, head_centre, turn_points
from tests.synthetic import syllables


@pytest.fixture(scope="module")
def speech(tiny_pack):
    return load_speech(tiny_pack, "train", identity_codes=4, motion_codes=3)


def test_every_clip_has_shapes_codes_and_rows_of_its_length(speech):
    clips, _ = speech
    assert [len(clip) for clip in clips] == [30, 25]
    for clip in clips:
        assert clip.shapes.shape == (len(clip), 68, 3) and clip.codes.shape == (len(clip), 3)
        assert clip.rest.shape == (3,) and clip.rows.shape == (4 * len(clip) + 24, 20)


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


def test_another_split_can_be_coded_with_the_same_model(speech, tiny_pack):
    _, model = speech
    clips, same = load_speech(tiny_pack, "val", 4, 3, model)
    assert same is model and clips[0].identity == "hopper"


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
        clips.append(
            Clip(str(number), "", str(number), "train", True, None, turned, still, np.zeros((0, 20)), np.zeros((0, 80)))
        )
        openings.append(opening)
    mean = face68 - face68[[27, 28, 29, 30, 36, 39, 42, 45, 0, 16]].mean(axis=0)
    from atvg.shape import normalise, rigid_fit

    leaked, errors = [], []
    for clip, cleaned, opening in zip(clips, _without_pose(clips, mean), openings, strict=True):
        plain = normalise(clip.landmarks, rigid_fit(clip.landmarks, mean))
        leaked.append(plain[:, 8, :2].std(axis=0).mean())  # the chin does not move in this speech
        errors.append(cleaned[:, 8, :2].std(axis=0).mean())
        assert np.corrcoef(mouth_opening(cleaned), opening)[0, 1] > 0.95
    assert np.mean(errors) < 0.6 * np.mean(leaked)
