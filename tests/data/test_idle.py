"""Idle motion as it is found in a pack: poses with what stabilising took out, blinks, and how often people blink."""

import re
from dataclasses import replace

import numpy as np
import pytest

from atvg import checkpoint
from atvg.cli import main
from atvg.data.idle import find_blinks, fit_idle, head_angles
from atvg.data.pack import NO_FRAMES, Clip, read_pack
from atvg.errors import PackError
from atvg.face import geometry
from atvg.face.crop import stabilising_transforms
from atvg.face.landmarks import RIGID
from atvg.motion.idle import LIMITS, blink
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.voice.mel import silent_mfcc80
from tests import synthetic

CURVE = np.array([0, 0.3, 0.9, 1.0, 0.7, 0.4, 0.2, 0])


def sway(count: int, degrees: float, seed: int) -> np.ndarray:
    """(count, 3) slow turns about all axes."""
    rng = np.random.default_rng(seed)
    time = np.arange(count)[:, None] / 25
    return degrees * np.sin(2 * np.pi * (rng.uniform(0.3, 0.5, 3) * time + rng.uniform(0, 1, 3)))


def filmed(face: np.ndarray, angles: np.ndarray, blinks: tuple[int, ...] = ()) -> np.ndarray:
    """A head in a 400-pixel picture that turns as told and begins to blink at some frames, (T, 68, 3)."""
    closure = np.zeros(len(angles) + len(CURVE))
    for start in blinks:
        closure[start : start + len(CURVE)] = CURVE
    faces = blink(np.repeat(face[None], len(angles), axis=0), closure[: len(angles)])
    turned = [turn_points(f, head_centre(face), Pose(*a)) for f, a in zip(faces, angles, strict=True)]
    return 2.5 * np.stack(turned) + [40, 30, 0]


def make_clip(key: str, source_points: np.ndarray) -> Clip:
    transforms = stabilising_transforms(source_points)
    points = geometry.apply(transforms, source_points)
    silence = np.zeros((4 * len(points) + 24, 20)), np.tile(silent_mfcc80(), (4 * len(points), 1))
    return Clip(key, "made", key.split("-")[0], "train", True, NO_FRAMES, points, transforms, *silence)


def centred(face: np.ndarray) -> np.ndarray:
    return face - face[RIGID].mean(axis=0)


@pytest.fixture
def calm(face68) -> list[Clip]:
    """Two people, 8 seconds each, who turn a little and blink at frames 30, 90 and 150."""
    return [make_clip(f"p{n}", filmed(face68, sway(200, 2.0, n), (30, 90, 150))) for n in range(2)]


class TestPoses:
    def test_the_roll_that_stabilising_took_out_is_put_back(self, face68):
        angles = sway(100, 6.0, 0)
        clip = make_clip("a", filmed(face68, angles))
        np.testing.assert_allclose(head_angles(clip, centred(face68)), angles, atol=0.05)
        unturned = replace(clip, transforms=np.repeat(clip.transforms[:1], 100, axis=0))
        assert head_angles(unturned, centred(face68))[:, 2].std() < 0.5 * angles[:, 2].std()

    def test_sequences_are_the_heads_turns_about_their_mean(self, face68, calm, tmp_path):
        idle = fit_idle(synthetic.write_pack(tmp_path / "pack", calm))
        assert idle.pose_lengths.sum() == 400 and (idle.pose_lengths >= 25).all()
        for part in np.split(idle.poses, np.cumsum(idle.pose_lengths)[:-1]):
            np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-4)
        expected = sway(200, 2.0, 0)[:100]
        np.testing.assert_allclose(idle.poses[:100], expected - expected.mean(axis=0), atol=0.3)

    def test_clips_that_are_short_wild_or_jump_are_left_out(self, face68, calm, tmp_path):
        jump = sway(80, 1.0, 3)
        jump[40:, 0] += 12
        unfit = [sway(24, 1.0, 1), sway(80, 15.0, 2), jump]
        clips = calm + [make_clip(f"q{n}", filmed(face68, angles)) for n, angles in enumerate(unfit)]
        idle = fit_idle(synthetic.write_pack(tmp_path / "pack", clips))
        assert idle.pose_lengths.sum() == 400
        assert (np.abs(idle.poses).max(axis=0) < LIMITS).all()

    def test_stills_of_a_person_are_no_motion(self, face68, calm, tmp_path):
        stills = make_clip("q", filmed(face68, sway(60, 1.0, 0), (10, 40)))
        pack = synthetic.write_pack(tmp_path / "pack", [*calm, replace(stills, sync=False)])
        assert fit_idle(pack).pose_lengths.sum() == 400

    def test_nobody_gives_more_than_a_few(self, face68, calm, tmp_path):
        more = [make_clip(f"q-{n}", filmed(face68, sway(60, 1.0, n))) for n in range(12)]
        idle = fit_idle(synthetic.write_pack(tmp_path / "pack", calm + more))
        assert (idle.pose_lengths == 60).sum() == 8

    def test_the_trackers_noise_is_filtered(self, face68, calm, tmp_path):
        angles = sway(200, 2.0, 7)
        noisy = angles + np.random.default_rng(0).normal(0, 0.3, angles.shape)
        clip = make_clip("a", filmed(face68, noisy, (30, 90)))
        idle = fit_idle(synthetic.write_pack(tmp_path / "pack", [clip]))
        roughness = np.diff(idle.poses[:100], 2, axis=0).std() / np.diff(noisy, 2, axis=0).std()
        assert roughness < 0.15


class TestBlinks:
    def test_curves_are_those_of_the_eyes(self, face68, calm):
        curves, _ = find_blinks(calm, centred(face68))
        assert len(curves) == 6
        for curve in curves:
            assert curve[0] == curve[-1] == 0 and curve.max() == 1
            np.testing.assert_allclose(curve, CURVE[: len(curve)], atol=0.25)

    def test_intervals_run_on_over_the_borders_of_clips(self, face68, calm):
        _, intervals = find_blinks(calm, centred(face68))
        np.testing.assert_allclose(sorted(intervals), [2.4, 2.4, 2.4, 2.4, 3.2], atol=0.05)

    def test_a_flutter_counts_once_and_nobody_stares(self, face68):
        clip = make_clip("a", filmed(face68, sway(450, 2.0, 0), (30, 45, 100, 400)))
        _, intervals = find_blinks([clip], centred(face68))
        np.testing.assert_allclose(intervals, [2.8, 8.0], atol=0.05)

    def test_eyes_that_stay_shut_do_not_blink(self, face68):
        points = filmed(face68, sway(100, 1.0, 0))
        points[40:70] = blink(points[40:70], 0.9)
        curves, intervals = find_blinks([make_clip("a", points)], centred(face68))
        assert curves == [] and len(intervals) == 0

    def test_half_a_blink_at_a_clips_end_counts_but_gives_no_curve(self, face68):
        clip = make_clip("a", filmed(face68, sway(93, 1.0, 0), (30, 89)))
        curves, intervals = find_blinks([clip], centred(face68))
        assert len(curves) == 1
        np.testing.assert_allclose(intervals, [2.36], atol=0.05)

    def test_looking_down_is_not_a_blink(self, face68):
        angles = np.zeros((100, 3))
        angles[:, 1] = 12 * np.sin(2 * np.pi * np.arange(100) / 50)
        assert find_blinks([make_clip("a", filmed(face68, angles))], centred(face68))[0] == []


class TestRefusals:
    def test_no_pack(self, tmp_path, refuses):
        with refuses(PackError, "not a pack"):
            fit_idle(tmp_path)

    def test_no_clip_that_is_long_enough(self, face68, tmp_path, refuses):
        pack = synthetic.write_pack(tmp_path / "pack", [make_clip("a", filmed(face68, sway(24, 1.0, 0)))])
        with refuses(PackError, "at least 25 frames"):
            fit_idle(pack)

    def test_nobody_who_keeps_still(self, face68, tmp_path, refuses):
        pack = synthetic.write_pack(tmp_path / "pack", [make_clip("a", filmed(face68, sway(100, 20.0, 0), (30, 70)))])
        with refuses(PackError, "calmer"):
            fit_idle(pack)

    def test_nobody_who_blinks(self, tiny_pack, refuses):
        with refuses(PackError, "blinks"):
            fit_idle(tiny_pack)


class TestCommand:
    def test_it_writes_what_can_be_loaded(self, calm, tmp_path, capsys):
        pack = synthetic.write_pack(tmp_path / "pack", calm)
        assert len(list(read_pack(pack, "train", with_frames=False))) == 2
        assert main(["train", "idle", "-p", str(pack), "-o", str(tmp_path / "run")]) == 0
        assert "4 sequences, 400 frames, 6 blinks" in capsys.readouterr().out
        assert {path.name for path in (tmp_path / "run").iterdir()} == {"idle.safetensors", "idle.json"}
        assert checkpoint.load_idle(tmp_path / "run").pose_lengths.sum() == 400
        assert checkpoint.notes(tmp_path / "run", "idle") == {"sequences": 4, "frames": 400, "blinks": 6}

    @pytest.mark.parametrize("extra", ["--minutes 3", "--resume", "--set lr=1", "--devices 2", "--precision 16-true"])
    def test_what_only_networks_need_is_refused(self, extra, tmp_path, capsys):
        assert main(["train", "idle", "-p", "nowhere", "-o", str(tmp_path / "run"), *extra.split()]) == 2
        error = capsys.readouterr().err
        assert re.fullmatch(r"error: [^\n]+\n", error) and extra.split()[0] in error
        assert not (tmp_path / "run").exists()

    def test_a_pack_that_is_none_is_refused(self, tmp_path, capsys):
        assert main(["train", "idle", "-p", str(tmp_path), "-o", str(tmp_path / "run")]) == 2
        assert "not a pack" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
