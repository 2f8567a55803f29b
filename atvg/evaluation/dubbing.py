"""Films of a folder, dubbed and measured frame by frame before the encoder: is a dubbed film any good?

Each clip is dubbed with its own sound, which tells how near it comes to what was filmed, and with the sound of somebody
else, which is what dubbing is for. Beside them stand the film itself, and the photo path: the calmest frame of the clip
animated with its sound, which is what there was before films could be dubbed.
"""

import contextlib
from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from atvg.animator import Animator
from atvg.checkpoint import AT_NET, VG_NET, notes
from atvg.config import MAX_SECONDS
from atvg.data.layouts import ClipInfo, find_clips
from atvg.data.storage import AnyPath, as_path, local_copy
from atvg.dub.talker import Talker
from atvg.errors import ATVGError, PackError
from atvg.evaluation import metrics
from atvg.evaluation.dubbed import Dubbed
from atvg.evaluation.pool import in_order
from atvg.evaluation.protocol import CHOICES, Score, by_source, summary
from atvg.evaluation.sync import SyncExpert
from atvg.evaluation.watching import Border, Watched, at_25
from atvg.face.landmarks import mouth_opening
from atvg.voice.mel import clip_mfcc80

FILM, OWN, OTHER, PHOTO = "film", "own sound", "another's sound", "photo"

ABOUT = {
    "clips": "those of the split whose sound fits their lips; frames before label and encoder, in which the person is "
    "seen and the new mouth has wholly taken over; figures are means over clips",
    "rows": f"{FILM!r}: as it was filmed; {OWN!r}: dubbed with its own; {OTHER!r}: with that of the next clip of "
    f"another person; {PHOTO!r}: the calmest frame that is measured, animated with the clip's own sound",
    "space": "the steady crop that the dub itself is drawn in; of the photo that of its frame",
    "mouth r": f"{CHOICES['mouth r']}; the truth is the film, so that of {OTHER!r} is what is left of its old mouth: "
    "0 if nothing",
    "lmd": "px at 128, 20 mouth points, centred on their centroid, against the film; and in parts of the photo row's",
    "cpbd": "of a box around the mouth as filmed, in the frame's own pixels; in parts of the film's",
    "detail": "variance of the luma's Laplacian in the lower face without the mouth's inside, in the frame's own "
    "pixels, mean over frames; in parts of the film's",
    "lse_c": "the shipped sync expert on frames and the sound that was dubbed; in parts of the film's with its own",
    "lse_c_unsaid": f"of {OTHER!r} on its frames and the sound that the film had, which shows what is left of the old "
    f"mouth to more than a tracker of lips; of {FILM!r} with the sound of {OTHER!r}: what chance gives",
    "outside": "largest difference to the film in grey levels, of any colour, where α is 0",
    "flicker": "mean change, from frame to frame, of what the dub adds to the film, where 0 < α < 1, in parts of the "
    f"film's own change there, which counts as at least {metrics.QUIET_FLOOR} grey levels",
    "left_alone": "frames in which the person is not seen, and which stay as they are",
}


def evaluate_dubs(
    clips_dir: str | AnyPath,
    split: str,
    weights: Path,
    engine: str = "auto",
    frames: int | None = None,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Dubs the clips of a split of a folder, and measures them.

    Args:
        clips_dir: films, as `find_clips` reads them.
        weights, engine: as of `Animator.from_pretrained`.
        frames: of each film no more than so many.
        workers: processes.
        progress: show a progress bar.

    Returns:
        ``rows[name][source or "all"]`` = figures by name, ``films[key][name]`` those of each clip, ``left_out[key]``
        why a clip was not measured; NaN where undefined.

    Raises:
        PackError: no such folder, or no clip of the split that can be measured.
        CheckpointError, BadSettingError: as `Animator.from_pretrained`.
    """
    from tqdm import tqdm

    tasks = [replace(task, frames=frames) for task in find_tasks(clips_dir, split)]
    work = in_order(tqdm(tasks, unit="clip", disable=not progress), partial(DubJudge, weights, engine), workers)
    found = {task.clip.key: one for task, one in zip(tasks, work, strict=True)}
    left_out = {key: one for key, one in found.items() if isinstance(one, str)}
    films = {key: one for key, one in found.items() if not isinstance(one, str)}
    if not films:
        raise PackError(f"no clip of split {split!r} of {clips_dir} can be dubbed: {next(iter(left_out.values()))}")
    scores: dict[str, list[Score]] = defaultdict(list)
    for one in films.values():
        for name, score in one.items():
            scores[name].append(score)
    return {
        "clips": as_path(clips_dir).resolve().name,
        "split": split,
        "at_most_frames": frames,
        "weights": {name: notes(weights, name) for name in (AT_NET, VG_NET)},
        "versions": {name: version(name) for name in ("torch", "mediapipe", "openvino", "numpy")},
        "protocol": ABOUT,
        "rows": {name: {s: summary(some) for s, some in by_source(all_).items()} for name, all_ in scores.items()},
        "films": {key: {name: summary([score]) for name, score in one.items()} for key, one in films.items()},
        "left_out": left_out,
    }


@dataclass(frozen=True)
class Task:
    """A clip, whose sound it is dubbed with besides its own (None if there is nobody else), and how much of it."""

    clip: ClipInfo
    other: ClipInfo | None
    frames: int | None = None


def find_tasks(clips_dir: str | AnyPath, split: str) -> list[Task]:
    """The clips of a split whose sound fits their lips, each with the next one of another person, in a circle.

    Raises:
        PackError: as `find_clips`, or none is left.
    """
    clips = [clip for clip in find_clips(clips_dir) if clip.split == split and clip.sync]
    if not clips:
        raise PackError(f"{clips_dir} has no clip of split {split!r} whose sound fits its lips; see clips.csv")
    tasks = []
    for i, clip in enumerate(clips):
        following = (other for other in clips[i + 1 :] + clips[:i] if other.identity != clip.identity)
        tasks.append(Task(clip, next(following, None)))
    return tasks


class DubJudge:
    """Networks, tracker and sync expert, loaded once: a task → the scores of its rows, or why there are none."""

    def __init__(self, weights: Path, engine: str = "auto"):
        from atvg.face.mediapipe import MediaPipeTracker

        self.animator = Animator.from_pretrained(weights, engine=engine)
        self._tracker, self._expert = MediaPipeTracker(), SyncExpert.from_pretrained()

    def __call__(self, task: Task) -> dict[str, Score] | str:
        with contextlib.ExitStack() as stack:
            try:
                film = stack.enter_context(local_copy(task.clip.path))
                own, *other = (
                    stack.enter_context(local_copy(clip.audio or clip.path)) for clip in (task.clip, task.other) if clip
                )
                return self._measured(task, self.animator.read_film(film), own, other)
            except ATVGError as error:
                return str(error)

    def _measured(self, task: Task, talker: Talker, own: Path, other: list[Path]) -> dict[str, Score]:
        seconds = _seconds(talker, task.frames)
        dubbed = Dubbed.of(self.animator, talker, own, seconds)
        film = self._row(task, FILM, dubbed.film, dubbed.film, dubbed)
        rows = {FILM: film, OWN: self._row(task, OWN, dubbed.drawn, dubbed.film, dubbed, dubbed.border)}
        if other:
            again = Dubbed.of(self.animator, talker, other[0], seconds)
            rows[OTHER] = self._row(task, OTHER, again.drawn, again.film, again, again.border)
            left = self._confidence(again.drawn, dubbed.wave, dubbed.fps)
            rows[OTHER].values.update(lmd_mouth=float("nan"), lse_c_unsaid=left)  # of other words no points compare
            film.values["lse_c_unsaid"] = self._confidence(again.film, again.wave, dubbed.fps)
        animated = dubbed.photo(self.animator, own, seconds)
        if animated:
            rows[PHOTO] = self._row(task, PHOTO, animated, dubbed.film, dubbed)
        photo = rows[PHOTO].values["lmd_mouth"] if animated else float("nan")
        for row in rows.values():
            row.values.update(lmd_mouth_truth=photo, lse_c_truth=film.values["lse_c"])
        return rows

    def _row(
        self, task: Task, name: str, watched: Watched, film: Watched, dubbed: Dubbed, border: Border | None = None
    ) -> Score:
        told = dubbed.told[: len(watched)]
        points, true = watched.track(self._tracker)[told], film.track(self._tracker)[: len(watched)][told]
        found = ~np.isnan(points[:, 0, 0] + true[:, 0, 0])
        points, true = points[found], true[found]
        sharp, sharp_film, fine, fine_film = (
            metrics.mean_of_known(np.array(values)[: len(told)][told])
            for values in (watched.sharpness, film.sharpness, watched.structure, film.structure)
        )
        values = {
            "lmd_mouth": float("nan") if name == FILM else metrics.landmark_distance(points, true),
            "cpbd_mouth": sharp,
            "cpbd_mouth_truth": sharp_film,
            "detail": fine / fine_film if fine_film else float("nan"),
            "lse_c": self._confidence(watched, dubbed.wave, dubbed.fps),
            "lse_c_unsaid": float("nan"),
            "opening_share": metrics.opening_share(points),
            "opening_share_truth": metrics.opening_share(true),
            "outside": border.outside if border else float("nan"),
            "flicker": border.flicker if border else float("nan"),
            "left_alone": float((dubbed.subject.share[: len(watched)] == 0).sum()),
        }
        opening = mouth_opening(points), mouth_opening(true)
        clip = task.clip
        return Score(clip.key, clip.source, clip.identity, values, opening, int(told.sum()))

    def _confidence(self, watched: Watched, wave: np.ndarray, fps: Fraction) -> float:
        """LSE-C of frames and a sound; NaN for too short ones."""
        places = at_25(len(watched), fps)
        sync = self._expert.measure(watched.crops[places], self._expert.hear(clip_mfcc80(wave, len(places))))
        return sync.confidence if sync else float("nan")


def _seconds(talker: Talker, frames: int | None) -> float:
    """How long the film that is measured is; what the film says of itself may be nothing."""
    limits = [float(frames / talker.footage.fps)] if frames else []
    limits += [talker.footage.seconds] if talker.footage.seconds else []
    return min(limits, default=MAX_SECONDS)
