"""Shapes without pose, and the PCA codes of who somebody is (e) and of how the mouth moves (z)."""

from dataclasses import replace

import numpy as np
import pytest

from atvg.face.landmarks import FLIP, INNER_LOWER, INNER_UPPER, JAW, MOUTH, RIGID, eye_distance, mouth_opening
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.motion.shape import denormalise_offset, fit, fit_mean, normalise, press_lips, rigid_fit, uncross_lips


def placed(face: np.ndarray, pose: Pose, scale: float, shift: tuple[float, float, float]) -> np.ndarray:
    """The same face elsewhere: turned, scaled and moved."""
    return scale * turn_points(face, head_centre(face), pose) + np.array(shift)


def opened(face: np.ndarray, pixels: float | np.ndarray) -> np.ndarray:
    """The same face with the lower lip and the jaw lower by `pixels`; an array makes a clip."""
    down = np.asarray(pixels, float)[..., None]
    result = np.broadcast_to(face, (*down.shape[:-1], 68, 3)).copy()
    result[..., INNER_LOWER, 1] += down
    result[..., 55:60, 1] += down
    result[..., 5:12, 1] += 0.8 * down
    return result


def people(face: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Different symmetric faces, already normalised: wider, longer, deeper, with other mouths."""
    rng = np.random.default_rng(seed)
    faces = []
    for _ in range(count):
        other = face - [64, 0, 0]
        other = other * (1 + 0.1 * rng.normal(size=3))
        other[MOUTH, 1] += rng.normal(0, 3)
        other[JAW, 0] *= 1 + 0.1 * rng.normal()
        faces.append(other + [64, 0, 0])
    return np.stack(faces)


@pytest.fixture(scope="module")
def mean(face68) -> np.ndarray:
    return fit_mean(people(face68, 30))


@pytest.fixture(scope="module")
def model(face68, mean):
    """Fitted to thirty faces and to mouths that open and widen."""
    faces = people(face68, 30)
    shapes = normalise(faces, rigid_fit(faces, mean))
    rng = np.random.default_rng(1)
    offsets = opened(face68, rng.uniform(0, 10, 200)) - face68
    offsets[:, 48, 0] -= (wide := rng.uniform(0, 3, 200))
    offsets[:, 54, 0] += wide
    return fit(shapes, offsets, mean, identity_codes=8, motion_codes=4)


class TestRigidFit:
    @pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, -25, 0), (0, 0, 50), (-20, 15, 10)])
    def test_a_known_turn_scale_and_shift_is_recovered(self, face68, angles):
        pose = Pose(*angles)
        frame = rigid_fit(placed(face68, pose, 2.5, (100, -30, 7)), face68)
        np.testing.assert_allclose(frame.rotation, pose.matrix().T, atol=1e-9)
        assert frame.scale == pytest.approx(1 / 2.5)

    def test_normalising_undoes_it(self, face68):
        centred = face68 - face68[RIGID].mean(axis=0)
        moved = placed(face68, Pose(-20, 15, 10), 2.5, (100, -30, 7))
        np.testing.assert_allclose(normalise(moved, rigid_fit(moved, face68)), centred, atol=1e-9)

    def test_it_never_mirrors(self, face68):
        frame = rigid_fit(face68 * [-1, 1, 1], face68)
        assert np.linalg.det(frame.rotation) == pytest.approx(1)

    def test_lips_do_not_count(self, face68):
        still, speaking = rigid_fit(face68, face68), rigid_fit(opened(face68, 15.0), face68)
        np.testing.assert_allclose(speaking.rotation, still.rotation)
        np.testing.assert_allclose(speaking.origin, still.origin)
        assert speaking.scale == pytest.approx(still.scale)

    def test_clips_are_fitted_frame_by_frame(self, face68):
        poses = [Pose(yaw=a) for a in (-20, 0, 20)]
        clip = np.stack([placed(face68, pose, 1 + i, (i, 0, 0)) for i, pose in enumerate(poses)])
        frames = rigid_fit(clip, face68)
        np.testing.assert_allclose(frames.scale, [1, 1 / 2, 1 / 3])
        for i in range(3):
            np.testing.assert_allclose(frames.rotation[i], rigid_fit(clip[i], face68).rotation, atol=1e-12)

    def test_offsets_come_back_in_pixels_of_their_face(self, face68):
        moved = placed(face68, Pose(-20, 15, 10), 2.5, (100, -30, 7))
        frame = rigid_fit(moved, face68)
        offset = opened(face68, 4.0) - face68
        expected = placed(opened(face68, 4.0), Pose(-20, 15, 10), 2.5, (100, -30, 7)) - moved
        np.testing.assert_allclose(denormalise_offset(offset, frame), expected, atol=1e-9)

    def test_every_frame_can_have_a_reference_of_its_own(self, face68):
        """Two photos, each with a clip of three frames: as many single fits."""
        photos = np.stack([face68, people(face68, 1)[0]])
        poses = [Pose(), Pose(20, -5, 3), Pose(-15)]
        clips = np.stack([[placed(p, pose, 1 + 0.2 * i, (i, -i, 2)) for i, pose in enumerate(poses)] for p in photos])
        frames = rigid_fit(clips, photos[:, None])
        assert frames.rotation.shape == (2, 3, 3, 3)
        np.testing.assert_allclose(frames.scale, [[1, 1 / 1.2, 1 / 1.4]] * 2)
        for i in range(2):
            for t in range(3):
                alone = rigid_fit(clips[i, t], photos[i])
                np.testing.assert_allclose(frames.rotation[i, t], poses[t].matrix().T, atol=1e-9)
                np.testing.assert_allclose(frames.rotation[i, t], alone.rotation, atol=1e-12)
                np.testing.assert_allclose(frames.origin[i, t], alone.origin, atol=1e-12)

    def test_each_of_several_faces_fits_its_own_reference(self, face68):
        faces = people(face68, 3)
        moved = np.stack([placed(f, Pose(yaw=10 * i), 2, (0, i, 0)) for i, f in enumerate(faces)])
        centred = faces - faces[:, RIGID].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(normalise(moved, rigid_fit(moved, faces)), centred, atol=1e-9)

    def test_offsets_of_a_clip_come_back_frame_by_frame(self, face68):
        poses = [Pose(), Pose(25, 0, 0), Pose(-10, 5, 30)]
        moved = np.stack([placed(face68, pose, 1 + i, (0, i, 0)) for i, pose in enumerate(poses)])
        offsets = opened(face68, np.array([1.0, 4.0, 6.0])) - face68
        found = denormalise_offset(offsets, rigid_fit(moved, face68))
        for t, pose in enumerate(poses):
            expected = placed(face68 + offsets[t], pose, 1 + t, (0, t, 0))
            np.testing.assert_allclose(moved[t] + found[t], expected, atol=1e-9)


class TestOffsets:
    def test_a_motionless_face_that_turns_has_no_offset(self, face68, model):
        poses = [Pose(yaw=a, pitch=a / 3, roll=-a / 2) for a in np.linspace(-40, 40, 9)]
        clip = np.stack([placed(face68, pose, 2, (i, 2 * i, 0)) for i, pose in enumerate(poses)])
        shapes = normalise(clip, model.frame_of(clip))
        np.testing.assert_allclose(shapes, np.broadcast_to(shapes[:1], shapes.shape), atol=1e-8)
        np.testing.assert_allclose(model.encode(shapes - shapes[0]), 0, atol=1e-8)

    def test_speech_gives_the_same_code_however_the_head_is_turned(self, face68, model):
        codes = []
        for pose in (Pose(), Pose(yaw=30), Pose(pitch=-20, roll=15)):
            shapes = [normalise(p, model.frame_of(p)) for p in (face68, opened(face68, 6.0))
                      for p in [placed(p, pose, 3, (50, 60, 0))]]  # fmt: skip
            codes.append(model.encode(shapes[1] - shapes[0]))
        np.testing.assert_allclose(codes, np.broadcast_to(codes[:1], (3, 4)), atol=1e-8)
        assert np.abs(codes[0]).max() > 0.1


class TestMean:
    def test_it_is_symmetric_and_frontal(self, mean):
        np.testing.assert_allclose(mean[FLIP] * [-1, 1, 1], mean, atol=1e-6)

    def test_it_is_centred_on_the_stable_points(self, mean):
        np.testing.assert_allclose(mean[RIGID].mean(axis=0), 0, atol=1e-9)

    def test_turned_faces_have_a_frontal_mean_of_the_same_size(self, face68):
        rng = np.random.default_rng(0)
        clip = np.stack([placed(face68, Pose(*rng.uniform(-25, 25, 3)), 1.0, (0, 0, 0)) for _ in range(20)])
        mean = fit_mean(clip)
        np.testing.assert_allclose(mean[FLIP] * [-1, 1, 1], mean, atol=1e-6)
        assert mean[45, 0] - mean[36, 0] == pytest.approx(face68[45, 0] - face68[36, 0], rel=1e-3)


class TestCodes:
    def test_motion_survives_encoding_and_decoding(self, face68, model):
        offset = opened(face68, np.array([0.0, 2.0, 7.0])) - face68
        np.testing.assert_allclose(model.decode(model.encode(offset)), offset, atol=1e-6)

    def test_codes_survive_decoding_and_encoding(self, model):
        codes = np.random.default_rng(0).normal(size=(5, 4)) * [1, 1, 0, 0]  # the data has two ways to move
        np.testing.assert_allclose(model.encode(model.decode(codes)), codes, atol=1e-6)

    def test_no_motion_is_the_zero_code(self, model):
        assert (model.encode(np.zeros((68, 3))) == 0).all()
        assert (model.decode(np.zeros(4)) == 0).all()

    def test_a_frame_is_the_same_however_many_are_decoded_with_it(self, model):
        codes = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
        wide = replace(model, motion_basis=np.random.default_rng(1).normal(size=(12, 204)).astype(np.float32))
        together = wide.decode(codes)
        for count in (1, 3, 12, 15):
            np.testing.assert_array_equal(wide.decode(codes[:count]), together[:count])

    def test_only_lips_and_jaw_move(self, model):
        moving = np.flatnonzero(np.abs(model.decode(np.ones(4))).sum(axis=1) > 1e-9)
        assert set(moving) <= set(MOUTH) | set(JAW[1:-1])

    def test_the_opening_of_a_code_is_linear(self, face68, model):
        offset = opened(face68, 5.0) - face68
        assert model.encode(offset) @ model.opening_per_code() == pytest.approx(5.0, abs=1e-6)
        assert mouth_opening(face68 + model.decode(model.encode(offset))) == pytest.approx(5.0, abs=1e-6)

    def test_two_people_have_two_identities(self, face68, mean, model):
        faces = people(face68, 30)
        codes = model.identity_code(normalise(faces, rigid_fit(faces, mean)))
        assert codes.shape == (30, 8)
        apart = np.linalg.norm(codes[:, None] - codes[None], axis=-1)[np.triu_indices(30, 1)]
        assert apart.min() > 0.5

    def test_identities_of_the_fitted_people_have_unit_spread(self, face68, mean, model):
        faces = people(face68, 30)
        codes = model.identity_code(normalise(faces, rigid_fit(faces, mean)))
        np.testing.assert_allclose(np.sqrt((codes[:, :3] ** 2).mean(axis=0)), 1, rtol=1e-3)

    def test_one_person_keeps_the_identity_when_turned(self, face68, model):
        codes = []
        for pose in (Pose(), Pose(yaw=35), Pose(pitch=20, roll=-30)):
            moved = placed(face68, pose, 4, (10, 20, 0))
            codes.append(model.identity_code(normalise(moved, model.frame_of(moved))))
        np.testing.assert_allclose(codes, np.broadcast_to(codes[:1], (3, 8)), atol=1e-6)

    def test_real_faces_differ_too(self, mediapipe, astronaut_face, hopper, model):
        codes = [
            model.identity_code(normalise(points, model.frame_of(points)))
            for points in (astronaut_face.landmarks, mediapipe.detect(hopper)[0].landmarks)
        ]
        assert np.linalg.norm(codes[0] - codes[1]) > 0.5

    def test_arrays_are_ready_to_be_stored(self, model):
        arrays = model.arrays()
        assert {name: array.shape for name, array in arrays.items()} == {
            "mean": (68, 3), "identity_basis": (8, 204), "identity_std": (8,),
            "motion_basis": (4, 204), "motion_encoder": (204, 4),
        }  # fmt: skip
        assert all(array.dtype == np.float32 for array in arrays.values())


class TestUncrossLips:
    @pytest.fixture
    def crossed(self, face68) -> np.ndarray:
        """The lower inner lip lies 4 pixels above the upper one: at 87 and 91 where both should be at 89."""
        points = face68[:, :2].copy()
        points[INNER_UPPER, 1], points[INNER_LOWER, 1] = 91, 87
        return points

    def test_crossed_lips_meet_in_the_middle(self, crossed):
        mended = uncross_lips(crossed)
        np.testing.assert_allclose(mended[np.r_[INNER_UPPER, INNER_LOWER], 1], 89)

    def test_a_gap_can_be_asked_for(self, crossed):
        mended = uncross_lips(crossed, gap=1.0)
        np.testing.assert_allclose(mended[INNER_UPPER, 1], 88.5)
        np.testing.assert_allclose(mended[INNER_LOWER, 1], 89.5)

    def test_nothing_else_moves(self, crossed):
        others = np.setdiff1d(np.arange(68), np.r_[INNER_UPPER, INNER_LOWER])
        mended = uncross_lips(crossed)
        np.testing.assert_array_equal(mended[others], crossed[others])
        np.testing.assert_allclose(mended[:, 0], crossed[:, 0])

    def test_open_lips_are_left_alone(self, face68):
        points = opened(face68, 5.0)[:, :2]
        np.testing.assert_array_equal(uncross_lips(points), points)

    def test_the_given_points_are_not_changed(self, crossed):
        before = crossed.copy()
        uncross_lips(crossed)
        np.testing.assert_array_equal(crossed, before)

    @pytest.mark.parametrize("degrees", [40, -75, 180])
    def test_a_tilted_face_is_treated_alike(self, crossed, degrees):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[cos, -sin], [sin, cos]])
        np.testing.assert_allclose(uncross_lips(crossed @ turn.T), uncross_lips(crossed) @ turn.T, atol=1e-9)

    def test_only_the_crossed_frames_of_a_clip_change(self, crossed, face68):
        clip = np.stack([face68[:, :2], crossed])
        mended = uncross_lips(clip)
        np.testing.assert_array_equal(mended[0], clip[0])
        np.testing.assert_allclose(mended[1], uncross_lips(crossed))


class TestPressLips:
    @pytest.mark.parametrize("opening", [0.5, 2.0, 4.0, 12.0])
    def test_lips_that_nearly_touch_touch_and_wide_ones_stay(self, face68, opening):
        """o · (1 − exp(−(o / o₀)²)), where o₀ is 0.04 of the eyes' distance."""
        points = opened(face68, opening)[:, :2]
        pressed = press_lips(points)
        near = 0.04 * eye_distance(points)
        expected = opening * (1 - np.exp(-((opening / near) ** 2)))
        np.testing.assert_allclose(mouth_opening(pressed), expected, atol=1e-6)

    def test_the_lower_lip_goes_further_and_takes_its_edge_along(self, face68):
        points = opened(face68, 2.0)[:, :2]
        moved = press_lips(points) - points
        np.testing.assert_allclose(moved[INNER_LOWER, 1] / moved[INNER_UPPER, 1], -0.7 / 0.3)
        np.testing.assert_allclose(moved[[50, 51, 52], 1], moved[[61, 62, 63], 1])
        np.testing.assert_allclose(moved[[58, 57, 56], 1], moved[[67, 66, 65], 1])
        np.testing.assert_allclose(moved[[49, 59], 1], moved[[61, 67], 1] / 2)
        still = np.setdiff1d(np.arange(68), np.r_[49:54, 55:60, 61:64, 65:68])
        assert (moved[still] == 0).all()

    def test_order_and_shut_lips_are_kept(self, face68):
        openings = np.linspace(0, 15, 40)
        pressed = [mouth_opening(press_lips(opened(face68, o)[:, :2])) for o in openings]
        assert pressed[0] == 0 and (np.diff(pressed) >= 0).all()

    def test_a_tilted_face_and_a_clip_are_treated_alike(self, face68):
        points = opened(face68, 2.0)[:, :2]
        turn = np.array([[0.6, -0.8], [0.8, 0.6]])
        np.testing.assert_allclose(press_lips(points @ turn.T), press_lips(points) @ turn.T, atol=1e-9)
        clip = np.stack([points, opened(face68, 9.0)[:, :2]])
        np.testing.assert_allclose(press_lips(clip), np.stack([press_lips(frame) for frame in clip]))
