"""Fig. 5: landmarks that tremble (5a) and heads that turn (5b), as strips and curves."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from atvg.animator import Animator
from atvg.data.pack import Clip
from atvg.evaluation import metrics
from atvg.evaluation.intervals import draws
from atvg.evaluation.intervals import figures as resampled
from atvg.evaluation.report import number
from atvg.evaluation.rows import Row, oracle_row
from atvg.face.landmarks import five_points, mouth_opening
from atvg.lab import tiles
from atvg.lab.measure import measure
from atvg.lab.run import draw, excerpt, hear, settings_of
from atvg.lab.sweeps import POSTER_REAL, POSTER_SYNC, SIGMAS
from atvg.motion.pose import MAX_DEGREES, Pose
from atvg.motion.turn import turn_face
from atvg.paper import figures
from atvg.paper.identities import Person, portraits, stills
from atvg.paper.parts import Cell, Part, Picture, Table
from atvg.paper.study import Study

YAWS = (-15.0, 0.0, 15.0, 30.0, 45.0, MAX_DEGREES)
_POSTER_YAW = 65  # degrees, the last of the poster's strip
_FRAMES = 50  # of each clip: curves need eight runs of the whole split
_SECONDS = 2.0  # of the voice
_SEED = 0
# Figure of the protocol, what is read, colour.
_SYNC = (("mouth_r", "mouth r", figures.BLUE), ("lse_c", "LSE-C", figures.GREEN))
_REAL = (("ssim", "SSIM to the truth", figures.BLUE), ("cpbd", "sharpness (CPBD)", figures.GREEN))
# Field of what is measured of a turned face, what is read, colour.
_TURNED = (
    ("cpbd", "Sharpness (CPBD)", figures.BLUE),
    ("there_and_back", "SSIM to the photo, turned there and back", figures.GREEN),
    ("lip_r", "Lip opening, r with what was asked for", figures.VERMILION),
)


def shaken(landmarks: np.ndarray, sigma: float, seed: int = _SEED) -> np.ndarray:
    """Landmarks (T, 68, 2) with Gaussian noise on each, of `sigma` distances of the eyes' centres.

    The same draw, only larger, at each σ.
    """
    right, left = five_points(landmarks[0])[:2]
    noise = np.random.default_rng(seed).standard_normal(landmarks.shape)
    return (landmarks + sigma * np.linalg.norm(left - right) * noise).astype(np.float32)


def noise_rows(weights: Path, engine: str) -> list[Row]:
    """VG-net driven by the true landmarks, with noise of each σ."""
    animator = Animator.from_pretrained(weights, engine=engine)
    return [oracle_row(animator, _name(sigma), partial(shaken, sigma=sigma)) for sigma in SIGMAS]


def noise(study: Study) -> Part:
    """Fig. 5a."""
    scores = study.measure(partial(noise_rows, study.weights, study.engine), _FRAMES).scores
    clean = scores[_name(0.0)]
    whole, counts = np.ones((1, len(clean))), draws(clean)
    exact = [resampled(scores[_name(sigma)], whole) for sigma in SIGMAS]
    spread = [resampled(scores[_name(sigma)], counts) for sigma in SIGMAS]
    names = [name for name, _, _ in (*_SYNC, *_REAL)]
    curves = {name: _relative([figures_of[name] for figures_of in exact])[:, 0] for name in names}
    bands = {name: _quantiles(_relative([figures_of[name] for figures_of in spread])) for name in names}
    path = figures.write(study.folder, "fig5a", _draw_noise, curves, bands)
    strip = figures.write(study.folder, "fig5a_strip", _noise_strip, study.animator, study.examples[0])
    values = {name: [float(found[name][0]) for found in exact] for name in (*names, "jitter")}
    told = "; ".join(
        f"{title} {number(values[name][0], 3)} to {number(values[name][-1], 3)}" for name, title, _ in (*_SYNC, *_REAL)
    )
    return Part(
        "fig5a",
        "Fig. 5a: noise on the landmarks",
        (
            "Gaussian noise on every landmark of every frame; VG-net is driven by the true landmarks, so that nothing "
            "else differs. σ is a share of the distance between the eyes' centres (about 32 px in the crop); the "
            "poster names no unit, so that its axis need not be ours. Its authors asked people whether a video is in "
            "sync and looks real; nobody was asked here. What stands beside their votes are measured stand-ins: "
            "mouth r and LSE-C for sync, similarity to the truth and sharpness for realism, each as a share of its own "
            f"value without noise. The first {_FRAMES} frames of every clip of {study.split}.",
            f"From σ = 0 to σ = {SIGMAS[-1]:g}: {told}.",
        ),
        tables=(_noise_table(values),),
        pictures=(
            Picture(
                path,
                f"Two plots over σ: measured stand-ins for sync and realism beside the poster's votes. {told}.",
                "Solid: measured, share of the value at σ = 0, with 95% bands (people and their clips resampled). "
                "Dashed: share of votes, read off the chart of the poster's Fig. 5a to about ±0.01.",
            ),
            Picture(
                strip,
                "One face at eight values of σ, with the landmarks it was drawn from.",
                f"{study.examples[0].source}, {study.examples[0].identity}, where the true lips are widest apart: what "
                "was asked for, and what was drawn.",
            ),
        ),
        data={
            "sigmas": list(SIGMAS),
            "measured": values,
            "poster": {"sync": [POSTER_SYNC[x] for x in SIGMAS], "real": [POSTER_REAL[x] for x in SIGMAS]},
            "frames_of_each_clip": _FRAMES,
        },
    )


def _name(sigma: float) -> str:
    return f"σ = {sigma:g}"


def _relative(values: Sequence[np.ndarray]) -> np.ndarray:
    """(σ, resamples) as shares of the first σ's; NaN where that is not positive."""
    found = np.stack(values)
    return np.divide(found, found[:1], out=np.full_like(found, np.nan), where=found[:1] > 0)


def _quantiles(values: np.ndarray) -> np.ndarray:
    """(N, resamples) → (2, N): low and high end of the interval; NaN where nothing is known."""
    found = np.full((2, len(values)), np.nan)
    for i, some in enumerate(values):
        known = some[~np.isnan(some)]
        if len(known):
            found[:, i] = np.quantile(known, [0.025, 0.975])
    return found


def _draw_noise(curves: dict[str, np.ndarray], bands: dict[str, np.ndarray]) -> Figure:
    figure = Figure((figures.WIDTH, 3.3), layout="constrained")
    panels = (
        ("Sync", _SYNC, POSTER_SYNC, "poster: votes for “in sync”"),
        ("Realism", _REAL, POSTER_REAL, "poster: votes for “real”"),
    )
    for axes, (title, measured, votes, label) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        for (name, words, colour), marker in zip(measured, "os", strict=True):
            axes.fill_between(SIGMAS, *bands[name], color=colour, alpha=0.16, linewidth=0)
            axes.plot(SIGMAS, curves[name], marker=marker, color=colour, label=words)
        axes.plot(list(votes), list(votes.values()), "^--", color=figures.GREY, label=label)
        axes.set_title(title)
        axes.set_xlabel("σ ÷ distance of the eyes")
        axes.set_ylim(0, 1.3)
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("relative to σ = 0; votes as shares")
    return figure


def _noise_strip(animator: Animator, clip: Clip) -> Figure:
    at = int(mouth_opening(clip.landmarks).argmax())
    clip = clip.first(at + 1)
    asked, drawn = [], []
    for sigma in SIGMAS:
        landmarks = shaken(clip.landmarks[..., :2], sigma)
        asked.append(tiles.outlines(landmarks[at], clip.frames[0]))
        drawn.append(oracle_row(animator, disturb=partial(shaken, sigma=sigma)).draw(clip)[at])
    return figures.grid([asked, drawn], ("asked for", "drawn"), [_name(s) for s in SIGMAS], "lower row: AI-generated")


def _noise_table(values: dict[str, list[float]]) -> Table:
    columns = ("mouth r", "LSE-C", "SSIM", "CPBD", "jitter ÷ truth", "poster: votes “in sync”", "poster: votes “real”")
    rows = []
    for i, sigma in enumerate(SIGMAS):
        cells = [Cell(number(column[i], 3)) for column in values.values()]
        votes = [Cell(number(found[sigma], 2)) for found in (POSTER_SYNC, POSTER_REAL)]
        rows.append((_name(sigma), (*cells, *votes)))
    return Table("Measured, and what people said of the poster's videos", columns, tuple(rows))


def pose(study: Study) -> Part:
    """Fig. 5b."""
    people = [*portraits(study.animator), *stills(study.stills), *stills(study.examples)]
    found, strips = zip(*(_turned(study, person) for person in people), strict=True)
    names = [*(name for name, _, _ in _TURNED), "found"]
    curves = {name: np.array([[point[name] for point in points] for points in found]) for name in names}
    strip = figures.write(
        study.folder, "fig5b_strip", figures.grid, strips[:3], [person.title for person in people[:3]],
        [f"{yaw:g}°".replace("-", "−") for yaw in YAWS], "AI-generated",
    )  # fmt: skip
    path = figures.write(study.folder, "fig5b", _draw_pose, curves)
    means = {name: [_mean(column) for column in values.T] for name, values in curves.items()}
    upright = YAWS.index(0.0)
    told = "; ".join(
        f"{words} {number(means[name][upright], 2)} at 0° and {number(means[name][-1], 2)} at {YAWS[-1]:g}°"
        for name, words, _ in _TURNED
    )
    return Part(
        "fig5b",
        "Fig. 5b: the head turned",
        (
            f"{len(people)} photographs (two portraits in the public domain and people of {study.split}), turned by "
            "their 3-D landmarks and then animated with one voice. Positive yaw looks to the viewer's right; the "
            f"poster ends at {_POSTER_YAW}°, but ATVG turns no head by more than {MAX_DEGREES:g}°. What a single photo "
            "does not show has to be stretched from what it does. A photo turned there and back is compared with "
            "itself, which tells how much of a face the turn costs; r of the lips leaves out faces that the tracker "
            f"loses: at {YAWS[-1]:g}° it finds {means['found'][-1]:.0%} of the frames.",
            f"Means: {told}.",
        ),
        pictures=(
            Picture(
                strip,
                f"Three faces turned from {YAWS[0]:g}° to {YAWS[-1]:g}°.",
                "The frame in which the lips should be widest apart.",
            ),
            Picture(path, f"Three plots over the yaw. {told}.", "Thin: each face. Thick: their mean."),
        ),
        data={"yaws": list(YAWS), "people": [p.title.replace("\n", " ") for p in people], "means": means},
    )


def _turned(study: Study, person: Person) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """What is measured of a face at each yaw, and one frame of each."""
    voice, settings = excerpt(study.voice, _SECONDS), settings_of({})
    points, shown = [], []
    for yaw in YAWS:
        turned = turn_face(person.face, Pose(yaw=yaw))
        speech = hear(study.animator, turned, voice, settings)
        drawn = draw(study.animator, turned.crop, turned.crop_landmarks, speech)
        quality = measure(drawn, person.face.crop, tracker=study.tracker)
        back = turn_face(turned, Pose(yaw=-yaw)).crop
        points.append(
            {
                "cpbd": metrics.sharpness(drawn.frames),
                "there_and_back": metrics.ssim(back[None], person.face.crop[None]),
                "lip_r": quality.lip_r,
                "found": quality.found,
            }
        )
        shown.append(drawn.frames[speech.widest])
    return points, shown


def _draw_pose(curves: dict[str, np.ndarray]) -> Figure:
    figure = Figure((figures.WIDTH, 3.0), layout="constrained")
    for axes, (name, words, colour) in zip(figure.subplots(1, 3), _TURNED, strict=True):
        for values in curves[name]:
            axes.plot(YAWS, values, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(YAWS, [_mean(column) for column in curves[name].T], "o-", color=colour)
        axes.set_title(words, fontsize=8)
        axes.set_xlabel("yaw, degrees")
        axes.set_xticks(YAWS)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(min(0.0, float(np.nanmin(curves[name], initial=0.0))), None)
    return figure


def _mean(values: np.ndarray) -> float:
    known: Any = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
