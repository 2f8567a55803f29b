"""Which frames of a clip make a training sample."""

import numpy as np
import pytest
import torch

from atvg.data.bank import VideoBank
from atvg.data.pairs import Extremes, draw_pair, extremes
from atvg.data.stream import StreamBank
from atvg.face.landmarks import EYE_CORNERS, mouth_opening
from atvg.motion.pose import Pose, head_centre, turn_points

LENGTH, STEPS = 100, 4
ENDS = Extremes(np.arange(10), np.arange(60, 70))


def opened(face: np.ndarray, by: float) -> np.ndarray:
    points = face.copy()
    points[[65, 66, 67]] += [0, by, 0]
    return points


def pairs(contrast: float, count: int = 1000, **changed: object) -> np.ndarray:
    """(count, 1 + STEPS) frame numbers."""
    asked = {"length": LENGTH, "steps": STEPS, "stride": 1, "ends": ENDS} | changed
    rng = np.random.default_rng(0)
    return np.stack([draw_pair(rng, **asked, contrast=contrast) for _ in range(count)])


class TestExtremes:
    def test_they_are_the_tenths_at_either_end(self, face68):
        by = np.random.default_rng(0).permutation(40) / 10
        ends = extremes(np.stack([opened(face68, amount) for amount in by]))
        assert sorted(by[ends.shut]) == [0, 0.1, 0.2, 0.3] and sorted(by[ends.open]) == [3.6, 3.7, 3.8, 3.9]

    def test_of_two_pictures_each_is_an_end(self, face68):
        ends = extremes(np.stack([opened(face68, 3), face68]))
        assert ends.shut.tolist() == [1] and ends.open.tolist() == [0]

    def test_a_single_picture_is_both(self, face68):
        assert [part.tolist() for part in extremes(face68[None])] == [[0], [0]]

    def test_openings_are_relative_to_the_face_however_it_is_turned(self, face68):
        """A large face opened a little is more shut than a small one, and eyes seen from aside are no nearer."""
        ends = extremes(np.stack([1.5 * opened(face68, 3), opened(face68, 3.5)]))
        assert ends.shut.tolist() == [0]
        aside = turn_points(opened(face68, 3), head_centre(face68), Pose(yaw=35))
        eyes = aside[EYE_CORNERS[-1], 0] - aside[EYE_CORNERS[0], 0]
        assert mouth_opening(aside) / eyes > 4 / 54  # in the picture it would be the more open one
        assert extremes(np.stack([aside, opened(face68, 3.5)])).shut.tolist() == [0]


class TestDrawing:
    def test_without_contrast_photo_and_window_are_any(self):
        chosen = pairs(0.0, 3000)
        assert set(chosen[:, 0]) == set(range(LENGTH))
        assert set(chosen[:, 1]) == set(range(LENGTH - STEPS + 1))

    def test_windows_are_consecutive_and_within_the_clip(self):
        chosen = pairs(0.5)
        assert (np.diff(chosen[:, 1:]) == 1).all() and chosen.min() >= 0 and chosen.max() < LENGTH

    def test_the_stride_is_kept(self):
        assert (np.diff(pairs(0.5, stride=5)[:, 1:]) == 5).all()

    def test_contrasting_pairs_lead_from_one_end_to_the_other(self):
        chosen = pairs(1.0)
        opening = np.isin(chosen[:, 0], ENDS.shut)
        assert np.isin(chosen[opening, 1:], ENDS.open).any(axis=1).all()
        assert np.isin(chosen[~opening, 0], ENDS.open).all()
        assert np.isin(chosen[~opening, 1:], ENDS.shut).any(axis=1).all()
        assert opening.mean() == pytest.approx(2 / 3, abs=0.05)

    def test_the_extreme_frame_lies_anywhere_in_its_window(self):
        chosen = pairs(1.0, ends=Extremes(np.array([0]), np.array([50])))
        opening = chosen[chosen[:, 0] == 0, 1:]
        assert set(np.argwhere(opening == 50)[:, 1]) == set(range(STEPS))

    def test_a_window_longer_than_its_clip_rests_on_the_last_frame(self):
        chosen = pairs(1.0, length=2, ends=Extremes(np.array([1]), np.array([0])))
        assert (chosen[:, 1:] == [0, 1, 1, 1]).all()

    def test_the_same_generator_draws_the_same(self):
        assert np.array_equal(pairs(0.4), pairs(0.4))


@pytest.mark.parametrize("make", [VideoBank, StreamBank])
class TestBanks:
    @pytest.fixture
    def openings(self, make, tiny_pack):
        """``openings(contrast)``: how far the mouths of 600 photos and their two frames are open, (600, 3)."""

        def draw(contrast: float) -> np.ndarray:
            bank = make(tiny_pack, "train", torch.device("cpu"), contrast=contrast)
            drawn = [bank.batch(np.random.default_rng(i), 30, 2).landmarks for i in range(20)]
            return mouth_opening(np.concatenate(drawn))

        return draw

    @pytest.fixture
    def median(self, tiny_pack):
        return np.median(mouth_opening(VideoBank(tiny_pack, "train", torch.device("cpu")).landmarks))

    def test_the_share_asked_for_leads_from_shut_to_open_or_back(self, openings, median):
        drawn = openings(1.0)
        photo, frames = drawn[:, 0], drawn[:, 1:]
        opening = (photo < median) & (frames.max(axis=1) > median)
        shutting = (photo > median) & (frames.min(axis=1) < median)
        assert (opening | shutting).all()
        assert opening.mean() == pytest.approx(2 / 3, abs=0.07)

    def test_more_contrast_means_larger_changes(self, openings):
        any_pair, some, all_of_them = (np.abs(np.diff(openings(c)[:, :2])).mean() for c in (0.0, 0.4, 1.0))
        assert any_pair < some < all_of_them and all_of_them > 1.3 * any_pair
