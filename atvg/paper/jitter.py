"""Fig. 1: what trembles where nothing should move, as maps of frame differences and as a number."""

import numpy as np
from matplotlib.figure import Figure

from atvg.evaluation import metrics
from atvg.evaluation.intervals import Interval, draws, intervals
from atvg.evaluation.report import number
from atvg.evaluation.rows import oracle_row
from atvg.paper import figures
from atvg.paper.parts import Part, Picture
from atvg.paper.study import ORACLE, STILL, TRUTH, Study

_CLIPS = 3  # shown
_TINT = (86, 180, 233)
_BRIGHTEST = 6.0  # grey levels; lips move by more, and what is looked at here by far less


def pixel_jitter(study: Study) -> Part:
    """Maps of a few clips, and the protocol's jitter over the whole split."""
    oracle = oracle_row(study.animator, ORACLE)
    rows = {TRUTH: lambda clip: clip.frames, **{row.name: row.draw for row in (oracle, *study.compared)}}
    clips = study.examples[:_CLIPS]
    drawn = [[draw(clip) for draw in rows.values()] for clip in clips]
    maps = [[metrics.movement(frames) for frames in line] for line in drawn]
    shares = [[metrics.jitter(frames, line[0]) for frames in line] for line in drawn]
    averages = _averages(study)
    path = figures.write(
        study.folder,
        "fig1",
        _draw,
        [clip.frames[0] for clip in clips],
        list(rows),
        maps,
        shares,
        {n: a for n, a in averages.items() if n != STILL},
    )
    told = ", ".join(f"{name} {number(value, 2)}" for name, (value, _) in averages.items())
    return Part(
        "fig1",
        "Fig. 1: pixel jitter",
        (
            "Mean |difference of consecutive frames| of every pixel, in grey levels; brighter trembles more. In "
            f"blue, the {metrics.QUIET_SHARE:.0%} of the pixels that move least in the real video: what moves there is "
            "jitter. The number is that unrest as a share of the real video's own: 1 is like the truth, 0 a frozen "
            "picture.",
            f"Over all clips of {study.split}: {told}.",
        ),
        pictures=(
            Picture(
                path,
                f"Maps of frame differences of {len(clips)} clips for {', '.join(rows)}, and bars of the jitter of all "
                f"clips: {told}.",
                "Above: maps of single clips with their jitter. Below: jitter over all clips with 95% intervals; the "
                "line is the real video's.",
            ),
        ),
        data={
            "clips": {clip.key: dict(zip(rows, share, strict=True)) for clip, share in zip(clips, shares, strict=True)},
            "all": {name: {"jitter": value, "interval": list(bounds)} for name, (value, bounds) in averages.items()},
        },
    )


def _averages(study: Study) -> dict[str, tuple[float, Interval]]:
    found = {}
    for name, scores in study.measured.scores.items():
        values = np.array([score.values["jitter"] for score in scores])
        found[name] = (float(values.mean()), intervals(scores, draws(scores))["jitter"])
    return found


def _tinted(photo: np.ndarray, region: np.ndarray) -> np.ndarray:
    """A photo in grey, uint8 RGB, with a region of it in blue."""
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    return np.where(region[..., None], 0.4 * grey + 0.6 * np.array(_TINT), 0.6 * grey).astype(np.uint8)


def _draw(
    photos: list[np.ndarray],
    names: list[str],
    maps: list[list[np.ndarray]],
    shares: list[list[float]],
    averages: dict[str, tuple[float, Interval]],
) -> Figure:
    figure = Figure((figures.WIDTH, 1.4 * len(maps) + 2.1), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.4 * len(maps), 2.1))[:, 0]
    axes = upper.subplots(len(maps), 1 + len(names), squeeze=False)
    for r, (photo, of_clip, numbers) in enumerate(zip(photos, maps, shares, strict=True)):
        figures.show(axes[r, 0], _tinted(photo, metrics.quiet_region(of_clip[0])))
        axes[r, 0].set_title("quiet region\n" if r == 0 else "", loc="center")
        for cell, name, moved, share in zip(axes[r, 1:], names, of_clip, numbers, strict=True):
            shown = figures.show(cell, moved, cmap="inferno", vmin=0, vmax=_BRIGHTEST)
            cell.set_title(f"{name}\n{number(share, 2)}" if r == 0 else number(share, 2), loc="center", fontsize=8)
    upper.colorbar(shown, ax=axes, shrink=0.8, pad=0.01, label="grey levels a frame")
    bars = lower.subplots()
    bars.grid(axis="y", visible=False)
    for i, (name, (value, bounds)) in enumerate(averages.items()):
        bars.barh(i, value, 0.62, color=figures.COLOURS[name])
        bars.plot(bounds, (i, i), color=figures.BLACK, linewidth=1.2)
        bars.annotate(f" {number(value, 2)}", (max(value, bounds.high), i), va="center")
    bars.set_yticks(range(len(averages)), list(averages))
    bars.invert_yaxis()
    bars.axvline(1, color=figures.BLACK, linestyle=":", linewidth=1)
    bars.set_xlabel("jitter ÷ the real video's, all clips")
    return figure
