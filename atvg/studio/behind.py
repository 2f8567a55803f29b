"""What takes long, in a thread that stands back for whoever is waiting for an answer."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from atvg.film.ahead import ahead

P = ParamSpec("P")
R = TypeVar("R")

# Of nice: where a check or a live face wants the cores too, it gets three times as much of them. Nothing is slower
# while nobody else is there.
BACK = 5


def behind(work: Callable[..., Iterator]) -> Callable[..., Iterator]:
    """The same steps; all that they do, and all threads and programs that they start, stands back. On Linux.

    They are at most one further than asked for. If the iterator is closed early, so are they, before `close` returns.
    """

    def standing_back(*inputs: Any, **named: Any) -> Iterator:
        if sys.platform == "linux":  # elsewhere it would be all of the process
            this = (os.PRIO_PROCESS, threading.get_native_id())
            with suppress(OSError):  # whoever runs us does not allow it
                os.setpriority(*this, max(BACK, os.getpriority(*this)))
        yield from work(*inputs, **named)

    @wraps(work)
    def steps(*inputs: Any, **named: Any) -> Iterator:
        yield from ahead(standing_back(*inputs, **named))

    return steps


def set_back(work: Callable[P, R]) -> Callable[P, R]:
    """The same function, which likewise stands back with all that it starts."""

    def once(*inputs: P.args, **named: P.kwargs) -> Iterator[R]:
        yield work(*inputs, **named)

    @wraps(work)
    def done(*inputs: P.args, **named: P.kwargs) -> R:
        (result,) = behind(once)(*inputs, **named)
        return result

    return done
