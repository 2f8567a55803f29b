"""Equations of pictures: every tile is what its caption says, and the layers are those of the composed picture."""

import cv2
import numpy as np
import pytest

from atvg import Animator
from atvg.bench.samples import sample_voice
from atvg.errors import BadSettingError
from atvg.face.landmarks import mouth_opening
from atvg.film.close_up import CloseUp
from atvg.film.drawing import heat_map
from atvg.film.paste import Paster
from atvg.film.recording import Moment, Recorder, Recording
from atvg.motion.idle import blink
from atvg.show.equations import AMPLIFIED, equation, layers, layers_equation, products

SIDE = 256


@pytest.fixture
def moment(face):
    """A frame as VG-net composes it: the motion map is rounded after the frame is."""
    y, x = np.mgrid[:128, :128]
    attention = np.exp(-(((x - 64) / 12) ** 2 + ((y - 90) / 8) ** 2)).astype(np.float32)
    motion = 250.4 - 0.9 * face.crop
    frame = attention[..., None] * motion + (1 - attention[..., None]) * face.crop
    return Moment(
        face.crop, attention, motion.round().astype(np.uint8), frame.round().astype(np.uint8),
        face.crop_landmarks[:, :2], 0.0,
    )  # fmt: skip


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Back to the crop's 128 pixels, int."""
    return cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).astype(int)


def tile(picture: np.ndarray, column: float, row: int) -> np.ndarray:
    """A tile of an equation, by its place in a grid of 256 px tiles, 56 px between them and 48 px below."""
    x, y = round(24 + column * (SIDE + 56)), 24 + row * (SIDE + 48 + 56)
    return picture[y : y + SIDE, x : x + SIDE]


def test_the_products_add_up_to_the_frame(moment):
    painted, kept = products(moment)
    # Each half of a grey level: the frame, the motion map where it counts fully, and both products. And α's own.
    assert np.abs(painted.astype(int) + kept - moment.frame).max() <= 2
    assert (painted[moment.attention == 0] == 0).all()
    assert np.array_equal(kept[moment.attention == 0], moment.photo[moment.attention == 0])


@pytest.mark.parametrize(
    "stacked, size, places",
    [
        (False, (712, 1552, 3), [(0, 0), (1, 0), (2, 0), (3, 0), (0.5, 1), (2.5, 1), (4, 0), (4, 1)]),
        (True, (1072, 928, 3), [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (2, 2), (2, 2)]),
    ],
)
def test_an_equation_shows_every_factor_product_and_the_result(moment, stacked, size, places):
    picture = equation(moment, stacked)
    assert picture.dtype == np.uint8 and picture.shape == size
    tiles = [shrunk(tile(picture, *place)) for place in places]
    painted, kept = products(moment)
    expected = (
        heat_map(moment.attention), moment.motion, heat_map(1 - moment.attention), moment.photo,
        painted, kept, moment.frame, moment.frame,
    )  # fmt: skip
    for i, (shown, meant) in enumerate(zip(tiles, expected, strict=True)):
        assert np.abs(shown - meant).mean() < 3, f"tile {i}"
    assert np.abs(tiles[4] + tiles[5] - tiles[6]).mean() < 2


@pytest.fixture(scope="module")
def in_layers() -> Animator:
    """The shipped weights, drawn with by PyTorch."""
    return Animator.from_pretrained(engine="torch")


@pytest.fixture(scope="module", params=[False, True], ids=["still", "natural"])
def recorded(request, in_layers, face, tmp_path_factory) -> tuple[Recording, list[np.ndarray]]:
    """A run with the mouth wide open, and its pictures."""
    wave = sample_voice(1.2)
    chunks = list(in_layers.stream(face, wave, natural=request.param, mouth_gain=2.5))
    folder = tmp_path_factory.mktemp("run") / "recording"
    for _ in Recorder(folder, wave, 0.5, 30, face).watch(iter(chunks)):
        pass
    return Recording.open(folder), [picture for chunk in chunks for picture in Paster(face).paste(chunk)]


@pytest.fixture
def widest(recorded) -> int:
    return int(mouth_opening(recorded[0].landmarks).argmax())


@pytest.fixture
def tiles(recorded, widest) -> dict[str, np.ndarray]:
    return layers(recorded[0], widest)


def test_layers_are_those_of_the_picture_on_the_photos_own_pixels(recorded, widest, tiles, face):
    shown = cv2.resize(CloseUp.of(face).cut(recorded[1][widest]), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    assert np.abs(tiles["result"].astype(int) - shown).mean() < 0.1, "half precision moves a pixel now and then"


def test_base_and_residual_add_up_to_the_motion(tiles):
    residual = (tiles[f"residual × {AMPLIFIED}"].astype(float) - 128) / AMPLIFIED
    apart = np.abs(tiles["base"] + residual - tiles["motion m"])
    assert apart.mean() < 1
    assert np.ptp(tiles[f"residual × {AMPLIFIED}"]) > 40


def test_where_nothing_is_painted_all_is_the_photo(tiles):
    for name in ("base", "motion m", "result"):
        assert np.array_equal(tiles[name][:20], tiles["photo"][:20])
    assert (tiles[f"residual × {AMPLIFIED}"][:20] == 128).all()


def test_what_is_uncovered_lies_between_the_lips(recorded, widest, tiles, face):
    seen = tiles["uncovered S"].sum(axis=-1) - heat_map(np.zeros(1)).sum()
    y, x = (np.average(grid, weights=seen) for grid in np.mgrid[:SIDE, :SIDE])
    mouth = recorded[0].landmarks[widest][60:68].mean(axis=0)  # the close-up is the upright crop, twice as large
    assert np.array([x, y]) == pytest.approx(2 * mouth, abs=12)
    lit = seen > seen.max() / 2
    assert np.abs(tiles["inside"][lit].astype(int) - tiles["base"][lit]).mean() < 25, "the base shows it there"


def test_no_colour_behind_lips_and_lids_leaves_the_scale(in_layers, face):
    """Of 8-bit numbers the differences wrap round: eyes on their way shut were white with coloured specks."""
    shut = np.linspace(0, 1, 6)

    marks = blink(np.repeat(face.crop_landmarks[None, :, :2], 6, axis=0), shut).astype(np.float32)
    drawn = in_layers.drawer(face.crop, face.crop_landmarks).draw(marks)
    photos, codes = np.broadcast_to(face.crop, (6, *face.crop.shape)), np.zeros((6, 4), np.float32)
    found = 0
    for _, made in Paster(face).frames(drawn.chunk(0, photos, codes)):
        for opening in made.uncovered if made else ():
            assert -1 <= opening.inside.min() and opening.inside.max() <= 256
            found += 1
    assert found > 6, "the eyes moved"


def test_the_equation_of_layers_is_wide_or_tall(tiles):
    wide, tall = layers_equation(tiles), layers_equation(tiles, stacked=True)
    assert wide.shape[1] > 2 * wide.shape[0] and tall.shape[0] > tall.shape[1] and tall.shape[1] == 928
    places = {"uncovered S": (0, 0), "inside": (1, 0), "base": (2, 0), "motion m": (4, 0), "result": (4, 1)}
    for name, place in places.items():
        assert np.array_equal(tile(wide, *place), tiles[name]), name
    for name, place in {"base": (0, 1), "motion m": (2, 1), "attention α": (0, 2), "result": (2, 3)}.items():
        assert np.array_equal(tile(tall, *place), tiles[name]), name


def test_a_frame_that_is_not_there_is_refused(recorded, refuses):
    with refuses(BadSettingError, "from 0 to"):
        layers(recorded[0], 99)
