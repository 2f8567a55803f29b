"""Which frame of a clip becomes the photo, and which window of the clip is drawn from it."""

from typing import NamedTuple

import numpy as np

from atvg.face.landmarks import EYE_CORNERS, mouth_opening

_TAIL = 0.1  # share of a clip's frames that count as its most shut, and as its most open ones
_SHUTTING = 1 / 3  # share of the contrasting pairs that go from an open mouth to a shut one


class Extremes(NamedTuple):
    """Numbers of the frames of a clip at either end of how far its mouth opens, each (n,), n ≥ 1."""

    shut: np.ndarray
    open: np.ndarray


def extremes(landmarks: np.ndarray) -> Extremes:
    """The most shut and the most open frames of a clip, from its landmarks (T, 68, 3), crop pixels and depth."""
    # A head that turns away narrows the distance of its eyes in the picture but not in space.
    eyes = np.linalg.norm(landmarks[:, EYE_CORNERS[-1]] - landmarks[:, EYE_CORNERS[0]], axis=-1)
    order = np.argsort(mouth_opening(landmarks) / eyes, kind="stable")
    count = max(1, round(_TAIL * len(order)))
    return Extremes(order[:count], order[-count:])


def draw_pair(
    rng: np.random.Generator, length: int, steps: int, stride: int, ends: Extremes, contrast: float
) -> np.ndarray:
    """Draws a photo and a window of `steps` frames, `stride` apart, of a clip of `length` frames.

    A share `contrast` of the draws are the hardest pairs, and in use the commonest: from one of the most shut mouths
    of the clip to a window around one of the most open, or the other way round. In the rest both are any.

    Returns:
        (1 + steps,) frame numbers, the photo's first; a window longer than the clip rests on the last frame.
    """
    starts = max(1, length - stride * (steps - 1))
    if contrast > 0 and rng.random() < contrast:
        before, after = (ends.open, ends.shut) if rng.random() < _SHUTTING else ends
        photo = rng.choice(before)
        first = np.clip(rng.choice(after) - stride * rng.integers(steps), 0, starts - 1)
    else:
        photo, first = rng.integers(length), rng.integers(starts)
    return np.concatenate([[photo], np.minimum(first + stride * np.arange(steps), length - 1)])
