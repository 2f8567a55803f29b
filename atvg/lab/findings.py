"""What each trouble is measured by, beyond what is measured of every run, and one sentence made of the figures."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atvg.animate.chunk import Chunk
from atvg.evaluation.metrics import mouth_box
from atvg.face.landmarks import MOUTH, mouth_opening
from atvg.lab.measure import STILL, correlation, difference, shown

QUIET = 0.05  # α below which the photo shows
_FOLLOWS, _PARTLY = 0.8, 0.5  # r of the lip opening
_INSIDE = 3  # pixels of a box's rim that do not count: a warped edge is no paint
_PAINT = 1.5  # grey levels; in a plain box less is not seen
_HELD_BACK = 1.2  # times as much movement without attention
_ALIKE = 0.5  # grey levels; pictures that differ less look the same

Figures = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Pair:
    """The two runs, and what is known of the disturbance.

    Attributes:
        seen: landmarks tracked in the frames, (T, 68, 2) each: normal, disturbed; NaN where no face is found.
        snr: decibels, of noise.
        order: (N,) frame t of the disturbed sound was frame ``order[t]`` of the voice; N ≤ T.
        box: rows and columns that were covered.
    """

    normal: Chunk
    disturbed: Chunk
    seen: tuple[np.ndarray, np.ndarray]
    snr: float
    order: np.ndarray
    box: tuple[slice, slice]

    @property
    def asked(self) -> tuple[np.ndarray, np.ndarray]:
        """The lip opening that VG-net was asked for, px, (T,) each."""
        return mouth_opening(self.normal.landmarks), mouth_opening(self.disturbed.landmarks)

    @property
    def share(self) -> float:
        """How much the lips asked for move, compared with the normal run; NaN if those stand still."""
        normal, disturbed = (float(opening.std()) for opening in self.asked)
        return disturbed / normal if normal >= STILL else math.nan


def find(trouble: str, pair: Pair) -> tuple[Figures, str]:
    """Label → (normal, disturbed), NaN where undefined, and the finding."""
    return _FINDERS[trouble](pair)


def _voice(pair: Pair) -> Figures:
    normal, disturbed = pair.asked
    return {
        "Lip movement asked for, std in px": (float(normal.std()), float(disturbed.std())),
        "Lip opening asked for, mean px": (float(normal.mean()), float(disturbed.mean())),
        "Lips asked for: r with the normal run": (math.nan, correlation(normal, disturbed)),
    }


def _shuffled(pair: Pair) -> tuple[Figures, str]:
    normal, disturbed = pair.asked
    old, new = correlation(normal, disturbed), correlation(normal[pair.order], disturbed[: len(pair.order)])
    figures = _voice(pair) | {"Lips asked for: r with the normal run, its frames in the new order": (math.nan, new)}
    said = f"r is {shown(new)} with the normal lips put into the new order and {shown(old)} in the old one: "
    if math.isnan(new):
        return figures, said + "the lips do not move."
    return figures, said + ("the lips follow the sound." if new > max(old, 0) + 0.2 else "they follow neither well.")


def _reversed(pair: Pair) -> tuple[Figures, str]:
    normal, disturbed = pair.asked
    back = correlation(normal[::-1], disturbed)
    figures = _voice(pair) | {"Lips asked for: r with the normal run backwards": (math.nan, back)}
    said = f"r is {shown(back)} with the normal lips run backwards, and the lips move {_percent(pair.share)} as much: "
    if math.isnan(back):
        return figures, said + "the lips do not move."
    if back > _PARTLY:
        return figures, said + "they run backwards with the voice."
    return figures, said + "AT-net goes by the order of sounds, not by each alone."


def _silence(pair: Pair) -> tuple[Figures, str]:
    moves, opening = float(pair.asked[1].std()), float(pair.asked[1].mean())
    said = f"The lip opening asked for varies by {shown(moves)} px (std) about {shown(opening)} px: "
    return _voice(pair), said + ("the mouth rests." if moves < STILL else "the mouth should rest and does not.")


def _music(pair: Pair) -> tuple[Figures, str]:
    if math.isnan(pair.share):
        return _voice(pair), "The voice itself moves no lips, so there is nothing to compare the music with."
    said = f"To music the lips move {_percent(pair.share)} as much as to the voice: "
    return _voice(pair), said + ("they rest." if pair.share < 0.1 else "AT-net takes it for speech, which it is not.")


def _noise(pair: Pair) -> tuple[Figures, str]:
    r = correlation(*pair.asked)
    said = f"At {shown(pair.snr)} dB r of the lip opening with the clean voice is {shown(r)}: ".replace(".00 dB", " dB")
    if math.isnan(r):
        return _voice(pair), said + "one of the two moves no lips."
    verdict = "the lips still follow the voice." if r > _FOLLOWS else "they follow the voice in part."
    return _voice(pair), said + (verdict if r > _PARTLY else "they follow the noise.")


def _other_landmarks(pair: Pair) -> tuple[Figures, str]:
    target = pair.disturbed.landmarks.mean(axis=0)
    seen = [_mean(points) for points in pair.seen]
    taken = {name: _taken_over(*(x[points] for x in (*seen, target))) for name, points in _PARTS.items()}
    away = float(np.linalg.norm(target - seen[0], axis=1).mean())
    figures = {f"{name}: share of the way to the other's": (0.0, share) for name, share in taken.items()}
    figures["Distance to the other's shape, px per point"] = (away, _distance(seen[1], target))
    face, lips = taken.values()
    if math.isnan(face):
        return figures, "The tracker finds no face in the frames, so it cannot be said whose shape they show."
    said = f"The drawn face goes {_percent(face)} of the way to the other person's shape, its lips {_percent(lips)}: "
    return figures, said + ("who is seen depends on the landmarks." if face > 0.25 else "the photo's identity holds.")


_PARTS = {"Shape of the face": np.arange(68), "Shape of the mouth": MOUTH}


def _frozen(pair: Pair) -> tuple[Figures, str]:
    change = difference(pair.disturbed.frames, pair.normal.frames)
    jerk, jerk_without = (_jerk(mouth_opening(points)) for points in pair.seen)
    rows, columns = mouth_box(pair.normal.landmarks)
    flicker, flicker_without = (
        _jerk(run.frames[:, rows, columns].astype(np.float32)) for run in (pair.normal, pair.disturbed)
    )
    figures = {
        "Jerk of the lip opening, px": (jerk, jerk_without),
        "Flicker in the mouth box, grey levels": (flicker, flicker_without),
    }
    said = (
        f"Without memory the frames change by {shown(change)} grey levels, and the flicker of the mouth goes from "
        f"{shown(flicker)} to {shown(flicker_without)}: "
    )
    if flicker_without > 1.1 * flicker:
        return figures, said + "the memory steadies the mouth."
    return figures, said + (
        "with these weights the memory hardly matters." if change < _ALIKE else "the memory changes what is drawn."
    )


def _attention_0(pair: Pair) -> tuple[Figures, str]:
    alpha = shown(float(pair.normal.attention.mean()), "attention")
    return {}, f"The photo stands still: all movement comes through attention, which is {alpha} on average."


def _attention_1(pair: Pair) -> tuple[Figures, str]:
    rows, columns = mouth_box(pair.normal.landmarks)
    mouth = np.zeros(pair.normal.attention.shape[1:], bool)
    mouth[rows, columns] = True
    kept = (pair.normal.attention.mean(axis=0) < QUIET) & ~mouth
    apart = np.abs(pair.disturbed.frames.astype(np.int16) - pair.normal.frames).mean(axis=-1)
    outside, inside = (float(apart[:, where].mean()) if where.any() else math.nan for where in (kept, mouth))
    figures = {
        f"Change where α was below {QUIET:g}, grey levels": (0.0, outside),
        "Change in the mouth box, grey levels": (0.0, inside),
        f"Share of the pixels with α below {QUIET:g}": (float(kept.mean()), 0.0),
    }
    lips = [_spread(points) for points in pair.seen]
    said = (
        f"With the motion map alone the lips seen move {shown(lips[1])} px instead of {shown(lips[0])} px "
        f"({shown(float(pair.asked[0].std()))} px asked for), and what attention kept changes by {shown(outside)} grey "
        "levels: "
    )
    if outside < inside:
        return figures, said + "attention protects little here."
    if lips[1] > _HELD_BACK * lips[0]:
        return figures, said + "attention keeps the rest in place, and mixes the old mouth into the new one."
    return figures, said + "attention keeps the rest in place and costs the lips little."


def _occluded(pair: Pair) -> tuple[Figures, str]:
    rows, columns = pair.box
    alpha, alpha_boxed = (float(run.attention[:, rows, columns].mean()) for run in (pair.normal, pair.disturbed))
    inner = tuple(slice(side.start + _INSIDE, max(side.stop - _INSIDE, side.start + _INSIDE + 1)) for side in pair.box)
    frames, photos = (x[:, inner[0], inner[1]] for x in (pair.disturbed.frames, pair.disturbed.photos))
    paint = difference(frames, photos)
    figures = {"α inside the box": (alpha, alpha_boxed), "Paint on the box, grey levels": (math.nan, paint)}
    said = (
        f"Inside the box α is {shown(alpha_boxed)} (without the box {shown(alpha)}), and its plain colour changes by "
    )
    said += f"{shown(paint)} grey levels: "
    return figures, said + (
        "the box stays a box." if paint < _PAINT else "the network paints lips over whatever is there."
    )


_FINDERS: dict[str, Callable[[Pair], tuple[Figures, str]]] = {
    "shuffled": _shuffled,
    "reversed": _reversed,
    "silence": _silence,
    "music": _music,
    "noise": _noise,
    "babble": _noise,
    "other_landmarks": _other_landmarks,
    "frozen": _frozen,
    "attention_0": _attention_0,
    "attention_1": _attention_1,
    "occluded": _occluded,
}


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.0%}".replace("%", " %").replace("-", "−")


def _mean(points: np.ndarray) -> np.ndarray:
    """Mean over the frames in which a face is found, (68, 2); NaN if there is none."""
    found = points[~np.isnan(points[:, 0, 0])]
    return found.mean(axis=0) if len(found) else np.full(points.shape[1:], math.nan)


def _taken_over(own: np.ndarray, drawn: np.ndarray, other: np.ndarray) -> float:
    """How far `drawn` has gone from `own` towards `other`, as a share of the way."""
    way = (other - own).reshape(-1)
    return float((drawn - own).reshape(-1) @ way / max(float(way @ way), 1e-9))


def _spread(points: np.ndarray) -> float:
    """Standard deviation of the lip opening, px, where a face is found; NaN if there is none."""
    opening = mouth_opening(points[~np.isnan(points[:, 0, 0])])
    return float(opening.std()) if len(opening) else math.nan


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())


def _jerk(course: np.ndarray) -> float:
    """Mean |second difference| over time, (T, ...); NaN if there are less than three frames."""
    steps = np.abs(np.diff(course, 2, axis=0))
    known = steps[~np.isnan(steps)]
    return float(known.mean()) if known.size else math.nan
