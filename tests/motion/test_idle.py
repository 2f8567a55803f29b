"""Idle motion: endless, repeatable, without a jump, and eyelids that meet but never cross."""

import tracemalloc
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from atvg.motion.idle import LIMITS, LOWER_LID, SHORTEST, UPPER_LID, IdleModel, blink
from atvg.motion.pose import Pose
from atvg.voice.prosody import BEFORE, SILENCE, SPAN, around


def model(amplitude: float = 3.0, lengths: tuple[int, ...] = (25, 40, 60, 90)) -> IdleModel:
    """Heads that sway at speeds and in directions of their own; two kinds of blinks."""
    rng = np.random.default_rng(0)
    sways = []
    for length in lengths:
        time = np.arange(length)[:, None] / 25
        sway = amplitude * np.sin(2 * np.pi * (rng.uniform(0.2, 0.8, 3) * time + rng.uniform(0, 1, 3)))
        sways.append(sway - sway.mean(axis=0))
    curves = [[0, 0.5, 1, 0.7, 0.4, 0.1, 0], [0, 0.8, 1, 1, 0.6, 0.3, 0.1, 0]]
    return IdleModel(
        poses=np.concatenate(sways).astype(np.float32),
        pose_lengths=np.array([len(s) for s in sways]),
        blinks=np.concatenate(curves).astype(np.float32),
        blink_lengths=np.array([len(c) for c in curves]),
        blink_intervals=np.array([1.0, 2.0, 3.0, 6.0], np.float32),
    )


def sampled(idle: IdleModel, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, 3) degrees and (count,) closures."""
    frames = list(islice(idle.sample(seed), count))
    return np.array([[f.pose.yaw, f.pose.pitch, f.pose.roll] for f in frames]), np.array([f.closure for f in frames])


def steps_of(idle: IdleModel) -> np.ndarray:
    parts = np.split(idle.poses, np.cumsum(idle.pose_lengths)[:-1])
    return np.concatenate([np.diff(part, axis=0) for part in parts])


class TestSample:
    def test_it_starts_as_in_the_photo_and_eases_in(self):
        for seed in range(20):
            poses, closures = sampled(model(), seed, 12)
            assert (poses[0] == 0).all() and (closures == 0).all()
            assert np.abs(np.diff(poses, axis=0)[:2]).max() < 0.25 * np.abs(steps_of(model())).max()

    def test_the_same_seed_gives_the_same_motion_and_another_seed_another(self):
        first, again, other = (sampled(model(), seed, 300) for seed in (5, 5, 6))
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert all((a != b).any() for a, b in zip(first, other, strict=True))

    def test_a_stream_read_in_parts_is_the_one_read_at_once(self):
        stream = model().sample(3)
        parts = [frame for count in (1, 7, 40, 152) for frame in islice(stream, count)]
        assert parts == list(islice(model().sample(3), 200))

    def test_it_gives_plain_poses_and_numbers(self):
        frame = next(model().sample(0))
        assert isinstance(frame.pose, Pose) and type(frame.pose.yaw) is float and type(frame.closure) is float

    def test_it_never_moves_faster_than_the_real_sequences_not_even_where_they_join(self):
        idle = model()
        steps = np.abs(np.diff(sampled(idle, 0, 5000)[0], axis=0))
        assert (steps.max(axis=0) <= np.abs(steps_of(idle)).max(axis=0) + 1e-6).all()
        assert (steps.mean(axis=0) <= 1.1 * np.abs(steps_of(idle)).mean(axis=0)).all()

    def test_it_turns_as_far_as_the_real_sequences(self):
        idle = model(amplitude=1.5)
        ratio = sampled(idle, 0, 5000)[0].std(axis=0) / idle.poses.std(axis=0)
        assert (0.7 < ratio).all() and (ratio < 1.4).all()

    def test_it_stays_within_the_limits(self):
        poses, _ = sampled(model(amplitude=20), 0, 2000)
        reached = np.abs(poses).max(axis=0) / LIMITS
        assert (reached <= 1).all() and (reached > 0.9).all()

    def test_it_turns_to_both_sides_but_nods_as_recorded(self):
        """A head that goes fast and comes back slowly, eight times."""
        nod = np.interp(np.arange(200) % 25, [0, 5, 25], [0, 2, 0])[:, None].repeat(3, axis=1)
        idle = IdleModel(**model().arrays() | {"poses": nod.astype(np.float32), "pose_lengths": np.array([200])})
        fast = np.diff(sampled(idle, 0, 8000)[0], axis=0)
        to_one_side, to_the_other = (fast > 0.2).mean(axis=0), (fast < -0.2).mean(axis=0)
        assert (to_one_side > 0.05).all()
        assert (to_the_other[[0, 2]] > 0.05).all() and to_the_other[1] == 0

    def test_blinks_are_whole_and_as_often_as_the_intervals_say(self):
        idle = model()
        _, closures = sampled(idle, 0, 30_000)
        edges = np.flatnonzero(np.diff((closures > 0).astype(int)))
        curves = {tuple(closures[a + 1 : b + 1].round(3)) for a, b in zip(edges[::2], edges[1::2], strict=False)}
        real = np.split(idle.blinks, np.cumsum(idle.blink_lengths)[:-1])
        assert curves == {tuple(curve[1:-1].astype(float).round(3)) for curve in real}
        between = np.diff(edges[::2]) / 25
        np.testing.assert_allclose(between.mean(), idle.blink_intervals.mean(), rtol=0.1)
        assert set(between.round(1)) == {1.0, 2.0, 3.0, 6.0}

    def test_memory_does_not_grow(self):
        stream, held = model().sample(0), []
        tracemalloc.start()
        for _ in range(3):
            for _ in islice(stream, 4000):
                pass
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert held[2] - held[1] < 20_000


def listening(amplitude: float = 3.0) -> IdleModel:
    """Runs four times as fast in a stress as in a pause, looks up by 2° in it, and blinks in pauses."""
    now = np.zeros(SPAN, np.float32)
    now[BEFORE] = 1
    filters = {"paces": 0.45 * now[None], "nods": -2 * now[None], "blink_paces": -0.8 * now}
    return IdleModel(**model(amplitude).arrays() | filters)


def phrases(count: int) -> np.ndarray:
    """A second of stress, a second of pause, (count,)."""
    return np.where(np.arange(count) // 25 % 2 == 0, 1.0, SILENCE)


def followed(
    idle: IdleModel, loud: np.ndarray, seed: int = 0, liveliness: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    frames = list(idle.sample(seed, around(loud), liveliness))
    return np.array([[f.pose.yaw, f.pose.pitch, f.pose.roll] for f in frames]), np.array([f.closure for f in frames])


class TestVoice:
    def test_the_head_runs_in_stress_and_rests_in_pauses(self):
        loud = phrases(3000)
        steps = np.abs(np.diff(followed(listening(), loud)[0][:, [0, 2]], axis=0)).sum(axis=1)
        assert steps[loud[1:] < 0].mean() < 0.5 * steps[loud[1:] > 0].mean()

    def test_it_nods_with_the_voice(self):
        loud, still = 0.5 * np.sin(np.arange(3000) / 8), model()
        nodding = replace(still, nods=listening().nods)
        added = (followed(nodding, loud)[0] - followed(still, loud)[0])[:, 1]
        assert np.corrcoef(added, loud)[0, 1] < -0.9 and np.ptp(added) > 1.5

    def test_eyes_blink_between_phrases(self):
        loud = phrases(20_000)
        closures = followed(listening(), loud)[1]
        starts = np.flatnonzero((closures[1:] > 0) & (closures[:-1] == 0)) + 1
        assert (loud[starts] < 0).mean() > 0.7

    def test_it_ends_with_the_voice_and_begins_as_the_photo(self):
        poses, closures = followed(listening(), np.ones(40))
        assert len(poses) == 40 and np.abs(poses[0]).max() == 0 and closures[0] == 0

    def test_a_voice_gives_the_same_motion_and_another_one_another(self):
        loud = phrases(200)
        first, again, other = (followed(listening(), heard)[0] for heard in (loud, loud, loud[::-1]))
        assert (first == again).all() and (first != other).any()

    def test_what_is_said_later_does_not_matter(self):
        loud = phrases(200)
        changed = np.where(np.arange(200) < 150, loud, 0)
        assert (followed(listening(), loud)[0][:144] == followed(listening(), changed)[0][:144]).all()

    def test_weights_that_know_of_no_voice_follow_none(self):
        assert (followed(model(), phrases(300))[0] == sampled(model(), 0, 300)[0]).all()

    def test_nothing_moves_without_liveliness(self):
        poses, closures = followed(listening(), phrases(500), liveliness=0)
        assert not poses.any() and not closures.any()

    def test_the_more_of_it_the_further_the_head_moves_and_the_more_eyes_blink(self):
        idle, loud = listening(amplitude=1.0), phrases(6000)
        made = [followed(idle, loud, liveliness=strength) for strength in (0.5, 1.0, 2.0)]
        spread = [poses[:, [0, 2]].std(axis=0).sum() for poses, _ in made]
        blinks = [np.count_nonzero(np.diff((closures > 0).astype(int)) > 0) for _, closures in made]
        assert 1.3 * spread[0] < spread[1] and 1.3 * spread[1] < spread[2]
        assert 1.3 * blinks[0] < blinks[1] and 1.3 * blinks[1] < blinks[2]

    def test_at_its_most_it_is_within_the_limits_and_no_faster_than_real_heads(self):
        idle = listening(amplitude=6.0)
        poses, _ = followed(idle, np.random.default_rng(0).uniform(SILENCE, 1.7, 5000), liveliness=2)
        assert (np.abs(poses) <= LIMITS).all()
        assert (np.abs(np.diff(poses, axis=0)).max(axis=0) <= np.abs(steps_of(idle)).max(axis=0) + 1e-6).all()


class TestRefusals:
    @pytest.mark.parametrize(
        "name, values, words",
        [
            ("poses", np.zeros((9, 3), np.float32), "lengths"),
            ("poses", np.full((215, 3), np.nan), "NaN"),
            ("poses", np.zeros((215, 2), np.float32), "lengths"),
            ("pose_lengths", np.array([], int), "missing"),
            ("pose_lengths", np.array([SHORTEST - 1, 216 - SHORTEST]), "too short"),
            ("pose_lengths", np.array([115.0, 100.0]), "missing"),
            ("blinks", np.zeros(3, np.float32), "lengths"),
            ("blinks", np.full(15, 1.5, np.float32), "eyes"),
            ("blink_lengths", np.array([16, -1]), "too short"),
            ("blink_intervals", np.array([]), "intervals"),
            ("blink_intervals", np.array([2.0, 0.0]), "intervals"),
            ("paces", np.zeros((1, SPAN + 1)), "span"),
            ("paces", np.zeros((0, SPAN)), "span"),
            ("nods", np.zeros((2, SPAN)), "people"),
            ("blink_paces", np.zeros((1, SPAN)), "span"),
        ],
    )
    def test_arrays_that_do_not_belong_together(self, name, values, words):
        with pytest.raises(ValueError, match=words):
            IdleModel(**model().arrays() | {name: values})


def gaps(landmarks: np.ndarray) -> np.ndarray:
    return np.linalg.norm(landmarks[..., LOWER_LID, :] - landmarks[..., UPPER_LID, :], axis=-1)


class TestBlink:
    def test_open_eyes_are_left_alone(self, face68):
        np.testing.assert_array_equal(blink(face68, 0.0), face68)

    def test_shut_lids_meet_and_nothing_else_moves(self, face68):
        shut = blink(face68, 1.0)
        np.testing.assert_allclose(gaps(shut), 0, atol=1e-9)
        moved = (shut != face68).any(axis=1)
        assert set(np.flatnonzero(moved)) == {*UPPER_LID, *LOWER_LID}

    def test_the_upper_lid_comes_down_and_the_lower_one_rises_a_little(self, face68):
        shift = (blink(face68, 1.0) - face68)[:, 1]
        assert (shift[UPPER_LID] > 4 * -shift[LOWER_LID]).all() and (shift[LOWER_LID] < 0).all()

    def test_the_gap_shrinks_in_step_with_the_closure(self, face68):
        for closure in (0.25, 0.5, 0.9):
            np.testing.assert_allclose(gaps(blink(face68, closure)), (1 - closure) * gaps(face68))

    def test_every_frame_may_have_a_closure_of_its_own(self, face68):
        closures = np.array([0, 0.3, 1.0, 0.6])
        clip = blink(np.repeat(face68[None], 4, axis=0), closures)
        for frame, closure in zip(clip, closures, strict=True):
            np.testing.assert_array_equal(frame, blink(face68, closure))

    def test_flat_landmarks_and_their_precision_are_kept(self, face68):
        flat = face68[:, :2].astype(np.float32)
        shut = blink(flat, 0.7)
        assert shut.dtype == np.float32
        np.testing.assert_allclose(shut, blink(face68, 0.7)[:, :2], atol=1e-5)

    def test_a_tilted_head_blinks_the_same(self, face68):
        turn = Pose(yaw=20, pitch=-10, roll=35).matrix().T
        np.testing.assert_allclose(blink(face68 @ turn, 0.8), blink(face68, 0.8) @ turn, atol=1e-9)

    def test_eyes_shut_in_the_photo_stay_shut_and_do_not_cross(self, face68):
        for gap in (0.0, 0.1):
            face = face68.copy()
            face[LOWER_LID] = face[UPPER_LID] + [0, gap, 0]
            for closure in (0.5, 1.0):
                result = blink(face, closure)
                assert (result[LOWER_LID, 1] - result[UPPER_LID, 1] >= -1e-9).all()
                np.testing.assert_allclose(result, face, atol=gap)

    def test_the_given_landmarks_are_not_changed(self, face68):
        before = face68.copy()
        blink(before, 1.0)
        np.testing.assert_array_equal(before, face68)
