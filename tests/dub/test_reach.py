"""Where a new mouth reaches, and that nothing happens beyond."""

import numpy as np
import pytest

from atvg.animate.chunk import Chunk, Scene
from atvg.dub.reach import confined, reach_of
from tests.synthetic import face68, opened

FACE = face68()[:, :2].astype(np.float32)


def reached(mask: np.ndarray, x: int, y: int) -> float:
    return float(mask[y, x])


class TestReach:
    def test_lips_and_chin_are_in_it_and_eyes_are_not(self):
        """Of the drawn face: the mouth's middle at (64, 89), the chin at (64, 110), eyes at y 50."""
        mask = reach_of(FACE, FACE)
        assert reached(mask, 64, 89) == pytest.approx(1) and reached(mask, 52, 89) == pytest.approx(1)
        assert reached(mask, 64, 109) > 0.5
        assert mask[:56].max() == 0 and mask[:, :20].max() == 0

    def test_it_has_room_for_where_the_jaw_was_and_for_where_it_will_be(self):
        lower = FACE.copy()
        lower[4:13, 1] += 8
        for mask in (reach_of(FACE, lower), reach_of(lower, FACE)):
            assert reached(mask, 64, 116) > 0.5 > reached(reach_of(FACE, FACE), 64, 118)

    def test_it_ends_softly(self):
        assert np.abs(np.diff(reach_of(FACE, FACE), axis=0)).max() < 0.25


def chunk(shift: float, attention: float = 0.5) -> Chunk:
    """Two frames of a grey film; everything is moved down, and the network adds 40."""
    crops = np.full((2, 128, 128, 3), 100, np.uint8)
    scene = Scene(crops[0], np.eye(2, 3), FACE, FACE, np.ones(3, np.float32), None, 0)
    moves = np.zeros((2, 64, 64, 2), np.float32)
    moves[..., 1] = shift
    spoken = np.stack([opened(FACE, 6)] * 2)
    return Chunk(
        start=0, frames=crops + 20, attention=np.full((2, 128, 128), attention, np.float32), motion=crops + 40,
        photos=crops, base=crops, shift=moves, landmarks=spoken, codes=np.zeros((2, 3), np.float32), turns=(),
        teeth=None, scenes=(scene, scene),
    )  # fmt: skip


class TestConfined:
    def test_beyond_the_reach_nothing_is_left_of_it(self):
        made, beyond = confined(chunk(3.0), np.ones(2)), reach_of(FACE, opened(FACE, 6)) == 0
        assert beyond.any()
        assert (made.attention[:, beyond] == 0).all() and (made.frames[:, beyond] == 100).all()
        assert np.abs(made.shift[:, :25]).max() == 0

    def test_where_something_is_moved_nothing_shines_through(self):
        made = confined(chunk(3.0), np.ones(2))
        assert made.attention[0, 89, 64] == 1
        assert made.frames[0, 89, 64, 0] == 120, "the network's 40 are weighed by its α of 0.5"

    def test_where_nothing_is_moved_the_network_has_its_say(self):
        made = confined(chunk(0.0), np.ones(2))
        assert made.attention[0, 89, 64] == pytest.approx(0.5)
        assert made.frames[0, 89, 64, 0] == 120

    def test_a_frame_without_the_person_stays(self):
        made = confined(chunk(3.0), np.array([0.0, 1.0]))
        assert (made.frames[0] == 100).all() and made.attention[0].max() == 0
        assert made.attention[1].max() == 1
