"""Clips of the GRID corpus, whose names spell their sentences: the words, their phones, and when each is spoken.

A GRID sentence has six words, and its clip is named after them by a letter or digit each: ``bbaf2n`` is "bin blue at f
two now". So what is said is known without a transcript. When it is said is found by dynamic programming: every phone is
of a broad class (vowel, nasal, fricative, plosive, …) that is loud in some bands and not in others, and lasts about so
long; the phones are laid over the clip's log-mel so that both fit best, with silence before and after them.

The classes' levels and lengths are guesses in round numbers, not fitted, and know nothing about lips: how well they
place the closures of real mouths is what `atvg.evaluation.closures` reports as its ceiling.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from atvg.voice.mel import mel_power

_SPELLED = re.compile(r"(?<![a-z0-9])[blps][bgrw][abiw][a-vx-z][z1-9][anps](?![a-z0-9])")

# What each character stands for, by its place in the name; the fourth is a letter and stands for itself.
_WORDS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four"}
    | {"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)

# ARPAbet, without stress.
_PHONES = {
    "bin": "b ih n", "lay": "l ey", "place": "p l ey s", "set": "s eh t",
    "blue": "b l uw", "green": "g r iy n", "red": "r eh d", "white": "w ay t",
    "at": "ae t", "by": "b ay", "in": "ih n", "with": "w ih th",
    "zero": "z ih r ow", "one": "w ah n", "two": "t uw", "three": "th r iy", "four": "f ao",
    "five": "f ay v", "six": "s ih k s", "seven": "s eh v n", "eight": "ey t", "nine": "n ay n",
    "again": "ah g eh n", "now": "n aw", "please": "p l iy z", "soon": "s uw n",
    "a": "ey", "b": "b iy", "c": "s iy", "d": "d iy", "e": "iy", "f": "eh f", "g": "jh iy", "h": "ey ch", "i": "ay",
    "j": "jh ey", "k": "k ey", "l": "eh l", "m": "eh m", "n": "eh n", "o": "ow", "p": "p iy", "q": "k y uw",
    "r": "aa", "s": "eh s", "t": "t iy", "u": "y uw", "v": "v iy", "x": "eh k s", "y": "w ay", "z": "z eh d",
}  # fmt: skip
BILABIALS = ("p", "b", "m")

_MELS = (slice(1, 22), slice(22, 48), slice(55, 80))  # of 80: about 40–800, 800–2800 and 3500–8000 Hz
_QUIET, _LOUD = 0.15, 0.95  # quantiles of a clip's rows that count as its noise (level 0) and its speech (1)
_SMOOTHING = 3  # rows

# Level in each band, and typical length in rows of 10 ms, of each class of phone or part of a phone.
_CLASSES = {
    "vowel": ((0.95, 0.90, 0.60), 10),
    "short vowel": ((0.95, 0.85, 0.65), 7),
    "nasal": ((0.85, 0.50, 0.35), 7),
    "glide": ((0.90, 0.70, 0.40), 6),
    "sibilant": ((0.35, 0.50, 1.00), 10),
    "fricative": ((0.25, 0.30, 0.50), 8),
    "voiced fricative": ((0.70, 0.50, 0.60), 6),
    "closure": ((0.30, 0.25, 0.25), 6),
    "voiced closure": ((0.60, 0.35, 0.25), 5),
    "burst": ((0.40, 0.60, 0.80), 4),
}
_SILENCE = "silence"
_LEVELS = {_SILENCE: (0.0, 0.0, 0.0)} | {name: levels for name, (levels, _) in _CLASSES.items()}
_PARTS = {
    **dict.fromkeys(("ey", "ay", "ow", "aw", "uw", "iy", "ao", "aa"), ("vowel",)),
    **dict.fromkeys(("ih", "eh", "ae", "ah"), ("short vowel",)),
    **dict.fromkeys(("m", "n"), ("nasal",)),
    **dict.fromkeys(("l", "r", "w", "y"), ("glide",)),
    **dict.fromkeys(("s", "z"), ("sibilant",)),
    **dict.fromkeys(("f", "th"), ("fricative",)),
    **dict.fromkeys(("p", "t", "k"), ("closure", "burst")),
    **dict.fromkeys(("b", "d", "g"), ("voiced closure",)),
    "v": ("voiced fricative",),
    "jh": ("voiced closure", "sibilant"),
    "ch": ("closure", "sibilant"),
}
_SPREAD = 0.22  # standard deviation of a level within a class
_LENGTH_SPREAD = 0.45  # of a length's logarithm
_LENGTHS = np.arange(2, 41)  # rows a part may last


@dataclass(frozen=True)
class Phone:
    """A phone in a sentence.

    Attributes:
        word: which of the six, from 0.
        sound: ARPAbet.
        first: it begins its word.
    """

    word: int
    sound: str
    first: bool


@dataclass(frozen=True)
class Spoken:
    """When a sentence is spoken, in rows of 10 ms of its clip, each boundary the first row behind it.

    Attributes:
        start, end: of the whole sentence.
        closures: the p, b and m, and where the closure of each ends (of m, the whole sound).
    """

    start: int
    end: int
    closures: tuple[tuple[Phone, int], ...]


def spelled(key: str) -> tuple[str, ...] | None:
    """The six words that a clip's key spells, or None: ``grid-s1-bbaf2n_00000`` → bin blue at f two now."""
    code = _SPELLED.search(key)
    if code is None:
        return None
    return tuple(meaning.get(letter, letter) for meaning, letter in zip(_WORDS, code.group(), strict=True))


def phones(words: Sequence[str]) -> Iterator[Phone]:
    """The phones of a sentence, in order."""
    for i, word in enumerate(words):
        for j, sound in enumerate(_PHONES[word].split()):
            yield Phone(i, sound, j == 0)


def bilabials(words: Sequence[str]) -> list[Phone]:
    """The sounds of a sentence that no mouth can make with open lips."""
    return [phone for phone in phones(words) if phone.sound in BILABIALS]


def band_levels(mfcc80: np.ndarray) -> np.ndarray:
    """How loud each row is in three bands, (R, 80) → (R, 3): 0 is the clip's own noise, 1 its speech.

    The scale between is logarithmic. Noise is what the quietest rows have, whether they are silent or not.
    """
    power = mel_power(mfcc80)
    loudness = np.log10(np.stack([power[:, mels].sum(axis=1) for mels in _MELS], axis=1))
    loudness = uniform_filter1d(loudness, _SMOOTHING, axis=0, mode="nearest")
    quiet, loud = np.quantile(loudness, (_QUIET, _LOUD), axis=0)
    return (loudness - quiet) / np.maximum(loud - quiet, 1e-6)


def align(words: Sequence[str], levels: np.ndarray) -> Spoken | None:
    """Lays a sentence over a clip's `band_levels` (R, 3), R > 0; None if the clip is too short for its phones.

    Viterbi's algorithm over parts of phones, with explicit lengths. Silence, before and after, may last any time.
    """
    parts: list[tuple[str, Phone | None]] = [(_SILENCE, None)]
    for phone in phones(words):
        parts += [(name, phone) for name in _PARTS[phone.sound]]
    parts.append((_SILENCE, None))
    rows = len(levels)
    if rows < _LENGTHS[0] * (len(parts) - 2):
        return None
    # Of rows s..e − 1, a class costs sums[e] − sums[s].
    sums = {name: _running_cost(levels, np.array(mean)) for name, mean in _LEVELS.items()}
    least = np.full(rows + 1, np.inf)  # of all ways to be at the end of a part before each row
    least[0] = 0
    starts = []
    for name, _ in parts:
        find = _any_length if name == _SILENCE else _about_length
        least, start = find(least, sums[name], name)
        starts.append(start)
    edges = [rows]
    for start in reversed(starts):
        edges.append(int(start[edges[-1]]))
    edges.reverse()  # part i lies in rows edges[i]..edges[i + 1] − 1
    ends: dict[Phone, int] = {}
    for (_, spoken), end in zip(parts, edges[1:], strict=True):
        if spoken is not None and spoken.sound in BILABIALS:
            ends.setdefault(spoken, end)  # of p, the closure comes first
    return Spoken(edges[1], edges[-2], tuple(ends.items()))


def _running_cost(levels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Of being in a class for the first 0..R rows, (R + 1,)."""
    off = (np.clip(levels, -0.2, 1.2) - mean) / _SPREAD
    return np.concatenate([[0], np.cumsum((off**2).sum(axis=1) / 2)])


def _any_length(least: np.ndarray, sums: np.ndarray, _: str) -> tuple[np.ndarray, np.ndarray]:
    """The cost of ending a silence before each row, and where that silence starts, both (R + 1,)."""
    entered = least - sums
    best = np.minimum.accumulate(entered)
    start = np.maximum.accumulate(np.where(entered <= best, np.arange(len(least)), 0))
    return best + sums, start


def _about_length(least: np.ndarray, sums: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The same for a part that has a typical length."""
    ends = np.arange(len(least))
    off = np.log(_LENGTHS / _CLASSES[name][1]) / _LENGTH_SPREAD
    start = ends[:, None] - _LENGTHS
    entered = np.where(start >= 0, (least - sums)[np.maximum(start, 0)] + off**2 / 2, np.inf)  # (R + 1, lengths)
    best = entered.argmin(axis=1)
    return entered[ends, best] + sums, ends - _LENGTHS[best]
