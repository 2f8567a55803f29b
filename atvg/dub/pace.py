"""What a voice asks for at AT-net's 25 frames a second, at the film's own rate."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil, floor

import numpy as np

from atvg.config import FPS, SAMPLE_RATE


def n_film_frames(wave: np.ndarray, fps: Fraction) -> int:
    """How many frames of a film a voice lasts, float32 (N,) at 16 kHz; one that is begun counts."""
    return max(1, ceil(len(wave) * fps / SAMPLE_RATE))


def at_rate(parts: Iterable[np.ndarray], fps: Fraction, count: int) -> Iterator[np.ndarray]:
    """Codes that come at 25 a second, in parts (T, K) each → `count` of them at `fps`, in parts, float32.

    A frame has those of its middle, between two along the straight line; the last stay to the end.
    """
    step, known, first, done = Fraction(FPS) / fps, None, 0, 0  # `known` begins with frame `first`

    def wanted(last: int) -> np.ndarray:
        """Frames `done` .. `last` − 1 of the film."""
        assert known is not None
        at = [float((i + Fraction(1, 2)) * step - Fraction(1, 2)) - first for i in range(done, last)]
        place = np.clip(np.array(at), 0, len(known) - 1)
        low = np.floor(place).astype(int)
        share = (place - low)[:, None].astype(np.float32)
        return known[low] + share * (known[np.minimum(low + 1, len(known) - 1)] - known[low])

    for part in parts:
        known = part if known is None else np.concatenate([known, part])
        # The next to come lies at first + len(known); what is asked for must not lie beyond the last known.
        last = min(count, floor((first + len(known) - 1 + Fraction(1, 2)) / step - Fraction(1, 2)) + 1)
        if last > done:
            yield wanted(last)
            done = last
            drop = max(0, min(len(known) - 1, int((done + Fraction(1, 2)) * step - Fraction(1, 2)) - first))
            known, first = known[drop:], first + drop
    if known is not None and done < count:
        yield wanted(count)
