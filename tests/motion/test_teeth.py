"""Teeth, tongue and dark behind the lips of drawn faces, whose light, skin and landmarks are known."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from atvg.errors import CheckpointError
from atvg.motion.donors import FINE, LOWER_ROWS, UPPER_ROWS, WIDTH
from atvg.motion.teeth import Teeth, fit_teeth, load_donors, suitable, unseen
from atvg.motion.tone import luma, read_tone
from tests.synthetic import face68

PALE, BROWN = (0.85, 0.68, 0.58), (0.36, 0.26, 0.21)
TICKS = torch.arange(128.0)
INSIDE = slice(90, 97), slice(58, 71)  # rows and columns between the lips of `spoken`, left and right of the middle


def portrait(skin=PALE, light=(1.0, 1.0, 1.0), eyes=True, plain=False) -> torch.Tensor:
    """(1, 3, 128, 128) in [−1, 1]: skin that varies as skin does, lips, and whites of the eyes if they are open."""
    marks = face68()[:, :2]
    picture = np.full((128, 128, 3), (0.3, 0.4, 0.5), np.float32)
    cv2.fillPoly(picture, [np.int32(cv2.convexHull(marks[:27].astype(np.float32)).round())], skin)
    if not plain:
        picture *= 1 + cv2.GaussianBlur(np.random.default_rng(0).normal(0, 0.1, (128, 128, 1)), (0, 0), 1)[..., None]
    if eyes:
        for eye in (marks[36:42], marks[42:48]):
            cv2.fillPoly(picture, [np.int32(eye.round())], (0.7, 0.68, 0.67))
            cv2.circle(picture, tuple(int(c) for c in eye.mean(axis=0)), 2, (0.1, 0.07, 0.05), -1)
    cv2.fillPoly(picture, [np.int32(marks[48:60].round())], [0.85 * skin[0], 0.5 * skin[1], 0.65 * skin[2]])
    picture = (picture * light).clip(0, 1)
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() * 2 - 1


def marks() -> torch.Tensor:
    """(1, 68, 2)"""
    return torch.from_numpy(face68()[None, :, :2]).float()


def spoken(lip: float = 9.0, chin: float = 5.0, raised: float = 1.0) -> torch.Tensor:
    """The lips parted and the jaw dropped, (1, 1, 68, 2)."""
    points = marks()[:, None].clone()
    points[:, :, [49, 50, 51, 52, 53, 61, 62, 63], 1] -= raised
    points[:, :, [55, 56, 57, 58, 59, 65, 66, 67], 1] += lip
    points[:, :, 5:12, 1] += chin
    return points


def drawn(photo=None, lips=None, still=None, xs=TICKS, ys=TICKS, **how) -> torch.Tensor:
    """One frame, (3, H, W) in [0, 1]."""
    teeth = fit_teeth(load_donors(), portrait() if photo is None else photo, marks(), **how)
    still = marks()[:, None] if still is None else still
    return (unseen(teeth, still, spoken() if lips is None else lips, xs, ys)[0] + 1) / 2


def brightest(picture: torch.Tensor) -> float:
    return float(luma(picture[:, INSIDE[0], INSIDE[1]], 0).quantile(0.95))


class TestDonors:
    def test_the_shipped_ones_are_rows_of_teeth(self):
        donors = load_donors()
        assert len(donors.upper) == len(donors.lower) == len(donors.noses) >= 6
        assert donors.upper.shape[1:] == (4, (UPPER_ROWS[1] - UPPER_ROWS[0]) * FINE, WIDTH * FINE)
        assert donors.lower.shape[1:] == (4, (LOWER_ROWS[1] - LOWER_ROWS[0]) * FINE, WIDTH * FINE)

    def test_the_incisors_end_at_the_origin_and_nothing_is_below(self):
        alpha, edge, middle = load_donors().upper[:, 3], -UPPER_ROWS[0] * FINE, WIDTH * FINE // 2
        central = slice(middle - 2 * FINE, middle + 2 * FINE)
        assert (alpha[:, edge - 2 * FINE, central] > 0.9).all()
        assert (alpha[:, edge + FINE, central] < 0.1).all()

    def test_they_are_a_little_yellower_than_white_and_not_red(self):
        upper = load_donors().upper
        red, green, blue = (upper[:, :3].sum(dim=(2, 3)) / upper[:, 3:].sum(dim=(2, 3))).unbind(1)
        assert (red > blue).all() and (red < 1.15 * green).all()
        assert (green < 1).all() and (green > 0.6).all()

    def test_colours_never_exceed_their_alpha(self):
        for row in load_donors()[:2]:
            assert (row[:, :3] <= row[:, 3:] + 1e-6).all()

    def test_they_are_read_once(self):
        assert load_donors() is load_donors()

    @pytest.mark.parametrize("damage", ["missing", "no index", "no picture", "half a picture", "another size"])
    def test_a_bad_folder_is_told_in_one_line(self, tmp_path, damage):
        from atvg.motion.donors import _SHIPPED

        folder = tmp_path / "teeth"
        if damage != "missing":
            shutil.copytree(_SHIPPED, folder)
            picture = next(folder.glob("*.png"))
        if damage == "no index":
            (folder / "teeth.json").write_text("[]")
        elif damage == "no picture":
            picture.unlink()
        elif damage == "half a picture":
            picture.write_bytes(picture.read_bytes()[:500])
        elif damage == "another size":
            cv2.imwrite(str(picture), np.zeros((8, 8, 4), np.uint8))
        with pytest.raises(CheckpointError) as caught:
            load_donors(folder)
        assert "\n" not in str(caught.value) and "teeth" in str(caught.value)


class TestLight:
    def test_teeth_are_no_greyer_in_a_dark_face_and_do_not_glow_in_a_pale_one(self):
        pale, brown = brightest(drawn(portrait(PALE))), brightest(drawn(portrait(BROWN)))
        assert abs(pale - brown) < 0.08
        assert 0.45 < brown < 0.75

    def test_they_are_never_brighter_than_the_whites_of_the_eyes(self):
        for skin in (PALE, BROWN):
            assert float(luma(drawn(portrait(skin))[:, INSIDE[0], INSIDE[1]], 0).max()) < 0.7

    def test_warm_light_makes_warm_teeth(self):
        day, lamp = (drawn(portrait(light=light)) for light in ((1, 1, 1), (1.05, 0.85, 0.6)))
        warmth = [float((p[0] / p[2])[INSIDE].median()) for p in (day, lamp)]
        assert warmth[1] > 1.35 * warmth[0]

    def test_they_grow_dark_with_the_picture(self):
        assert brightest(drawn(portrait(light=(0.4, 0.4, 0.4)))) < 0.55 * brightest(drawn())

    @pytest.mark.parametrize("skin", [PALE, BROWN])
    def test_closed_eyes_do_not_make_them_skin(self, skin):
        shut, awake = (drawn(portrait(skin, eyes=eyes))[:, INSIDE[0], INSIDE[1]].flatten(1) for eyes in (False, True))
        assert float(luma(shut, 0).quantile(0.95)) > 0.45 * float(luma(awake, 0).quantile(0.95))
        bright = luma(awake, 0) > 0.4
        warmth = [(colour[0] / colour[2])[bright].median() for colour in (shut, awake)]
        assert float(warmth[0] / warmth[1]) < 1.2

    def test_a_grey_photo_has_grey_teeth(self):
        grey = luma(portrait(), 1)[:, None].expand(-1, 3, -1, -1)
        picture = drawn(grey)
        assert float((picture.amax(0) - picture.amin(0)).max()) < 0.01
        assert brightest(picture) > 0.4

    def test_a_sepia_photo_has_sepia_teeth(self):
        grey = (luma(portrait(), 1)[:, None] + 1) / 2
        picture = drawn(grey * torch.tensor([1.08, 1.0, 0.8])[:, None, None] * 2 - 1)
        bright = picture[:, INSIDE[0], INSIDE[1]].flatten(1)
        bright = bright[:, luma(bright, 0) > 0.3].median(dim=1).values
        torch.testing.assert_close(bright / bright[1], torch.tensor([1.08, 1.0, 0.8]), atol=0.03, rtol=0)

    def test_a_drawing_has_plain_teeth(self):
        assert read_tone(portrait(plain=True), marks()).flat == 1 and read_tone(portrait(), marks()).flat == 0
        row = fit_teeth(load_donors(), portrait(plain=True), marks()).upper[0]
        sure = row[3] > 0.99
        colours = row[:3, sure]
        assert float((colours.amax(dim=1) - colours.amin(dim=1)).max()) < 0.02

    def test_where_the_photo_shows_its_own_teeth_they_have_their_colour(self):
        photo, points = portrait(), spoken(7.0, 0.0, 0.0)[:, 0]
        photo[:, :, 89:95, 54:74] = torch.tensor([0.8, 0.72, 0.55])[:, None, None] * 2 - 1
        fitted = fit_teeth(load_donors(), photo, points)
        row = fitted.upper[0]
        shown = row[:3].sum(dim=(1, 2)) / row[3].sum() * fitted.colours[0, 3]
        torch.testing.assert_close(shown / shown[1], torch.tensor([0.8, 0.72, 0.55]) / 0.72, atol=0.06, rtol=0)


class TestChoice:
    def test_wide_noses_get_the_teeth_of_wide_noses(self):
        donors = load_donors()
        points = marks().repeat(2, 1, 1)
        points[0, 31, 0], points[0, 35, 0] = 60, 68
        points[1, 31, 0], points[1, 35, 0] = 54, 74
        narrow, wide = donors.noses[suitable(donors, points)]
        assert narrow == donors.noses.min() and wide == donors.noses.max()

    def test_who_gives_the_teeth_can_be_told(self):
        donors = load_donors()
        fitted = fit_teeth(donors, portrait(), marks(), which=torch.tensor([3]))
        torch.testing.assert_close(fitted.upper, donors.upper[3:4])


class TestAmount:
    def test_none_is_a_mouth_without_teeth(self):
        assert float(luma(drawn(amount=0.0), 0).max()) < 0.4  # tongue and gums

    def test_it_may_differ_from_photo_to_photo(self):
        photo, points = portrait().expand(2, -1, -1, -1), marks().expand(2, -1, -1)
        fitted = fit_teeth(load_donors(), photo, points, amount=torch.tensor([0.0, 1.0]))
        assert fitted.upper[0].max() == 0 and fitted.upper[1].max() > 0.5

    def test_more_of_the_incisors_can_be_shown(self):
        little, much = (luma(drawn(shown=torch.tensor([shown]))[:, :, 62:67], 0) > 0.4 for shown in (1.0, 4.0))
        assert much[88:96].sum() > little[88:96].sum() + 8


class TestMotion:
    """Upper teeth belong to the skull, lower ones to the jaw."""

    def test_a_falling_jaw_leaves_the_upper_row_where_it_is(self):
        one, other = (drawn(lips=spoken(9.0, chin)) for chin in (4.0, 7.0))
        torch.testing.assert_close(one[:, 89:91, 60:69], other[:, 89:91, 60:69], atol=1e-3, rtol=0)

    def test_and_takes_the_lower_one_along(self):
        def edge(picture: torch.Tensor) -> int:
            column = luma(picture[:, 93:110, 62:67], 0).mean(dim=1)
            return int((column > 0.25).float().argmax())

        teeth = [drawn(lips=spoken(14.0, chin)) for chin in (4.0, 9.0)]
        assert edge(teeth[1]) - edge(teeth[0]) == pytest.approx(4, abs=1)

    def test_all_moves_with_the_head(self):
        shift = torch.tensor([5.0, -3.0])
        here, there = drawn(), drawn(still=marks()[:, None] + shift, lips=spoken() + shift)
        torch.testing.assert_close(there[:, 86:96, 61:75], here[:, 89:99, 56:70], atol=1e-3, rtol=0)

    def test_a_narrower_face_has_narrower_teeth(self):
        squeeze = torch.tensor([0.7, 1.0])
        middle = torch.tensor([64.0, 0.0])
        still, lips = ((p - middle) * squeeze + middle for p in (marks()[:, None], spoken()))
        fine = torch.arange(50, 78, 0.1)
        wide, narrow = (
            (luma(drawn(still=s, lips=m, xs=fine, ys=torch.tensor([90.0, 90.5])), 0)[0] > 0.3).sum()
            for s, m in ((None, None), (still, lips))
        )
        assert float(narrow / wide) == pytest.approx(0.7, abs=0.05)

    def test_a_small_step_makes_a_small_change(self):
        lips = torch.cat([spoken(4 + 0.05 * i, 3 + 0.03 * i) for i in range(30)], dim=1)
        fitted = fit_teeth(load_donors(), portrait(), marks())
        frames = unseen(fitted, marks()[:, None].expand(-1, 30, -1, -1), lips, TICKS, TICKS)
        assert float(frames[:, :, 90:93, 57:72].diff(dim=0).abs().max()) < 0.06

    def test_yaw_is_read_with_depth_and_without(self):
        from atvg.motion.pose import Pose, head_centre, turn_points

        face = face68()
        turned = turn_points(face, head_centre(face), Pose(yaw=20))
        points = torch.from_numpy(turned[None]).float()
        for landmarks in (points, points[..., :2]):
            sine = float(fit_teeth(load_donors(), portrait(), landmarks).turn)
            assert sine == pytest.approx(np.sin(np.radians(20)), abs=0.12)


class TestPlaces:
    def test_a_finer_grid_is_the_same_picture(self):
        fine = (torch.arange(128.0 * 4) + 0.5) / 4 - 0.5
        large = drawn(xs=fine, ys=fine)
        small = torch.nn.functional.avg_pool2d(large[None], 4)[0]
        difference = (small - drawn())[:, INSIDE[0], INSIDE[1]].abs()
        assert float(difference.mean()) < 0.02

    def test_a_part_is_a_cut_from_the_whole(self):
        part = drawn(xs=TICKS[50:80], ys=TICKS[84:110])
        torch.testing.assert_close(part, drawn()[:, 84:110, 50:80], atol=1e-5, rtol=0)

    def test_far_from_the_mouth_all_is_dark(self):
        picture = drawn(xs=TICKS[:30], ys=TICKS[:30])
        assert picture.shape == (3, 30, 30) and float(picture.max()) < 0.2

    def test_frames_are_the_same_alone_and_together(self):
        lips = torch.cat([spoken(2.0 * i, 1.0 * i) for i in range(6)], dim=1)
        still = marks()[:, None].expand(-1, 6, -1, -1)
        fitted = fit_teeth(load_donors(), portrait(), marks())
        whole = unseen(fitted, still, lips, TICKS, TICKS)
        parts = [unseen(fitted, still[:, i : i + 2], lips[:, i : i + 2], TICKS, TICKS) for i in (0, 2, 4)]
        torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)

    def test_photos_are_the_same_alone_and_together(self):
        photos = torch.cat([portrait(PALE), portrait(BROWN), luma(portrait(), 1)[:, None].expand(-1, 3, -1, -1)])
        points, lips = marks().expand(3, -1, -1), spoken().expand(3, -1, -1, -1)
        together = fit_teeth(load_donors(), photos, points, which=torch.tensor([0, 1, 2]))
        frames = unseen(together, points[:, None], lips, TICKS, TICKS)
        for i in range(3):
            alone = fit_teeth(load_donors(), photos[i : i + 1], points[:1], which=torch.tensor([i]))
            one = unseen(alone, points[:1, None], lips[:1], TICKS, TICKS)
            torch.testing.assert_close(frames[i : i + 1], one, atol=5e-4, rtol=0)
            picked = Teeth(*(part[i : i + 1] for part in together))
            torch.testing.assert_close(unseen(picked, points[:1, None], lips[:1], TICKS, TICKS), one, atol=5e-4, rtol=0)

    def test_in_mixed_precision_it_is_the_same(self):
        plain = drawn()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = drawn()
        torch.testing.assert_close(mixed, plain, atol=1e-5, rtol=0)
