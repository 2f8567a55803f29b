"""The close-up: a square of the photo's own pixels around the face, fixed for a clip."""

import numpy as np
import pytest
from PIL import Image

from atvg import Pose
from atvg.bench.samples import sample_voice
from atvg.config import CROP_SIZE
from atvg.face import geometry
from atvg.face.face import Face
from atvg.film.close_up import CloseUp
from atvg.film.paste import Paster
from atvg.film.render import rendering
from atvg.motion.turn import turn_face


def scaled(face: Face, scale: float, shift: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Face:
    """The same face in a larger or smaller photo of noise, of (height, width)."""
    points = [part * scale + [*shift, 0] for part in (face.landmarks, face.mesh)]
    size = size or tuple(round(scale * side) for side in face.photo.shape[:2])
    return Face(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), *points)


def span(close_up: CloseUp) -> int:
    (height, width) = (side.stop - side.start for side in close_up.box)
    assert height == width, "a square"
    return height


def test_it_lies_where_the_crop_does(face):
    close_up = CloseUp.of(face)
    corners = np.array([[0, 0], [CROP_SIZE - 1, CROP_SIZE - 1]], float)
    middle = geometry.apply(geometry.invert(face.matrix), corners).mean(axis=0)
    assert np.abs([(side.start + side.stop - 1) / 2 for side in close_up.box][::-1] - middle).max() <= 1
    assert span(close_up) == close_up.side == pytest.approx(CROP_SIZE / geometry.scale_of(face.matrix), abs=2)


def test_a_large_face_is_shrunk_and_a_small_one_never_enlarged(face):
    large, small = CloseUp.of(scaled(face, 8)), CloseUp.of(scaled(face, 0.4))
    assert large.side == 512 < span(large)
    assert small.side == span(small) == 128, "more of the photo is shown around it"
    assert CloseUp.of(scaled(face, 0.4, size=(90, 101))).side == 90, "there is no more photo than that"


@pytest.mark.parametrize("size", [(512, 512), (513, 511), (150, 301), (121, 700)])
def test_a_side_is_even(face, size):
    assert CloseUp.of(scaled(face, 1, (-40, -20), size)).side % 2 == 0


@pytest.mark.parametrize("shift", [(-180, 0), (0, -80), (250, 0), (250, 350)])
def test_beside_the_photos_border_it_is_moved_into_the_photo(face, shift):
    close_up = CloseUp.of(scaled(face, 1, shift, (512, 512)))
    assert span(close_up) == span(CloseUp.of(face))
    assert all(side.start >= 0 and side.stop <= 512 for side in close_up.box)
    assert any(side.start == 0 or side.stop == 512 for side in close_up.box)


@pytest.mark.parametrize("settings", [{}, {"natural": True, "pose": Pose(yaw=15, roll=8)}])
def test_a_video_of_it_is_cut_from_the_whole_picture(animator, face, tmp_path, settings):
    face = turn_face(face, settings.pop("pose", Pose()))
    wave = sample_voice(0.4)
    chunks = list(animator.stream(face, wave, **settings))
    (_, picture), *_ = rendering(face, chunks, wave, tmp_path / "face.mp4", "face")
    *_, whole = Paster(face).paste(chunks[-1])
    close_up = CloseUp.of(face)
    unlabelled = slice(0, close_up.side // 2)
    assert picture.shape == (close_up.side, close_up.side, 3)
    assert np.array_equal(picture[unlabelled], whole[close_up.box][unlabelled])


def test_what_is_shrunk_keeps_its_places(astronaut, face):
    large = scaled(face, 6)
    photo = np.array(Image.fromarray(astronaut).resize((3072, 3072)))
    close_up = CloseUp.of(large)
    shown = close_up.shrunk(photo)
    x, y = geometry.apply(close_up.matrix(close_up.side), large.landmarks[[33], :2])[0].round().astype(int)
    here = photo[tuple(slice(int(at) - 6, int(at) + 6) for at in large.landmarks[33, 1::-1])]
    assert shown.shape == (512, 512, 3)
    assert np.abs(shown[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1)) - here.mean(axis=(0, 1))).max() < 6


def test_what_is_laid_into_it_may_reach_over_its_edges(face):
    close_up, ground = CloseUp.of(face), np.zeros((512, 512), np.uint8)
    rows, columns = close_up.box
    for box in (
        (slice(rows.start - 9, rows.start + 5), slice(columns.stop - 7, columns.stop + 30)),
        (slice(0, 512), slice(0, 512)),
        (slice(0, 3), slice(500, 512)),
    ):
        values = np.random.default_rng(1).integers(1, 256, [side.stop - side.start for side in box], np.uint8)
        whole, square = ground.copy(), close_up.cut(ground).copy()
        whole[box] = values
        close_up.lay(square, box, values)
        assert np.array_equal(square, whole[close_up.box])
