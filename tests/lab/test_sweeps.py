"""Sweeps: what is turned, what it is compared with, and what a person sees of it."""

import math

import numpy as np
import pytest

from atvg.errors import BadAudioError, BadSettingError, OutputError
from atvg.lab import sweeps
from atvg.voice.audio import load_audio
from tests.film.test_video import about, read


def last(sweep):
    return list(sweep)[-1]


@pytest.fixture(scope="module")
def noise(animator, face, voice):
    return list(sweeps.noise_sweep(animator, face, voice, (0, 0.06, 0.14)))


@pytest.fixture(scope="module")
def betas(animator, face, voice):
    return last(sweeps.beta_sweep(animator, face, voice, (0, 0.5)))


@pytest.fixture(scope="module")
def poses(animator, face, voice):
    return last(sweeps.pose_sweep(animator, face, voice, (0, 45)))


class TestGrowing:
    def test_a_sweep_is_yielded_after_every_point(self, noise):
        assert [[point.value for point in sweep.points] for sweep in noise] == [[0], [0, 0.06], [0, 0.06, 0.14]]
        assert noise[2].points[:2] == noise[1].points

    def test_its_faces_are_crops(self, noise):
        for point in noise[-1].points:
            assert point.face.shape == (128, 128, 3) and point.face.dtype == np.uint8


class TestNoise:
    def test_of_none_is_the_reference(self, noise):
        clean = noise[-1].points[0].quality
        assert clean.similarity == pytest.approx(1) and clean.change == 0

    def test_makes_the_lips_err_more_and_more(self, noise):
        errors = [point.quality.lip_error for point in noise[-1].points]
        assert errors[0] < errors[1] < errors[2]

    def test_is_decided_by_the_seed(self, animator, face, voice, noise):
        same, other = (last(sweeps.noise_sweep(animator, face, voice, (0.06,), seed=seed)) for seed in (0, 1))
        assert np.array_equal(same.points[0].face, noise[-1].points[1].face)
        assert not np.array_equal(same.points[0].face, other.points[0].face)

    def test_stands_beside_what_people_said_of_the_poster(self, noise):
        values, series = noise[-1].series()
        assert values == [0, 0.06, 0.14]
        assert series["Poster: votes for “in sync” ↑"] == [0.96, 0.66, 0.33]
        assert all(len(figures) == 3 for figures in series.values())

    def test_in_the_voice_leaves_less_and_less_of_the_lips(self, animator, face, voice):
        points = last(sweeps.snr_sweep(animator, face, voice, (40, -20))).points
        assert points[0].quality.lip_error < points[1].quality.lip_error
        assert points[0].quality.similarity > points[1].quality.similarity


class TestBeta:
    def test_is_compared_with_the_papers(self, betas):
        assert betas.points[1].quality.similarity == pytest.approx(1)
        assert betas.points[0].quality.change > 0
        assert "SSIM to β = 0.5 ↑" in betas.series()[1]

    def test_replaces_the_users(self, animator, face, voice, betas):
        again = last(sweeps.beta_sweep(animator, face, voice, (0,), beta=2.0, natural=True))
        assert np.array_equal(again.points[0].face, betas.points[0].face)


class TestPose:
    def test_turns_the_head(self, poses):
        assert np.abs(poses.points[0].face.astype(int) - poses.points[1].face).mean() > 5

    def test_costs_sharpness_and_lips(self, poses):
        front, side = (point.quality for point in poses.points)
        assert side.sharpness < front.sharpness and side.lip_error > front.lip_error

    def test_has_nothing_to_be_similar_to(self, poses):
        assert all(math.isnan(point.quality.similarity) for point in poses.points)
        assert not any("SSIM" in name for name in poses.series()[1])


class TestStrip:
    def test_has_a_tile_for_each_point(self, noise):
        heights, widths = zip(*(sweep.strip().shape[:2] for sweep in noise), strict=True)
        assert len(set(heights)) == 1
        assert widths[2] - widths[1] == widths[1] - widths[0] > 128

    def test_of_many_points_has_several_rows(self, noise):
        from dataclasses import replace

        point = noise[-1].points[0]
        one, two = (replace(noise[-1], points=(point,) * n).strip().shape for n in (4, 8))
        assert two[1] == one[1] and 1.8 * one[0] < two[0] < 2 * one[0]

    def test_rows_of_the_table_have_a_cell_for_each_label(self, poses):
        assert [row[0] for row in poses.rows()] == ["0", "45"]
        assert all(len(row) == 1 + len(poses.measures) for row in poses.rows())


@pytest.mark.parametrize(
    "wave", [np.zeros(3200, np.float32), pytest.param(np.zeros(16_000, np.float32), marks=pytest.mark.long)]
)
def test_silence_can_be_swept_too(animator, face, wave):
    point = last(sweeps.beta_sweep(animator, face, wave, (0,))).points[0]
    assert math.isnan(point.quality.lip_r) and point.quality.opening < 0.1


def test_a_face_that_no_tracker_finds_has_no_lips_but_a_picture(animator, voice):
    from tests.synthetic import Robot

    robot = Robot()
    face = animator.read_face(robot.picture, box=robot.box)
    quality = last(sweeps.pose_sweep(animator, face, voice[:6400], (0,))).points[0].quality
    assert quality.found < 1 or quality.lip_error > 0
    assert 0 < quality.attention < 1


class TestRefusals:
    def test_come_before_any_work(self, animator, face, voice, refuses):
        with refuses(BadSettingError, "beta"):
            sweeps.beta_sweep(animator, face, voice, (0, 3))
        with refuses(BadSettingError, "yaw"):
            sweeps.pose_sweep(animator, face, voice, (80,))
        with refuses(BadSettingError, "σ"):
            sweeps.noise_sweep(animator, face, voice, (-0.1,))
        with refuses(BadSettingError, "signal-to-noise"):
            sweeps.snr_sweep(animator, face, voice, ("loud",))
        with refuses(BadSettingError, "0 values of β"):
            sweeps.beta_sweep(animator, face, voice, ())
        with refuses(BadSettingError, "seed"):
            sweeps.noise_sweep(animator, face, voice, seed=-1)
        with refuses(BadSettingError, "unknown setting"):
            sweeps.noise_sweep(animator, face, voice, colour=1)
        with refuses(BadAudioError):
            sweeps.beta_sweep(animator, face, voice[:100])


@pytest.mark.long
class TestSideBySide:
    def test_shows_every_beta_in_step_and_with_the_sound(self, animator, face, voice, tmp_path):
        told = []
        path = tmp_path / "betas.mp4"
        assert sweeps.side_by_side(path, animator, face, voice, (0, 0.5), progress=told.append) == path
        frames = read(path)
        assert len(frames) == told[-1] == 15
        left, right = frames[:, 30:280, 16:272].astype(int), frames[:, 30:280, 284:540].astype(int)
        assert 0 < np.abs(left - right).mean() < 5
        assert "AI-generated" in about(path)
        assert np.corrcoef(load_audio(path)[: len(voice)], voice[: len(load_audio(path))])[0, 1] > 0.95

    def test_is_refused_before_any_work(self, animator, face, voice, tmp_path, refuses):
        with refuses(OutputError):
            sweeps.side_by_side(tmp_path / "betas.txt", animator, face, voice)
        with refuses(BadSettingError, "7 values"):
            sweeps.side_by_side(tmp_path / "betas.mp4", animator, face, voice, (0,) * 7)
        assert not list(tmp_path.iterdir())
