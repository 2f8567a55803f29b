"""The gallery: each failure is really seen, with any face and voice."""

import numpy as np
import pytest

from atvg.errors import BadSettingError
from atvg.lab.failures import FAILURES, make
from tests import synthetic
from tests.marks import quick

SIDE, STEP, LEFT, TOP = 256, 268, 16, 44  # of the tiles


def tile(picture: np.ndarray, column: int) -> np.ndarray:
    return picture[TOP : TOP + SIDE, LEFT + column * STEP :][:, :SIDE].astype(int)


@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_is_told_and_seen(animator, face, voice, name):
    failure = FAILURES[name]
    assert failure.name == name and failure.title and failure.cause.endswith((".", ")")) and failure.remedy
    picture = make(animator, face, voice, name)
    assert picture.dtype == np.uint8 and picture.ndim == 3
    columns = (picture.shape[1] - 2 * LEFT + 12) // STEP
    assert columns in (2, 3)
    assert np.abs(tile(picture, 0) - tile(picture, columns - 1)).mean() > 1


@pytest.mark.long
def test_they_are_decided_by_the_seed(animator, face, voice):
    first, same, another = (make(animator, face, voice, "shaken", seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, same) and not np.array_equal(first, another)


@pytest.mark.parametrize("name", quick(FAILURES, "misplaced"))
def test_silence_and_a_drawing_at_the_border_do_for_all_of_them(animator, name):
    drawing = synthetic.Drawing(3)
    x, y, width, height = drawing.box
    cut = int(x + 0.2 * width)
    face = animator.read_face(drawing.picture[:, cut:], points=drawing.points - [cut, 0])
    assert make(animator, face, np.zeros(3200, np.float32), name).size


def test_unknown_ones_are_refused(animator, face, voice, refuses):
    with refuses(BadSettingError, "unknown failure 'sneeze'"):
        make(animator, face, voice, "sneeze")
