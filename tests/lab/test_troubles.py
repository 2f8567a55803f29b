"""Troubles: exactly one stage is disturbed, and the finding says what was measured."""

import math

import numpy as np
import pytest

from atvg.errors import BadSettingError, OutputError
from atvg.face.landmarks import mouth_opening
from atvg.lab import troubles
from atvg.lab.disturbances import TROUBLES
from atvg.lab.measure import LABELS
from atvg.lab.troubles import disturb
from atvg.voice.audio import load_audio
from tests.film.test_video import about, read
from tests.marks import quick


@pytest.fixture(scope="module")
def outcome(animator, face, other, voice):
    """One outcome per trouble, made when it is asked for."""
    known = {}

    def make(name):
        if name not in known:
            known[name] = disturb(animator, face, voice, name, other=other)
        return known[name]

    return make


@pytest.mark.parametrize("name", quick(TROUBLES, "silence", "other_landmarks", "attention_1"))
class TestEveryTrouble:
    def test_has_two_runs_of_one_length_and_a_finding(self, outcome, name):
        result = outcome(name)
        assert result.trouble is TROUBLES[name] and len(result.normal) == len(result.disturbed) == 15
        assert len(result.sound) == 15 * 640
        assert result.quality_normal.similarity == pytest.approx(1) and result.quality_normal.change == 0
        assert result.finding.endswith(".") and "nan" not in result.finding and "\n" not in result.finding

    def test_has_a_table_and_a_picture(self, outcome, name):
        rows = troubles.table(outcome(name))
        assert len(rows) == len(LABELS) + len(outcome(name).figures)
        assert all(len(row) == 3 and all(isinstance(cell, str) and cell for cell in row) for row in rows)
        assert outcome(name).picture().dtype == np.uint8

    def test_leaves_the_other_stages_alone(self, outcome, name):
        result, stage = outcome(name), TROUBLES[name].stage
        assert np.array_equal(result.normal.photos, result.disturbed.photos) == (stage != "photo")
        assert np.array_equal(result.normal.landmarks, result.disturbed.landmarks) == (stage in ("photo", "network"))


class TestVoice:
    def test_silence_closes_the_lips_and_keeps_them_closed(self, outcome):
        asked = mouth_opening(outcome("silence").disturbed.landmarks)
        assert asked.std() < 0.05 and asked.mean() < mouth_opening(outcome("silence").normal.landmarks).mean()
        assert outcome("silence").quality.opening < 0.2, "of the photo's smile the tracker sees a line of teeth"
        assert not outcome("silence").sound.any() and "rests" in outcome("silence").finding

    def test_backwards_twice_is_forwards(self, animator, face, outcome, voice):
        assert np.array_equal(outcome("reversed").sound[::-1], voice)
        again = disturb(animator, face, outcome("reversed").sound, "reversed")
        assert np.array_equal(again.disturbed.landmarks, outcome("reversed").normal.landmarks)

    def test_little_noise_changes_little_and_much_noise_much(self, animator, face, voice):
        label = "Lips asked for: r with the normal run"
        faint, loud = (disturb(animator, face, voice, "noise", snr=snr).figures[label][1] for snr in (50, -15))
        assert faint > 0.98
        assert math.isnan(loud) or loud < 0.8  # none, where nobody is heard any more

    @pytest.mark.long
    def test_pieces_are_decided_by_the_seed(self, animator, face, voice, outcome):
        same, another = (disturb(animator, face, voice, "shuffled", seed=seed).sound for seed in (0, 1))
        assert np.array_equal(same, outcome("shuffled").sound) and not np.array_equal(another, same)


class TestLandmarks:
    def test_of_another_face_pull_this_one_towards_it(self, outcome):
        share = outcome("other_landmarks").figures["Shape of the face: share of the way to the other's"][1]
        assert 0.2 < share < 1.2

    def test_of_the_average_face_stand_in(self, animator, face, voice):
        result = disturb(animator, face, voice, "other_landmarks")
        inside = (result.disturbed.landmarks > 0) & (result.disturbed.landmarks < 128)
        assert inside.all() and result.quality.change > 0.5

    def test_of_the_same_face_change_nothing(self, animator, face, voice):
        result = disturb(animator, face, voice, "other_landmarks", other=face)
        assert np.allclose(result.disturbed.landmarks, result.normal.landmarks, atol=1e-3)
        assert result.quality.change < 0.1


class TestNetwork:
    def test_without_attention_there_is_the_photo_and_nothing_else(self, outcome, face):
        assert (outcome("attention_0").disturbed.frames == face.crop).all()
        assert outcome("attention_0").quality.attention == 0

    def test_with_nothing_but_attention_there_is_the_motion_and_nothing_else(self, outcome):
        result = outcome("attention_1")
        assert np.array_equal(result.disturbed.frames, result.normal.motion)
        assert result.quality.similarity < 0.97 and result.quality.attention == 1

    def test_without_memory_all_frames_but_the_first_differ(self, outcome):
        normal, frozen = outcome("frozen").normal.frames, outcome("frozen").disturbed.frames
        assert np.array_equal(normal[0], frozen[0])
        assert all(not np.array_equal(a, b) for a, b in zip(normal[1:], frozen[1:], strict=True))


class TestPhoto:
    def test_the_box_lies_on_the_photo_and_what_is_painted_on_it_is_measured(self, outcome, face):
        photo = outcome("occluded").disturbed.photos[0]
        covered = (photo == troubles.BOX_COLOUR).all(axis=-1)
        assert covered.sum() == pytest.approx(64 * 0.6 * 64, rel=0.1)
        assert np.array_equal(photo[~covered], face.crop[~covered])
        assert outcome("occluded").figures["Paint on the box, grey levels"][1] > 0

    def test_the_box_has_the_size_and_place_that_were_asked_for(self, face):
        _, (rows, columns) = troubles.cover(face.crop, face.crop_landmarks, 0.25, (0.5, 0.25))
        assert columns.stop - columns.start == 32 and rows.stop - rows.start in (19, 20)
        assert (columns.start + columns.stop) / 2 == pytest.approx(64, abs=1)
        assert (rows.start + rows.stop) / 2 == pytest.approx(32, abs=1)

    def test_a_box_over_the_edge_is_cut(self, animator, face, voice):
        result = disturb(animator, face, voice[:6400], "occluded", at=(0, 1), box=0.2)
        assert result.quality.change > 0


@pytest.mark.parametrize("name", quick(TROUBLES, "shuffled"))
def test_a_fifth_of_a_second_of_silence_is_enough(animator, face, name):
    result = disturb(animator, face, np.zeros(3200, np.float32), name)
    assert len(result.disturbed) == 5 and "nan" not in result.finding
    assert all("nan" not in cell for row in troubles.table(result) for cell in row)


def test_what_cannot_be_is_refused(animator, face, voice, refuses):
    for wrong, words in (
        ({"trouble": "hiccups"}, "unknown trouble 'hiccups'"),
        ({"trouble": "noise", "snr": 100}, "signal-to-noise"),
        ({"trouble": "occluded", "box": 0}, "box"),
        ({"trouble": "occluded", "at": (2, 0)}, "place of the box"),
        ({"trouble": "occluded", "at": (1,)}, "place of the box"),
        ({"trouble": "noise", "seed": 1.5}, "seed"),
        ({"trouble": "noise", "volume": 1}, "unknown setting"),
    ):
        with refuses(BadSettingError, words):
            disturb(animator, face, voice, **wrong)


class TestVideo:
    def test_shows_both_runs_in_step_with_the_sound_that_was_heard(self, outcome, tmp_path):
        result = outcome("reversed")
        path = troubles.compare_video(tmp_path / "compared.mp4", result)
        frames = read(path)
        assert len(frames) == 15 and "AI-generated" in about(path)
        shown = frames[:, 40:280, 24:264].astype(float), frames[:, 40:280, 292:532].astype(float)
        expected = np.abs(result.normal.frames.astype(float) - result.disturbed.frames).mean(axis=(1, 2, 3))
        assert np.corrcoef(np.abs(shown[0] - shown[1]).mean(axis=(1, 2, 3)), expected)[0, 1] > 0.8
        heard = load_audio(path)
        assert np.corrcoef(heard[: len(result.sound)], result.sound[: len(heard)])[0, 1] > 0.95

    def test_where_no_face_is_found_has_no_curves(self, outcome, tmp_path):
        from dataclasses import replace

        unseen = replace(outcome("attention_0"), lips=(np.full(15, math.nan),) * 2)
        assert troubles.compare_video(tmp_path / "unseen.mp4", unseen).stat().st_size > 1000

    def test_that_cannot_be_written_is_refused(self, outcome, tmp_path, refuses):
        with refuses(OutputError):
            troubles.compare_video(tmp_path / "compared.gif", outcome("silence"))
