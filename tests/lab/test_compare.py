"""The comparison: all systems in step with the sound, and figures that mean what they say, whatever the weights."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from atvg.checkpoint import load_ear, locate
from atvg.config import BaselineConfig, SyncNetConfig
from atvg.errors import BadAudioError, BadSettingError, CheckpointError, OutputError
from atvg.evaluation.baselines import BASELINES, Baseline, load_baseline
from atvg.evaluation.sync import SyncExpert
from atvg.lab import compare as lab
from atvg.lab.compare import ATVG, PHOTO, SYSTEMS, compare, side_by_side
from atvg.lab.judge import FIGURES
from atvg.motion.pose import Pose
from atvg.nets.sync_net import SyncNet
from atvg.voice.audio import load_audio
from tests.film.test_video import about, read

T = 15
STEP = 10  # grey levels


class Painter(Baseline):
    """A system that does one thing to the photo, in the place of one of the compared ones."""

    def __init__(self, title: str, paint):
        super().__init__(BaselineConfig())
        self.title, self.paint, self.nothing = title, paint, torch.nn.Parameter(torch.zeros(1))

    def forward(self, seen):
        raise AssertionError("nobody trains here")

    def prepare(self, photo):
        return photo

    def draw(self, photo, sound):
        return self.paint(photo.expand(len(sound), -1, -1, -1))


def greyer(pictures):
    """Every value `STEP` grey levels nearer to the middle."""
    return pictures - STEP / 127.5 * pictures.sign()


def flickering(pictures):
    """Every second frame greyer."""
    return torch.stack([greyer(one) if t % 2 else one for t, one in enumerate(pictures)])


COPY, GREY, FLICKER = SYSTEMS[2:]


@pytest.fixture(scope="module")
def systems():
    """What is known of each can be worked out by hand."""
    return [Painter(COPY, lambda x: x), Painter(GREY, greyer), Painter(FLICKER, flickering)]


@pytest.fixture(scope="module")
def expert():
    torch.manual_seed(0)
    return SyncExpert(SyncNet(SyncNetConfig()), load_ear(locate()))


@pytest.fixture(scope="module")
def growing(animator, face, voice, systems, expert):
    return list(compare(animator, face, voice, baselines=systems, expert=expert))


@pytest.fixture(scope="module")
def figures(growing):
    return {take.title: take.figures for take in growing[-1].takes}


def test_it_grows_by_one_system_at_a_time_and_ends_with_all(growing):
    assert [len(comparison.takes) for comparison in growing] == [2, 3, 4, 5]
    assert tuple(take.title for take in growing[-1].takes) == SYSTEMS
    assert len(SYSTEMS) == 2 + len(BASELINES)


def test_every_system_draws_as_many_frames_as_the_sound_has(growing, face):
    last = growing[-1]
    assert len(last.sound) == T * 640 and len(last.envelope()) == T
    for take in last.takes:
        assert take.frames.shape == (T, 128, 128, 3) and take.frames.dtype == np.uint8
        assert take.opening.shape == (T,)
    assert (last.takes[0].frames == face.crop).all()
    assert not (last.takes[1].frames == face.crop).all()
    assert list(last.openings()) == list(SYSTEMS[1:])


def test_the_table_has_a_cell_for_each_and_says_what_is_still_to_come(growing):
    for comparison in growing:
        rows = comparison.table()
        assert [row[0] for row in rows] == [figure.label for figure in FIGURES.values()]
        assert all(len(row) == 1 + len(SYSTEMS) and all(row) and "nan" not in "".join(row) for row in rows)
        assert {row[1 + len(comparison.takes) :].count("…") for row in rows} == {5 - len(comparison.takes)}


def test_every_figure_is_explained_in_a_sentence():
    for figure in FIGURES.values():
        assert figure.label[0].isupper() and figure.meaning[0].islower() or figure.meaning.startswith("PSNR")
        assert figure.meaning.endswith(".") and len(figure.meaning) > 40


def test_sync_is_measured_of_all_and_an_offset_only_of_what_moves(figures):
    for title in SYSTEMS:
        assert 0 <= figures[title]["lse_c"] <= 2 and 0 <= figures[title]["lse_d"] <= 2
    assert [math.isnan(figures[title]["offset"]) for title in SYSTEMS] == [True, False, True, True, False]


def test_a_copy_scores_what_the_photo_scores(figures):
    for name in set(FIGURES) - {"speed", "opening"}:
        np.testing.assert_allclose(figures[COPY][name], figures[PHOTO][name], err_msg=name)
    assert figures[COPY]["unrest"] == 0 and figures[COPY]["sharpness"] == pytest.approx(1)
    assert math.isnan(figures[COPY]["likeness"]), "what is identical has no finite PSNR"
    assert math.isnan(figures[PHOTO]["speed"])


def test_likeness_is_the_psnr_outside_the_mouth(figures, growing, animator, face, voice, expert):
    assert figures[GREY]["likeness"] == pytest.approx(20 * math.log10(255 / STEP), abs=0.01)
    assert figures[FLICKER]["likeness"] == pytest.approx(
        20 * math.log10(255 / STEP) + 10 * math.log10(15 / 7), abs=0.01
    )

    def without_mouth(pictures):
        covered = pictures.clone()
        covered[(slice(None), slice(None), *growing[-1].mouth)] = 0
        return covered

    *_, last = compare(animator, face, voice, baselines=[Painter(COPY, without_mouth)], expert=expert)
    assert math.isnan(last.takes[-1].figures["likeness"]), "the mouth itself does not count"


def test_unrest_is_the_change_from_frame_to_frame(figures):
    assert figures[FLICKER]["unrest"] == pytest.approx(STEP)
    assert figures[GREY]["unrest"] == 0
    assert figures[ATVG]["unrest"] < 0.5


def test_lips_that_move_are_seen_to_move(figures):
    assert figures[ATVG]["opening"] > 3 * figures[PHOTO]["opening"]


def test_speed_is_that_of_the_drawing(figures):
    assert all(figures[title]["speed"] > 0 for title in SYSTEMS[1:])


def test_all_systems_get_the_turned_photo(animator, face, voice, systems, expert):
    *_, last = compare(animator, face, voice[:6400], baselines=systems[:1], expert=expert, pose=Pose(yaw=20))
    photo, _, copy = (take.frames for take in last.takes)
    assert (copy == photo).all() and not (photo[0] == face.crop).all()


def test_where_nothing_is_said_nothing_can_be_in_sync(animator, face, systems, expert):
    *_, last = compare(animator, face, np.zeros(16_000, np.float32), baselines=systems, expert=expert)
    for take in last.takes:
        assert len(take.frames) == 25
        assert all(math.isnan(take.figures[name]) for name in ("lse_c", "lse_d", "offset"))
    assert last.table()[0][1:] == ["–"] * len(SYSTEMS)


def test_a_fifth_of_a_second_is_enough(animator, face, voice, systems, expert):
    *_, last = compare(animator, face, voice[:3200], baselines=systems, expert=expert)
    assert {len(take.frames) for take in last.takes} == {5}
    assert last.table()[0][1:] == ["–"] * len(SYSTEMS), "too short for the expert"


def test_only_the_most_spoken_seconds_are_used(animator, face, voice, systems, expert):
    long = np.concatenate([np.zeros(32_000, np.float32), voice])
    first = next(compare(animator, face, long, baselines=systems, expert=expert, seconds=0.6))
    np.testing.assert_array_equal(first.sound, voice)


def test_what_cannot_be_is_refused_before_any_work(animator, face, voice, systems, expert, refuses):
    for wrong, words in (
        ({"beta": 3}, "beta"),
        ({"volume": 1}, "unknown setting"),
        ({"mouth_gain": "much"}, "mouth gain"),
        ({"pose": 20}, "pose"),
    ):
        with refuses(BadSettingError, words):
            compare(animator, face, voice, baselines=systems, expert=expert, **wrong)
    with refuses(BadAudioError):
        compare(animator, face, np.zeros(0, np.float32), baselines=systems, expert=expert)


def test_weights_are_read_once_and_missing_ones_are_named(
    animator, face, voice, expert, monkeypatch, tmp_path, refuses
):
    read, known = [], dict(zip(BASELINES, SYSTEMS[2:], strict=True))
    monkeypatch.setattr(lab, "load_baseline", lambda name: read.append(name) or Painter(known[name], greyer))
    lab._baseline.cache_clear()
    for _ in range(2):
        next(compare(animator, face, voice, expert=expert))
    assert read == list(BASELINES)
    lab._baseline.cache_clear()
    monkeypatch.setattr(lab, "load_baseline", lambda name: load_baseline(name, tmp_path))
    with refuses(CheckpointError, "chung.safetensors is missing"):
        compare(animator, face, voice, expert=expert)
    lab._baseline.cache_clear()


class TestVideo:
    def test_shows_all_in_step_with_the_voice(self, growing, tmp_path):
        path = side_by_side(tmp_path / "all.mp4", growing[-1])
        frames = read(path).astype(float)
        assert len(frames) == T and "AI-generated" in about(path)
        faces = [frames[:, 60:260, 24 + 236 * i : 232 + 236 * i] for i in range(len(SYSTEMS))]
        assert np.abs(faces[0] - faces[2]).mean() < 2 < np.abs(faces[0] - faces[3]).mean()
        flicker = np.abs(faces[4] - faces[0]).mean(axis=(1, 2, 3)) > 4
        assert flicker.tolist() == [t % 2 == 1 for t in range(T)]
        composed = frames[:, 60:260, 24 + 236 * len(SYSTEMS) : 232 + 236 * len(SYSTEMS)]
        assert np.corrcoef(composed.ravel(), faces[1].ravel())[0, 1] > 0.85, "ATVG once more, on the photo's own pixels"
        sound, heard = growing[-1].sound, load_audio(path)
        assert np.corrcoef(heard[: len(sound)], sound[: len(heard)])[0, 1] > 0.95

    def test_enlarges_the_same_square_for_all(self, growing):
        rows, columns = lab._close_up(growing[-1].mouth)
        inner = growing[-1].mouth
        assert rows.stop - rows.start == columns.stop - columns.start
        assert rows.start <= inner[0].start and inner[0].stop <= rows.stop and columns == inner[1]
        at_the_edge = lab._close_up((slice(120, 128), slice(100, 128)))
        assert at_the_edge == (slice(100, 128), slice(100, 128))

    def test_where_no_face_is_found_is_made_all_the_same(self, growing, tmp_path):
        unseen = replace(growing[0].takes[1], opening=np.full(T, math.nan))
        blind = replace(growing[0], takes=(growing[0].takes[0], unseen))
        assert side_by_side(tmp_path / "unseen.mp4", blind).stat().st_size > 1000

    def test_that_cannot_be_written_is_refused(self, growing, tmp_path, refuses):
        with refuses(OutputError):
            side_by_side(tmp_path / "all.gif", growing[-1])
