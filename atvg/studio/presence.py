"""Who is here, and who has left; and when somebody asked for something: before they left, or after."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import MutableMapping
from typing import Any

from atvg.studio.owners import SESSIONS


class Presence:
    """Of sessions by their names: how many of their connections are open, and when those that have none left.

    A page opens its connection once, and never again if it breaks: in a background tab of a phone, on a laptop that
    sleeps, behind a proxy that ends every long answer. So whoever asks for something afterwards is here again, while
    nobody waits for what was asked for before.
    """

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._left: OrderedDict[str, float] = OrderedDict()  # the newest that have left
        self._lock = threading.Lock()

    def come(self, session: str) -> None:
        """A connection opens: a session begins, or goes on after its connection broke."""
        with self._lock:
            self._open[session] += 1
            self._left.pop(session, None)

    def go(self, session: str) -> bool:
        """A connection ends, maybe long after it broke; returns whether it was the last."""
        with self._lock:
            self._open[session] -= 1
            if last := self._open[session] <= 0:
                del self._open[session]
            return last

    def is_here(self, session: str) -> bool:
        """Whether a connection is open."""
        return session in self._open

    def leave(self, session: str) -> None:
        """From now on whatever was asked for before is of no use."""
        with self._lock:
            self._left.pop(session, None)
            self._left[session] = time.monotonic()
            if len(self._left) > SESSIONS:
                self._left.popitem(last=False)

    def has_left(self, session: str, asked: float) -> bool:
        """Whether a session has left since it asked for something, at the time of `asked_at`."""
        with self._lock:
            return asked <= self._left.get(session, -1.0)


def stamp(scope: MutableMapping[str, Any]) -> None:
    """Notes in a request when it came, for `asked_at`, however long it waits then; Gradio's queue keeps it whole."""
    scope.setdefault("state", {})["asked"] = time.monotonic()


def asked_at(request: Any) -> float:
    """When a request came, on the monotonic clock; 0 if nobody noted that, so that it counts as from before."""
    return getattr(getattr(request, "state", None), "asked", 0.0)
