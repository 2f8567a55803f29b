"""Damaged files, as Hypothesis draws them: without looking at what they reach."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def bounded(examples: int) -> settings:
    """So many examples, the same on every machine."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=slow
    )  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, wholes: tuple[bytes, ...]) -> bytes:
    """One of `wholes` with bits flipped, bytes overwritten, cut out, or pieces of it put elsewhere."""
    data = bytearray(draw(st.sampled_from(wholes)))
    # Most of what decoders believe stands at the beginning.
    places = st.one_of(st.integers(0, min(120, len(data))), st.integers(0, len(data)))
    for _ in range(draw(st.integers(1, 5))):
        at = min(draw(places), len(data))
        change = draw(st.sampled_from(("flip", "write", "cut", "splice", "end")))
        if change == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "write":
            piece = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from((b"\0" * 4, b"\xff" * 4))))
            data[at : at + len(piece)] = piece
        elif change == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif change == "splice":
            start = draw(st.integers(0, max(0, len(data) - 1)))
            data[at:at] = data[start : start + draw(st.integers(1, 200))]
        else:
            del data[max(1, at) :]
    return bytes(data)
