"""Whether the soak reckons rightly with what became of people's jobs."""

import asyncio
import datetime
import time
import traceback
from types import SimpleNamespace

import pytest
from gradio_client.utils import Status, StatusUpdate

from tests.diary import Diary, Told, told_to
from tests.soak import _tracebacks


def entered(*entries: tuple) -> dict:
    diary = Diary()
    for kind, began, ended, outcome, told in entries:
        diary.add(kind, began, outcome, ended, told and Told(*told))
    return diary.report([100.0])


def test_percentiles_are_of_what_was_answered():
    """Of 1, 2, …, 5 s the middle is 3; interpolated, 95 % is 4.8."""
    report = entered(
        *(("check_face", 0, seconds, "own", None) for seconds in range(1, 6)), ("check_face", 0, 50, "busy", None)
    )
    assert report["seconds_by_kind"]["check_face"] == {"n": 5, "p50": 3, "p95": 4.8, "p99": 4.96, "max": 5}
    assert report["outcomes"] == {"check_face": {"own": 5, "busy": 1}}


def test_failures_near_a_trouble_are_told_apart():
    report = entered(("animate", 1, 2, "OSError: no", None), ("animate", 99, 104, "wrong", None))
    assert report["failures"] == ["animate: OSError: no"] and report["failures_in_trouble"] == ["animate: wrong"]
    assert report["wrong"] == 1, "trouble is no excuse for giving somebody another's"


@pytest.mark.parametrize(
    ("later", "overtaken"),
    [
        ((2, 3, None), 2),  # behind the first, and served before
        ((0, 3, None), 1),  # was there before
        ((2, 0, None), 1),  # when the first had been served, or others had left
    ],
)
def test_who_came_later_and_was_told_a_higher_rank_is_not_served_before(later, overtaken):
    report = entered(
        ("animate", 0, 20, "own", (1, 1, None)),
        ("animate", 0, 10, "own", later),
        ("animate", 0, 11, "own", (3, 2, None)),
        ("animate", 0, 19.5, "own", (4, 3, None)),  # the news of an end may take a second
        ("animate", 0, 5, "gone", (5, 4, None)),
    )
    assert report["overtaken"] == overtaken


def test_waits_are_compared_with_what_was_said():
    """10 s may become 20 s, half more and five seconds; who was told nothing can wait no longer than that."""
    report = entered(
        ("animate", 0, 21, "own", (1, 0, 10)),
        ("animate", 0, 32, "own", (1, 1, 10)),
        ("dub", 0, 26, "own", (1, 2, 10)),
        ("dub", 0, 90, "own", (1, 3, None)),
        ("animate", 90, 190, "own", (91, 0, 10)),  # while a trouble was
    )
    said = report["waited_longer_than_said"]
    assert (said["count"], said["worst_seconds"], said["told"], said["told_nothing"]) == (2, 21, 3, 1)


def test_the_first_that_a_job_was_told_counts():
    updates: asyncio.Queue = asyncio.Queue()  # as gradio_client has it
    for code, rank, ago in ((Status.JOINING_QUEUE, None, 9), (Status.IN_QUEUE, 4, 8), (Status.IN_QUEUE, 3, 5)):
        moment = datetime.datetime.now() - datetime.timedelta(seconds=ago)
        updates.put_nowait(StatusUpdate(code, rank, 5, 2.5, None, moment, None))
    told = told_to(SimpleNamespace(communicator=SimpleNamespace(updates=updates)))
    assert told[1:] == (4, 2.5) and told.at == pytest.approx(time.monotonic() - 8, abs=0.5)
    assert told_to(SimpleNamespace(communicator=None)) is None


def test_tracebacks_are_found_however_they_are_told():
    """Those of groups too, as Starlette tells what is raised within a response: behind a frame."""

    def told(error: BaseException) -> str:
        try:
            raise error
        except BaseException as raised:
            return "".join(traceback.format_exception(raised))

    plain = told(KeyError("gone"))
    log = f"a line\n{plain}another\n{plain}"
    assert _tracebacks(log) == [plain.rstrip("\n")] * 2
    assert _tracebacks(f"a line\n{plain}".rstrip("\n")) == [plain.rstrip("\n")]
    group = f"""  + Exception Group {plain.splitlines()[0]}
  |   File "responses.py", line 1, in wrap
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | {plain.splitlines()[0]}
    |   File "live.py", line 1, in live_piece
    | KeyError: 'gone'
    +------------------------------------
"""
    assert _tracebacks(f"ERROR:    Exception in ASGI application\n{group}another\n{plain}") == [
        group,
        plain.rstrip("\n"),
    ]
    assert _tracebacks(group.rstrip("\n")) == [group.rstrip("\n")]
    assert _tracebacks("no Traceback here\n  and none there\n") == []
