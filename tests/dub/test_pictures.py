"""The pictures of a film that was dubbed: by their numbers, and once more in their order."""

import numpy as np
import pytest

from atvg.dub.footage import frames, open_footage
from atvg.dub.pictures import Pictures
from atvg.errors import BadFilmError
from tests.dub.test_footage import B_FRAMES, film


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "a.mp4", *B_FRAMES, "-g", "5", seconds=0.48)


@pytest.fixture(scope="module")
def all_frames(path) -> list[np.ndarray]:
    return list(frames(open_footage(path)))


def test_each_is_found_by_its_number(path, all_frames):
    pictures = Pictures(path)
    for number in (7, 0, 11):
        assert np.array_equal(pictures(number), all_frames[number])


@pytest.mark.parametrize(
    "numbers",
    [[0, 1, 2, 3], [*range(12), *range(10, -1, -1), 1, 2], [*range(12), 11, 11]],
    ids=["a", "to and fro", "held"],
)
def test_in_their_order_they_are_the_same(path, all_frames, numbers):
    picture = Pictures(path).in_order(np.array(numbers))
    assert all(np.array_equal(picture(number), all_frames[number]) for number in numbers)


def test_another_film_in_its_place_is_noticed(path, refuses):
    with refuses(BadFilmError, "dub it again"):
        Pictures(path)(12)
    picture = Pictures(path).in_order(np.arange(13))
    with refuses(BadFilmError, "dub it again"):
        [picture(number) for number in range(13)]


def test_nothing_is_opened_before_a_picture_is_wanted(tmp_path, refuses):
    pictures = Pictures(tmp_path / "gone.mp4")
    with refuses(BadFilmError, "no such film"):
        pictures(0)
