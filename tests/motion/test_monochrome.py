"""Photos of one tone stay of one tone; photos with colours are left alone."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from atvg.motion.monochrome import Monochrome

NOISE = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), np.uint8)


def grey_of(picture: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def toned(picture: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """Black stays black and white white; between them it is coloured: 4·s·(1 − s) of `colour` at lightness s."""
    share = grey_of(picture) / 255
    return (255 * share + 4 * share * (1 - share) * colour).round().clip(0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


SEPIA, BLUE = (22.0, 2.0, -25.0), (-15.0, 0.0, 20.0)


class TestGrey:
    def test_a_grey_photo_is_its_own_to_the_bit(self, face):
        photo = grey_of(face.crop)
        assert np.array_equal(Monochrome.of(photo)(photo), photo)

    def test_whatever_is_drawn_becomes_grey_to_the_bit(self, face):
        """At its luma, which for red is 0.299 · 255 = 76."""
        drawn = Monochrome.of(grey_of(face.crop))(NOISE)
        assert drawn.shape == NOISE.shape and drawn.dtype == np.uint8
        assert (drawn == drawn[..., :1]).all()
        np.testing.assert_allclose(drawn[..., 0], NOISE @ [0.299, 0.587, 0.114], atol=1)
        assert Monochrome.of(grey_of(face.crop))(np.array([[[255, 0, 0]]], np.uint8)).tolist() == [[[76, 76, 76]]]

    def test_a_plain_picture(self):
        plain = np.full((128, 128, 3), 90, np.uint8)
        assert np.array_equal(Monochrome.of(plain)(plain), plain)

    def test_a_picture_of_two_greys_colours_none_of_those_between(self):
        two = np.zeros((128, 128, 3), np.uint8)
        two[64:] = 200
        assert np.array_equal(Monochrome.of(two).colours, np.repeat(np.arange(256)[:, None], 3, axis=1))

    @pytest.mark.parametrize("quality", [50, 90])
    def test_a_grey_jpeg_with_colours_is_grey(self, face, quality):
        photo = jpeg(grey_of(face.crop), quality)
        drawn = Monochrome.of(photo)(NOISE)
        assert np.ptp(drawn.astype(int), axis=-1).max() <= 1


class TestToned:
    @pytest.mark.parametrize("colour", [SEPIA, BLUE])
    def test_it_is_its_own_within_two_levels(self, face, colour):
        photo = toned(face.crop, colour)
        off = np.abs(Monochrome.of(photo)(photo).astype(int) - photo)
        assert np.quantile(off, 0.99) <= 2 and off.max() <= 4

    @pytest.mark.parametrize("colour", [SEPIA, BLUE])
    def test_whatever_is_drawn_becomes_of_this_tone(self, face, colour):
        drawn = Monochrome.of(toned(face.crop, colour))(NOISE).astype(int)
        middle = np.abs(NOISE @ [0.299, 0.587, 0.114] - 128) < 10
        np.testing.assert_allclose(drawn[middle].mean(axis=0) - drawn[middle].mean(), np.array(colour), atol=3)

    def test_a_jpeg_of_a_faint_one_too(self, face):
        photo = jpeg(toned(face.crop, (12.0, 1.0, -14.0)), 95)
        assert np.abs(Monochrome.of(photo)(photo).astype(int) - photo).mean() < 2


class TestColours:
    def test_a_coloured_photo_has_none(self, astronaut, face):
        assert Monochrome.of(astronaut) is None and Monochrome.of(face.crop) is None

    def test_nor_has_that_of_a_grey_haired_woman(self, animator, hopper):
        assert Monochrome.of(hopper) is None and Monochrome.of(animator.read_face(hopper).crop) is None

    def test_nor_a_grey_one_with_red_lips(self, face):
        """A hand-coloured print: one pixel in eight has a colour."""
        photo = grey_of(face.crop)
        photo[80:112, 32:96, 1:] //= 2
        assert Monochrome.of(photo) is None

    def test_nor_a_faded_one(self, face):
        """A quarter of its colours left."""
        faded = (0.25 * face.crop + 0.75 * grey_of(face.crop)).astype(np.uint8)
        assert Monochrome.of(faded) is None
