"""Work on one thing while the next is already being made."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_END = object()


def ahead(values: Iterator[T], count: int = 1) -> Generator[T, None, None]:
    """The same values, of which up to `count` are made in another thread before they are asked for.

    An error that making them raises is raised here, after the values before it. If this iterator is closed early, so
    is `values`, in its own thread, before `close` returns: what it has to clean up is cleaned up.
    """
    made: queue.Queue = queue.Queue(count)
    stop, main = threading.Event(), threading.main_thread()

    def put(value: object) -> None:
        while not stop.is_set() and main.is_alive():
            with suppress(queue.Full):
                made.put(value, timeout=0.1)
                return

    def work() -> None:
        try:
            for value in values:
                put((value, None))
                if stop.is_set() or not main.is_alive():
                    break
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            if hasattr(values, "close"):
                values.close()

    # No daemon: a program that ends while native code is at work in a thread would be aborted.
    thread = threading.Thread(target=work, name="ahead")
    thread.start()
    try:
        while True:
            value, error = made.get()
            if error is not None:
                raise error
            if value is _END:
                return
            yield value
    finally:
        stop.set()
        thread.join()
