"""What a person looks at: sizes, fixed scales, and that every picture shows what it is called after."""

import cv2
import numpy as np
import pytest

from atvg.face.landmarks import INNER_LOWER
from atvg.panels import (
    FACE,
    LARGE,
    LIPS,
    SIDE,
    PanelRenderer,
    attention_over,
    equation,
    heat_map,
    landmarks_over,
    loss_weight,
    products,
)
from atvg.recording import Moment
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


@pytest.fixture
def moment(photo, chunk, face68):
    """The chunk's last frame, composed as VG-net composes: the motion map is rounded after the frame is."""
    _, attention, _, landmarks = chunk
    alpha = attention[-1].astype(np.float16).astype(np.float32)
    motion = 255.0 - 0.9 * photo
    frame = attention[-1][..., None] * motion + (1 - attention[-1][..., None]) * photo
    pixels = (values.round().astype(np.uint8) for values in (motion, frame))
    return Moment(photo, alpha, *pixels, landmarks[-1], seconds=0.2)


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Back to the crop's 128 pixels, int."""
    return cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).astype(int)


def tile(picture: np.ndarray, column: float, row: int) -> np.ndarray:
    """A tile of an equation, by its place in a grid of 256 px tiles, 56 px between them and 48 px below."""
    x, y = round(24 + column * (SIDE + 56)), 24 + row * (SIDE + 48 + 56)
    return picture[y : y + SIDE, x : x + SIDE]


def test_the_products_add_up_to_the_frame(moment):
    painted, kept = products(moment)
    # Each half of a grey level: the frame, the motion map where it counts fully, and both products. And α's own.
    assert np.abs(painted.astype(int) + kept - moment.frame).max() <= 2
    assert (painted[moment.attention == 0] == 0).all()
    assert np.array_equal(kept[moment.attention == 0], moment.photo[moment.attention == 0])


@pytest.mark.parametrize(
    "stacked, size, places",
    [
        (False, (712, 1552, 3), [(0, 0), (1, 0), (2, 0), (3, 0), (0.5, 1), (2.5, 1), (4, 0), (4, 1)]),
        (True, (1072, 928, 3), [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (2, 2), (2, 2)]),
    ],
)
def test_an_equation_shows_every_factor_product_and_the_result(moment, stacked, size, places):
    picture = equation(moment, stacked)
    assert picture.dtype == np.uint8 and picture.shape == size
    tiles = [shrunk(tile(picture, *place)) for place in places]
    painted, kept = products(moment)
    expected = (
        heat_map(moment.attention), moment.motion, heat_map(1 - moment.attention), moment.photo,
        painted, kept, moment.frame, moment.frame,
    )  # fmt: skip
    for i, (shown, meant) in enumerate(zip(tiles, expected, strict=True)):
        assert np.abs(shown - meant).mean() < 3, f"tile {i}"
    assert np.abs(tiles[4] + tiles[5] - tiles[6]).mean() < 2


def stage(picture: np.ndarray) -> np.ndarray:
    """The large picture without its scale and text."""
    return picture[16 : 16 + LARGE, 16 : 16 + LARGE]


def test_attention_over_a_photo_is_that_of_the_panels(renderer, chunk, photo):
    _, attention, _, _ = chunk
    shown = attention_over(photo, attention[-1])
    assert shown.dtype == np.uint8 and shown.shape == (576, 628, 3)
    assert np.abs(shrunk(stage(shown)) - shrunk(panel(renderer.render(*chunk)[-1], 1))).mean() < 2


@pytest.mark.parametrize("beta", [0, 0.5, 2.0])
def test_the_loss_weight_is_coloured_by_its_share_of_the_largest(chunk, beta):
    _, attention, _, _ = chunk
    shown = loss_weight(attention[-1], beta)
    meant = heat_map((attention[-1] + beta) / (1 + beta))
    assert np.abs(shrunk(stage(shown)) - meant).mean() < 2
    scale = shown[16 : 16 + LARGE, 2 * 16 + LARGE]
    assert np.array_equal(scale[[0, -1]], heat_map(np.array([1, beta / (1 + beta)]))), "from 1 + β down to β"


def test_a_large_beta_makes_all_pixels_alike(chunk):
    spreads = [
        np.ptp(stage(loss_weight(chunk[1][-1], beta)).astype(int), axis=(0, 1)).sum() for beta in (0, 0.5, 2, 50)
    ]
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] < 40


def test_landmarks_over_a_photo_are_drawn_where_they_are(photo, face68):
    moved = face68[:, :2] + (0, 5)
    shown = landmarks_over(photo, face68, moved)
    assert shown.shape == (LARGE, LARGE, 3)
    lips = lit(shown, LIPS)
    assert lips[:, 0].mean() == pytest.approx(4 * moved[48:68, 1].mean(), abs=12)
    assert not np.array_equal(shown, landmarks_over(photo, moved, moved)), "the photo's own stay behind"
