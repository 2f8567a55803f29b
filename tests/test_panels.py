"""What a person looks at: sizes, fixed scales, and that every picture shows what it is called after."""

import io

import cv2
import numpy as np
import pytest

from atvg.config import FPS, SAMPLE_RATE
from atvg.face.landmarks import INNER_LOWER, mouth_opening
from atvg.panels import (
    FACE,
    LIPS,
    SIDE,
    PanelRenderer,
    attention_strip,
    heat_map,
    landmark_trajectory,
    motion_strip,
)
from atvg.video import VideoWriter

T = 6


@pytest.fixture
def photo(astronaut):
    return cv2.resize(astronaut[20:220, 120:320], (128, 128), interpolation=cv2.INTER_AREA)


@pytest.fixture
def chunk(photo, face68):
    """Frames, attention, motion and landmarks of a mouth that opens; attention is a spot that grows on it."""
    landmarks = np.repeat(face68[None, :, :2], T, axis=0).astype(np.float32)
    landmarks[:, INNER_LOWER, 1] += np.arange(T)[:, None]
    y, x = np.mgrid[:128, :128]
    spot = np.exp(-(((x - 64) / 12) ** 2 + ((y - 90) / 8) ** 2))
    attention = np.linspace(0, 1, T)[:, None, None] * spot
    motion = np.repeat(255 - photo[None], T, axis=0)
    return np.repeat(photo[None], T, axis=0), attention, motion, landmarks


@pytest.fixture
def renderer(photo, face68):
    return PanelRenderer(photo, face68)


def panel(picture: np.ndarray, i: int) -> np.ndarray:
    """The i-th panel of a rendered frame, found by its size: equal margins, captions above."""
    margin = picture.shape[0] - SIDE - 42
    gap = (picture.shape[1] - 2 * margin - 4 * SIDE) // 3
    left = margin + i * (SIDE + gap)
    return picture[42 : 42 + SIDE, left : left + SIDE]


def lit(picture: np.ndarray, colour: tuple) -> np.ndarray:
    """Rows and columns, (N, 2), of the pixels that nearly have a colour."""
    return np.argwhere(np.abs(picture.astype(int) - colour).max(axis=-1) < 12)


def test_four_panels_of_an_even_size(renderer, chunk):
    out = renderer.render(*chunk)
    assert out.dtype == np.uint8
    assert out.shape == (T, renderer.size[1], renderer.size[0], 3)
    assert renderer.size[0] % 2 == renderer.size[1] % 2 == 0, "H.264 takes no other"
    assert renderer.size[0] > 4 * SIDE and renderer.size[1] > SIDE


def test_result_and_motion_are_the_pictures_themselves(renderer, chunk):
    frames, _, motion, _ = chunk
    picture = renderer.render(*chunk)[2]
    for i, shown in ((3, frames[2]), (2, motion[2])):
        small = cv2.resize(panel(picture, i), (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - shown).mean() < 3


def test_attention_is_brightest_where_attention_is(renderer, chunk):
    shown = panel(renderer.render(*chunk)[-1], 1).sum(axis=-1)
    y, x = np.unravel_index(shown.argmax(), shown.shape)
    assert (y, x) == (pytest.approx(2 * 90, abs=6), pytest.approx(2 * 64, abs=6))


def test_attention_has_a_fixed_scale(renderer, chunk):
    frames, attention, motion, landmarks = chunk
    peaks = [panel(picture, 1).max(axis=-1).max() for picture in renderer.render(frames, attention, motion, landmarks)]
    assert all(a <= b for a, b in zip(peaks, peaks[1:], strict=False)) and peaks[0] < 100 < peaks[-1]


def test_attention_of_one_has_the_same_colour_on_any_photo(face68, chunk):
    frames, _, motion, landmarks = chunk
    full = np.ones((T, 128, 128))
    for level in (0, 255):
        out = PanelRenderer(np.full((128, 128, 3), level, np.uint8), face68).render(frames, full, motion, landmarks)
        assert (panel(out[0], 1) == heat_map(np.ones(1))[0]).all()


def test_landmarks_are_drawn_where_they_are(renderer, chunk, face68):
    drawn = panel(renderer.render(*chunk)[0], 0)
    face, lips = lit(drawn, FACE), lit(drawn, LIPS)
    assert len(face) > 100 and len(lips) > 50
    low, high = 2 * face68[:, :2].min(axis=0), 2 * face68[:, :2].max(axis=0)
    assert (face.min(axis=0)[::-1] >= low - 3).all() and (face.max(axis=0)[::-1] <= high + 3).all()
    assert lips[:, 0].mean() == pytest.approx(2 * face68[48:68, 1].mean(), abs=6)


def test_lips_move_with_the_landmarks_and_the_example_stays_behind(renderer, chunk):
    first, last = (panel(renderer.render(*chunk)[t], 0) for t in (0, T - 1))
    assert not np.array_equal(first, last)
    assert np.array_equal(first[: SIDE // 2], last[: SIDE // 2]), "only the mouth moved"


def test_chunk_by_chunk_is_one_pass(renderer, chunk):
    whole = renderer.render(*chunk)
    parts = [renderer.render(*(values[first : first + 4] for values in chunk)) for first in (0, 4)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_inputs_are_left_alone(renderer, chunk):
    before = [values.copy() for values in chunk]
    renderer.render(*chunk)
    assert all(np.array_equal(a, b) for a, b in zip(before, chunk, strict=True))


def test_panels_become_a_video(renderer, chunk, tmp_path):
    with VideoWriter(tmp_path / "panels.mp4", renderer.size) as writer:
        writer.write(renderer.render(*chunk))
    assert (tmp_path / "panels.mp4").stat().st_size > 1000


def test_heat_grows_evenly():
    """Lightness, which is what the eye compares, climbs in a straight line."""
    colours = heat_map(np.linspace(0, 1, 256))
    lightness = cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0, :, 0].astype(float)
    assert np.corrcoef(lightness, np.arange(256))[0, 1] > 0.99
    assert np.array_equal(heat_map(np.array([-1.0, 2.0])), heat_map(np.array([0.0, 1.0])))


def test_strips_show_moments_from_first_to_last(photo):
    motion = np.stack([np.full_like(photo, 5 * t) for t in range(50)])
    strip = motion_strip(motion, n=4)
    assert strip.dtype == np.uint8 and strip.shape[1] > 4 * 128
    levels = [level for level in np.unique(strip[64].reshape(-1, 3), axis=0).tolist() if len(set(level)) == 1]
    assert levels == [[5 * t] * 3 for t in (0, 16, 33, 49)]


def test_attention_strip_has_a_scale_and_the_other_has_none(chunk):
    _, attention, motion, _ = chunk
    with_scale, without = attention_strip(attention, n=3), motion_strip(motion, n=3)
    assert with_scale.shape[0] == without.shape[0]
    assert with_scale.shape[1] > without.shape[1]
    assert len(lit(with_scale[:, without.shape[1] - 16 :], tuple(heat_map(np.ones(1))[0].tolist()))) > 0


def test_time_stamps_follow_the_times_given(chunk):
    _, attention, _, _ = chunk
    plain = attention_strip(attention)
    assert np.array_equal(plain, attention_strip(attention, times=np.arange(T) / FPS))
    assert not np.array_equal(plain, attention_strip(attention, times=np.arange(T) * 2.0))


def test_short_clips_make_short_strips(chunk):
    _, _, motion, _ = chunk
    assert motion_strip(motion[:1]).shape[1] < motion_strip(motion[:3]).shape[1] == motion_strip(motion, n=3).shape[1]


def test_trajectory_plots_the_lip_opening(chunk, capfd):
    landmarks = chunk[3]
    wave = np.linspace(0, 0.5, round(T / FPS * SAMPLE_RATE)).astype(np.float32)
    figure = landmark_trajectory(landmarks, FPS, wave)
    lips = figure.axes[0].lines[0]
    np.testing.assert_allclose(lips.get_xdata(), np.arange(T) / FPS)
    np.testing.assert_allclose(lips.get_ydata(), mouth_opening(landmarks))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Lip opening", "Sound", "Paths of the mouth"]
    png = io.BytesIO()
    figure.savefig(png)
    assert png.getbuffer()[:4] == b"\x89PNG"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wave", [None, np.zeros(1, np.float32), np.zeros(99_999, np.float32)])
def test_trajectory_takes_any_sound_and_a_single_frame(chunk, wave):
    landmark_trajectory(chunk[3][:1], FPS, wave).savefig(io.BytesIO())


def test_trajectory_leaves_pyplot_alone(chunk):
    from matplotlib import pyplot

    landmark_trajectory(chunk[3])
    assert pyplot.get_fignums() == []
