"""Figures that can be worked out by hand."""

import math

import cv2
import numpy as np
import pytest

from atvg.config import CROP_SIZE
from atvg.evaluation import metrics
from atvg.face.landmarks import INNER_LOWER, MOUTH


@pytest.fixture
def landmarks(face68) -> np.ndarray:
    """Five frames of a face that does not move, (5, 68, 2)."""
    return np.repeat(face68[None, :, :2], 5, axis=0)


def flat(level: int, frames: int = 4, side: int = 32) -> np.ndarray:
    return np.full((frames, side, side, 3), level, np.uint8)


class TestLandmarkDistance:
    def test_of_a_known_shift_of_one_point(self, landmarks):
        moved = landmarks.copy()
        moved[:, MOUTH[3]] += (6, 8)  # 10 px; the centroid of the 20 follows by 0.5 px
        by_hand = (9.5 + 19 * 0.5) / 20
        assert metrics.landmark_distance(moved, landmarks) == pytest.approx(by_hand)

    def test_over_all_points_spreads_the_same_shift_over_68(self, landmarks):
        moved = landmarks.copy()
        moved[:, MOUTH[3]] += (6, 8)
        by_hand = (10 * 67 / 68 + 67 * 10 / 68) / 68
        assert metrics.landmark_distance(moved, landmarks, metrics.ALL_POINTS) == pytest.approx(by_hand)

    def test_is_blind_to_translation_frame_by_frame(self, landmarks):
        moved = landmarks + np.random.default_rng(0).normal(0, 5, (len(landmarks), 1, 2))
        assert metrics.landmark_distance(moved, landmarks) == pytest.approx(0, abs=1e-9)

    def test_ignores_points_outside_the_mouth(self, landmarks):
        moved = landmarks.copy()
        moved[:, :48] += 7
        assert metrics.landmark_distance(moved, landmarks) == 0

    def test_of_no_frames_is_undefined(self, landmarks):
        assert math.isnan(metrics.landmark_distance(landmarks[:0], landmarks[:0]))


class TestMouthBox:
    def test_holds_all_mouth_points_of_all_frames(self, landmarks):
        landmarks[2, 57] += (0, 12)
        rows, columns = metrics.mouth_box(landmarks)
        mouth = landmarks[:, MOUTH]
        assert columns.start <= mouth[..., 0].min() and mouth[..., 0].max() < columns.stop
        assert rows.start <= mouth[..., 1].min() and mouth[..., 1].max() < rows.stop

    def test_stays_inside_the_crop_and_large_enough_for_ssim(self, landmarks):
        for shift in (-80, 80):
            corner = landmarks * 0.2 + 60 + shift
            for part in metrics.mouth_box(corner):
                assert 0 <= part.start < part.stop <= CROP_SIZE
                assert part.stop - part.start >= 11


class TestPSNR:
    def test_of_a_constant_difference(self):
        assert metrics.psnr(flat(110), flat(100)) == pytest.approx(20 * math.log10(255 / 10), abs=1e-4)

    def test_does_not_depend_on_the_sign(self):
        assert metrics.psnr(flat(90), flat(100)) == pytest.approx(metrics.psnr(flat(100), flat(90)))

    def test_pools_the_squared_error_over_the_clip(self):
        output = flat(100, frames=100)
        output[50:] += 10  # half of the error of the test above: 3.01 dB more
        by_hand = 20 * math.log10(255 / 10) + 10 * math.log10(2)
        assert metrics.psnr(output, flat(100, frames=100)) == pytest.approx(by_hand, abs=1e-4)

    def test_of_identical_clips_is_the_ceiling(self):
        assert metrics.psnr(flat(100), flat(100)) == metrics.PSNR_CEILING

    def test_of_the_released_script_wraps(self):
        # A true PSNR falls as the difference grows; 16² = 256 is 0 in uint8, and −1 wraps to 255, whose square is 1.
        assert metrics.psnr(flat(116), flat(100)) == pytest.approx(20 * math.log10(255 / 16), abs=1e-4)
        assert metrics.psnr_released_script(flat(116), flat(100)) == 100
        assert metrics.psnr_released_script(flat(99), flat(100)) == pytest.approx(20 * math.log10(255))
        # 20² = 400 → 144, as if the difference were 12.
        assert metrics.psnr_released_script(flat(120), flat(100)) == pytest.approx(20 * math.log10(255 / 12))

    def test_of_the_released_script_flatters_unrelated_pictures(self):
        a, b = np.random.default_rng(0).integers(0, 256, (2, 4, 64, 64, 1), np.uint8).repeat(3, axis=-1)
        assert metrics.psnr(a, b) < 10
        assert metrics.psnr_released_script(a, b) == pytest.approx(27.9, abs=0.5)


class TestSSIM:
    def test_of_identical_pictures_is_one(self, astronaut):
        frames = astronaut[None, 60:188, 160:288].repeat(70, axis=0)  # more than one batch
        assert metrics.ssim(frames, frames) == pytest.approx(1, abs=1e-4)

    def test_of_flat_pictures_is_the_luminance_term(self):
        c1 = (0.01 * 255) ** 2
        by_hand = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
        assert metrics.ssim(flat(150), flat(100)) == pytest.approx(by_hand, abs=1e-3)

    def test_works_on_the_smallest_mouth_box(self):
        assert metrics.ssim(flat(100, side=11), flat(100, side=11)) == pytest.approx(1, abs=1e-4)


class TestSharpness:
    def test_falls_as_a_photo_is_blurred(self, astronaut):
        face = astronaut[60:188, 160:288]
        blurred = [face] + [cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (0.6, 1.0, 2.0)]
        values = [metrics.sharpness(picture[None]) for picture in blurred]
        assert all(sharper > softer for sharper, softer in zip(values, values[1:], strict=False)), values

    @pytest.mark.parametrize(("width", "contrast", "sharp"), [(3, 200, 1), (4, 200, 0), (5, 40, 1), (6, 40, 0)])
    def test_knows_the_just_noticeable_width(self, width, contrast, sharp):
        ramp = 20 + contrast * np.clip((np.arange(64) - 30) / width, 0, 1)
        assert metrics.cpbd(np.tile(ramp.round().astype(np.uint8), (64, 1))) == sharp

    def test_of_a_mouth_box_treats_it_as_one_block(self):
        step = np.full((24, 40), 50, np.uint8)
        step[:, 20:] = 200
        assert metrics.cpbd(step) == 1

    def test_of_a_flat_picture_is_zero(self):
        assert metrics.cpbd(np.full((128, 128), 90, np.uint8)) == 0


def board(contrast: int, side: int = 128) -> np.ndarray:
    """Grey squares of one pixel, lighter and darker by `contrast`: their Laplacian is ±8 · contrast."""
    odd = np.indices((side, side)).sum(axis=0) % 2
    return np.repeat((128 + contrast * (2 * odd - 1)).astype(np.uint8)[..., None], 3, axis=2)


def opened(face: np.ndarray, by: float) -> np.ndarray:
    """The face with its lower inner lip, which lies on the upper one, so far below it."""
    face = face.copy()
    face[INNER_LOWER, 1] += by
    return face


class TestDetail:
    def test_is_the_variance_of_the_laplacian(self, face68):
        # Equally many pixels of either sign, up to the region's odd edges: (8 · 5)².
        assert metrics.fine_structure(board(5), face68) == pytest.approx(1600, rel=1e-3)
        assert metrics.fine_structure(board(0), face68) == 0

    def test_of_half_the_contrast_is_a_quarter(self, landmarks):
        frames = np.stack([board(20), board(10), board(10), board(10), board(40)])
        found = metrics.detail(frames, board(20), landmarks, landmarks[0])
        assert found == pytest.approx((1 + 3 / 4 + 4) / 5)

    def test_of_a_still_is_exactly_one_even_if_its_landmarks_tremble(self, landmarks, astronaut):
        trembling = landmarks * 1.5 + [160, 40] + np.random.default_rng(0).normal(0, 3, landmarks.shape)
        assert metrics.detail(np.stack([astronaut] * 5), astronaut, trembling, trembling[2]) == 1

    def test_of_a_blurred_copy_is_well_below_one(self, astronaut, astronaut_face):
        points = astronaut_face.landmarks
        soft = [metrics.Detail(astronaut, points).of(cv2.GaussianBlur(astronaut, (0, 0), s), points) for s in (0.6, 1)]
        assert 0 < soft[1] < soft[0] < 0.6

    def test_leaves_out_what_an_open_mouth_shows(self, face68):
        points = opened(face68, 12)
        frame = board(10)
        frame[91:100, 58:71] = board(120)[91:100, 58:71]  # teeth, within the inner lips
        assert metrics.Detail(board(10), face68).of(frame, points) == pytest.approx(1, rel=1e-3)
        assert metrics.Detail(board(10), face68).of(frame, face68) > 2  # as it would be with the mouth shut

    def test_goes_along_with_the_jaw(self, face68):
        """All that has structure in it is the chin, which drops by 14 px."""
        dropped = face68.copy()
        dropped[3:14, 1] += 14
        photo, frame = board(0), board(0)
        photo[100:105] = board(20)[100:105]
        frame[114:119] = board(20)[114:119]
        assert metrics.Detail(photo, face68).of(frame, dropped) > 0.5
        assert metrics.Detail(photo, face68).of(frame, face68) == 0

    def test_works_on_any_size(self, landmarks):
        large = np.repeat(np.repeat(board(20), 4, axis=0), 4, axis=1)[None]
        half = np.repeat(np.repeat(board(10), 4, axis=0), 4, axis=1)[None]
        points = (landmarks[:1] + 0.5) * 4 - 0.5
        assert metrics.detail(half, large[0], points, points[0]) == pytest.approx(0.25)

    def test_leaves_out_frames_without_a_face_and_is_undefined_without_any(self, landmarks):
        frames = np.stack([board(10)] * 5)
        landmarks[1:] = np.nan
        assert metrics.detail(frames, board(20), landmarks, landmarks[0]) == pytest.approx(0.25)
        assert math.isnan(metrics.detail(frames, board(20), landmarks, landmarks[1]))
        assert math.isnan(metrics.detail(frames, board(0), landmarks, landmarks[0]))  # a photo without structure

    def test_of_a_face_beyond_the_pictures_edge_is_undefined(self, face68):
        assert math.isnan(metrics.fine_structure(board(10), face68 + [200, 0, 0]))
        assert metrics.fine_structure(board(10), face68 + [50, 0, 0]) == pytest.approx(6400, rel=1e-2)


class TestOpeningShare:
    def test_knows_five_per_cent_of_the_distance_between_the_eyes(self, face68):
        eyes = 32.0  # of their centres, x = 48 and 80
        frames = np.stack([opened(face68, share * eyes) for share in (0, 0.04, 0.06, 0.06)])
        assert metrics.opening_share(frames) == 0.5
        assert metrics.opening_share(4 * frames) == 0.5

    def test_leaves_out_frames_without_a_face(self, face68):
        lost = np.full_like(face68, np.nan)
        assert metrics.opening_share(np.stack([lost, opened(face68, 2), face68, lost])) == 0.5
        assert math.isnan(metrics.opening_share(lost[None]))
        assert math.isnan(metrics.opening_share(lost[None][:0]))


class TestMouthCorrelation:
    truth = [np.array([0.0, 1, 2, 1]), np.array([5.0, 9, 7])]

    def test_of_a_scaled_copy_is_one_and_the_ratio_is_the_scale(self):
        r, ratio = metrics.mouth_correlation([0.4 * clip + 3 for clip in self.truth], self.truth)
        assert (r, ratio) == (pytest.approx(1), pytest.approx(0.4))

    def test_forgives_an_offset_of_each_clip(self):
        r, ratio = metrics.mouth_correlation([self.truth[0] + 8, self.truth[1] - 5], self.truth)
        assert (r, ratio) == (pytest.approx(1), pytest.approx(1))

    def test_pools_over_clips_as_by_hand(self):
        # Centred: output (−1, 1, −1, 1), truth (−1, 1, 1, −1): 1 + 1 − 1 − 1 = 0.
        r, ratio = metrics.mouth_correlation(
            [np.array([0, 2]), np.array([3, 5])], [np.array([4, 6]), np.array([1, -1])]
        )
        assert (r, ratio) == (pytest.approx(0), pytest.approx(1))

    def test_of_a_still_mouth_has_no_r_and_ratio_zero(self):
        r, ratio = metrics.mouth_correlation([np.full(4, 3.0), np.full(3, 2.0)], self.truth)
        assert math.isnan(r) and ratio == 0

    def test_of_nothing_detected_is_undefined(self):
        assert all(math.isnan(value) for value in metrics.mouth_correlation([np.zeros(0)], [np.zeros(0)]))


class TestJitter:
    @staticmethod
    def clip(quiet: int, lively: int) -> np.ndarray:
        """The upper half of the picture flickers by `lively` grey levels, the lower half by `quiet`."""
        frames = flat(100, frames=6)
        frames[::2, :16] += np.uint8(lively)
        frames[::2, 16:] += np.uint8(quiet)
        return frames

    def test_of_a_known_flicker(self):
        assert metrics.jitter(self.clip(6, 0), self.clip(2, 40)) == pytest.approx(3)

    def test_of_a_still_output_is_zero_and_of_the_truth_one(self):
        truth = self.clip(2, 40)
        assert metrics.jitter(truth[:1].repeat(6, axis=0), truth) == 0
        assert metrics.jitter(truth, truth) == 1

    def test_against_a_frozen_truth_is_finite(self):
        frozen = self.clip(0, 40)
        assert metrics.jitter(frozen, frozen) == 0
        assert metrics.jitter(self.clip(1, 40), frozen) == pytest.approx(1 / metrics.QUIET_FLOOR)
