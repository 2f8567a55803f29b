"""Ctrl-C and SIGTERM, which end a run after the step that is under way."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def noting_signals() -> Iterator[list[int]]:
    """The first Ctrl-C or SIGTERM goes into a list; from then on both do again what they did before."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python leaves signals to the main thread
        yield noted
        return

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        noted.append(number)
        restore()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        restore()
