"""Mouth and eyes in layers: what lies behind lips and lids stays where it is, and they cover it."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from atvg.motion.layers import fill_shift, layers, lid_shift, lip_shift, sheet_shift
from atvg.motion.openings import EYES, MOUTH, SOFT, between, columns, edges, known
from atvg.motion.teeth import Teeth, fit_teeth, load_donors, unseen
from atvg.motion.warp import places
from atvg.nets.ground import turn
from tests import synthetic

TICKS = columns(128)
LEVEL = 2 / 255  # a grey level, of pictures in [−1, 1]
LIPS_AT = np.s_[..., 84:104, 50:79]  # around the mouth of `synthetic.portrait`, open or shut
EYES_AT = np.s_[..., 44:55, 42:87]


def marks(landmarks: np.ndarray) -> Tensor:
    """(68, 2+) → (1, 68, 2)."""
    return torch.tensor(landmarks[None, :, :2], dtype=torch.float32)


def mouth(gap: float) -> Tensor:
    """The hand-drawn face with its lips 89 px down and `gap` apart between x = 60 and 68, (1, 68, 2)."""
    return marks(synthetic.opened(synthetic.face68(), gap))


def eyes(shut: float) -> Tensor:
    """The hand-drawn face with its upper lids, at y = 47, that share of their way to the lower ones, at 52."""
    points = synthetic.face68()
    points[[37, 38, 43, 44], 1] += 5 * shut
    return marks(points)


def picture(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) in [−1, 1]."""
    return torch.tensor(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def portrait(gap: float = 0.0) -> tuple[Tensor, Tensor]:
    """A photo and its landmarks, (1, 3, 128, 128) and (1, 68, 2)."""
    pixels, landmarks = synthetic.portrait(gap)
    return picture(pixels), marks(landmarks)


def donors(photo: Tensor, landmarks: Tensor, amount: float = 1.0) -> Teeth:
    return fit_teeth(load_donors(), photo, landmarks, amount)


def moved(photo: Tensor, still: Tensor, landmarks: Tensor, teeth: Teeth | None = None):
    """`layers` of one frame."""
    return layers(photo[:, None], still[:, None], landmarks[:, None], teeth)


class TestColumns:
    def test_whole_crop_pixels(self):
        assert columns(4).tolist() == [0, 1, 2, 3]

    def test_two_in_a_pixel_lie_a_quarter_beside_its_middle(self):
        """The first pixel begins half a pixel before its middle, which is at 10."""
        assert columns(4, 2, 10).tolist() == [9.75, 10.25, 10.75, 11.25]


class TestEdges:
    def test_they_pass_through_the_landmarks(self):
        points = mouth(6.0)
        top, bottom = edges(points, MOUTH, torch.tensor([54.0, 60, 64, 68, 74]))
        torch.testing.assert_close(top, torch.full((1, 5), 89.0))
        # Neighbours are moved apart by a hundredth.
        torch.testing.assert_close(bottom, torch.tensor([[89.0, 95, 95, 95, 89]]), atol=0.05, rtol=0)

    def test_beyond_the_corners_they_are_the_corners(self):
        points = mouth(6.0)
        points[:, 60, 1] -= 2
        for edge in edges(points, MOUTH, torch.tensor([0.0, 40, 54])):
            torch.testing.assert_close(edge, torch.full((1, 3), 87.0))

    def test_they_never_swing_over_the_landmarks(self):
        """A cubic spline through 89, 95, 89, 95, 89 would."""
        points = mouth(6.0)
        points[:, 66, 1] = 89
        _, bottom = edges(points, MOUTH, torch.linspace(50, 78, 500))
        assert bottom.min() >= 89 - 1e-4 and bottom.max() <= 95 + 1e-4

    def test_a_face_in_profile_folds_them_and_breaks_nothing(self):
        points = mouth(6.0)
        points[:, 60:68, 0] = torch.tensor([60.0, 60, 60, 59, 58, 59, 60, 60])
        for values in (between(points, MOUTH, TICKS, TICKS), fill_shift(points, MOUTH, TICKS, TICKS)):
            assert values.isfinite().all()


class TestMasks:
    fine = columns(1024, 8)

    @pytest.mark.parametrize("gap", [-1.0, 0.0, 0.29])
    def test_nothing_shows_while_the_lips_touch(self, gap):
        assert (between(mouth(gap), MOUTH, self.fine, self.fine) == 0).all()

    @pytest.mark.parametrize("soft", [SOFT, 0.25])
    def test_all_in_the_middle_half_at_the_edge_and_soft_as_asked(self, soft):
        """The edge's width is the way from 12 % to 88 %, which a sigmoid has 2 below and above its middle."""
        ys = torch.tensor([92.0, 89, 95, 89 - soft / 2, 89 + soft / 2, 89 - 4 * soft, 95 + 4 * soft])
        shown = between(mouth(6.0), MOUTH, torch.tensor([64.0]), ys, soft)[0, :, 0]
        expected = [1, 0.5, 0.5, 0.1192, 0.8808, 0, 0]
        np.testing.assert_allclose(shown, expected, atol=1e-4)

    def test_beside_the_corners_nothing_shows(self):
        shown = between(mouth(6.0), MOUTH, TICKS, TICKS)
        assert (shown[..., :54] == 0).all() and (shown[..., 75:] == 0).all()

    def test_lips_that_part_show_it_little_by_little(self):
        """0.8 px apart they are half way from 0.3 to 1.3; in their middle σ(4 · 0.4 / 0.7)² of that."""
        shown = between(mouth(0.8), MOUTH, torch.tensor([64.0]), torch.tensor([89.4]))
        assert shown.item() == pytest.approx(0.5 / (1 + np.exp(-1.6 / 0.7)) ** 2, abs=1e-4)

    def test_what_is_known_reaches_over_edges_that_stay_by_their_softness(self):
        ys = torch.tensor([89 - SOFT, 89, 92, 95, 95 + SOFT])
        told = known(mouth(6.0), mouth(6.0), MOUTH, torch.tensor([64.0]), ys)[0, :, 0]
        np.testing.assert_allclose(told, [0.5, 0.9820, 1, 0.9820, 0.5], atol=1e-4)

    def test_and_keeps_off_those_that_move(self):
        """The lower one, by as much: half of what lies on an edge is lip."""
        ys = torch.tensor([89 - SOFT, 89, 95 - SOFT, 95])
        told = known(mouth(6.0), mouth(9.0), MOUTH, torch.tensor([64.0]), ys)[0, :, 0]
        np.testing.assert_allclose(told, [0.5, 0.9820, 0.5, 0.0180], atol=1e-4)

    @pytest.mark.parametrize("gap_now", [0.29, 6.0])
    def test_a_shut_mouth_tells_nothing(self, gap_now):
        assert (known(mouth(0.29), mouth(gap_now), MOUTH, self.fine, self.fine) == 0).all()

    def test_a_slit_tells_nothing_once_it_opens(self):
        assert known(mouth(0.89), mouth(0.89), MOUTH, TICKS, TICKS).max() > 0.5
        assert (known(mouth(0.89), mouth(6.0), MOUTH, TICKS, TICKS) == 0).all()

    masks = {"between": between, "known": partial(known, mouth(7.0)), "fill": fill_shift}

    @pytest.mark.parametrize("mask", masks.values(), ids=masks)
    @pytest.mark.parametrize("opening", [MOUTH, *EYES])
    def test_finer_ones_hold_the_coarse_ones(self, mask, opening):
        """Of three in a pixel the second lies in its middle."""
        ticks = columns(3 * 128, 3)
        torch.testing.assert_close(
            mask(mouth(5.0), opening, ticks, ticks)[:, 1::3, 1::3],
            mask(mouth(5.0), opening, TICKS, TICKS), atol=1e-4, rtol=0,
        )  # fmt: skip

    def test_double_precision_is_taken_too(self):
        torch.testing.assert_close(
            between(mouth(5.0).double(), MOUTH, TICKS, TICKS), between(mouth(5.0), MOUTH, TICKS, TICKS)
        )


class TestShifts:
    def test_an_open_mouth_is_hidden_by_its_lips(self):
        """Down to its middle at 92 by what lies 1.2 above it, from there on by what lies 1.2 below it."""
        ys = torch.tensor([85.0, 89.2, 91, 92, 94.9, 99])
        shift = fill_shift(mouth(6.0), MOUTH, torch.tensor([64.0]), ys)[0, :, 0]
        np.testing.assert_allclose(shift, [0, 0, 87.8 - 91, 96.2 - 92, 0, 0], atol=1e-3)

    def test_an_eye_is_hidden_by_its_upper_lid(self):
        """From 3.5 above its edge, at 47."""
        shift = fill_shift(eyes(0), EYES[0], torch.tensor([48.0]), torch.tensor([49.5]))
        assert shift.item() == pytest.approx(43.5 - 49.5, abs=1e-3)

    def test_a_shut_one_needs_not_be_hidden(self):
        assert (fill_shift(mouth(0), MOUTH, TICKS, TICKS) == 0).all()

    def test_a_lid_comes_down_with_its_lashes(self):
        """Shut, its edge lies at 52 and was at 47; the 1.5 above it come along, skin further up is stretched."""
        xs, ys = torch.tensor([48.0]), torch.tensor([51.9, 51, 48, 40])
        shift = lid_shift(EYES[0], eyes(0), eyes(1), xs, ys)[0, :, 0]
        # 6.5 above the edge, 0.65 of the way to the brow at 37, is reached from 11.5 now: 1.5 + 2.5 · 5 / 10 above.
        np.testing.assert_allclose(shift, [-5, -5, 47 - 2.75 - 48, 0], atol=0.15)

    @pytest.mark.parametrize(("eye", "left"), zip(EYES, (42, 74), strict=True))
    def test_nothing_moves_beyond_brow_lids_and_corners(self, eye, left):
        shift = lid_shift(eye, eyes(0), eyes(1), TICKS, TICKS)[0]
        rows, places = np.nonzero(shift.abs().numpy() > 1e-4)
        assert 40 <= rows.min() and rows.max() <= 52 + 2.5
        assert left <= places.min() and places.max() <= left + 12
        assert len(rows) > 50

    def test_corners_that_move_take_nothing_far_beside_them_along(self):
        """The left eye 1.5 px down, as trackers tremble: 3 px beyond its corners, at 42 and 54, all is at rest."""
        after = eyes(0)
        after[:, 36:42, 1] += 1.5
        shift = lid_shift(EYES[0], eyes(0), after, TICKS, TICKS)[0]
        assert shift[48, 48] == pytest.approx(-1.5, abs=1e-3)
        assert (shift[:, :40] == 0).all() and (shift[:, 57:] == 0).all()

    def test_lids_that_stay_move_nothing(self):
        shift = lid_shift(EYES[0], eyes(0), eyes(0), TICKS, TICKS)
        torch.testing.assert_close(shift, torch.zeros(1, 128, 128), atol=1e-4, rtol=0)

    def test_outer_lips_move_the_sheet_and_inner_ones_and_eyes_do_not(self):
        assert sheet_shift(eyes(0), eyes(1)).abs().max() < 1e-3
        inner = mouth(0.0)
        inner[:, 65:68, 1] += 3
        assert sheet_shift(mouth(0.0), inner).abs().max() < 1e-3
        shift = sheet_shift(mouth(0.0), mouth(6.0))
        assert shift.shape == (1, 64, 64, 2)
        # Crop pixel (64, 99), where the lower lip's outer edge is now, is cell 32 across and 49 down; it came from 93.
        assert shift[0, 49, 32, 1] == pytest.approx(-6, abs=1)

    def test_what_lies_on_an_edge_of_a_lip_stays_on_it(self):
        """From 89 to 95 and from 93 to 99: the lower lip, 4 px high, goes 6 down, to its middle too."""
        before, after = mouth(0.0), mouth(6.0)
        shift, ys = sheet_shift(before, after), torch.tensor([95.0, 97, 89])
        lift = lip_shift(before, after, shift, torch.tensor([64.0]), ys)[0, :, 0]
        there = places(shift, 128)[0, ys.long(), 64, 1] - ys
        np.testing.assert_allclose(lift + there, [-6, -6, 0], atol=0.05)

    def test_thin_lips_whose_edges_cross_move_nothing_below_them(self):
        """The lower lip's outer edge is tracked at 88, above its inner one at 95."""
        before, after = mouth(0.0), mouth(6.0)
        after[:, 55:60, 1] = 88
        lift = lip_shift(before, after, sheet_shift(before, after), TICKS, TICKS)[0]
        assert (lift[97:] == 0).all()

    def test_lips_that_stay_move_nothing(self):
        lift = lip_shift(mouth(5.0), mouth(5.0), torch.zeros(1, 64, 64, 2), TICKS, TICKS)
        torch.testing.assert_close(lift, torch.zeros(1, 128, 128), atol=1e-4, rtol=0)


class TestAtRest:
    """Where nothing moves, the base is the photo: a woman who smiles and shows her teeth."""

    @pytest.fixture(scope="class")
    def smile(self, face) -> SimpleNamespace:
        photo, landmarks = picture(face.crop), marks(face.crop_landmarks)
        return SimpleNamespace(photo=photo, landmarks=landmarks, teeth=donors(photo, landmarks))

    @pytest.mark.parametrize("with_teeth", [False, True])
    def test_unmoved_landmarks_leave_the_photo(self, smile, with_teeth):
        made = moved(smile.photo, smile.landmarks, smile.landmarks, smile.teeth if with_teeth else None)
        off = (made.base - smile.photo).abs() / LEVEL
        assert off.mean() < 0.05 and off.max() < 12
        assert made.unknown.max() < 0.1
        assert made.changed.max() < 0.01 and made.shift.abs().max() < 1e-3

    def test_a_moved_head_too(self, smile):
        shift = torch.tensor([3.0, -2.0])
        corners = torch.tensor([[0.0, 0], [127, 0], [0, 127], [127, 127]])[None]
        sources = torch.cat([smile.landmarks, corners], dim=1)[:, None]
        turned = turn(smile.photo, sources, sources + shift)
        made = layers(turned.photo, turned.landmarks, turned.landmarks, smile.teeth)
        off = (made.base - turned.photo[:, 0]).abs() / LEVEL
        assert off.mean() < 0.05 and off.max() < 12
        assert (turned.photo[:, 0] - smile.photo).abs().mean() / LEVEL > 5


class TestMouth:
    @pytest.fixture(scope="class", params=["drawn teeth", "no teeth"])
    def open(self, request) -> SimpleNamespace:
        """A mouth 8 px open, its teeth in the upper half."""
        photo, landmarks = portrait(8.0)
        teeth = donors(photo, landmarks) if request.param == "drawn teeth" else None
        return SimpleNamespace(photo=photo, landmarks=landmarks, teeth=teeth)

    def test_teeth_stay_where_they_are_when_the_lip_drops(self, open):
        made = moved(open.photo, open.landmarks, mouth(12.0), open.teeth)
        bright = (open.photo[0].amin(dim=0) > 0.5) & (TICKS[:, None] > 80)
        assert bright.sum() > 30
        torch.testing.assert_close(made.base[..., bright], open.photo[..., bright], atol=2 * LEVEL, rtol=0)

    def test_lips_that_close_cover_them(self, open):
        """No pixel is brighter than skin, in none of its colours."""
        made = moved(open.photo, open.landmarks, mouth(0.0), open.teeth)
        skin = picture(np.full((1, 1, 3), synthetic.SKIN, np.uint8))
        assert ((made.base - skin)[LIPS_AT] / LEVEL).max() < 10
        assert ((open.photo - skin)[LIPS_AT] / LEVEL).max() > 40

    def test_lips_that_half_close_cover_them_from_below(self, open):
        made = moved(open.photo, open.landmarks, mouth(4.0), open.teeth)
        torch.testing.assert_close(made.base[..., 91, 60:68], open.photo[..., 91, 60:68], atol=3 * LEVEL, rtol=0)
        red = made.base[0, 0, 95, 60:68] - made.base[0, 1, 95, 60:68]
        assert (red > 0.4).all(), "where the throat was, the lip is now"

    def test_what_lips_covered_or_uncovered_has_changed_and_nothing_else(self, open):
        made = moved(open.photo, open.landmarks, mouth(4.0), open.teeth)
        assert made.changed[0, 0, 95, 64] == 1  # was between the lips
        assert made.changed[0, 0, 91, 64] < 0.01  # still is
        outside = torch.ones(128, 128, dtype=torch.bool)
        outside[LIPS_AT] = False
        assert made.changed[..., outside].max() < 1e-4

    def test_an_open_photo_knows_what_it_shows(self, open):
        made = moved(open.photo, open.landmarks, mouth(12.0), open.teeth)
        assert made.unknown[0, 0, 93, 64] < 0.01
        assert (made.unknown[0, 0, 99, 64] > 0.95) == (open.teeth is not None)

    @pytest.mark.parametrize("amount", [1.0, 0.0])
    def test_a_shut_photo_that_opens_shows_what_nobody_has_seen(self, amount):
        photo, landmarks = portrait()
        teeth = donors(photo, landmarks, amount)
        made = moved(photo, landmarks, mouth(8.0), teeth)
        shows = between(mouth(8.0), MOUTH, TICKS, TICKS)[0] > 0.999
        assert shows.sum() > 50
        painted = unseen(teeth, landmarks[:, None], mouth(8.0)[:, None], TICKS, TICKS)
        torch.testing.assert_close(made.base[..., shows], painted[..., shows], atol=LEVEL, rtol=0)
        assert (made.unknown[..., shows] > 0.998).all()
        assert (made.changed[..., shows] == 1).all()
        lips = picture(np.full((1, 1, 3), synthetic.LIPS, np.uint8))[..., 0, 0]
        assert ((made.base[0][:, shows].T - lips).abs().amax(dim=1) / LEVEL).min() > 5, "no lip colour between lips"

    def test_without_teeth_nothing_is_unknown(self):
        photo, landmarks = portrait()
        assert (moved(photo, landmarks, mouth(8.0)).unknown == 0).all()


class TestEyes:
    @pytest.fixture(scope="class")
    def awake(self) -> SimpleNamespace:
        photo, landmarks = portrait()
        skin = picture(np.full((1, 1, 3), synthetic.SKIN, np.uint8))
        return SimpleNamespace(photo=photo, landmarks=landmarks, skin=skin)

    def test_shut_lids_leave_nothing_of_the_eyeball(self, awake):
        made = moved(awake.photo, awake.landmarks, eyes(1.0))
        assert ((awake.photo - awake.skin)[EYES_AT] / LEVEL).max() > 40
        assert ((made.base - awake.skin).abs()[EYES_AT] / LEVEL).max() < 4

    def test_half_shut_ones_cover_it_from_above_and_leave_the_rest_where_it_is(self, awake):
        made = moved(awake.photo, awake.landmarks, eyes(0.5))  # to 49.5
        torch.testing.assert_close(made.base[..., 51:54, :], awake.photo[..., 51:54, :], atol=3 * LEVEL, rtol=0)
        assert ((made.base - awake.skin).abs()[..., 44:49, 42:87] / LEVEL).max() < 4
        assert (awake.photo - awake.skin)[..., 48, 44:53].max() / LEVEL > 40

    def test_brows_glasses_and_all_else_stay(self, awake):
        """A frame of glasses from temple to temple, and the mouth."""
        photo = awake.photo.clone()
        photo[..., 57:59, 34:94] = -1
        made = moved(photo, awake.landmarks, eyes(1.0))
        still = torch.ones(128, 128, dtype=torch.bool)
        still[39:56, 41:88] = False
        torch.testing.assert_close(made.base[..., still], photo[..., still], atol=1e-3, rtol=0)
        assert made.changed[..., still].max() < 1e-3 and made.changed[0, 0, 50, 48] == 1


class TestBatches:
    """B clips of T frames: each is what it is alone, in its own place."""

    @pytest.fixture(scope="class")
    def clips(self) -> SimpleNamespace:
        parts = [portrait(8.0), portrait(0.0)]
        photo, still = (torch.cat(p) for p in zip(*parts, strict=True))
        landmarks = torch.stack([torch.cat([mouth(gap) for gap in gaps]) for gaps in ((2, 6, 10), (1, 5, 9))])
        landmarks[:, 1, [37, 38, 43, 44], 1] += 4
        return SimpleNamespace(photo=photo, still=still, landmarks=landmarks, teeth=donors(photo, still))

    def test_each_frame_is_as_it_is_alone(self, clips):
        made = layers(clips.photo[:, None], clips.still[:, None], clips.landmarks, clips.teeth)
        assert made.base.shape == (6, 3, 128, 128) and made.shift.shape == (6, 64, 64, 2)
        assert made.unknown.shape == made.changed.shape == (6, 1, 128, 128)
        for clip in range(2):
            teeth = Teeth(*(part[clip : clip + 1] for part in clips.teeth))
            for t in range(3):
                one = slice(clip, clip + 1)
                alone = moved(clips.photo[one], clips.still[one], clips.landmarks[one, t], teeth)
                for values, expected in zip(made, alone, strict=True):
                    torch.testing.assert_close(values[3 * clip + t], expected[0], atol=LEVEL / 2, rtol=0)

    def test_a_head_that_is_turned_by_nothing_is_one_that_stays(self, clips):
        still = layers(clips.photo[:, None], clips.still[:, None], clips.landmarks, clips.teeth)
        photos = clips.photo[:, None].expand(-1, 3, -1, -1, -1)
        turned = layers(photos, clips.still[:, None].expand(-1, 3, -1, -1), clips.landmarks, clips.teeth)
        for one, other in zip(still, turned, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)

    def test_each_frame_has_its_own_turned_photo(self, clips):
        """Brighter ones have brighter bases."""
        light = torch.tensor([0.0, -0.2, -0.4])[:, None, None, None]
        photos, still = clips.photo[:, None] + light, clips.still[:, None].expand(-1, 3, -1, -1)
        made = layers(photos, still, still, None)
        torch.testing.assert_close(made.base[:, :, :30].unflatten(0, (2, 3)), photos[..., :30, :], atol=1e-3, rtol=0)

    def test_double_precision_is_taken_too(self, clips):
        plain = layers(clips.photo[:, None], clips.still[:, None], clips.landmarks, None)
        double = layers(clips.photo[:, None].double(), clips.still[:, None].double(), clips.landmarks.double(), None)
        for one, other in zip(plain, double, strict=True):
            torch.testing.assert_close(one, other.float(), atol=1e-3, rtol=0)

    def test_no_gradient_passes(self, clips):
        made = layers(clips.photo[:, None].clone().requires_grad_(), clips.still[:, None], clips.landmarks, None)
        assert not made.base.requires_grad
