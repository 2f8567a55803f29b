"""What is drawn into a photo before any work."""

import numpy as np
import pytest

from atvg.face.face import read_face
from atvg.face.image import load_image
from atvg.film.drawing import FACE, LIPS
from atvg.show.sketch import sketch_boxes, sketch_face, sketch_points


def coloured(picture: np.ndarray, colour: tuple) -> np.ndarray:
    """Where a picture has exactly this colour, as (N, 2) points x, y."""
    return np.argwhere((picture == colour).all(axis=-1))[:, ::-1]


def test_the_outlines_lie_on_the_landmarks(astronaut, mediapipe):
    face = read_face(astronaut, mediapipe)
    picture = sketch_face(face)
    assert picture.shape == (512, 512, 3)
    lips, rest = coloured(picture, LIPS), coloured(picture, FACE)
    for landmark in 4 * face.crop_landmarks[48:, :2]:
        assert np.linalg.norm(lips - landmark, axis=1).min() < 3
    for landmark in 4 * face.crop_landmarks[:17, :2]:
        assert np.linalg.norm(rest - landmark, axis=1).min() < 3


@pytest.mark.parametrize("scale", [1, 4])
def test_boxes_are_drawn_where_they_are(scale):
    photo = np.zeros((200 * scale, 300 * scale, 3), np.uint8)
    boxes = [(20 * scale, 30 * scale, 60 * scale, 80 * scale), (150 * scale, 50 * scale, 40 * scale, 40 * scale)]
    picture = sketch_boxes(photo, boxes)
    assert not photo.any(), "the photo itself must stay as it was"
    marked = (picture == FACE).all(axis=-1)
    for x, y, width, height in boxes:
        assert marked[y : y + height + 1, [x, x + width]].all() and marked[[y, y + height], x : x + width + 1].all()
        assert not marked[y + height // 2, x + width // 2]


def test_boxes_beyond_the_photo_do_no_harm():
    picture = sketch_boxes(load_image(np.full((100, 100, 3), 9, np.uint8)), [(-50, -50, 300, 300), (95, 95, 40, 40)])
    assert picture.shape == (100, 100, 3)


def test_points_become_dots():
    photo = np.zeros((100, 200, 3), np.uint8)
    picture = sketch_points(photo, np.array([[50, 40], [120, 80]]))
    dots = coloured(picture, LIPS)
    assert {tuple(dot) for dot in dots} >= {(50, 40), (120, 80)}
    assert len(dots) < 200 and not photo.any()
