"""Which cases of many `make test` runs; `make test-all` runs all."""

from collections.abc import Iterable
from typing import Any

import pytest


def quick(cases: Iterable[Any], *chosen: Any) -> list[Any]:
    """All cases for ``parametrize``; those not `chosen` are marked as long, for they show the same once more.

    Args:
        cases: values, or tuples where it takes several.
    """
    found = list(cases)
    assert all(case in found for case in chosen), "a case that there is not"
    return [case if case in chosen else _long(case) for case in found]


def _long(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.long)
