"""How heads and eyes of real people follow their voices: linear filters over loudness, each person's own."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from scipy.ndimage import gaussian_filter1d

from atvg.config import FPS
from atvg.data.pack import Clip
from atvg.face.landmarks import eye_distance, mouth_opening
from atvg.voice.prosody import AFTER, BEFORE, SPAN, around, loudness_of_rows

_LEAST = 75  # frames of a clip; in a shorter one hardly a phrase begins or ends
_OWN_SECONDS = 20  # of a person, before they are said to have a manner of their own
_PRIOR = 500  # frames of everybody that are counted with each person's: tells most of a clip that was left out
_TAPS = 5  # smooth bumps that make up a filter: heads are slower than syllables, and a rough nod is a tremble
_RIDGE = 0.1  # variance of what is heard that is added, so that silence teaches nothing; real voices have 9
_STILL = 1.0  # degrees a second: the tracker's noise, below which no head is slower than another
_DRIFT = 15  # standard deviation in frames: what is slower is where somebody looks, not a nod
_BLINK_LEAD = 3  # frames from the start of a blink to the frame in which the eyes are most closed

Sums = tuple[np.ndarray, np.ndarray, int]  # of x·xᵀ and x·y over frames, and how many


def fit_manners(clips: list[Clip], angles: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Filters (P, `SPAN`) of pace and nod, see `atvg.motion.idle.IdleModel`, of all with enough seconds to tell.

    Where nobody has, they are everybody's (P = 1), and where no clip is long enough, 0.

    Args:
        angles: of each clip, smooth yaw, pitch and roll in degrees, (T, 3).
    """
    people: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for clip, turns in zip(clips, angles, strict=True):
        if len(clip) >= _LEAST:
            people[clip.identity].append((heard_in(clip), np.stack([log_speed(turns), nodding(clip, turns)], axis=1)))
    if not people:
        return np.zeros((1, SPAN), np.float32), np.zeros((1, SPAN), np.float32)
    sums = {person: _sums(parts) for person, parts in people.items()}
    squares, products, count = (sum(values) for values in zip(*sums.values(), strict=True))
    common = np.linalg.solve(squares + _RIDGE * count * np.eye(_TAPS), products)
    own = []
    for own_squares, own_products, frames in sums.values():
        if frames >= _OWN_SECONDS * FPS:
            prior = _PRIOR * (squares / count + _RIDGE * np.eye(_TAPS))
            own.append(np.linalg.solve(own_squares + prior, own_products + prior @ common))
    filters = np.stack(own or [common]).transpose(2, 0, 1) @ _bumps().T
    return filters[0].astype(np.float32), filters[1].astype(np.float32)


def fit_blink_paces(clips: list[Clip], peaks: list[list[int]]) -> np.ndarray:
    """How loudness changes how readily eyes blink, (`SPAN`,): the logarithm of the rate is linear in it.

    Args:
        peaks: of each clip, the frames in which a blink is most closed.
    """
    everywhere, at_blinks = [np.zeros((0, _TAPS))], [np.zeros((0, _TAPS))]
    for clip, found in zip(clips, peaks, strict=True):
        if len(clip) >= _LEAST:
            heard = heard_in(clip)
            starts = np.array(found, int) - _BLINK_LEAD - BEFORE
            everywhere.append(heard)
            at_blinks.append(heard[starts[(starts >= 0) & (starts < len(heard))]])
    frames, blinks = np.concatenate(everywhere), np.concatenate(at_blinks)
    if not len(blinks):
        return np.zeros(SPAN, np.float32)
    # Exact where what is heard is spread as a Gaussian: blinks shift its mean by its covariance times the filter.
    covariance = np.cov(frames.T)
    shift = blinks.mean(axis=0) - frames.mean(axis=0)
    weights = np.linalg.solve(covariance + _RIDGE * np.eye(_TAPS), shift)
    return (_bumps() @ weights).astype(np.float32)


def heard_in(clip: Clip) -> np.ndarray:
    """The loudness around each frame whose surroundings lie in the clip, as sums under bumps, (T − `SPAN` + 1, 5)."""
    return around(loudness_of_rows(clip.mfcc80))[BEFORE : len(clip) - AFTER] @ _bumps()


def log_speed(angles: np.ndarray) -> np.ndarray:
    """Logarithm of how fast a head turns, degrees a second, (T, 3) → (T,)."""
    return np.log(FPS * np.linalg.norm(np.gradient(angles, axis=0), axis=1) + _STILL)


def nodding(clip: Clip, angles: np.ndarray) -> np.ndarray:
    """Pitch without its drift, (T,) degrees, and without what goes with the mouth, which trackers take for a nod."""
    opening = mouth_opening(clip.landmarks) / eye_distance(clip.landmarks)
    pitch, mouth = (x - gaussian_filter1d(x, _DRIFT, mode="nearest") for x in (angles[:, 1], opening))
    power = mouth @ mouth
    return pitch - (mouth @ pitch) / power * mouth if power > 0 else pitch


def _sums(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> Sums:
    """Over one person's clips, each about its own mean."""
    squares, products, count = np.zeros((_TAPS, _TAPS)), np.zeros((_TAPS, 2)), 0
    for heard, moved in parts:
        x, y = heard - heard.mean(axis=0), moved[BEFORE : len(moved) - AFTER]
        squares, products = squares + x.T @ x, products + x.T @ (y - y.mean(axis=0))
        count += len(x)
    return squares, products, count


def _bumps() -> np.ndarray:
    """(`SPAN`, 5) raised cosines side by side; beyond the span all are 0, so that nothing enters it with a jerk."""
    centres = np.linspace(-1, SPAN, _TAPS + 2)[1:-1]
    distance = (np.arange(SPAN)[:, None] - centres) / (centres[1] - centres[0])
    return np.where(np.abs(distance) < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0)
