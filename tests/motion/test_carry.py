"""What a moving head does to a photo: control points before and after, speech and background kept out."""

import numpy as np
import pytest

from atvg.face import geometry
from atvg.face.landmarks import JAW, LEFT_EYE, MOUTH, RIGHT_EYE, RIGID
from atvg.motion.carry import Carried, background_movement, carry
from atvg.motion.idle import blink
from atvg.motion.pose import Pose, head_centre, turn_points

REST = np.array([[1.0, 0, 0], [0, 1, 0]])


def turned(face: np.ndarray, pose: Pose, scale: float = 1.0, shift: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    """All 3-D points of a head, moved as one body."""
    return scale * turn_points(face, head_centre(face), pose) + np.array(shift)


def speaking(face: np.ndarray) -> np.ndarray:
    """Jaw and lower lip 8 pixels down, lips pushed forward, eyes shut; temples and eye corners where they were."""
    points = blink(face, 1.0)
    points[JAW[1:-1], 1] += 8
    points[MOUTH[7:12], 1] += 8
    points[MOUTH, 2] -= 3
    return points


def moved_heads(face: np.ndarray) -> np.ndarray:
    return np.stack([face, turned(face, Pose(10, -5, 3), 1.05, (2, -1, 4)), turned(face, Pose(-12), 0.9)])


class TestCarry:
    def test_a_head_that_only_speaks_stays(self, face68):
        carried = carry(face68, np.stack([face68, speaking(face68)]))
        assert np.abs(speaking(face68) - face68).max() >= 8
        np.testing.assert_allclose(carried.targets, carried.sources, atol=1e-4)

    @pytest.mark.parametrize(
        ("pose", "scale", "shift"),
        [
            (Pose(yaw=15), 1.0, (0, 0, 0)), (Pose(pitch=-12), 1.0, (0, 0, 0)), (Pose(), 1.0, (3, -2, 0)),
            (Pose(), 1.1, (0, 0, 0)), (Pose(10, -6, 8), 0.95, (1, 4, -2)),
        ],
    )  # fmt: skip
    def test_a_known_movement_of_the_head_is_found(self, face68, pose, scale, shift):
        moved = turned(face68, pose, scale, shift)
        carried = carry(face68, moved[None])
        np.testing.assert_allclose(carried.sources[0, :68], face68[:, :2], atol=1e-4)
        np.testing.assert_allclose(carried.targets[0, :68], moved[:, :2], atol=1e-4)

    def test_speech_on_a_moving_head_is_left_out_of_its_movement(self, face68):
        pose = Pose(yaw=12, roll=-4)
        moved = turned(speaking(face68), pose, 1.05, (1, 2, 0))
        carried = carry(face68, moved[None])
        np.testing.assert_allclose(carried.targets[0, :68], turned(face68, pose, 1.05, (1, 2, 0))[:, :2], atol=1e-4)
        assert np.abs(carried.targets[0, RIGID] - moved[RIGID, :2]).max() < 1e-4
        assert np.abs(carried.targets[0, MOUTH] - moved[MOUTH, :2]).max() > 5
        assert np.abs(carried.targets[0, [*RIGHT_EYE, *LEFT_EYE]] - moved[[*RIGHT_EYE, *LEFT_EYE], :2]).max() > 1

    def test_hair_and_skull_move_with_the_head(self, face68):
        """A shift takes the outline along unchanged; the crop's edge stays."""
        carried = carry(face68, turned(face68, Pose(), shift=(3, -2, 0))[None])
        by = carried.targets[0] - carried.sources[0]
        edge = (np.abs(by) < 1e-4).all(axis=1)
        np.testing.assert_allclose(by[~edge], np.broadcast_to([3, -2], by[~edge].shape), atol=1e-4)
        outline = carried.sources[0][~edge][68:]
        assert len(outline) >= 10
        middle = face68[:, :2].mean(axis=0)
        radius = np.linalg.norm(face68[JAW, :2] - middle, axis=1).max()
        np.testing.assert_allclose(np.linalg.norm(outline - middle, axis=1), 1.45 * radius, rtol=1e-4)
        assert outline[:, 1].max() < face68[8, 1]  # above the chin: below it is the neck
        on_edge = carried.sources[0][edge]
        assert np.isin(on_edge, [0, 127]).any(axis=1).all()

    def test_the_hair_at_the_upper_edge_is_not_held_by_the_background(self, face68):
        edge = carry(face68, face68[None]).sources[0]
        at_top = edge[edge[:, 1] == 0]
        assert len(at_top) >= 2 and np.abs(at_top[:, 0] - 63.5).min() > 30
        assert (edge[:, 1] == 127).sum() >= 8

    def test_what_slides_behind_the_head_comes_from_where_it_was(self, face68):
        """Background that has gone 5 right and 2 down: the edge shows what lay 5 left and 2 up."""
        slid = np.array([[[1.0, 0, 5], [0, 1, 2]]])
        still, moved = carry(face68, face68[None]), carry(face68, face68[None], slid)
        edge = np.isin(still.targets[0], [0, 127]).any(axis=1)
        np.testing.assert_array_equal(moved.targets, still.targets)
        np.testing.assert_array_equal(moved.sources[0, ~edge], still.sources[0, ~edge])
        np.testing.assert_allclose(moved.sources[0, edge], still.sources[0, edge] - [5, 2], atol=1e-4)

    def test_a_background_that_turns_and_grows_is_undone(self, face68):
        """Twice as large, a quarter turn that takes x to y, 10 right: (0, 127) comes from (63.5, 5)."""
        carried = carry(face68, face68[None], np.array([[[0.0, -2, 10], [2, 0, 0]]]))
        at = int(np.flatnonzero((carried.targets[0] == [0, 127]).all(axis=1))[0])
        np.testing.assert_allclose(carried.sources[0, at], [63.5, 5], atol=1e-4)

    def test_smoothing_stills_a_trembling_head_and_leaves_one_that_moves_steadily(self, face68):
        steps = np.arange(41)
        trembling = face68 + np.stack([(-1.0) ** steps, 0 * steps, 0 * steps], axis=1)[:, None]
        drifting = face68 + np.stack([0.2 * steps, 0 * steps, 0 * steps], axis=1)[:, None]
        still = carry(face68, trembling, smoothing=2.0).targets[:, :68, 0] - face68[:, 0]
        assert np.abs(carry(face68, trembling).targets[:, :68, 0] - face68[:, 0]).min() > 0.99
        assert np.abs(still[8:-8]).max() < 0.01
        along = carry(face68, drifting, smoothing=2.0).targets[:, :68, 0] - face68[:, 0]
        np.testing.assert_allclose(along[8:-8], np.broadcast_to(0.2 * steps[8:-8, None], (25, 68)), atol=1e-3)

    def test_smoothing_is_over_time_alone(self, face68):
        """Two clips do not mix, nor do the points of a face; the crop's edge is where it was."""
        clips = np.stack([np.repeat(face68[None], 20, axis=0), np.repeat(face68[None] + [9, 0, 0], 20, axis=0)])
        photos = np.stack([face68, face68])
        smooth, plain = carry(photos, clips, smoothing=3.0), carry(photos, clips)
        np.testing.assert_allclose(smooth.targets, plain.targets, atol=1e-4)
        np.testing.assert_allclose(smooth.sources, plain.sources, atol=1e-4)

    def test_several_clips_at_once_are_each_as_alone(self, face68):
        photos = np.stack([face68, turned(face68, Pose(yaw=-8), 1.1)])
        clips = np.stack([moved_heads(face68), moved_heads(face68)[::-1] + [1, 2, 0]])
        background = REST + np.random.default_rng(0).normal(0, [0.05, 0.05, 3], (2, 3, 2, 3))
        both = carry(photos, clips, background)
        assert isinstance(both, Carried)
        assert both.sources.shape == both.targets.shape and both.sources.shape[:2] == (2, 3)
        assert both.sources.dtype == both.targets.dtype == np.float32
        for i in range(2):
            alone = carry(photos[i], clips[i], background[i])
            np.testing.assert_allclose(both.sources[i], alone.sources, atol=1e-4)
            np.testing.assert_allclose(both.targets[i], alone.targets, atol=1e-4)
            for t in range(3):
                frame = carry(photos[i], clips[i, t : t + 1], background[i, t : t + 1])
                np.testing.assert_allclose(frame.targets[0], alone.targets[t], atol=1e-4)


class TestBackground:
    def test_by_hand(self):
        """Photo: half size. Frame: half size and 10 right. What stands still goes 10 right in the crop."""
        photo = np.array([[0.5, 0, 0], [0, 0.5, 0]])
        frames = np.array([[[0.5, 0, 10], [0, 0.5, 0]], [[1.0, 0, 0], [0, 1, -6]]])
        movement = background_movement(frames, photo)
        np.testing.assert_allclose(movement[0], [[1, 0, 10], [0, 1, 0]], atol=1e-12)
        np.testing.assert_allclose(movement[1], [[2, 0, 0], [0, 2, -6]], atol=1e-12)

    def test_a_photo_with_a_shift_of_its_own(self):
        """Photo: source + (3, 4). Frame: a quarter turn, x to y. Crop (3, 4) is source 0, which stays at 0."""
        photo, frame = np.array([[1.0, 0, 3], [0, 1, 4]]), np.array([[0.0, -1, 0], [1, 0, 0]])
        movement = background_movement(frame[None], photo)
        np.testing.assert_allclose(movement[0], [[0, -1, 4], [1, 0, -3]], atol=1e-12)

    def test_the_photos_own_frame_is_at_rest(self):
        photo = np.array([[0.3, -0.1, 20], [0.1, 0.3, -7]])
        np.testing.assert_allclose(background_movement(photo[None], photo), [REST], atol=1e-12)

    def test_several_clips_at_once_go_through_the_source(self, face68):
        rng = np.random.default_rng(0)
        photos = REST + rng.normal(0, 0.2, (2, 2, 3))
        frames = REST + rng.normal(0, 0.2, (2, 3, 2, 3))
        movements = background_movement(frames, photos)
        assert movements.shape == (2, 3, 2, 3)
        for i in range(2):
            for t in range(3):
                expected = geometry.compose(frames[i, t], geometry.invert(photos[i]))
                np.testing.assert_allclose(movements[i, t], expected, atol=1e-9)
