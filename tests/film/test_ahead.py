"""The next value is made while one is worked on; errors and clean-up arrive as if nothing happened in between."""

import threading
import time

import pytest

from atvg.film.ahead import ahead


def test_the_same_values_in_the_same_order():
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []


def test_the_next_is_made_in_the_meantime_and_no_more_than_that():
    made = []

    def values():
        for i in range(10):
            made.append(i)
            yield i

    work = ahead(values())
    assert next(work) == 0
    time.sleep(0.3)
    assert len(made) <= 3  # one is waiting, and one more may wait for room
    assert made[1] == 1
    work.close()


def test_an_error_comes_after_the_values_before_it():
    def values():
        yield 1
        raise KeyError("two")

    work = ahead(values())
    assert next(work) == 1
    with pytest.raises(KeyError, match="two"):
        next(work)


def test_what_is_closed_early_has_cleaned_up_before_close_returns():
    closed = []

    def values():
        try:
            while True:
                yield 0
        finally:
            time.sleep(0.1)
            closed.append(threading.current_thread())

    work = ahead(values())
    next(work)
    work.close()
    assert len(closed) == 1 and not closed[0].is_alive()


def test_an_error_where_the_values_are_used_closes_them_too():
    closed = []

    def values():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    def use():
        for _ in ahead(values()):
            raise OSError("disk")

    with pytest.raises(OSError):
        use()
    deadline = time.monotonic() + 5
    while not closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed


def test_no_thread_stays():
    before = threading.active_count()
    for _ in range(20):
        work = ahead(iter(range(5)))
        next(work)
        work.close()
    assert threading.active_count() == before
