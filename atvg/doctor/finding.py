"""What one look at a machine has found, and what to do about it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        said: what there is.
        state: ``"warn"`` if something works worse than it could, ``"fail"`` if something needed does not work.
        todo: what to do about it.
    """

    name: str
    said: str
    state: State = "ok"
    todo: str = ""


Check = Callable[[], Finding]


def look(name: str, check: Check, todo: str) -> Finding:
    """What `check` finds. Whatever goes wrong in it is a finding too: that is what a report is asked for."""
    try:
        return check()
    except Exception as error:
        said = " ".join(str(error).split()) or "no reason given"
        return Finding(name, f"{type(error).__name__}: {said[:300]}", "fail", todo)
