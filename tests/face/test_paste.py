"""The animated crop goes back into the whole photo; what is not the face stays bit for bit the photo's own."""

import numpy as np
import pytest

from atvg.face import geometry
from atvg.face.face import Face, read_face
from atvg.face.paste import Paster, face_mask
from atvg.pose import Pose

ONES, ZEROS = np.ones((1, 128, 128), np.float32), np.zeros((1, 128, 128), np.float32)
RED = np.full((1, 128, 128, 3), (255, 0, 0), np.uint8)


@pytest.fixture(scope="module")
def face(astronaut, mediapipe) -> Face:
    return read_face(astronaut, mediapipe)


def pasted(face: Face, attention: np.ndarray, motion: np.ndarray) -> np.ndarray:
    return next(iter(Paster(face).paste(attention, motion)))


class TestMask:
    def test_it_covers_the_face_and_room_for_an_open_jaw(self, face68):
        mask = face_mask(face68)
        assert mask.shape == (128, 128) and mask.dtype == np.float32
        inside = face68[17:, :2].round().astype(int)
        assert mask[inside[:, 1], inside[:, 0]].min() > 0.95
        assert mask[90 + 10, 64] > 0.95

    def test_it_is_soft_and_fades_to_nothing_at_the_border(self, face68):
        mask = face_mask(face68)
        assert mask.min() >= 0 and mask.max() <= 1.0001
        for border in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
            assert border.max() < 0.01
        assert np.abs(np.diff(mask, axis=0)).max() < 0.2 and np.abs(np.diff(mask, axis=1)).max() < 0.2


class TestPasting:
    def test_without_attention_every_pixel_is_the_photos_own(self, face, astronaut):
        np.testing.assert_array_equal(pasted(face, ZEROS, RED), astronaut)

    def test_faint_attention_everywhere_changes_nothing(self, face, astronaut):
        np.testing.assert_array_equal(pasted(face, 0.02 * ONES, RED), astronaut)

    def test_where_attention_is_one_nothing_of_the_photo_shines_through(self, face):
        picture = pasted(face, ONES, RED)
        mouth = face.landmarks[48:68, :2].mean(axis=0).round().astype(int)
        assert tuple(picture[mouth[1], mouth[0]]) == (255, 0, 0)

    def test_half_attention_is_half_of_each(self, face, astronaut):
        picture = pasted(face, 0.5 * ONES, RED)
        x, y = face.landmarks[51, :2].round().astype(int)
        expected = 0.5 * astronaut[y, x] + 0.5 * np.array([255, 0, 0])
        assert np.abs(picture[y, x] - expected).max() <= 1

    def test_outside_the_face_every_pixel_is_the_photos_own(self, face, astronaut):
        """Even with full attention everywhere; the face with an open jaw fits into 1.5 times its box."""
        changed = (pasted(face, ONES, RED) != astronaut).any(axis=2)
        rows, columns = np.nonzero(changed)
        low, high = face.landmarks[:, :2].min(axis=0), face.landmarks[:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2
        assert np.abs(columns - middle[0]).max() < 1.5 * half[0]
        assert np.abs(rows - middle[1]).max() < 1.5 * half[1]
        assert changed.sum() > 0.5 * (high - low).prod()

    def test_the_crops_own_pixels_go_back_to_where_they_were(self, face, astronaut):
        """Pasting the untouched crop with full attention blurs a little and shifts nothing."""
        picture = pasted(face, ONES, face.crop[None])
        inside = np.s_[95:165, 190:260]
        right = np.abs(picture[inside].astype(float) - astronaut[inside]).mean()
        shifted = np.abs(np.roll(astronaut, 2, axis=1)[inside].astype(float) - astronaut[inside]).mean()
        assert right < shifted / 2

    def test_a_bright_spot_of_the_crop_lands_where_the_matrix_says(self, face):
        attention, motion = ZEROS.copy(), RED.copy()
        attention[0, 88:93, 60:65] = 1
        changed = (pasted(face, attention, motion) != face.photo).any(axis=2)
        rows, columns = np.nonzero(changed)
        expected = geometry.apply(geometry.invert(face.matrix), np.array([[62.0, 90.0]]))[0]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)

    def test_frames_come_one_at_a_time_and_do_not_share_memory(self, face, astronaut):
        frames = Paster(face).paste(np.concatenate([ONES, ZEROS]), np.concatenate([RED, RED]))
        first, second = next(frames), next(frames)
        assert (first != astronaut).any()
        np.testing.assert_array_equal(second, astronaut)
        np.testing.assert_array_equal(face.photo, astronaut)

    @pytest.mark.parametrize("shift", [(-60, 0), (0, -70), (330, 330), (500, 500)])
    def test_a_face_at_or_beyond_the_edge_of_the_photo(self, face68, shift):
        photo = np.full((400, 400, 3), 90, np.uint8)
        face = Face(photo, face68 + [*shift, 0], face68 + [*shift, 0])
        picture = pasted(face, ONES, RED)
        assert picture.shape == photo.shape

    def test_a_large_photo_keeps_its_own_resolution(self, astronaut, astronaut_face):
        large = np.repeat(np.repeat(astronaut, 3, axis=0), 3, axis=1)
        landmarks = astronaut_face.landmarks * 3
        face = Face(large, landmarks, landmarks)
        assert pasted(face, ONES, RED).shape == (1536, 1536, 3)


class TestTurnedHeads:
    """Frames that were drawn for turns of the head."""

    @pytest.fixture(scope="class")
    def turn(self, face):
        return face.head_turn(Pose(yaw=8, pitch=-4))

    def test_without_attention_the_picture_is_the_turned_photo(self, face, turn):
        (picture,) = Paster(face).paste(ZEROS, RED, [turn])
        np.testing.assert_array_equal(picture, turn.of_photo(face.photo))
        assert (picture != face.photo).any()

    def test_outside_the_head_every_pixel_is_the_photos_own(self, face, turn, astronaut):
        """Even with full attention; the turn has faded out at 2.6 times the face's radius."""
        (picture,) = Paster(face).paste(ONES, RED, [turn])
        middle = face.landmarks[:, :2].mean(axis=0)
        radius = np.linalg.norm(face.landmarks[:17, :2] - middle, axis=1).max()
        y, x = np.mgrid[:512, :512]
        far = np.hypot(x - middle[0], y - middle[1]) > 2.7 * radius
        assert far.mean() > 0.3
        np.testing.assert_array_equal(picture[far], astronaut[far])

    def test_between_face_and_far_background_it_is_the_turned_photo(self, face, turn):
        (picture,) = Paster(face).paste(ONES, RED, [turn])
        photo = turn.of_photo(face.photo)
        low, high = turn.landmarks[:, :2].min(axis=0), turn.landmarks[:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2
        rows, columns = np.nonzero((picture != photo).any(axis=2))
        assert np.abs(columns - middle[0]).max() < 1.5 * half[0]
        assert np.abs(rows - middle[1]).max() < 1.5 * half[1]

    def test_the_mask_goes_along_with_the_head(self, face):
        """A face drawn where the chin has swung to is shown there, and not where the chin was."""
        left, right = (face.head_turn(Pose(roll=angle)) for angle in (-20, 20))
        pictures = Paster(face).paste(np.repeat(ONES, 2, axis=0), np.repeat(RED, 2, axis=0), [left, right])
        off = [np.abs(picture.astype(int) - (255, 0, 0)).max(axis=2) for picture in pictures]
        chins = [turn.landmarks[8, :2].round().astype(int) for turn in (left, right)]
        assert np.linalg.norm(chins[0] - chins[1]) > 20
        for here, there, (x, y) in ((0, 1, chins[0]), (1, 0, chins[1])):
            assert off[here][y, x] < 10 and off[there][y, x] > 60

    def test_each_frame_has_its_own_turn(self, face, turn):
        turns = [turn, face.head_turn(Pose(yaw=-8))]
        pictures = list(Paster(face).paste(np.repeat(ZEROS, 2, axis=0), np.repeat(RED, 2, axis=0), turns))
        for picture, one in zip(pictures, turns, strict=True):
            np.testing.assert_array_equal(picture, one.of_photo(face.photo))
        assert (pictures[0] != pictures[1]).any()

    def test_a_turn_by_nothing_is_no_turn(self, face):
        motion = np.random.default_rng(0).integers(0, 256, RED.shape, np.uint8)
        (still,) = Paster(face).paste(0.7 * ONES, motion)
        (turned,) = Paster(face).paste(0.7 * ONES, motion, [face.head_turn(Pose())])
        np.testing.assert_array_equal(turned, still)
