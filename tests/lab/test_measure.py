"""Figures of drawn frames that need no true video."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from atvg.lab import run
from atvg.lab.measure import LABELS, Quality, correlation, difference, measure, shown


@pytest.fixture(scope="module")
def drawn(animator, face, voice):
    speech = run.hear(animator, face, voice, run.settings_of({}))
    return run.draw(animator, face.crop, face.crop_landmarks, speech)


def test_every_field_has_a_label():
    assert list(LABELS) == [field.name for field in fields(Quality)]


def test_frames_are_their_own_perfect_reference(drawn, face):
    quality = measure(drawn, face.crop, reference=drawn.frames)
    assert quality.similarity == pytest.approx(1) and quality.change == 0 and quality.found == 1
    assert 0.3 < quality.lip_r <= 1 and 0 < quality.lip_error < 1.5 and quality.opening > 0.1
    assert quality.attention == pytest.approx(drawn.attention.mean())


def test_without_a_reference_nothing_is_similar_to_it(drawn, face):
    quality = measure(drawn, face.crop)
    assert math.isnan(quality.similarity) and math.isnan(quality.change)


def test_the_photo_itself_is_as_sharp_as_the_photo_and_moves_no_lips(drawn, face):
    quality = measure(replace(drawn, frames=np.array(drawn.photos)), face.crop)
    assert quality.sharpness == pytest.approx(1)
    assert quality.opening < 0.1 and math.isnan(quality.lip_r)


def test_where_no_face_is_found_lips_have_no_figures(drawn, face):
    noise = np.random.default_rng(0).integers(0, 256, drawn.frames.shape, np.uint8)
    quality = measure(replace(drawn, frames=noise), face.crop)
    assert quality.found == 0
    assert all(math.isnan(value) for value in (quality.lip_error, quality.lip_r, quality.opening))


def test_a_photo_without_edges_has_no_sharpness_to_compare_with(drawn):
    assert math.isnan(measure(drawn, np.full((128, 128, 3), 90, np.uint8)).sharpness)


def test_lips_that_stand_still_correlate_with_nothing():
    moving = np.sin(np.arange(15))
    assert correlation(moving, 2 * moving + 1) == pytest.approx(1)
    assert math.isnan(correlation(moving, np.ones(20)))
    assert math.isnan(correlation(moving[:0], moving[:0]))


def test_differences_are_not_cut_at_zero():
    low, high = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 200, np.uint8)
    assert difference(low, high) == difference(high, low) == 200


def test_what_is_undefined_is_shown_as_a_dash():
    assert shown(math.nan) == "–" and shown(-0.123) == "−0.12" and shown(0.98765, "similarity") == "0.988"
