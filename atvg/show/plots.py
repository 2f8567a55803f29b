"""Figures to hover over and zoom into: lips, sound and codes over time, the landmarks' paths, and measured curves."""

from __future__ import annotations  # what is named `go.Figure` here takes 17 MB, once it is really looked for

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from atvg.config import FPS
from atvg.face.landmarks import MOUTH, OUTLINES, mouth_opening
from atvg.film.drawing import FACE, GROUND, LIPS, MUTED, PLATE, TEXT

_OPEN_CODES = 3  # shown at first; the others wait in the legend
_MOST_MOMENTS = 300  # of a path: more cannot be told apart, and the page would grow by megabytes
_ROUND_FACE = 4  # crop pixels shown around it
_CODES = (
    LIPS, FACE, (200, 150, 255), (130, 214, 140), (255, 128, 150),
    (240, 226, 110), (110, 150, 255), (255, 150, 90), (90, 214, 200), (220, 180, 190),
)  # fmt: skip
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_MARGIN = {"l": 46, "r": 14, "t": 54, "b": 40}  # pixels; at the top, buttons and below them the first title
_GAP, _TITLE_SIZE, _TEXT_SIZE = 40, 14, 12  # between stacked plots, where the lower one's title stands; of texts


def trajectory(landmarks: np.ndarray, codes: np.ndarray, envelope: np.ndarray, fps: float = FPS) -> go.Figure:
    """Lip opening, sound and shape codes, one above the other on one time axis; hovering tells all three at once.

    Args:
        landmarks: (T, 68, 2) crop pixels, T ≥ 1.
        codes: (T, K).
        envelope: (T,) peak of the sound of each frame, 0..1.
        fps: frames per second.
    """
    opening, peak, codes = (np.asarray(values, np.float32) for values in (mouth_opening(landmarks), envelope, codes))
    titles = ("Lip opening, pixels", "Sound, peak", "Shape codes z, in units of z₁’s spread")
    figure = _stack((150, 80, 170), titles)
    time = {"x0": 0, "dx": 1 / fps, "mode": "lines"}  # T times x would only make the page larger
    figure.add_scatter(
        y=opening, **time, line={"color": _css(LIPS), "width": 2}, fill="tozeroy", fillcolor=_css(LIPS, 0.15),
        name="lips", hovertemplate="%{y:.1f} px", showlegend=False,
    )  # fmt: skip
    _add_sound(figure, peak, fps)
    for k, code in enumerate(codes.T):
        figure.add_scatter(
            y=code, **time, yaxis="y3", line={"color": _css(_CODES[k % len(_CODES)]), "width": 1.6},
            name="z" + str(k + 1).translate(_SUBSCRIPTS), hovertemplate="%{y:.2f}",
            visible=True if k < _OPEN_CODES else "legendonly",
        )  # fmt: skip
    return figure.update_layout(yaxis={"range": (0, max(2.0, 1.1 * float(opening.max())))})


def lips(openings: Mapping[str, np.ndarray], envelope: np.ndarray, fps: float = FPS) -> go.Figure:
    """Lip openings of several videos above the sound that all of them follow, on one time axis.

    Args:
        openings: (T,) crop pixels by name, T ≥ 1; NaN leaves a gap.
        envelope: (T,) peak of the sound of each frame, 0..1.
        fps: frames per second.
    """
    figure = _stack((200, 80), ("Lip opening seen, pixels", "Sound, peak"))
    for i, (name, opening) in enumerate(openings.items()):
        figure.add_scatter(
            y=np.asarray(opening, np.float32), x0=0, dx=1 / fps, mode="lines", name=name,
            line={"color": _css(_CODES[i % len(_CODES)]), "width": 3 if i == 0 else 1.6}, hovertemplate="%{y:.1f} px",
        )  # fmt: skip
    _add_sound(figure, np.asarray(envelope, np.float32), fps)
    return figure.update_layout(yaxis={"rangemode": "tozero"})


def _add_sound(figure: go.Figure, peak: np.ndarray, fps: float) -> None:
    """Draws the sound's level into the second plot of a stack, whose x axis becomes its time in seconds."""
    sound = {
        "x0": 0, "dx": 1 / fps, "mode": "lines", "yaxis": "y2", "line": {"width": 0}, "showlegend": False
    }  # fmt: skip
    figure.add_scatter(y=-peak, **sound, hoverinfo="skip")
    figure.add_scatter(
        y=peak, **sound, fill="tonexty", fillcolor=_css(FACE, 0.8), name="sound", hovertemplate="%{y:.2f}"
    )
    loudest = 1.05 * max(float(peak.max()), 0.01)
    figure.update_layout(
        xaxis={"range": (0, max(len(peak) - 1, 1) / fps), "hoverformat": ".2f", "ticksuffix": " s"},
        yaxis2={"range": (-loudest, loudest), "nticks": 3},
        hovermode="x unified",
        hoversubplots="axis",
    )


def paths(landmarks: np.ndarray, example: np.ndarray, fps: float = FPS) -> go.Figure:
    """Where each of the 68 points goes in the crop, over the outline of the photo's own.

    Args:
        landmarks: (T, 68, 2) crop pixels, T ≥ 1; of long clips some 300 moments are shown.
        example: (68, 2) crop pixels.
        fps: frames per second.
    """
    figure = _figure(480)
    outline = [[*range(first, last + 1), *[first] * closed] for first, last, closed in OUTLINES]
    x, y = np.concatenate([_then_a_gap(example[line, :2]) for line in outline]).T
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": _css(MUTED), "width": 1}, name="photo", hoverinfo="skip")
    moments = np.unique(np.linspace(0, len(landmarks) - 1, min(len(landmarks), _MOST_MOMENTS)).round().astype(int))
    others = np.setdiff1d(np.arange(landmarks.shape[1]), MOUTH)
    for name, group, colour in (("face", others, FACE), ("mouth", MOUTH, LIPS)):
        tracks = landmarks[moments][:, group, :2].transpose(1, 0, 2)
        numbered = [np.stack([np.full(len(moments), point), moments / fps], axis=1) for point in group]
        x, y = np.concatenate([_then_a_gap(track) for track in tracks]).T
        figure.add_scatter(
            x=x, y=y, customdata=np.concatenate([_then_a_gap(values) for values in numbered]),
            mode="lines+markers", line={"color": _css(colour, 0.6), "width": 1},
            marker={"color": _css(colour), "size": 2}, name=name,
            hovertemplate="point %{customdata[0]}, %{customdata[1]:.2f} s<br>x %{x:.1f}, y %{y:.1f}<extra></extra>",
        )  # fmt: skip
    seen = np.concatenate([example[None, :, :2], landmarks[moments][..., :2]]).reshape(-1, 2)
    (left, top), (right, bottom) = seen.min(axis=0) - _ROUND_FACE, seen.max(axis=0) + _ROUND_FACE
    return figure.update_layout(
        # y grows downwards, as in pictures.
        xaxis=_axis() | {"range": (left, right), "constrain": "domain", "ticksuffix": " px"},
        yaxis=_axis() | {"range": (bottom, top), "constrain": "domain", "scaleanchor": "x", "scaleratio": 1},
        hovermode="closest",
    )


def curves(xs: Sequence[float], series: Mapping[str, Sequence[float]], x_title: str) -> go.Figure:
    """One small plot per measured quality, one above the other, over the value that was swept.

    Args:
        xs: (N,) swept values, N ≥ 1.
        series: (N,) measurements by name; NaN leaves a gap, and an arrow at the end of a name says what is better.
        x_title: name and unit of the swept value.
    """
    figure = _stack((130,) * len(series), [_judged(name) for name in series])
    for i, (name, values) in enumerate(series.items()):
        figure.add_scatter(
            x=list(xs), y=np.asarray(values, np.float32), yaxis=f"y{i + 1}", mode="lines+markers",
            line={"color": _css(_CODES[i % len(_CODES)]), "width": 2}, marker={"size": 8}, showlegend=False,
            name=name.rstrip("↑↓ "), hovertemplate="%{y:.4~g}",
        )  # fmt: skip
    return figure.update_layout(xaxis_title=_words(x_title), hovermode="x unified", hoversubplots="axis")


def _stack(heights: Sequence[int], titles: Sequence[str]) -> go.Figure:
    """Empty plots of these heights in pixels, one above the other, on one x axis: yaxis, yaxis2 …"""
    total = sum(heights) + _GAP * (len(heights) - 1)
    figure = _figure(total + _MARGIN["t"] + _MARGIN["b"])
    top = 1.0
    for i, (height, title) in enumerate(zip(heights, titles, strict=True)):
        bottom = top - height / total
        figure.update_layout({f"yaxis{i + 1}": _axis() | {"domain": (max(bottom, 0), top)}})
        figure.add_annotation(
            text=title, x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
            font={"color": _css(TEXT), "size": _TITLE_SIZE},
        )  # fmt: skip
        top = bottom - _GAP / total
    return figure.update_layout(xaxis=_axis() | {"anchor": f"y{len(heights)}"})


def _figure(height: int) -> go.Figure:
    """Dark, as wide as the page lets it be, `height` pixels high; a touch scrolls the page, not the figure."""
    buttons = ("select", "lasso", "autoscale", "zoomin", "zoomout")
    return go.Figure(
        layout=go.Layout(
            template=go.layout.Template(),  # Plotly's own would add 7 kB of colours that are not used
            height=height, margin=_MARGIN, paper_bgcolor=_css(GROUND), plot_bgcolor=_css(PLATE),
            font={"color": _css(MUTED), "size": _TEXT_SIZE, "family": "system-ui, sans-serif"},
            hoverlabel={"bgcolor": _css(GROUND), "bordercolor": _css(MUTED), "font": {"color": _css(TEXT)}},
            legend={"orientation": "h", "x": 0, "y": -36 / height, "yanchor": "top", "traceorder": "normal"},
            legend_font_color=_css(TEXT),
            modebar={"remove": buttons, "bgcolor": _css(GROUND, 0), "color": _css(MUTED), "activecolor": _css(TEXT)},
            dragmode=False,
        )
    )  # fmt: skip


def _axis() -> dict[str, Any]:
    lines = _css(MUTED, 0.15)
    return {"gridcolor": lines, "zerolinecolor": lines, "zerolinewidth": 1, "automargin": True}


def _judged(name: str) -> str:
    """A quality's name, and in grey what is better if an arrow at its end says so."""
    if not name.endswith(("↑", "↓")):
        return name
    return f'{name[:-1]}<span style="color:{_css(MUTED)}">{name[-1]} better</span>'


def _words(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"color": _css(MUTED)}, "standoff": 8}


def _then_a_gap(values: np.ndarray) -> np.ndarray:
    """(N, 2) → float32 (N + 1, 2) with NaN at the end, where Plotly lifts its pen."""
    return np.concatenate([values, np.full((1, 2), np.nan)]).astype(np.float32)


def _css(colour: tuple[int, int, int], opacity: float = 1) -> str:
    return f"rgba({colour[0]},{colour[1]},{colour[2]},{opacity:g})"
