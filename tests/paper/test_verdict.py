"""Verdicts: what is won, lost or open follows from the interval, and the words from the figures."""

import math

import pytest

from atvg.evaluation.intervals import Difference
from atvg.paper.verdict import CONTESTS, EVERYWHERE, Verdict, headline, judge

R, LMD, JITTER, LSE_C = CONTESTS[:4]
OWN = {"mouth_r": 0.5, "lmd_mouth": 1.0, "jitter": 0.1, "mouth_std_ratio": 0.8, "lse_c": 0.2, "lse_c_truth": 0.3,
       "frames": 9, "undetected_frames": 0}  # fmt: skip
STILL = {"lmd_mouth": 1.1}


def verdict(contest, low: float, high: float, source: str = EVERYWHERE, other: str = "Chung") -> Verdict:
    return judge(contest, "ATVG", other, source, Difference((low + high) / 2, low, high), 7, 4)


def sentence(found: Verdict, expert: dict | None = None, **theirs: float) -> str:
    return found.sentence(OWN, OWN | theirs, STILL, expert or {})


@pytest.mark.parametrize(
    "contest, low, high, outcome",
    [
        (R, 0.1, 0.3, "wins"),
        (R, -0.3, -0.1, "loses"),
        (R, -0.1, 0.3, "undecided"),
        (R, 0.0, 0.3, "undecided"),
        (LMD, -0.3, -0.1, "wins"),
        (LMD, 0.1, 0.3, "loses"),
        (JITTER, 0.1, 0.3, "loses"),
        (R, math.nan, math.nan, "undefined"),
    ],
)
def test_only_an_interval_without_0_decides(contest, low, high, outcome):
    assert verdict(contest, low, high).outcome == outcome


def test_a_cell_holds_the_outcome_and_the_difference():
    assert verdict(LMD, -0.3, 0.1).cell() == ("undecided", "−0.10 [−0.30 to +0.10]")
    assert verdict(R, math.nan, math.nan).cell() == ("undefined", "")


class TestSentence:
    def test_a_loss_names_both_figures(self):
        said = sentence(verdict(LMD, 0.1, 0.3), lmd_mouth=0.8, mouth_std_ratio=0.9)
        assert said.startswith("LMD of the mouth: ATVG loses to Chung, 1.00 px against 0.80 px. ")
        assert said.endswith("No other figure here explains it.")

    def test_a_mouth_that_hardly_moves_explains_a_low_distance(self):
        said = sentence(verdict(LMD, 0.1, 0.3), lmd_mouth=0.8, mouth_std_ratio=0.05)
        assert "moves little errs little" in said and "0.05 times" in said and "unmoving photo has 1.10 px" in said

    def test_what_is_undecided_says_how_little_it_rests_on(self):
        said = sentence(verdict(R, -0.1, 0.3, source="grid"), mouth_r=0.4)
        assert said.startswith("mouth r on grid: undecided between ATVG and Chung, 0.50 against 0.40, ")
        assert said.endswith("−0.10 to +0.30, holds 0: 7 clips of 4 people.")

    def test_a_small_mouth_explains_a_high_r_and_needs_not_explain_a_low_one(self):
        words = "does not see how far a mouth moves"
        assert words in sentence(verdict(R, -0.3, 0.1), mouth_r=0.6, mouth_std_ratio=0.1)
        assert words not in sentence(verdict(R, -0.1, 0.3), mouth_r=0.4, mouth_std_ratio=0.1)

    def test_below_the_truths_own_jitter_less_is_no_gain(self):
        assert "frozen picture has 0" in sentence(verdict(JITTER, 0.01, 0.02), jitter=0.05)
        assert "frozen picture" not in sentence(verdict(JITTER, 0.01, 0.02), jitter=1.5)

    def test_an_expert_that_guesses_is_not_believed(self):
        guess, sure = ({"within": within, "chance": 0.1} for within in (0.12, 0.9))
        assert "hardly tell" in sentence(verdict(LSE_C, -0.2, -0.1), guess, lse_c=0.4)
        assert "hardly tell" not in sentence(verdict(LSE_C, -0.2, -0.1), sure, lse_c=0.4)
        assert "real videos have 0.300" in sentence(verdict(LSE_C, -0.2, -0.1), sure, lse_c=0.4)

    def test_a_mouth_that_never_moves_cannot_be_compared(self):
        said = sentence(verdict(R, math.nan, math.nan), mouth_r=math.nan)
        assert "cannot be compared" in said and "The mouth of Chung does not move at all" in said
        gone = sentence(verdict(LMD, math.nan, math.nan), lmd_mouth=math.nan, undetected_frames=9)
        assert gone.endswith("The tracker finds no face in anything that Chung draws.")


class TestHeadline:
    def test_says_so_if_all_is_won(self):
        found = [verdict(c, *((0.1, 0.2) if c is R else (-0.2, -0.1)), other=o) for c in (R, LMD) for o in ("A", "B")]
        assert headline(found, ("mouth_r", "lmd_mouth")) == (
            "ATVG wins against A and B in mouth r and LMD of the mouth."
        )

    def test_names_what_is_not_won(self):
        found = [verdict(R, 0.1, 0.2, other="A"), verdict(R, -0.1, 0.2, other="B"), verdict(LMD, 0.1, 0.2, other="A")]
        said = headline(found, ("mouth_r", "lmd_mouth"))
        assert "does not win everywhere" in said
        assert "mouth r (undecided against B)" in said and "LMD of the mouth (loses against A)" in said

    def test_single_sources_are_not_its_matter(self):
        found = [verdict(R, 0.1, 0.2), verdict(R, -0.2, -0.1, source="grid")]
        assert headline(found, ("mouth_r",)) == "ATVG wins against Chung in mouth r."
