"""Intervals and paired differences, against cases that can be counted by hand."""

import math

import numpy as np
import pytest

from atvg.evaluation import intervals, protocol
from atvg.evaluation.protocol import Score


def score(key: str, identity: str = "a", source: str = "s", opening=((0, 1, 2), (0, 2, 4)), **values: float) -> Score:
    values = {"lmd": 1.0, "opening_share": 0.4, "opening_share_truth": 0.5} | values
    return Score(key, source, identity, values, tuple(np.array(x, np.float32) for x in opening), len(opening[0]))


class TestFigures:
    def test_of_all_clips_once_are_the_protocols(self):
        scores = [
            score("1", lmd=1.0, ssim=0.5, opening=((0, 1, 3), (1, 1, 4))),
            score("2", lmd=2.5, ssim=math.nan, opening=((5, 1, 3, 3), (2, 0, 2, 1))),
            score("3", lmd=0.5, ssim=0.7, opening=((), ())),
        ]
        found = intervals.figures(scores, np.ones((1, 3)))
        known = protocol.summary(scores)
        assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(
            {name: known[name] for name in found}
        )
        assert found["ssim"][0] == pytest.approx(0.6)

    def test_of_clips_that_count_twice(self):
        scores = [score("1", lmd=1.0), score("2", lmd=4.0)]
        assert intervals.figures(scores, np.array([[2.0, 1.0]]))["lmd"] == pytest.approx([2.0])

    def test_that_are_defined_nowhere_stay_undefined(self):
        scores = [score("1", lmd=math.nan, opening=((1, 1, 1), (0, 1, 2)))]
        found = intervals.figures(scores, np.ones((1, 1)))
        assert math.isnan(found["lmd"][0]) and math.isnan(found["mouth_r"][0])
        assert found["mouth_std_ratio"][0] == 0
        assert np.isnan(intervals.intervals(scores, np.ones((5, 1)))["lmd"]).all()


class TestDraws:
    def test_are_the_same_every_time(self):
        scores = [score(str(i), identity=str(i % 3)) for i in range(9)]
        assert np.array_equal(intervals.draws(scores, 50), intervals.draws(scores, 50))
        assert not np.array_equal(intervals.draws(scores, 50), intervals.draws(scores, 50, seed=1))

    def test_people_come_with_as_many_clips_as_they_have_or_not_at_all(self):
        scores = [score(str(i), identity="ab"[i // 3]) for i in range(6)]
        of_first = intervals.draws(scores, 400)[:, :3].sum(axis=1)
        assert set(of_first) == {0, 3, 6}
        # Two draws out of two people: the first never, once or twice in 1/4, 1/2 and 1/4 of the cases.
        assert np.mean(of_first == 3) == pytest.approx(0.5, abs=0.1)

    def test_every_source_keeps_its_share(self):
        scores = [score(str(i), identity=str(i), source="st"[i // 4]) for i in range(6)]
        counts = intervals.draws(scores, 100)
        assert (counts[:, :4].sum(axis=1) == 4).all() and (counts[:, 4:].sum(axis=1) == 2).all()


class TestIntervals:
    def test_of_two_clips_of_one_person_reach_from_one_to_the_other(self):
        """The mean is 0, ½ or 1, with 1/4, 1/2 and 1/4 of the resamples."""
        scores = [score("1", lmd=0.0), score("2", lmd=1.0)]
        assert intervals.intervals(scores, intervals.draws(scores))["lmd"] == (0, 1)

    def test_of_what_never_differs_have_no_width(self):
        scores = [score(str(i), identity=str(i), lmd=0.25) for i in range(4)]
        found = intervals.intervals(scores, intervals.draws(scores, 100))
        assert found["lmd"] == pytest.approx((0.25, 0.25))
        assert found["mouth_r"] == pytest.approx((1, 1))
        assert found["mouth_std_ratio"] == pytest.approx((0.5, 0.5))

    def test_are_wider_where_clips_of_a_person_are_alike(self):
        """Ten clips of two people that differ are worth two, not ten."""
        alike = [score(str(i), identity="ab"[i % 2], lmd=float(i % 2)) for i in range(10)]
        alone = [score(str(i), identity=str(i), lmd=float(i % 2)) for i in range(10)]
        wide, narrow = (intervals.intervals(x, intervals.draws(x))["lmd"] for x in (alike, alone))
        assert wide == (0, 1)
        assert 0 < narrow.low < narrow.high < 1


class TestDifferences:
    def test_are_paired_so_that_what_clips_share_does_not_count(self):
        one = [score(str(i), identity=str(i), lmd=float(i)) for i in range(6)]
        other = [score(str(i), identity=str(i), lmd=i + 0.5) for i in range(6)]
        found = intervals.differences(one, other, intervals.draws(one))["lmd"]
        assert found == pytest.approx((-0.5, -0.5, -0.5))

    def test_leave_out_clips_where_either_is_undefined(self):
        one = [score("1", lmd=1.0), score("2", lmd=math.nan), score("3", lmd=9.0)]
        other = [score("1", lmd=3.0), score("2", lmd=5.0), score("3", lmd=math.nan)]
        found = intervals.differences(one, other, np.ones((1, 3)))["lmd"]
        assert found == pytest.approx((-2, -2, -2))

    def test_need_the_same_clips(self):
        with pytest.raises(ValueError, match="same clips"):
            intervals.differences([score("1")], [score("2")], np.ones((1, 1)))
