"""What became of everybody's jobs at the app, and whether they were told the truth about their wait."""

import threading
import time
from collections import Counter, defaultdict
from typing import Any, NamedTuple

import numpy as np
from gradio_client.client import Job
from gradio_client.utils import StatusUpdate

from tests.trouble import near

SOON = 1.0  # seconds that the news of an end may take
MORE, LATER = 1.5, 5.0  # how much longer than said a wait may be: so many times, and seconds
GOOD = ("own", "busy", "said", "gone")


class Told(NamedTuple):
    """What somebody was told when the queue took them: their place in it, 0 is next, and how long it takes."""

    at: float  # seconds of the clock of `Entry`
    rank: int
    eta: float | None  # seconds from then to the result; None if nobody knows yet


class Entry(NamedTuple):
    """Something that somebody waited for; times of a clock that does not jump."""

    kind: str
    began: float
    ended: float
    outcome: str  # "own", "busy", "said" (a line that says what to do), "gone", "wrong", or how it failed
    told: Told | None = None


def told_to(job: Job) -> Told | None:
    """The first that a job was told, to be asked once; None if it did not get into the queue."""
    now = time.monotonic() - time.time()
    while job.communicator and not job.communicator.updates.empty():
        update = job.communicator.updates.get_nowait()
        if isinstance(update, StatusUpdate) and update.rank is not None and update.time:
            return Told(update.time.timestamp() + now, update.rank, update.eta)
    return None


class Diary:
    """What became of everyone's jobs, and how long it took."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, kind: str, began: float, outcome: str, ended: float | None = None, told: Told | None = None) -> None:
        """`ended` is now unless it is given."""
        entry = Entry(kind, began, time.monotonic() if ended is None else ended, outcome, told)
        with self._lock:
            self._entries.append(entry)

    def report(self, troubles: list[float]) -> dict[str, Any]:
        """Outcomes, percentiles of seconds, wrong results, failures that no trouble explains, and the unfairness.

        ``overtaken`` is how many who came to the queue later, and were told a higher rank, had their result before
        somebody else, at most. ``waited_longer_than_said`` counts those who waited `MORE` times what they were told,
        and `LATER`, but for those who had to do with a trouble; the worst by how many seconds; how many could be told
        nothing yet; and how much of what was said the middle one waited.
        """
        seconds, outcomes = defaultdict(list), defaultdict(Counter)
        entries = list(self._entries)
        for entry in entries:
            known = entry.outcome in (*GOOD, "wrong")
            outcomes[entry.kind][entry.outcome if known else "failed"] += 1
            if entry.outcome in ("own", "said") and not near(troubles, entry.began, entry.ended):
                seconds[entry.kind].append(entry.ended - entry.began)
        strange = [e for e in entries if e.outcome not in GOOD]
        drawn = [(e, e.told) for e in entries if e.told and e.outcome == "own"]
        quiet = [(e, told) for e, told in drawn if not near(troubles, e.began, e.ended)]
        return {
            "outcomes": {kind: dict(counts) for kind, counts in sorted(outcomes.items())},
            "seconds_by_kind": {kind: _percentiles(each) for kind, each in sorted(seconds.items())},
            "wrong": sum(entry.outcome == "wrong" for entry in strange),
            "failures": [f"{e.kind}: {e.outcome}" for e in strange if not near(troubles, e.began, e.ended)],
            "failures_in_trouble": [f"{e.kind}: {e.outcome}" for e in strange if near(troubles, e.began, e.ended)],
            "overtaken": max((sum(_overtakes(*b, *a) for b in drawn) for a in drawn), default=0),
            "waited_longer_than_said": _longer_than_said(quiet),
        }  # fmt: skip


def _overtakes(entry: Entry, told: Told, other: Entry, other_told: Told) -> bool:
    """Whether an entry's job has overtaken another's, which was there before it."""
    behind = told.at > other_told.at and told.rank > other_told.rank
    return behind and entry.ended < other.ended - SOON


def _longer_than_said(drawn: list[tuple[Entry, Told]]) -> dict[str, float]:
    waits = [(entry.ended - told.at, told.eta) for entry, told in drawn if told.eta is not None]
    more = [wait - eta for wait, eta in waits if wait > MORE * eta + LATER]
    ratios = [wait / max(eta, 0.1) for wait, eta in waits]
    return {
        "count": len(more),
        "worst_seconds": round(max(more, default=0.0), 1),
        "told": len(waits),
        "told_nothing": len(drawn) - len(waits),
        "median_of_said": round(float(np.median(ratios)), 2) if ratios else 0.0,
    }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    found = {f"p{at}": round(float(np.percentile(seconds, at)), 3) for at in (50, 95, 99)}
    return {"n": len(seconds)} | found | {"max": round(max(seconds), 3)}
