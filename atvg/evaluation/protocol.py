"""The evaluation protocol: every row (a way to turn a clip's photo and sound into frames) over the clips of a split.

The photo is a frame of the clip, as the row says. Output and truth are compared in stabilised crop space, where a
pack's frames already are; their landmarks come from one and the same tracker run on their frames.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from torch import Tensor

from atvg.config import CROP_SIZE, FPS
from atvg.data.pack import Clip, read_pack, shard_paths
from atvg.data.storage import AnyPath, as_path
from atvg.errors import PackError
from atvg.evaluation import closures, metrics
from atvg.evaluation.pool import in_order
from atvg.evaluation.rows import SHUT, Row
from atvg.evaluation.sync import SyncExpert, accuracy
from atvg.evaluation.tracking import TRACK_SIDE, track
from atvg.face.landmarks import mouth_opening

ALL = "all"  # the name under which all sources are summed up

CHOICES = {
    "photo": "the first frame of the clip, with its landmarks from the pack; of rows that end in "
    f"{SHUT!r} the frame whose inner lips are closest by those landmarks",
    "space": f"stabilised {CROP_SIZE} px crop at {FPS} fps; the pack's frames are the truth",
    "head": "ATVG's stays as in the photo; the oracle's moves as in the truth, low-passed, before a background that "
    "stands still in the source",
    "landmarks": f"MediaPipe face mesh, tracking, on frames enlarged to {TRACK_SIDE} px (cubic), once it has settled "
    "on the first; 68 of its points; output and truth alike; undetected frames left out",
    "lmd": f"px at {CROP_SIZE}, mean per point, centred on the centroid of the points compared: 20 mouth points, or 68",
    "mouth box": f"one per clip, around all mouth points of the pack's landmarks, margin {metrics.MOUTH_MARGIN} of the "
    "sides, at least half as high as wide",
    "ssim": "torchmetrics, Gaussian 11 px window, sigma 1.5, RGB, data range 255",
    "psnr": f"dB, torchmetrics, RGB, data range 255, squared error of the whole clip; at most {metrics.PSNR_CEILING:g}",
    "cpbd": "luma; w_JNB 5 px up to contrast 50, else 3; blocks of 64 px, the mouth box is one block",
    "mouth r": "inner-lip opening, each clip's mean subtracted, pooled over clips; std ratio = output / truth",
    "detail": "variance of the luma's Laplacian (4 neighbours) in the lower face, output / the row's photo, mean over "
    "frames: the hull of landmarks 3-13 and 31-35 without that of the inner lips 60-67, which is widened by "
    f"{metrics.INSIDE_MARGIN} of the eyes' distance; each picture in its own region, by its tracked landmarks; 1 for a "
    "frame that is the photo; clips on their 128 px crops, photographs at their own resolution",
    "opening_share": "share of frames with inner lips (mean of three pairs) apart by more than "
    f"{metrics.OPEN:.0%} of the distance between the eyes' centres (each the mean of its six points), all by tracked "
    "landmarks; ratio = output / truth",
    "jitter": f"mean |frame difference| in grey levels, in the {metrics.QUIET_SHARE:.0%} of the pixels that move least "
    f"in the truth, output / truth, the truth at least {metrics.QUIET_FLOOR}",
    "psnr_released_script": "uint8 differences and squares that wrap at 256; not comparable with a true PSNR",
    "lse_c, lse_d": "the shipped sync expert (see `atvg.evaluation.sync`) on frames and the clip's own sound; not "
    "comparable with figures of other experts",
    "closures": closures.CHOICE,
    "clips": "clips whose sound does not fit their lips are left out; figures are means over clips",
}


@dataclass(frozen=True)
class Truth:
    """What is measured once per clip, whatever the number of rows."""

    clip: Clip
    mouth: np.ndarray  # the frames' mouth box
    landmarks: np.ndarray  # (T, 68, 2), NaN where undetected
    box: tuple[slice, slice]  # rows and columns of the mouth box
    heard: Tensor  # what the sync expert hears
    others: dict[str, float]  # figures of a video by itself
    detail: dict[int, float]  # its detail, by the frame that is the photo


@dataclass(frozen=True)
class Score:
    """One row on one clip; `opening` holds the lip opening, output and truth, in the frames where both were found."""

    key: str
    source: str
    identity: str
    values: dict[str, float]
    opening: tuple[np.ndarray, np.ndarray]
    frames: int

    @property
    def undetected(self) -> int:
        return self.frames - len(self.opening[0])


@dataclass(frozen=True)
class Measured:
    """Scores of each row, clip by clip in the pack's order, and how many clips have no sound that fits their lips."""

    scores: dict[str, list[Score]]
    unsynced: int


def measure(
    pack_dir: str | AnyPath,
    split: str,
    make_rows: Callable[[], Sequence[Row]],
    frames: int | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Measured:
    """Scores every row on every clip of a split that has sound; a few clips per worker are in memory at a time.

    Args:
        pack_dir: a pack, see `atvg.data.pack`.
        split: which of its splits.
        make_rows: what makes the rows; with several workers each calls it once, so it has to be picklable.
        frames: look at no more than the first so many frames of each clip.
        workers: processes; with 1 the work is done in this one.
        progress: show a progress bar.

    Raises:
        PackError: no such pack or split, a corrupt shard, or no clip whose sound fits its lips.
    """
    from tqdm import tqdm

    pack_dir = as_path(pack_dir)
    shard_paths(pack_dir, split)  # a wrong folder or split must be known before a model is loaded
    scores: dict[str, list[Score]] = defaultdict(list)
    unsynced = 0

    def clips() -> Iterator[Clip]:
        nonlocal unsynced
        count = totals(pack_dir).get(f"{split}_clips")
        for clip in tqdm(read_pack(pack_dir, split), total=count, unit="clip", disable=not progress):
            if clip.sync:
                yield clip.first(frames) if frames else clip
            else:
                unsynced += 1

    for found in in_order(clips(), partial(_Judge, make_rows), workers):
        for name, score in found.items():
            scores[name].append(score)
    if not scores:
        raise PackError(f"no clip of split {split!r} of {pack_dir} has sound that fits its lips; choose another split")
    return Measured(dict(scores), unsynced)


class _Judge:
    """Rows, tracker and sync expert, loaded once: a clip → the scores of all rows."""

    def __init__(self, make_rows: Callable[[], Sequence[Row]]):
        from atvg.face.mediapipe import MediaPipeTracker

        self.rows = list(make_rows())
        if len({row.name for row in self.rows}) < len(self.rows):
            raise ValueError(f"two rows have the same name: {[row.name for row in self.rows]}")
        self.tracker, self.expert = MediaPipeTracker(), SyncExpert.from_pretrained()

    def __call__(self, clip: Clip) -> dict[str, Score]:
        truth = _truth(clip, self.rows, self.tracker, self.expert)
        return {row.name: _score(row, truth, self.tracker, self.expert) for row in self.rows}


def evaluate(
    pack_dir: str | AnyPath,
    split: str,
    make_rows: Callable[[], Sequence[Row]],
    weights: Mapping[str, Any] | None = None,
    frames: int | None = None,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Runs the protocol.

    Args:
        pack_dir, split, make_rows, frames, workers, progress: as of `measure`.
        weights: notes on the weights that are evaluated; they go into the result as they are.

    Returns:
        ``rows[name][source or "all"]`` = figures by name, with numbers of clips and frames, and beside it what was
        evaluated and how; see `atvg.evaluation.report`.

    Raises:
        PackError: as `measure`.
    """
    measured = measure(pack_dir, split, make_rows, frames, workers, progress)
    return summarise(measured, pack_dir, split, frames, weights)


def summarise(
    measured: Measured,
    pack_dir: str | AnyPath,
    split: str,
    frames: int | None,
    weights: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What `evaluate` returns, of scores that are known already."""
    pack_dir = as_path(pack_dir)
    return {
        "pack": pack_dir.resolve().name,
        "pack_totals": totals(pack_dir),
        "split": split,
        "at_most_frames": frames,
        "unsynced_clips_left_out": measured.unsynced,
        "weights": dict(weights or {}),
        "versions": {name: version(name) for name in ("torch", "torchmetrics", "mediapipe", "numpy")},
        "protocol": CHOICES,
        "sync_expert": accuracy(SyncExpert.from_pretrained(), pack_dir, split),
        "rows": {
            name: {source: summary(some) for source, some in by_source(found).items()}
            for name, found in measured.scores.items()
        },
    }


def totals(pack_dir: str | AnyPath) -> dict[str, int]:
    """Clips and frames of each split, as the pack's index counts them."""
    return json.loads((as_path(pack_dir) / "pack.json").read_bytes()).get("totals", {})


def _truth(clip: Clip, rows: Iterable[Row], tracker: Any, expert: SyncExpert) -> Truth:
    frames, box = clip.frames, metrics.mouth_box(clip.landmarks)
    mouth, points = frames[:, box[0], box[1]], track(frames, tracker)
    photos = {row.photo(clip) for row in rows}
    detail = {at: metrics.detail(frames, frames[at], points, points[at]) for at in photos}
    heard = expert.hear(clip.mfcc80)
    return Truth(clip, mouth, points, box, heard, _alone(frames, mouth, heard, expert), detail)


def _alone(frames: np.ndarray, mouth: np.ndarray, heard: Tensor, expert: SyncExpert) -> dict[str, float]:
    """What can be said of a video and its sound without another to compare it with."""
    sync = expert.measure(frames, heard)
    return {
        "cpbd": metrics.sharpness(frames),
        "cpbd_mouth": metrics.sharpness(mouth),
        "lse_c": sync.confidence if sync else float("nan"),
        "lse_d": sync.distance if sync else float("nan"),
    }


def _score(row: Row, truth: Truth, tracker: Any, expert: SyncExpert) -> Score:
    frames, output = truth.clip.frames, row.draw(truth.clip)
    if output.shape != frames.shape or output.dtype != np.uint8:
        drawn = f"{output.dtype} {output.shape}"
        raise ValueError(f"row {row.name!r} drew {drawn} for {truth.clip.key}, not uint8 {frames.shape}")
    mouth = output[:, truth.box[0], truth.box[1]]
    points, at = track(output, tracker), row.photo(truth.clip)
    detail = metrics.detail(output, frames[at], points, truth.landmarks[at])
    found = ~np.isnan(points[:, 0, 0] + truth.landmarks[:, 0, 0])
    points, true_points = points[found], truth.landmarks[found]
    values = {
        "lmd_mouth": metrics.landmark_distance(points, true_points),
        "lmd_68": metrics.landmark_distance(points, true_points, metrics.ALL_POINTS),
        "ssim": metrics.ssim(output, frames),
        "ssim_mouth": metrics.ssim(mouth, truth.mouth),
        "psnr": metrics.psnr(output, frames),
        "psnr_mouth": metrics.psnr(mouth, truth.mouth),
        **_alone(output, mouth, truth.heard, expert),
        **{f"{name}_truth": value for name, value in truth.others.items()},
        "detail": detail,
        "detail_truth": truth.detail[at],
        "opening_share": metrics.opening_share(points),
        "opening_share_truth": metrics.opening_share(true_points),
        "jitter": metrics.jitter(output, frames),
        "psnr_released_script": metrics.psnr_released_script(output, frames),
    }
    clip = truth.clip
    return Score(
        clip.key, clip.source, clip.identity, values, (mouth_opening(points), mouth_opening(true_points)), len(frames)
    )


def by_source(scores: Iterable[Score]) -> dict[str, list[Score]]:
    """All scores, as `ALL`, and then those of each source."""
    groups: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        groups[ALL].append(score)
        groups[score.source].append(score)
    return {source: groups[source] for source in [ALL, *sorted(groups.keys() - {ALL})]}


def summary(scores: Sequence[Score]) -> dict[str, float]:
    """Means over clips, without those where a figure is undefined; NaN if it is undefined in all."""
    r, ratio = metrics.mouth_correlation(*zip(*(score.opening for score in scores), strict=True))
    means = {name: metrics.mean_of_known([score.values[name] for score in scores]) for name in scores[0].values}
    return {
        **means,
        "opening_share_ratio": means["opening_share"] / (means["opening_share_truth"] or float("nan")),
        "mouth_r": r,
        "mouth_std_ratio": ratio,
        "clips": len(scores),
        "frames": sum(score.frames for score in scores),
        "undetected_frames": sum(score.undetected for score in scores),
    }
