"""How all figures look, and grids of pictures; written as PNG and PDF that are the same every time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atvg.evaluation.baselines import BASELINES
from atvg.paper.study import ORACLE, OURS, STILL, TRUTH

WIDTH = 9.0  # inches; with `_DPI` more pixels than a README is wide; a crop has about its own
_DPI = 132
_LEFT = 1.25  # inches for the names of a grid's rows
# Okabe & Ito: told apart by people with any kind of colour vision.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
)  # fmt: skip
GREY = "#767676"
COLOURS = {TRUTH: BLACK, STILL: GREY, ORACLE: SKY, OURS: BLUE} | {
    kind.title: colour for kind, colour in zip(BASELINES.values(), (VERMILION, ORANGE, PURPLE), strict=True)
}


def _style() -> AbstractContextManager[None]:
    """Our look, while the block runs."""
    return matplotlib.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "axes.titlesize": 9.5,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.7,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "lines.linewidth": 1.8,
            "lines.markersize": 4.5,
        }
    )


def write(folder: Path, name: str, draw: Callable[..., Figure], *arguments: Any) -> Path:
    """Calls `draw` in our style and writes its figure as ``NAME.pdf`` and ``NAME.png``; returns the latter."""
    with _style():
        figure = draw(*arguments)
        # Without dates and versions, which would make the same figure another file.
        figure.savefig(folder / f"{name}.pdf", dpi=_DPI, metadata={"CreationDate": None, "Producer": None})
        figure.savefig(folder / f"{name}.png", dpi=_DPI, metadata={"Software": None})
    return folder / f"{name}.png"


def grid(
    pictures: Sequence[Sequence[np.ndarray]], rows: Sequence[str], columns: Sequence[str] = (), note: str = ""
) -> Figure:
    """Square pictures, uint8 RGB, in rows with names at their left and columns with names above.

    Args:
        note: a line below all.
    """
    across = max(map(len, pictures))
    side = (WIDTH - _LEFT) / across
    top, bottom = (0.28 if columns else 0.05), (0.3 if note else 0.05)
    height = len(pictures) * side + top + bottom
    figure = Figure((WIDTH, height))
    for r, line in enumerate(pictures):
        y = 1 - (top + (r + 1) * side) / height
        for c, picture in enumerate(line):
            axes = figure.add_axes(
                ((_LEFT + c * side) / WIDTH, y + 0.02 / height, (side - 0.03) / WIDTH, (side - 0.03) / height)
            )
            show(axes, picture)
            if r == 0 and columns:
                axes.set_title(columns[c], loc="center", pad=3)
        figure.text((_LEFT - 0.08) / WIDTH, y + side / 2 / height, rows[r], ha="right", va="center")
    if note:
        figure.text((WIDTH - 0.05) / WIDTH, 0.1 / height, note, ha="right", va="center", fontsize=7.5, color=GREY)
    return figure


def show(axes: Axes, picture: np.ndarray, **options: Any) -> Any:
    """A picture without axes around it."""
    axes.set_axis_off()
    return axes.imshow(picture, interpolation="lanczos" if picture.ndim == 3 else "nearest", **options)
