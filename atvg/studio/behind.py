"""What takes long, in a thread that stands back for whoever is waiting for an answer."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any

from atvg.film.ahead import ahead

# Of nice: where a check or a live face wants the cores too, it gets three times as much of them. Nothing is slower
# while nobody else is there.
BACK = 5


def behind(work: Callable[..., Iterator]) -> Callable[..., Iterator]:
    """The same steps; all that they do, and all threads and programs that they start, stands back. On Linux.

    They are at most one further than asked for. If the iterator is closed early, so are they, before `close` returns.
    """

    def standing_back(*inputs: Any) -> Iterator:
        if sys.platform == "linux":  # elsewhere it would be all of the process
            this = (os.PRIO_PROCESS, threading.get_native_id())
            with suppress(OSError):  # whoever runs us does not allow it
                os.setpriority(*this, max(BACK, os.getpriority(*this)))
        yield from work(*inputs)

    @wraps(work)
    def steps(*inputs: Any) -> Iterator:
        yield from ahead(standing_back(*inputs))

    return steps
