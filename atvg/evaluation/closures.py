"""Do lips close where they must? On p, b and m, and in silence, of clips whose names spell a GRID sentence.

Lips that stay apart on a "b" give a made mouth away at once, and means over all frames hardly show it. Nobody wrote
down when the sounds of a clip are spoken, so `atvg.evaluation.sentences` finds them in its log-mel, and around each the
true mouth says in which frame its lips were closest. How often they were closed there is the ceiling of the measure,
for it depends on how well the sounds were found; how often they are at any time of the sentence is chance.

All of it is seen in landmarks, so nothing is drawn. In the split that a net was trained on, a figure says what it makes
of these sentences, not of strangers; only speakers who were kept for `val` tell that.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import minimum_filter1d

from atvg.checkpoint import AT_NET, notes
from atvg.config import ROWS_PER_FRAME
from atvg.data.pack import Clip, read_pack, shards
from atvg.data.storage import AnyPath, as_path
from atvg.errors import PackError
from atvg.evaluation.metrics import OPEN, mean_of_known
from atvg.evaluation.rows import most_shut
from atvg.evaluation.sentences import align, band_levels, spelled
from atvg.face.landmarks import eye_distance, mouth_opening

if TYPE_CHECKING:
    from atvg.animator import Animator

Predict = Callable[[Clip], np.ndarray]  # a clip → the landmarks of its frames, (T, 68, 2) crop pixels

SEALED = 0.02  # of the eyes' distance: real lips come closer on p, b and m, and less often else than `OPEN`
THRESHOLDS = {"closed": OPEN, "sealed": SEALED}
# Frames from the one in which a closure ends in the sound back to where lips are looked for; of 1, 2 and 3, that with
# which the true lips of one GRID speaker are closed most often.
LEAD = 2
REACH = 1  # frames around that, in which the true lips are looked at, and around their frame the predicted ones
QUIET = 0.25  # level of a silent frame at most, on the way from the clip's noise (0) to its speech (1)

CHOICE = (
    "clips with sound that fits their lips whose names spell a GRID sentence; landmarks of the net and of the pack, "
    f"photo: the frame whose inner lips are closest; a p, b or m is {LEAD} frames before the end of its closure in "
    f"an alignment of the sentence with the log-mel; truth: its most closed frame within ±{REACH}; net: its most "
    f"closed frame within ±{REACH} of the truth's; chance: the same within ±{REACH} of every frame of the sentence; of "
    f"the eyes' distance, closed is up to {OPEN:.0%} and sealed up to {SEALED:.0%}; silence: frames before and after "
    f"the sentence below {QUIET:.0%} of the way from noise to speech, on a log scale; shut is closed"
)


@dataclass(frozen=True)
class _Closure:
    """One p, b or m.

    Attributes:
        first_word: it comes after silence, in which lips may be closed anyhow.
        truth, net: how far apart the lips are at the closure, in eyes' distances.
        chance: by threshold's name, at what share of the frames of its sentence the truth and the net would do as well.
    """

    first_word: bool
    truth: float
    net: float
    chance: dict[str, tuple[float, float]]


def evaluate_closures(pack_dir: str | AnyPath, split: str, weights: Path) -> dict[str, Any]:
    """What ``atvg evaluate --closures`` reports: the measure, and what was measured and how.

    Raises:
        PackError: as `measure_weights`, or no clip of the split spells a sentence.
        CheckpointError: missing or damaged weights.
    """
    found = measure_weights(pack_dir, split, weights)
    if found is None:
        raise PackError(
            f"no clip of split {split!r} of {pack_dir} is named after a GRID sentence, such as bbaf2n; "
            "choose another split"
        )
    return {
        "pack": as_path(pack_dir).resolve().name,
        "split": split,
        "weights": {AT_NET: notes(weights, AT_NET)},
        "protocol": {"closures": CHOICE},
        "closures": found,
    }


def measure_weights(pack_dir: str | AnyPath, split: str, weights: Path) -> dict[str, Any] | None:
    """`measure_closures` of a folder's AT-net on the clips of a split that have sound that fits their lips.

    Raises:
        PackError: no such pack or split, or a corrupt shard.
        CheckpointError: missing or damaged weights.
    """
    from atvg.animator import Animator

    shards(pack_dir, split)  # a wrong folder or split must be known before a net is loaded
    clips = (clip for clip in read_pack(pack_dir, split, with_frames=False) if clip.sync)
    return measure_closures(clips, heard_by(Animator.from_pretrained(weights)))


def heard_by(animator: "Animator") -> Predict:
    """What an animator makes of a clip's sound, from its most closed frame."""
    ear = animator.ears[0]
    return lambda clip: animator.landmarks_from_rows(clip.heard(ear), clip.landmarks[most_shut(clip)], ear=ear)


def measure_closures(clips: Iterable[Clip], predict: Predict) -> dict[str, Any] | None:
    """How often lips close on p, b and m, and are shut in silence.

    Args:
        clips: those whose keys spell no sentence, or too short for it, are passed over; a clip has to hold its whole
            sentence.
        predict: the net.

    Returns:
        ``bilabials["all", "first word" or "within"]`` = how many, mean openings in eyes' distances and, by threshold,
        the shares ``truth``, ``net``, ``chance_truth`` and ``chance_net``; ``silence["before" or "after"]`` = frames,
        and the shares of them in which ``truth`` and ``net`` are shut; NaN where there are none. None if no clip spells
        a sentence.
    """
    closures: list[_Closure] = []
    silent: dict[str, list[np.ndarray]] = {"before": [], "after": []}
    identities, count = set(), 0
    for clip in clips:
        words = spelled(clip.key)
        if words is None:
            continue
        levels = band_levels(clip.mfcc80)
        spoken = align(words, levels)
        if spoken is None:
            continue
        count += 1
        identities.add(clip.identity)
        openings = _openings(clip.landmarks, clip.landmarks), _openings(predict(clip), clip.landmarks)
        start, end = spoken.start // ROWS_PER_FRAME, -(-spoken.end // ROWS_PER_FRAME)
        releases = [(phone.word == 0, row) for phone, row in spoken.closures]
        closures += _closures(openings, slice(start, end), releases)
        quiet = levels.mean(axis=1).reshape(-1, ROWS_PER_FRAME).mean(axis=1) < QUIET
        shut = np.stack(openings, axis=1) <= OPEN  # (T, truth and net)
        silent["before"].append(shut[:start][quiet[:start]])
        silent["after"].append(shut[end:][quiet[end:]])
    if not count:
        return None
    return {
        "clips": count,
        "identities": len(identities),
        "bilabials": {
            "all": _summary(closures),
            "first word": _summary([found for found in closures if found.first_word]),
            "within": _summary([found for found in closures if not found.first_word]),
        },
        "silence": {side: _shut(np.concatenate(found)) for side, found in silent.items()},
    }


def _openings(landmarks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """In units of the truth's eyes' distance, (T,)."""
    return mouth_opening(landmarks) / eye_distance(truth)


def _closures(
    openings: tuple[np.ndarray, np.ndarray], sentence: slice, releases: Iterable[tuple[bool, int]]
) -> Iterator[_Closure]:
    """Of one clip; `releases` are (is it in the first word, the row in which it ends in the sound)."""
    truth, net = openings
    near_truth, near_net = (minimum_filter1d(opening, 2 * REACH + 1, mode="nearest") for opening in openings)

    def chance_of(most: float) -> tuple[float, float]:
        return float((near_truth[sentence] <= most).mean()), float((near_net[sentence] <= most).mean())

    chance = {name: chance_of(most) for name, most in THRESHOLDS.items()}
    for first_word, row in releases:
        low = max((row - 1) // ROWS_PER_FRAME - LEAD - REACH, 0)
        at = low + int(truth[low : low + 2 * REACH + 1].argmin())
        yield _Closure(first_word, float(truth[at]), float(near_net[at]), chance)


def _summary(closures: list[_Closure]) -> dict[str, Any]:
    shares = {
        name: {
            "truth": mean_of_known([found.truth <= most for found in closures]),
            "net": mean_of_known([found.net <= most for found in closures]),
            "chance_truth": mean_of_known([found.chance[name][0] for found in closures]),
            "chance_net": mean_of_known([found.chance[name][1] for found in closures]),
        }
        for name, most in THRESHOLDS.items()
    }
    return {
        "count": len(closures),
        "opening_truth": mean_of_known([found.truth for found in closures]),
        "opening_net": mean_of_known([found.net for found in closures]),
        **shares,
    }


def _shut(shut: np.ndarray) -> dict[str, float]:
    """(frames, truth and net) bool → shares."""
    return {"frames": len(shut), "truth": mean_of_known(shut[:, 0]), "net": mean_of_known(shut[:, 1])}
