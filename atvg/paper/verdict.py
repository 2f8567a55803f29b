"""Who is better, by paired differences of figures and their intervals, in words that follow from the numbers alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atvg.evaluation.intervals import Difference
from atvg.evaluation.report import Figures, number
from atvg.evaluation.sync import TOLERANCE

Outcome = Literal["wins", "loses", "undecided", "undefined"]
EVERYWHERE = "all sources"
_SURE = 2.0  # times its chance that the sync expert has to be right, or its word is not worth much


@dataclass(frozen=True)
class Contest:
    """A figure by which systems are compared.

    Attributes:
        name, title, unit: of the figure.
        sign: 1 if more is better, −1 if less is.
        digits: after the point.
    """

    name: str
    title: str
    unit: str
    sign: int
    digits: int


CONTESTS = (
    Contest("mouth_r", "mouth r", "", 1, 2),
    Contest("lmd_mouth", "LMD of the mouth", " px", -1, 2),
    Contest("jitter", "jitter", "", -1, 2),
    Contest("lse_c", "LSE-C", "", 1, 3),
    Contest("lse_d", "LSE-D", "", -1, 3),
)


@dataclass(frozen=True)
class Verdict:
    """How one system does against another on the clips of one source, or of `EVERYWHERE`."""

    contest: Contest
    one: str
    other: str
    source: str
    difference: Difference
    outcome: Outcome
    clips: int
    people: int

    def cell(self) -> tuple[str, str]:
        """The outcome, and the difference with its interval."""
        if self.outcome == "undefined":
            return self.outcome, ""
        value, low, high = (signed(x, self.contest.digits) for x in self.difference)
        return self.outcome, f"{value} [{low} to {high}]"

    def sentence(self, own: Figures, theirs: Figures, still: Figures, expert: Mapping[str, Any]) -> str:
        """For who does not win: that, and the reason as far as the figures tell one.

        Args:
            own, theirs, still: figures of the two systems and of the unmoving photo, on the same clips.
            expert: what `atvg.evaluation.sync.accuracy` says of them; empty if unknown.
        """
        contest = self.contest
        where = "" if self.source == EVERYWHERE else f" on {self.source}"
        if self.outcome == "undefined":
            return f"{contest.title}{where}: {self.one} and {self.other} cannot be compared. {self._why(own, theirs)}"
        values = (f"{number(x[contest.name], contest.digits)}{contest.unit}" for x in (own, theirs))
        result = (
            f"{self.one} loses to {self.other}"
            if self.outcome == "loses"
            else f"undecided between {self.one} and {self.other}"
        )
        low, high = (signed(x, contest.digits) for x in self.difference[1:])
        doubt = (
            f", as the interval of the difference, {low} to {high}, holds 0: {self.clips} clips of {self.people} people"
            if self.outcome == "undecided"
            else ""
        )
        better = contest.sign * self.difference.value > 0  # only not surely so: nothing has to be explained
        reason = "" if better else " " + _reason(contest.name, own, theirs, still, expert)
        return f"{contest.title}{where}: {result}, {' against '.join(values)}{doubt}.{reason}"

    def _why(self, own: Figures, theirs: Figures) -> str:
        for name, figures in ((self.one, own), (self.other, theirs)):
            if math.isnan(figures[self.contest.name]):
                if figures["undetected_frames"] == figures["frames"]:
                    return f"The tracker finds no face in anything that {name} draws."
                if self.contest.name == "mouth_r":
                    return f"The mouth of {name} does not move at all, so that it correlates with nothing."
        return "The figure is undefined, for instance of clips that are too short."


def judge(
    contest: Contest, one: str, other: str, source: str, difference: Difference, clips: int, people: int
) -> Verdict:
    """Wins or loses only if the interval of the difference, `one` − `other`, does not hold 0."""
    low, high = sorted(contest.sign * x for x in difference[1:])
    if any(math.isnan(x) for x in difference):
        outcome: Outcome = "undefined"
    elif low > 0:
        outcome = "wins"
    elif high < 0:
        outcome = "loses"
    else:
        outcome = "undecided"
    return Verdict(contest, one, other, source, difference, outcome, clips, people)


def headline(verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    """One sentence on the contests of these names over all sources."""
    chosen = [v for v in verdicts if v.source == EVERYWHERE and v.contest.name in names]
    one = chosen[0].one
    titles = {contest.name: contest.title for contest in CONTESTS}
    said = []
    for name in names:
        of_contest = [v for v in chosen if v.contest.name == name]
        lost = [f"{v.outcome} against {v.other}" for v in of_contest if v.outcome != "wins"]
        said.append(f"{titles[name]} ({', '.join(lost)})" if lost else titles[name])
    won = all(v.outcome == "wins" for v in chosen)
    others = list(dict.fromkeys(v.other for v in chosen))
    if won:
        return f"{one} wins against {_listed(others)} in {_listed(said)}."
    return f"{one} does not win everywhere against {_listed(others)}: {'; '.join(said)}; all that is not named is won."


def signed(value: float, digits: int) -> str:
    """With its sign, as a difference is written; – if undefined."""
    return number(value, digits).replace("-", "−") if math.isnan(value) or value < 0 else f"+{number(value, digits)}"


def _reason(name: str, own: Figures, theirs: Figures, still: Figures, expert: Mapping[str, Any]) -> str:
    """Why somebody else may be as good, if a figure tells."""
    own_range, their_range = own["mouth_std_ratio"], theirs["mouth_std_ratio"]
    ranges = f"their mouth opening varies {number(their_range, 2)} times as much as the true one, ours {own_range:.2f}"
    if name == "lmd_mouth" and their_range < own_range:
        return (
            f"A mouth that moves little errs little: {ranges}, and the unmoving photo has "
            f"{number(still['lmd_mouth'], 2)} px."
        )
    if name == "mouth_r" and their_range < own_range:
        return f"Mouth r does not see how far a mouth moves: {ranges}."
    if name == "jitter" and max(own["jitter"], theirs["jitter"]) < 1:
        return (
            "Both are stiller than the real video, whose own unrest counts 1; a frozen picture has 0, and below 1 less "
            "is no gain that anybody sees."
        )
    if name.startswith("lse"):
        true = f"The real videos have {number(own[f'{name}_truth'], 3)}."
        if expert and expert["within"] < _SURE * expert["chance"]:
            return (
                f"{true} The sync expert finds the offset of real clips within ±{TOLERANCE} frame in "
                f"{expert['within']:.0%} only (chance {expert['chance']:.0%}), so that it can hardly tell."
            )
        return f"{true} Mouth opening: {ranges}."
    return "No other figure here explains it."


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
