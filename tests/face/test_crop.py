"""The canonical crop of a photo, and the transforms that hold a moving head still."""

import cv2
import numpy as np
import pytest

from atvg.face import geometry
from atvg.face.crop import TEMPLATE, canonical_transform, stabilising_transforms, warp_to_crop
from atvg.face.landmarks import INNER_LOWER, JAW, RIGID, five_points

# Read off the picture by eye: pupils, nose base, mouth corners.
ASTRONAUT = np.array([[203.7, 100.8], [246.7, 103.0], [223.5, 131.5], [204.0, 140.5], [243.8, 141.7]])


def similarity(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cos, -sin, x], [sin, cos, y]])


class TestCanonicalCrop:
    def test_a_face_on_the_template_is_left_alone(self, face68):
        on_template = face68.copy()
        on_template[36:42, :2], on_template[42:48, :2] = TEMPLATE[0], TEMPLATE[1]
        on_template[[33, 48, 54], :2] = TEMPLATE[2:]
        np.testing.assert_allclose(canonical_transform(on_template), [[1, 0, 0], [0, 1, 0]], atol=1e-9)

    def test_the_astronauts_features_land_near_the_template(self, astronaut_face):
        landed = geometry.apply(canonical_transform(astronaut_face.landmarks), ASTRONAUT)
        distances = np.linalg.norm(landed - TEMPLATE, axis=1)
        assert distances[:3].max() < 3
        assert distances[3:].max() < 8  # she smiles: the corners of her mouth are up

    def test_there_is_room_for_forehead_and_jaw(self, astronaut_face):
        landed = geometry.apply(canonical_transform(astronaut_face.landmarks), astronaut_face.landmarks[:, :2])
        assert landed.min() > 3 and landed.max() < 125
        assert 0.5 * 128 < np.ptp(landed[:, 1]) < 0.8 * 128  # the face fills about two thirds of the height

    @pytest.mark.parametrize(("scale", "degrees"), [(2.0, 0), (1.0, 25), (1.6, -15)])
    def test_a_turned_and_scaled_photo_gives_nearly_the_same_crop(
        self, astronaut, astronaut_face, mediapipe, scale, degrees
    ):
        plain = warp_to_crop(astronaut, canonical_transform(astronaut_face.landmarks))
        centre = np.array([225.0, 130.0])
        matrix = similarity(scale, degrees, 0, 0)
        matrix[:, 2] = 350 - matrix[:, :2] @ centre
        turned = cv2.warpAffine(astronaut, matrix, (700, 700), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        crop = warp_to_crop(turned, canonical_transform(mediapipe.detect(turned)[0].landmarks))
        middle = np.s_[20:115, 20:108]  # the borders show what the turned photo no longer holds
        difference = np.abs(crop[middle].astype(float) - plain[middle]).mean()
        shifted = np.abs(np.roll(plain, 6, axis=1)[middle].astype(float) - plain[middle]).mean()
        assert difference < shifted / 2

    def test_the_crop_follows_its_matrix(self):
        photo = np.zeros((300, 400, 3), np.uint8)
        cv2.circle(photo, (250, 120), 9, (255, 255, 255), -1)
        matrix = similarity(1.0, 30, -110, -160)
        light = cv2.GaussianBlur(warp_to_crop(photo, matrix)[..., 0], (0, 0), 4)
        row, column = np.unravel_index(light.argmax(), light.shape)
        np.testing.assert_allclose([column, row], geometry.apply(matrix, np.array([[250.0, 120.0]]))[0], atol=1)

    def test_outside_the_photo_its_border_goes_on(self):
        photo = np.full((100, 100, 3), 77, np.uint8)
        assert (warp_to_crop(photo, similarity(1.0, 0, 200, 200)) == 77).all()


class TestShrinking:
    def test_fine_stripes_become_grey_instead_of_coarse_stripes(self):
        stripes = np.zeros((512, 512, 3), np.uint8)
        stripes[:, ::3] = 255  # every third column: their mean is 85
        crop = warp_to_crop(stripes, similarity(0.26, 0, 0, 0)).astype(float)
        assert abs(crop[5:-5, 5:-5].mean() - 85) < 3
        assert crop[5:-5, 5:-5].std() < 20
        naive = cv2.warpAffine(stripes, similarity(0.26, 0, 0, 0), (128, 128)).astype(float)
        assert naive[5:-5, 5:-5].std() > 60  # what the test guards against

    @pytest.mark.parametrize("scale", [0.74, 0.5, 0.25, 0.1])
    def test_a_point_lands_where_the_matrix_says(self, scale):
        matrix = similarity(scale, 10, 40 - 300 * scale, 70 - 200 * scale)
        photo = np.zeros((900, 1000, 3), np.uint8)
        cv2.circle(photo, (320, 190), round(3 / scale), (255, 255, 255), -1)
        crop = warp_to_crop(photo, matrix)[..., 0].astype(float)
        rows, columns = np.indices(crop.shape)
        found = [(crop * columns).sum() / crop.sum(), (crop * rows).sum() / crop.sum()]
        np.testing.assert_allclose(found, geometry.apply(matrix, np.array([[320.0, 190.0]]))[0], atol=0.15)

    def test_a_photo_four_times_as_large_gives_the_same_crop(self, astronaut, astronaut_face):
        matrix = canonical_transform(astronaut_face.landmarks)
        large = cv2.resize(astronaut, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        to_small = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]])  # pixel centres: x_small + ½ = (x + ½) / 4
        crop = warp_to_crop(large, geometry.compose(matrix, to_small)).astype(float)
        assert np.abs(crop - warp_to_crop(astronaut, matrix)).mean() < 3


@pytest.fixture(scope="module")
def shaking(face68) -> np.ndarray:
    """2 s of a motionless face whose head sways, nods and comes nearer: (50, 68, 2) pixels of a 500-pixel video."""
    t = np.arange(50) / 25
    frames = []
    for now in t:
        sway = similarity(
            2 * (1 + 0.03 * now), 6 * np.sin(2 * np.pi * 0.5 * now),
            120 + 20 * np.sin(2 * np.pi * 0.7 * now), 90 + 12 * np.cos(2 * np.pi * 0.5 * now),
        )  # fmt: skip
        frames.append(geometry.apply(sway, face68[:, :2]))
    return np.stack(frames)


class TestStabilising:
    def test_there_is_one_similarity_per_frame(self, shaking):
        transforms = stabilising_transforms(shaking)
        assert transforms.shape == (50, 2, 3)
        np.testing.assert_allclose(transforms[:, 0, 0], transforms[:, 1, 1])
        np.testing.assert_allclose(transforms[:, 0, 1], -transforms[:, 1, 0])

    def test_a_shaking_head_stands_still(self, shaking):
        still = geometry.apply(stabilising_transforms(shaking), shaking)
        scale = geometry.scale_of(stabilising_transforms(shaking)).mean()
        before = shaking[:, RIGID].std(axis=0).mean() * scale  # in crop pixels too
        after = still[:, RIGID].std(axis=0).mean()
        assert after < before / 10

    def test_the_face_lies_on_the_template(self, shaking):
        still = geometry.apply(stabilising_transforms(shaking), shaking)
        assert np.linalg.norm(five_points(still) - TEMPLATE, axis=-1).max() < 4

    def test_detector_noise_does_not_shake_the_picture(self, face68):
        rng = np.random.default_rng(0)
        noisy = 2 * face68[:, :2] + rng.normal(0, 1.0, (60, 68, 2))
        transforms = stabilising_transforms(noisy)
        raw = np.stack([geometry.fit_similarity(p[RIGID], face68[RIGID]) for p in noisy])
        fixed = np.broadcast_to(2 * face68[JAW, :2], (60, 17, 2))
        smooth, shaky = (np.diff(geometry.apply(matrices, fixed), axis=0).std() for matrices in (transforms, raw))
        assert smooth < shaky / 2

    def test_the_size_does_not_pump(self, face68):
        rng = np.random.default_rng(0)
        noisy = 2 * face68[:, :2] + rng.normal(0, 1.0, (100, 68, 2))
        scale = geometry.scale_of(stabilising_transforms(noisy))
        assert np.abs(np.diff(scale)).max() / scale.mean() < 0.002

    def test_speech_alone_does_not_move_the_picture(self, face68):
        still = np.repeat(face68[None, :, :2] * 2, 40, axis=0)
        speaking = still.copy()
        opening = 12 * np.sin(np.arange(40) / 2) ** 2
        speaking[:, INNER_LOWER, 1] += opening[:, None]
        speaking[:, 4:13, 1] += opening[:, None]  # the jaw without the temples
        transforms = stabilising_transforms(speaking)
        np.testing.assert_allclose(transforms, np.broadcast_to(transforms[:1], transforms.shape), atol=1e-9)

    def test_a_clip_of_one_frame_is_its_canonical_crop(self, face68):
        still = face68[None, :, :2] * 2 + [30, 10]
        np.testing.assert_allclose(stabilising_transforms(still)[0], canonical_transform(still[0]), atol=1e-9)

    def test_depth_is_ignored(self, shaking):
        deep = np.concatenate([shaking, np.full((50, 68, 1), 9.0)], axis=-1)
        np.testing.assert_allclose(stabilising_transforms(deep), stabilising_transforms(shaking))
