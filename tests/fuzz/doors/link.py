"""The address of the page, whose query sets the controls."""

from functools import cache

from atvg.studio.link import Link
from tests.fuzz.doors import api

SECONDS, EXAMPLES = 5, 50


@cache
def _link() -> Link:
    functions = (function.fn for function in api.page().fns.values())
    return next(fn.__self__ for fn in functions if getattr(fn, "__name__", "") == "read")  # type: ignore[union-attr]


def seeds() -> list[bytes]:
    """Queries that set everything, in order and out of range, and such as nobody writes."""
    queries = (
        "?yaw=12&pitch=-4&mouth_gain=1.35&natural=false&frame=face&beta=0.2&ear=none&seed=7&end=2.5",
        "photo=grace_hopper&voice=heath_ledger&tab=inside&liveliness=2&teeth=.5&start=1&smoothing=3",
        "seed=1e300&yaw=nan&pitch=inf&roll=-inf&end=1_0&start=%20١٢&natural=İ", "%%%&=&;;&yaw", "seed=-0&teeth=1e-400",
    )  # fmt: skip
    return [query.encode() for query in queries]


def one(data: bytes) -> None:
    """Reads it; each control gets something that it can have."""
    link = _link()
    controls = link._controls
    updates = link.read(data.decode("utf-8", errors="replace"))
    assert len(updates) == len(controls) + len(link._fields) + 1
    for control, update in zip(controls.values(), updates, strict=False):
        if isinstance(update, dict):  # it is left as it is
            continue
        low, high = getattr(control, "minimum", None), getattr(control, "maximum", None)
        assert low is None or update >= low, (control.label, update)
        assert high is None or update <= high, (control.label, update)
