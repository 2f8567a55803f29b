"""The face is composed on the photo's own pixels; what is not the face stays bit for bit the photo's own."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from atvg.animate.chunk import Chunk
from atvg.animate.drawer import Drawer
from atvg.animate.torch_engine import TorchEngine
from atvg.config import VGNetConfig
from atvg.face import geometry
from atvg.face.face import Face, read_face
from atvg.film.paste import Paster, face_mask
from atvg.motion.pose import Pose
from atvg.motion.turn import HeadTurn, turn_of
from atvg.nets.vg_net import VGNet
from tests import synthetic

ONES, ZEROS = np.ones((1, 128, 128), np.float32), np.zeros((1, 128, 128), np.float32)
SCALE = 4  # photo pixels in a crop pixel of the drawn portraits


@pytest.fixture(scope="module")
def face(astronaut, mediapipe) -> Face:
    return read_face(astronaut, mediapipe)


def portrait(gap: float) -> Face:
    """`synthetic.portrait`, 512 px wide; its crop is cut a little differently from the drawing."""
    photo, landmarks = synthetic.portrait(gap, SCALE)
    return Face(photo, landmarks, landmarks)


def sheet(
    face: Face,
    attention: np.ndarray,
    residual: int = 0,
    shift: tuple[float, float] = (0, 0),
    turns: tuple[HeadTurn, ...] = (),
) -> Chunk:
    """What a network without layers may have drawn: the photo moved as a whole, and lighter by `residual`."""
    count = len(attention)
    base = np.full((count, 128, 128, 3), 100, np.uint8)
    motion = base + np.uint8(residual)
    photos = np.broadcast_to(face.crop, base.shape)
    shifts = np.broadcast_to(np.float32(shift), (count, 64, 64, 2))
    landmarks = np.repeat(face.crop_landmarks[None, :, :2], count, axis=0).astype(np.float32)
    codes = np.zeros((count, 1), np.float32)
    return Chunk(0, motion, attention, motion, photos, base, shifts, landmarks, codes, turns, None)


def pasted(face: Face, chunk: Chunk) -> np.ndarray:
    return next(Paster(face).paste(chunk))


@pytest.fixture(scope="module")
def net() -> VGNet:
    """A small network that draws in layers, and whose residual is noise."""
    torch.manual_seed(0)
    sizes = {"photo_widths": (8, 12, 16, 16), "landmark_widths": (8, 12, 16), "decoder_widths": (8, 12, 16)}
    net = VGNet(VGNetConfig(**sizes, hidden=16)).eval().requires_grad_(False)
    torch.nn.init.normal_(net.motion_head[0].weight, std=0.1)
    return net


@pytest.fixture(scope="module")
def quiet(net) -> VGNet:
    """One that draws nothing but the layers."""
    net = VGNet(net.config).eval().requires_grad_(False)
    torch.nn.init.zeros_(net.motion_head[0].weight)
    return net


def drawn(net: VGNet, face: Face, landmarks: np.ndarray, turns: tuple[HeadTurn, ...] = ()) -> Chunk:
    """T frames, from landmarks (T, 68, 2+) in crop pixels."""
    drawer, turned = Drawer(TorchEngine(net), face.crop, face.crop_landmarks), None
    photos = np.broadcast_to(face.crop, (len(landmarks), *face.crop.shape))
    if turns:
        photos = np.stack([turn.of_crop(face.crop, face.matrix) for turn in turns])
        turned = drawer.turned(photos, np.stack([geometry.apply(face.matrix, turn.landmarks)[:, :2] for turn in turns]))
    drawing = drawer.draw(landmarks[..., :2].astype(np.float32), turned)
    return drawing.chunk(0, photos, np.zeros((len(landmarks), 1), np.float32), turns)


def spoken(face: Face, *gaps: float) -> np.ndarray:
    """Its landmarks with the lower lip so much lower than in the photo, (T, 68, 3) crop pixels."""
    return np.stack([synthetic.opened(face.crop_landmarks, gap) for gap in gaps])


def in_photo(x: float, y: float) -> tuple[int, int]:
    """Row and column of the drawn portrait where the drawing's crop has a place."""
    return round((y + 0.5) * SCALE - 0.5), round((x + 0.5) * SCALE - 0.5)


def box_in_photo(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    (first, low), (last, high) = in_photo(left, top), in_photo(right, bottom)
    return np.s_[first:last, low:high]


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


class TestSheet:
    """Without layers: the photo, moved, with the residual laid over it."""

    def test_without_attention_every_pixel_is_the_photos_own(self, face, astronaut):
        chunk = sheet(face, ZEROS, 90)
        np.testing.assert_array_equal(pasted(face, chunk), astronaut)
        assert [made for _, made in Paster(face).frames(chunk)] == [None]

    def test_faint_attention_everywhere_changes_nothing(self, face, astronaut):
        np.testing.assert_array_equal(pasted(face, sheet(face, 0.02 * ONES, 90)), astronaut)

    @pytest.mark.parametrize("share", [1.0, 0.5])
    def test_the_residual_is_added_where_and_as_far_as_attention_says(self, face, astronaut, share):
        picture = pasted(face, sheet(face, share * ONES, 40))
        x, y = face.landmarks[51, :2].round().astype(int)
        lighter = np.minimum(astronaut[y, x] + 40.0, 255)
        np.testing.assert_allclose(picture[y, x], share * lighter + (1 - share) * astronaut[y, x], atol=0.51)

    def test_it_ends_at_white(self, face):
        picture = pasted(face, sheet(face, ONES, 155))
        x, y = face.landmarks[30, :2].round().astype(int)
        assert picture[y, x].tolist() == [255, 255, 255]

    def test_outside_the_face_every_pixel_is_the_photos_own(self, face, astronaut):
        """Even with full attention everywhere; the face with an open jaw fits into 1.5 times its box."""
        changed = (pasted(face, sheet(face, ONES, 60)) != astronaut).any(axis=2)
        rows, columns = np.nonzero(changed)
        low, high = face.landmarks[:, :2].min(axis=0), face.landmarks[:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2
        assert np.abs(columns - middle[0]).max() < 1.5 * half[0]
        assert np.abs(rows - middle[1]).max() < 1.5 * half[1]
        assert changed.sum() > 0.5 * (high - low).prod()

    def test_the_photos_own_detail_is_kept(self, face, astronaut):
        """Nothing moves and nothing is drawn: the picture is the photo, as sharp as it was."""
        np.testing.assert_array_equal(pasted(face, sheet(face, ONES)), astronaut)

    def test_a_shift_in_crop_pixels_is_one_in_the_photos_own(self, face, astronaut):
        """What lies `shift` away in the crop is shown; in photo pixels that is as far as the matrix says."""
        shift = (3.0, -2.0)
        picture = pasted(face, sheet(face, ONES, shift=shift))
        away = np.linalg.inv(face.matrix[:, :2]) @ shift
        y, x = np.mgrid[:512, :512].astype(np.float32)
        expected = cv2.remap(astronaut, x + np.float32(away[0]), y + np.float32(away[1]), cv2.INTER_CUBIC)
        left, top = face.landmarks[48:68, :2].min(axis=0).astype(int)
        right, bottom = face.landmarks[48:68, :2].max(axis=0).astype(int)
        inside = np.s_[top:bottom, left:right]
        off = np.abs(picture[inside].astype(int) - expected[inside])
        assert off.mean() < 0.5 and np.abs(astronaut[inside].astype(int) - expected[inside]).mean() > 5

    def test_a_spot_of_attention_lands_where_the_matrix_says(self, face):
        attention = ZEROS.copy()
        attention[0, 88:93, 60:65] = 1
        changed = (pasted(face, sheet(face, attention, 100)) != face.photo).any(axis=2)
        rows, columns = np.nonzero(changed)
        expected = geometry.apply(geometry.invert(face.matrix), np.array([[62.0, 90.0]]))[0]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)

    def test_frames_come_one_at_a_time_and_do_not_share_memory(self, face, astronaut):
        frames = Paster(face).paste(sheet(face, np.concatenate([ONES, ZEROS]), 90))
        first, second = next(frames), next(frames)
        assert (first != astronaut).any()
        np.testing.assert_array_equal(second, astronaut)
        np.testing.assert_array_equal(face.photo, astronaut)

    def test_a_large_photo_keeps_its_own_resolution(self, astronaut, astronaut_face):
        large = np.repeat(np.repeat(astronaut, 3, axis=0), 3, axis=1)
        landmarks = astronaut_face.landmarks * 3
        face = Face(large, landmarks, landmarks)
        assert pasted(face, sheet(face, ONES, 9)).shape == (1536, 1536, 3)


class TestTurnedHeads:
    """Frames that were drawn for turns of the head."""

    @pytest.fixture(scope="class")
    def turn(self, face):
        return turn_of(face, Pose(yaw=8, pitch=-4))

    def test_without_attention_the_picture_is_the_turned_photo(self, face, turn):
        (picture,) = Paster(face).paste(sheet(face, ZEROS, 90, turns=(turn,)))
        np.testing.assert_array_equal(picture, turn.of_photo(face.photo))
        assert (picture != face.photo).any()

    def test_outside_the_head_every_pixel_is_the_photos_own(self, face, turn, astronaut):
        """Even with full attention; the turn has faded out at 2.6 times the face's radius."""
        (picture,) = Paster(face).paste(sheet(face, ONES, 90, turns=(turn,)))
        middle = face.landmarks[:, :2].mean(axis=0)
        radius = np.linalg.norm(face.landmarks[:17, :2] - middle, axis=1).max()
        y, x = np.mgrid[:512, :512]
        far = np.hypot(x - middle[0], y - middle[1]) > 2.7 * radius
        assert far.mean() > 0.3
        np.testing.assert_array_equal(picture[far], astronaut[far])

    def test_between_face_and_far_background_it_is_the_turned_photo(self, face, turn):
        (picture,) = Paster(face).paste(sheet(face, ONES, 90, turns=(turn,)))
        photo = turn.of_photo(face.photo)
        low, high = turn.landmarks[:, :2].min(axis=0), turn.landmarks[:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2
        rows, columns = np.nonzero((picture != photo).any(axis=2))
        assert np.abs(columns - middle[0]).max() < 1.5 * half[0]
        assert np.abs(rows - middle[1]).max() < 1.5 * half[1]

    def test_the_mask_goes_along_with_the_head(self, face):
        """A face drawn where the chin has swung to is shown there, and not where the chin was."""
        turns = tuple(turn_of(face, Pose(roll=angle)) for angle in (-20, 20))
        pictures = Paster(face).paste(sheet(face, np.repeat(ONES, 2, axis=0), 80, turns=turns))
        lit = [
            (picture.astype(int) - turn.of_photo(face.photo)).max(axis=2)
            for picture, turn in zip(pictures, turns, strict=True)
        ]
        chins = [turn.landmarks[8, :2].round().astype(int) for turn in turns]
        assert np.linalg.norm(chins[0] - chins[1]) > 20
        for here, there, (x, y) in ((0, 1, chins[0]), (1, 0, chins[1])):
            assert lit[here][y, x] > 60 and lit[there][y, x] < 40

    def test_each_frame_has_its_own_turn(self, face, turn):
        turns = (turn, turn_of(face, Pose(yaw=-8)))
        pictures = list(Paster(face).paste(sheet(face, np.repeat(ZEROS, 2, axis=0), 90, turns=turns)))
        for picture, one in zip(pictures, turns, strict=True):
            np.testing.assert_array_equal(picture, one.of_photo(face.photo))
        assert (pictures[0] != pictures[1]).any()

    def test_what_a_frame_is_made_of_outlives_the_frame(self, face, turn):
        """Also where the face is as wide as the photo, so that whole rows of it are replaced."""
        left = round(face.landmarks[:, 0].min())
        narrow = Face(face.photo[:, left : left + 60].copy(), face.landmarks - [left, 0, 0], face.mesh - [left, 0, 0])
        turn = turn_of(narrow, Pose(yaw=8))
        ((picture, made),) = Paster(narrow).frames(sheet(narrow, ONES, 90, turns=(turn,)))
        assert made.box[1] == slice(0, 60)
        np.testing.assert_array_equal(made.photo, turn.of_photo(narrow.photo)[made.box])
        np.testing.assert_array_equal(made.frame, picture[made.box])

    def test_a_turn_by_nothing_is_no_turn(self, face, net):
        landmarks = spoken(face, 4.0)
        (still,) = Paster(face).paste(drawn(net, face, landmarks))
        (turned,) = Paster(face).paste(drawn(net, face, landmarks, (turn_of(face, Pose()),)))
        assert np.abs(turned.astype(int) - still).max() <= 1


@pytest.mark.parametrize("turning", [False, True])
class TestEquation:
    """``frame = α ⊙ m + (1 − α) ⊙ photo``, with ``m = base + residual``, on the photo's own pixels."""

    @pytest.fixture
    def chunk(self, net, face, turning) -> Chunk:
        turns = tuple(turn_of(face, Pose(yaw=yaw)) for yaw in (6, -6, 3)) if turning else ()
        landmarks = spoken(face, 0.0, 5.0, -3.0)
        if turning:
            landmarks = np.stack([geometry.apply(face.matrix, turn.landmarks) for turn in turns])
            landmarks[:, [57, 66], 1] += [[0], [5], [-3]]
        landmarks[1, [37, 38, 43, 44], 1] += 2
        return drawn(net, face, landmarks, turns)

    def test_it_holds_at_every_pixel(self, face, chunk):
        most = []
        for _, made in Paster(face).frames(chunk):
            alpha = made.attention[..., None]
            assert np.abs(alpha * made.motion + (1 - alpha) * made.photo - made.frame).max() <= 0.51
            assert np.abs((made.base + made.residual).clip(0, 255) - made.motion).max() <= 0.51
            assert alpha.min() == 0 and np.abs(made.residual).max() > 5
            most.append(alpha.max())
        assert max(most) > 0.99

    def test_openings_that_nobody_looks_at_are_left_out(self, face, chunk):
        attention = chunk.attention.copy()
        attention[:, :75] = 0
        for _, made in Paster(face).frames(replace(chunk, attention=attention)):
            assert made.uncovered and all(opening.shows.size for opening in made.uncovered)

    def test_it_holds_in_the_crop(self, chunk):
        """The motion map is rounded once more than the frame."""
        alpha = chunk.attention[..., None]
        composed = alpha * chunk.motion + (1 - alpha) * chunk.photos
        assert np.abs(composed - chunk.frames).max() <= 0.51 + 0.5 * chunk.attention.max()

    def test_pixels_without_attention_are_the_photos_own(self, face, chunk):
        for t, (picture, made) in enumerate(Paster(face).frames(chunk)):
            photo = chunk.turns[t].of_photo(face.photo) if chunk.turns else face.photo
            np.testing.assert_array_equal(made.photo, photo[made.box])
            np.testing.assert_array_equal(made.frame, picture[made.box])
            untouched = made.attention == 0
            assert untouched.any()
            np.testing.assert_array_equal(made.frame[untouched], made.photo[untouched])
            outside = np.ones(photo.shape[:2], bool)
            outside[made.box] = False
            np.testing.assert_array_equal(picture[outside], photo[outside])

    def test_it_does_not_depend_on_how_many_frames_are_composed_at_once(self, face, chunk):
        together = list(Paster(face).paste(chunk))
        alone = [next(Paster(face).paste(chunk.cut(t, t + 1))) for t in range(len(chunk))]
        assert np.abs(np.stack(together).astype(int) - alone).max() <= 1


class TestLayers:
    """What lips and lids cover and uncover, at the photo's resolution; see `tests.motion.test_layers`."""

    mouth, eyes = box_in_photo(50, 84, 79, 108), box_in_photo(42, 44, 87, 55)

    def test_a_shut_mouth_that_opens_shows_no_lips_between_them(self, quiet):
        face = portrait(0.0)
        picture = pasted(face, drawn(quiet, face, spoken(face, 9.0)))
        where = box_in_photo(60, 90, 68, 96)
        lips = [np.abs(p[where].astype(int) - synthetic.LIPS).max(axis=2) < 8 for p in (face.photo, picture)]
        assert lips[0].mean() > 0.4 and lips[1].mean() < 0.2, "gums have much the same colour"
        assert np.ptp(picture[where].min(axis=2)) > 80, "teeth and the dark behind them"

    def test_teeth_that_are_seen_stay_where_they_are(self, quiet):
        face = portrait(8.0)
        picture = pasted(face, drawn(quiet, face, spoken(face, 4.0)))
        bright = (face.photo.min(axis=2) > 190) & (np.arange(512)[:, None] > 80 * SCALE)
        assert bright.sum() > 30 * SCALE**2
        assert np.abs(picture[bright].astype(int) - face.photo[bright]).mean() < 2

    def test_lips_that_close_cover_them(self, quiet):
        face = portrait(8.0)
        picture = pasted(face, drawn(quiet, face, spoken(face, -8.0)))
        assert (face.photo[self.mouth].astype(int) - synthetic.SKIN).max() > 40
        assert (picture[self.mouth].astype(int) - synthetic.SKIN).max() < 16

    def test_shut_lids_leave_nothing_of_the_eyeball(self, quiet):
        face = portrait(0.0)
        landmarks = spoken(face, 0.0)
        landmarks[:, [37, 38, 43, 44], 1] = landmarks[:, [41, 40, 47, 46], 1]
        picture = pasted(face, drawn(quiet, face, landmarks))
        assert (face.photo[self.eyes].astype(int) - synthetic.SKIN).max() > 40
        left = np.abs(picture[self.eyes].astype(int) - synthetic.SKIN).max(axis=2) > 12
        assert left.mean() < 0.002, "a few grains in the seam of the lids"

    def test_the_residual_is_one_colour_where_nobody_knows(self, net):
        face = portrait(0.0)
        ((_, made),) = Paster(face).frames(drawn(net, face, spoken(face, 9.0)))
        rows, columns = box_in_photo(62, 93, 66, 95)
        (top, left) = (side.start for side in made.box)
        between = made.residual[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        assert np.ptp(between, axis=(0, 1)).max() < 3 < np.ptp(made.residual, axis=(0, 1)).max()

    def test_an_enlarged_photo_is_composed_alike(self, net, face):
        """The crop as a photo of its own, and four times as large; shrunk, it is what the small one is."""
        small = Face(face.crop, face.crop_landmarks, face.crop_landmarks)
        marks = (face.crop_landmarks + [0.5, 0.5, 0]) * 4 - [0.5, 0.5, 0]
        large = Face(cv2.resize(face.crop, (512, 512), interpolation=cv2.INTER_CUBIC), marks, marks)
        landmarks = spoken(small, 9.0)
        landmarks[:, [37, 38, 43, 44], 1] += 2
        chunk = drawn(net, small, landmarks)
        picture = pasted(small, chunk).astype(int)
        shrunk = cv2.resize(pasted(large, chunk), (128, 128), interpolation=cv2.INTER_AREA)
        changed = np.abs(picture - small.photo).max(axis=2) > 2
        off = np.abs(shrunk.astype(int) - picture)[changed]
        assert changed.sum() > 500 and off.mean() < 2
        assert off.mean() < 0.3 * np.abs(small.photo.astype(int) - picture)[changed].mean()

    @pytest.mark.parametrize("tone", [(0, 0, 0), (20, 2, -22)])
    def test_a_photo_of_one_tone_stays_of_one(self, net, tone):
        shut = portrait(0.0)
        photo = cv2.cvtColor(shut.photo, cv2.COLOR_RGB2GRAY)[..., None] * 0.8 + tone
        face = replace(shut, photo=photo.round().clip(0, 255).astype(np.uint8))
        picture = pasted(face, drawn(net, face, spoken(face, 9.0))).astype(int)
        assert (picture != face.photo).any()
        off = np.abs(picture - picture[..., 1:2] - (np.array(tone) - tone[1])).max(axis=2)[self.mouth]
        if any(tone):  # black has no tone
            off = off[picture[self.mouth].min(axis=2) > 60]
        assert off.max() <= (4 if any(tone) else 0)

    @pytest.mark.parametrize("shift", [(-60, 0), (0, -70), (330, 330), (500, 500)])
    def test_a_face_at_or_beyond_the_edge_of_the_photo(self, quiet, face68, shift):
        photo = np.full((400, 400, 3), 90, np.uint8)
        face = Face(photo, face68 + [*shift, 0], face68 + [*shift, 0])
        landmarks = spoken(face, 6.0)
        landmarks[:, [37, 38, 43, 44], 1] += 2
        for chunk in (drawn(quiet, face, landmarks), sheet(face, ONES, 90)):
            assert pasted(face, chunk).shape == photo.shape


def test_a_clip_takes_no_more_memory_than_a_stretch_of_it(face, net, monkeypatch):
    """Whoever saves a result hands over all of it: turned photos, and masks, are made as they are needed."""
    made, of_photo = [], HeadTurn.of_photo
    monkeypatch.setattr(HeadTurn, "of_photo", lambda turn, photo: made.append(turn) or of_photo(turn, photo))
    turn = turn_of(face, Pose(yaw=3))
    landmarks = np.repeat(geometry.apply(face.matrix, turn.landmarks)[None], 30, axis=0)
    pictures = Paster(face).paste(drawn(net, face, landmarks, (turn,) * 30))
    next(pictures)
    assert len(made) == 1
    assert sum(1 for _ in pictures) == 29
