"""Doors that take values and no bytes: Hypothesis reads values out of the bytes that a fuzzer mutates."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atvg.errors import ATVGError

JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=6,
)


def reading(strategy: st.SearchStrategy, take: Callable[[Any], None]) -> Callable[[bytes], None]:
    """The function `one` of a door that takes what the strategy makes of the bytes; a finding tells the value."""

    def told(value: Any) -> None:
        try:
            take(value)
        except ATVGError as error:
            assert str(error).isprintable(), f"{error!r} of {value!r}"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; of {value!r}") from error

    return given(strategy)(told).hypothesis.fuzz_one_input


def noise(count: int = 24, size: int = 256) -> list[bytes]:
    """Bytes for such a door to begin with, the same every time."""
    rng = np.random.default_rng(0)
    return [rng.bytes(size) for _ in range(count)]
