"""What a person looks at: sizes, fixed scales, and that every picture shows what it is called after."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from atvg.animate.chunk import Chunk
from atvg.animate.drawer import compose
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import INNER_LOWER
from atvg.film.close_up import CloseUp
from atvg.film.drawing import FACE, LIPS, SIDE, enlarge, heat_map
from atvg.film.panels import PanelRenderer
from atvg.film.paste import Paster
from atvg.film.video import VideoWriter
from atvg.motion.warp import CELLS
from atvg.show.maps import LARGE, attention_over, landmarks_over, loss_weight

T = 6


@pytest.fixture(scope="module")
def face(astronaut, astronaut_face):
    return Face(astronaut, astronaut_face.landmarks, astronaut_face.mesh)


@pytest.fixture
def photo(face):
    return face.crop


@pytest.fixture
def example(face):
    return face.crop_landmarks[:, :2]


@pytest.fixture
def chunk(photo, example):
    """A mouth that opens, painted in other colours where attention is, a spot that grows on it."""
    landmarks = np.repeat(example[None], T, axis=0)
    landmarks[:, INNER_LOWER, 1] += np.arange(T, dtype=np.float32)[:, None]
    y, x = np.mgrid[:128, :128]
    spot = np.exp(-(((x - 64) / 12) ** 2 + ((y - 90) / 8) ** 2))
    attention = (np.linspace(0, 1, T)[:, None, None] * spot).astype(np.float32)
    photos, motion = (np.repeat(picture[None], T, axis=0) for picture in (photo, 255 - photo))
    return Chunk(
        0, compose(attention[..., None], motion, photos), attention, motion, photos, photos,
        np.zeros((T, CELLS, CELLS, 2), np.float32), landmarks, np.zeros((T, 4), np.float32), (), None,
    )  # fmt: skip


@pytest.fixture
def renderer(face):
    return PanelRenderer(face)


@pytest.fixture
def rendered(renderer, chunk, face):
    """All frames, (T, H, W, 3)."""
    return render(renderer, chunk, face)


def render(renderer: PanelRenderer, chunk: Chunk, face: Face) -> np.ndarray:
    drawn = enumerate(Paster(face).frames(chunk))
    return np.stack([renderer.render(chunk, t, *made) for t, made in drawn])


def panel(picture: np.ndarray, i: int) -> np.ndarray:
    """The i-th panel of a rendered frame, found by its size: equal margins, captions above."""
    margin = picture.shape[0] - SIDE - 50
    gap = (picture.shape[1] - 2 * margin - 4 * SIDE) // 3
    left = margin + i * (SIDE + gap)
    return picture[50 : 50 + SIDE, left : left + SIDE]


def lit(picture: np.ndarray, colour: tuple) -> np.ndarray:
    """Rows and columns, (N, 2), of the pixels that nearly have a colour."""
    return np.argwhere(np.abs(picture.astype(int) - colour).max(axis=-1) < 12)


def placed(face: Face, points: np.ndarray) -> np.ndarray:
    """Crop pixels (N, 2) → pixels of a panel."""
    to_panel = geometry.compose(CloseUp.of(face).matrix(SIDE), geometry.invert(face.matrix))
    return geometry.apply(to_panel, points)


def test_four_panels_of_an_even_size(renderer, rendered):
    assert rendered.dtype == np.uint8
    assert rendered.shape == (T, renderer.size[1], renderer.size[0], 3)
    assert renderer.size[0] % 2 == renderer.size[1] % 2 == 0, "H.264 takes no other"
    assert renderer.size[0] > 4 * SIDE and renderer.size[1] > SIDE


def test_result_and_motion_are_the_photos_own_pixels(rendered, chunk, face):
    close_up = CloseUp.of(face)
    for t, (picture, made) in enumerate(Paster(face).frames(chunk)):
        shown = enlarge(close_up.shrunk(picture), SIDE)
        assert np.array_equal(panel(rendered[t], 3), shown)
        motion = panel(rendered[t], 2)
        assert np.array_equal(motion[:40], shown[:40]), "where α is 0 nothing is painted"
        assert (made is None) == np.array_equal(motion, shown)


def test_the_photo_is_as_sharp_as_it_is(rendered, face):
    """The first frame has no attention: what is shown is the photo, and not the network's 128 pixels."""
    own = enlarge(CloseUp.of(face).shrunk(face.photo), SIDE)
    assert np.array_equal(panel(rendered[0], 3), own)


def test_attention_is_brightest_where_attention_is(rendered, face):
    shown = panel(rendered[-1], 1).sum(axis=-1)
    y, x = np.unravel_index(shown.argmax(), shown.shape)
    assert np.array([x, y]) == pytest.approx(placed(face, np.array([[64.0, 90.0]]))[0], abs=7)


def test_attention_has_a_fixed_scale(rendered):
    peaks = [panel(picture, 1).max(axis=-1).max() for picture in rendered]
    assert all(a <= b for a, b in zip(peaks, peaks[1:], strict=False)) and peaks[0] < 100 < peaks[-1]


def test_attention_of_one_has_the_same_colour_on_any_photo(face, chunk):
    full = replace(chunk, attention=np.ones((T, 128, 128), np.float32))
    for level in (0, 255):
        blank = replace(face, photo=np.full_like(face.photo, level))
        out = PanelRenderer(blank).render(full, 0, blank.photo, None)
        middle = slice(SIDE // 4, -SIDE // 4)
        assert (panel(out, 1)[middle, middle] == heat_map(np.ones(1))[0]).all()


def test_landmarks_are_drawn_where_they_are(rendered, face):
    drawn = panel(rendered[0], 0)
    outline, lips = lit(drawn, FACE), lit(drawn, LIPS)
    assert len(outline) > 100 and len(lips) > 50
    points = placed(face, face.crop_landmarks[:, :2])
    low, high = points.min(axis=0), points.max(axis=0)
    assert (outline.min(axis=0)[::-1] >= low - 3).all() and (outline.max(axis=0)[::-1] <= high + 3).all()
    assert lips[:, 0].mean() == pytest.approx(points[48:68, 1].mean(), abs=8)


def test_lips_move_with_the_landmarks_and_the_example_stays_behind(rendered):
    first, last = (panel(rendered[t], 0) for t in (0, T - 1))
    assert not np.array_equal(first, last)
    assert np.array_equal(first[: SIDE // 2], last[: SIDE // 2]), "only the mouth moved"


def test_chunk_by_chunk_is_one_pass(renderer, chunk, face, rendered):
    parts = [render(renderer, chunk.cut(first, first + 4), face) for first in (0, 4)]
    assert np.array_equal(np.concatenate(parts), rendered)


def test_inputs_are_left_alone(renderer, chunk, face):
    for t, (picture, made) in enumerate(Paster(face).frames(chunk)):
        before = picture.copy()
        renderer.render(chunk, t, picture, made)
        assert np.array_equal(picture, before)


def test_panels_become_a_video(renderer, rendered, tmp_path):
    with VideoWriter(tmp_path / "panels.mp4", renderer.size) as writer:
        writer.write(rendered)
    assert (tmp_path / "panels.mp4").stat().st_size > 1000


def test_heat_grows_evenly():
    """Lightness, which is what the eye compares, climbs in a straight line."""
    colours = heat_map(np.linspace(0, 1, 256))
    lightness = cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0, :, 0].astype(float)
    assert np.corrcoef(lightness, np.arange(256))[0, 1] > 0.99
    assert np.array_equal(heat_map(np.array([-1.0, 2.0])), heat_map(np.array([0.0, 1.0])))


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Back to the crop's 128 pixels, int."""
    return cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).astype(int)


def stage(picture: np.ndarray) -> np.ndarray:
    """The large picture without its scale and text."""
    return picture[16 : 16 + LARGE, 16 : 16 + LARGE]


def test_attention_over_a_photo_is_that_of_the_panels(rendered, chunk, photo):
    shown = attention_over(photo, chunk.attention[-1])
    assert shown.dtype == np.uint8 and shown.shape == (576, 628, 3)
    assert np.abs(shrunk(stage(shown)) - shrunk(panel(rendered[-1], 1))).mean() < 6


@pytest.mark.parametrize("beta", [0, 0.5, 2.0])
def test_the_loss_weight_is_coloured_by_its_share_of_the_largest(chunk, beta):
    shown = loss_weight(chunk.attention[-1], beta)
    meant = heat_map((chunk.attention[-1] + beta) / (1 + beta))
    assert np.abs(shrunk(stage(shown)) - meant).mean() < 2
    scale = shown[16 : 16 + LARGE, 2 * 16 + LARGE]
    assert np.array_equal(scale[[0, -1]], heat_map(np.array([1, beta / (1 + beta)]))), "from 1 + β down to β"


def test_a_large_beta_makes_all_pixels_alike(chunk):
    spreads = [
        np.ptp(stage(loss_weight(chunk.attention[-1], beta)).astype(int), axis=(0, 1)).sum() for beta in (0, 0.5, 2, 50)
    ]
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] < 40


def test_landmarks_over_a_photo_are_drawn_where_they_are(photo, face68):
    moved = face68[:, :2] + (0, 5)
    shown = landmarks_over(photo, face68, moved)
    assert shown.shape == (LARGE, LARGE, 3)
    lips = lit(shown, LIPS)
    assert lips[:, 0].mean() == pytest.approx(4 * moved[48:68, 1].mean(), abs=12)
    assert not np.array_equal(shown, landmarks_over(photo, moved, moved)), "the photo's own stay behind"
