"""Figures: what they plot, that Gradio takes them, and that pages stay small."""

import json
import math

import numpy as np
import pytest

from atvg.config import FPS
from atvg.face.landmarks import INNER_LOWER, MOUTH, mouth_opening
from atvg.show.plots import curves, lips, paths, trajectory

T, K = 50, 10


@pytest.fixture
def landmarks(face68):
    """A mouth that opens and closes."""
    moving = np.repeat(face68[None, :, :2], T, axis=0)
    moving[:, INNER_LOWER, 1] += 3 + 3 * np.sin(np.arange(T) / 4)[:, None]
    return moving.astype(np.float32)


@pytest.fixture
def codes():
    return np.random.default_rng(0).standard_normal((T, K)).astype(np.float32)


@pytest.fixture
def sound():
    return np.linspace(0, 0.5, T)


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def page(figure) -> str:
    """What Gradio sends to the browser."""
    import gradio

    sent = gradio.Plot().postprocess(figure)
    assert sent.type == "plotly"
    return sent.plot


def test_trajectory_plots_lips_sound_and_codes(landmarks, codes, sound):
    figure = trajectory(landmarks, codes, sound)
    lips = named(figure, "lips")
    np.testing.assert_allclose(lips.y, mouth_opening(landmarks), rtol=1e-6)
    assert (lips.x0, lips.dx) == (0, 1 / FPS)
    np.testing.assert_allclose(named(figure, "sound").y, sound)
    mirrored = figure.data[figure.data.index(named(figure, "sound")) - 1]
    np.testing.assert_allclose(mirrored.y, -sound, err_msg="the sound is filled from its mirror image")
    np.testing.assert_allclose(named(figure, "z₁₀").y, codes[:, 9])


def test_lips_of_several_videos_lie_above_one_sound(sound):
    gap = np.where(np.arange(T) == 7, np.nan, 3.0)
    figure = lips({"ATVG": np.arange(T) / 10, "other": gap}, sound)
    np.testing.assert_allclose(named(figure, "ATVG").y, np.arange(T) / 10, rtol=1e-6)
    assert np.isnan(named(figure, "other").y[7]) and named(figure, "other").y[8] == 3
    assert named(figure, "ATVG").line.color != named(figure, "other").line.color
    assert named(figure, "sound").yaxis == "y2" and figure.layout.xaxis.range == (0, (T - 1) / FPS)
    assert "NaN" not in page(figure)


def test_three_codes_are_shown_and_the_others_wait_in_the_legend(landmarks, codes, sound):
    lines = [trace for trace in trajectory(landmarks, codes, sound).data if trace.yaxis == "y3"]
    assert [line.visible for line in lines] == [True] * 3 + ["legendonly"] * (K - 3)
    assert len({line.line.color for line in lines}) == K


def test_all_share_the_time_and_the_hover(landmarks, codes, sound):
    figure = trajectory(landmarks, codes, sound, fps=50)
    assert {trace.xaxis for trace in figure.data} == {None}, "one x axis"
    assert {trace.yaxis for trace in figure.data} == {None, "y2", "y3"}
    assert figure.layout.hovermode == "x unified" and figure.layout.hoversubplots == "axis"
    assert figure.layout.xaxis.range == (0, (T - 1) / 50)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_trajectory_takes_a_single_frame_and_any_sound(landmarks, codes, level):
    figure = trajectory(landmarks[:1], codes[:1], np.full(1, level))
    low, high = figure.layout.xaxis.range
    assert low < high
    low, high = figure.layout.yaxis2.range
    assert low < -level and level < high


def test_paths_follow_every_point(landmarks, face68):
    figure = paths(landmarks, face68)
    mouth, face = named(figure, "mouth"), named(figure, "face")
    assert len(mouth.x) == 20 * (T + 1) and len(face.x) == 48 * (T + 1)
    numbers, seconds = mouth.customdata.T
    np.testing.assert_array_equal(np.unique(numbers[~np.isnan(numbers)]), MOUTH)
    here = numbers == INNER_LOWER[0]
    np.testing.assert_allclose(np.stack([mouth.x[here], mouth.y[here]], axis=1), landmarks[:, INNER_LOWER[0]])
    np.testing.assert_allclose(seconds[here], np.arange(T) / FPS, rtol=1e-6)
    assert np.isnan(mouth.x[T]), "the pen is lifted between points"


def test_paths_look_like_the_picture(landmarks, face68):
    layout = paths(landmarks, face68).layout
    assert layout.yaxis.range[0] > layout.yaxis.range[1], "y grows downwards"
    assert layout.yaxis.scaleanchor == "x" and layout.yaxis.scaleratio == 1
    assert layout.xaxis.range[0] < landmarks[..., 0].min() and landmarks[..., 0].max() < layout.xaxis.range[1]
    outline = named(paths(landmarks, face68), "photo")
    assert np.nanmin(outline.x) == pytest.approx(face68[:, 0].min())


def test_a_path_of_one_frame_is_a_point(landmarks, face68):
    assert "markers" in named(paths(landmarks[:1], face68), "mouth").mode


def test_two_minutes_stay_small(landmarks, codes, sound, face68):
    long = 60
    landmarks, codes = np.tile(landmarks, (long, 1, 1)), np.tile(codes, (long, 1))
    assert len(landmarks) == 120 * FPS
    assert len(page(paths(landmarks, face68))) < 600_000
    assert len(page(trajectory(landmarks, codes, np.tile(sound, long)))) < 300_000


def test_curves_give_each_quality_its_own_plot():
    xs, nan = [-20, 0, 20], math.nan
    figure = curves(xs, {"LMD, px ↓": [1.2, 0.8, nan], "SSIM ↑": [0.7, 0.8, 0.75], "r": [nan] * 3}, "yaw, degrees")
    assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y3"]
    assert [trace.name for trace in figure.data] == ["LMD, px", "SSIM", "r"]
    assert all("markers" in trace.mode and list(trace.x) == xs for trace in figure.data)
    titles = [note.text for note in figure.layout.annotations]
    assert "↓ better" in titles[0] and "↑ better" in titles[1] and titles[2] == "r"
    assert figure.layout.xaxis.title.text == "yaw, degrees"
    np.testing.assert_array_equal(np.isnan(figure.data[0].y), [False, False, True])


def test_stacked_plots_keep_their_height():
    one, three = (curves([0, 1], {str(i): [0, 1] for i in range(n)}, "x") for n in (1, 3))
    for figure in (one, three):
        low, high = figure.layout.yaxis.domain
        plots = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
        assert (high - low) * plots == pytest.approx(130)
    assert three.layout.yaxis3.domain[0] == 0 and three.layout.xaxis.anchor == "y3"


def test_one_measurement_is_enough():
    assert json.loads(page(curves([0.5], {"SSIM ↑": [0.7]}, "β")))["data"]


def test_figures_fit_any_width_and_let_a_touch_scroll(landmarks, codes, sound, face68):
    for figure in (trajectory(landmarks, codes, sound), paths(landmarks, face68), curves([0], {"a": [0]}, "x")):
        layout = json.loads(page(figure))["layout"]
        assert "width" not in layout and layout["dragmode"] is False
        assert "title" not in layout, "Gradio would make room for it twice"
