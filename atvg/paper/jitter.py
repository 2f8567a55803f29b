"""Fig. 1: what trembles where nothing should move, as maps of frame differences and as a number."""

import numpy as np
from matplotlib.figure import Figure

from atvg.evaluation import metrics
from atvg.evaluation.intervals import Interval, draws, intervals
from atvg.evaluation.report import number
from atvg.paper import figures
from atvg.paper.parts import Part, Picture
from atvg.paper.study import STILL, TRUTH, Study

_CLIPS = 3  # shown
_BRIGHTEST = 6.0  # grey levels; lips move by more, and what is looked at here by far less


def pixel_jitter(study: Study) -> Part:
    """Maps of a few clips, and the protocol's jitter over the whole split."""
    rows = {TRUTH: lambda clip: clip.frames, **{row.name: row.draw for row in study.compared}}
    clips = study.examples[:_CLIPS]
    maps = [[metrics.movement(draw(clip)) for draw in rows.values()] for clip in clips]
    shares = [[metrics.jitter(draw(clip), clip.frames) for draw in rows.values()] for clip in clips]
    averages = _averages(study)
    path = figures.write(
        study.folder, "fig1", _draw, list(rows), maps, shares, {n: a for n, a in averages.items() if n != STILL}
    )
    told = ", ".join(f"{name} {number(value, 2)}" for name, (value, _) in averages.items())
    return Part(
        "fig1",
        "Fig. 1: pixel jitter",
        (
            "Mean |difference of consecutive frames| of every pixel, in grey levels; brighter trembles more. Outlined "
            f"is the {metrics.QUIET_SHARE:.0%} of the pixels that move least in the real video: what moves there is "
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


def _draw(
    names: list[str],
    maps: list[list[np.ndarray]],
    shares: list[list[float]],
    averages: dict[str, tuple[float, Interval]],
) -> Figure:
    figure = Figure((figures.WIDTH, 1.75 * len(maps) + 2.1), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.75 * len(maps), 2.1))
    axes = upper.subplots(len(maps), len(names), squeeze=False)
    for line, of_clip, numbers in zip(axes, maps, shares, strict=True):
        quiet = metrics.quiet_region(of_clip[0])
        for cell, name, moved, share in zip(line, names, of_clip, numbers, strict=True):
            shown = figures.show(cell, moved, cmap="inferno", vmin=0, vmax=_BRIGHTEST)
            cell.contour(quiet, levels=[0.5], colors="#7fd4ff", linewidths=0.4)
            cell.set_title(f"{name}\n{number(share, 2)}" if line is axes[0] else number(share, 2), loc="center")
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
