"""What people are told who wait, and that who draws stands back for them."""

import gc
import os
import sys
import threading

import pytest

from atvg.errors import BadSettingError
from atvg.studio.behind import BACK, behind, set_back
from atvg.studio.memory import settle
from atvg.studio.waiting import Recent


def test_the_newest_jobs_say_how_long_one_takes():
    recent = Recent()
    for seconds in [100] * 20 + [4] * 6 + [8] * 6:
        recent.add(seconds)
    assert recent.avg_time == 6, "of the last twelve"


@pytest.mark.parametrize("seconds", [7203.5, -7196.5])
def test_a_clock_that_jumps_tells_nothing(seconds):
    recent = Recent()
    recent.add(4)
    recent.add(seconds)
    assert recent.avg_time == 4


def test_the_queue_reckons_by_them(page):
    assert isinstance(page._queue.process_time_per_fn["any"], Recent)
    del page._queue.process_time_per_fn["any"]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_drawing_stands_back_and_nobody_else():
    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def started() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(nice()))
        thread.start()
        thread.join()
        return found[0]

    def work(count: int):
        for _ in range(count):
            yield nice(), started()

    before = nice()
    assert list(behind(work)(count=2)) == [(max(before, BACK), max(before, BACK))] * 2
    assert set_back(lambda more: nice() + more)(more=100) == max(before, BACK) + 100
    assert (nice(), started()) == (before, before)


def test_drawing_that_is_left_ends_where_it_is():
    ended = threading.Event()

    def work():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    steps = behind(work)()
    assert next(steps) == 1
    steps.close()
    assert ended.is_set()


def test_what_stands_back_fails_where_it_was_called():
    def refuse() -> None:
        raise BadSettingError("no")

    with pytest.raises(BadSettingError, match="no"):
        set_back(refuse)()


def test_what_is_settled_is_not_looked_through_for_garbage():
    kept = [[] for _ in range(1000)]
    settle()
    try:
        assert not any(kept is one for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_the_products_of_numpy_have_one_thread():
    """With threads of its own, OpenBLAS has hung when a live face and a video computed at the same time."""
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
