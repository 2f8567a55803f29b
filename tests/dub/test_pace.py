"""Codes at 25 a second → those of a film's frames: each that of its own middle."""

from fractions import Fraction

import numpy as np
import pytest

from atvg.dub.pace import at_rate, n_film_frames

CODES = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


def paced(codes: np.ndarray, fps: object, count: int, *cuts: int) -> np.ndarray:
    return np.concatenate(list(at_rate(np.split(codes, cuts), Fraction(fps), count)))


@pytest.mark.parametrize("seconds, fps, count", [(1, 25, 25), (1.001, 25, 26), (1, "24000/1001", 24), (1, 60, 60)])
def test_a_frame_that_is_begun_counts(seconds, fps, count):
    assert n_film_frames(np.zeros(round(16_000 * seconds)), Fraction(fps)) == count


def test_the_shortest_voice_has_a_frame():
    assert n_film_frames(np.zeros(1), Fraction(25)) == 1


@pytest.mark.parametrize("cuts", [(), (1,), (7, 8, 15)])
def test_at_25_they_are_untouched(cuts):
    assert np.array_equal(paced(CODES, 25, 20, *cuts), CODES)


def test_at_50_two_frames_lie_a_quarter_from_each():
    """Frames 1 and 2 have their middles at 0.75 and 1.25 of the codes' frames, of which 0 has its own at 0.5."""
    found = paced(np.array([[0.0], [4.0], [8.0]], np.float32), 50, 6)
    assert found[:, 0].tolist() == [0, 1, 3, 5, 7, 8]  # before the first middle and after the last they stay


def test_at_12_5_a_frame_has_the_mean_of_two():
    assert np.allclose(paced(CODES, "12.5", 10), (CODES[::2] + CODES[1::2]) / 2, atol=1e-6)


@pytest.mark.parametrize("fps", ["24000/1001", "60", "30", "10"])
def test_in_parts_they_are_the_same(fps):
    count = int(np.ceil(20 * Fraction(fps) / 25))
    whole = paced(CODES, fps, count)
    assert whole.shape == (count, 3) and whole.dtype == np.float32
    assert np.allclose(paced(CODES, fps, count, *range(1, 20)), whole, atol=1e-6)


def test_the_last_stay_to_the_end():
    assert np.array_equal(paced(CODES, 25, 23)[20:], CODES[[19, 19, 19]])
