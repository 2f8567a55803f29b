"""How sure a figure is: percentile bootstrap over people and their clips, for one row and for two rows' difference.

A split holds many clips of few people, and the clips of one person are alike: resampling clips alone would count each
as new evidence and make intervals too narrow. So people are drawn first, within each source, and then clips within
each person drawn (a two-stage cluster bootstrap). Few people still make the intervals too narrow, by up to
√(k / (k − 1)) for k people a source, and of a source with a single person they say nothing about others.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atvg.evaluation.protocol import Score

RESAMPLES = 2000
LEVEL = 0.95  # of the intervals
SEED = 0

_STILL = 1e-6  # px; as in `atvg.evaluation.metrics.mouth_correlation`


class Interval(NamedTuple):
    """From the 2.5th to the 97.5th percentile of the resamples; NaN where the figure is undefined."""

    low: float
    high: float


class Difference(NamedTuple):
    """Of a figure between two rows on the same clips, first − second, and its interval."""

    value: float
    low: float
    high: float


def draws(scores: Sequence[Score], resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each clip is in each resample, (resamples, clips) float64; every resample keeps each source's share.

    Of a source with k people, k people are drawn with replacement, and of each one as many clips as there are.
    """
    sources: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, score in enumerate(scores):
        sources[score.source][score.identity].append(i)
    random = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(scores)))
    for people in sources.values():
        clips = [np.array(found) for found in people.values()]
        for row in counts:
            for person in random.integers(len(clips), size=len(clips)):
                own = clips[person]
                np.add.at(row, own[random.integers(len(own), size=len(own))], 1)
    return counts


def intervals(scores: Sequence[Score], counts: np.ndarray) -> dict[str, Interval]:
    """The interval of every figure of a row, by the figures' names.

    Args:
        scores: of one row.
        counts: from `draws`.
    """
    return {name: _interval(values) for name, values in figures(scores, counts).items()}


def differences(one: Sequence[Score], other: Sequence[Score], counts: np.ndarray) -> dict[str, Difference]:
    """By how much each figure of `one` exceeds that of `other`, on the clips where both are defined.

    Args:
        one, other: the scores of two rows on the same clips.
        counts: from `draws`, of either.

    Raises:
        ValueError: they are of different clips.
    """
    if [score.key for score in one] != [score.key for score in other]:
        raise ValueError("the two rows were not measured on the same clips")
    values = _paired(one, other, np.ones((1, len(one))))
    resampled = _paired(one, other, counts)
    return {name: Difference(float(value[0]), *_interval(resampled[name])) for name, value in values.items()}


def figures(
    scores: Sequence[Score], counts: np.ndarray, known_elsewhere: Sequence[Score] | None = None
) -> dict[str, np.ndarray]:
    """Every figure of each of R resamples, (R,); all counts 1 give those of the protocol.

    Args:
        counts: (R, clips).
        known_elsewhere: leave out of the means what is undefined in these scores.
    """
    found = {}
    for name in scores[0].values:
        column = np.array([score.values[name] for score in scores])
        known = ~np.isnan(column)
        if known_elsewhere is not None:
            known &= ~np.isnan([score.values[name] for score in known_elsewhere])
        found[name] = _ratio(counts @ np.where(known, column, 0), counts @ known)
    output, truth, product, frames = (counts @ column for column in _moments(scores).T)
    own, true = (np.sqrt(_ratio(squares, frames)) for squares in (output, truth))
    moves = np.minimum(own, true) > _STILL
    found["mouth_r"] = np.where(moves, _ratio(product, np.sqrt(output * truth)), np.nan)
    found["mouth_std_ratio"] = np.where(true > _STILL, _ratio(own, true), np.nan)
    return found


def _paired(one: Sequence[Score], other: Sequence[Score], counts: np.ndarray) -> dict[str, np.ndarray]:
    first, second = figures(one, counts, other), figures(other, counts, one)
    return {name: first[name] - second[name] for name in first}


def _moments(scores: Sequence[Score]) -> np.ndarray:
    """Of each clip's centred lip opening: Σ output², Σ truth², Σ output · truth, and frames, (clips, 4)."""
    found = []
    for score in scores:
        own, true = (x.astype(float) - x.mean() if len(x) else x for x in score.opening)
        found.append((own @ own, true @ true, own @ true, len(own)))
    return np.array(found, float)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _interval(values: np.ndarray) -> Interval:
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(np.nan, np.nan)
    return Interval(*(float(x) for x in np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])))
