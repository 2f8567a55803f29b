"""Any picture a person may bring becomes uint8 RGB, upright; anything else is a `BadImageError` in one line."""

import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from atvg.errors import BadImageError
from atvg.face.image import MAX_PIXELS, MIN_SIDE, load_image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(scope="module")
def upright() -> np.ndarray:
    """60 wide, 40 high; red in the upper left quarter, blue in the upper right, white below."""
    picture = np.full((40, 60, 3), 255, np.uint8)
    picture[:20, :30], picture[:20, 30:] = RED, BLUE
    return picture


# What a camera stores for each EXIF orientation, given the upright picture.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_undone(upright, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)
    np.testing.assert_array_equal(load_image(path), upright)


def test_rgb_arrays_pass_through_unchanged(upright):
    loaded = load_image(upright)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, upright)


def test_path_text_pil_image_and_array_are_alike(upright, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(upright).save(path)
    for source in (path, str(path), Image.open(path), Image.fromarray(upright)):
        np.testing.assert_array_equal(load_image(source), upright)


@pytest.mark.parametrize(("alpha", "expected"), [(255, (200, 100, 0)), (0, WHITE), (128, (227, 177, 127))])
def test_transparency_is_laid_over_white(alpha, expected):
    colour = np.full((40, 40, 4), (200, 100, 0, alpha), np.uint8)
    for source in (colour, Image.fromarray(colour)):
        assert np.abs(load_image(source).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("alpha", "expected"), [(255, 100), (0, 255), (51, 224)])
def test_grey_with_alpha_is_laid_over_white(alpha, expected):
    grey = np.full((40, 40, 2), (100, alpha), np.uint8)
    for source in (grey, Image.fromarray(grey)):
        loaded = load_image(source)
        assert loaded.shape == (40, 40, 3)
        assert np.abs(loaded.astype(int) - expected).max() <= 1


def test_palette_with_a_transparent_colour(tmp_path):
    picture = Image.new("P", (40, 40), 0)
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.paste(1, (20, 0, 40, 40))
    path = tmp_path / "photo.png"
    picture.save(path, transparency=0)
    loaded = load_image(path)
    assert tuple(loaded[5, 5]) == WHITE
    assert tuple(loaded[5, 35]) == (200, 100, 0)


def test_palette_without_transparency():
    picture = Image.new("P", (40, 40), 1)
    picture.putpalette([10, 20, 30, 200, 100, 0])
    assert tuple(load_image(picture)[0, 0]) == (200, 100, 0)


def test_greyscale_becomes_three_equal_channels():
    ramp = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    for source in (ramp, ramp[..., None], Image.fromarray(ramp)):
        np.testing.assert_array_equal(load_image(source), np.repeat(ramp[..., None], 3, axis=2))


def test_one_bit_images_are_black_and_white():
    bits = np.zeros((40, 40), bool)
    bits[:, 20:] = True
    expected = np.repeat(bits[..., None], 3, axis=2) * np.uint8(255)
    for source in (bits, Image.fromarray(bits)):
        np.testing.assert_array_equal(load_image(source), expected)


def test_cmyk_becomes_rgb(tmp_path):
    path = tmp_path / "print.jpg"
    Image.fromarray(np.full((64, 64, 3), (180, 60, 40), np.uint8)).convert("CMYK").save(path, quality=95)
    assert np.abs(load_image(path).astype(int) - (180, 60, 40)).max() < 12


def test_16_bit_grey_is_scaled_to_8_bit(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)).save(path)
    loaded = load_image(path)
    assert loaded[0, 0, 0] == 0 and loaded[-1, -1, 0] == 255
    assert loaded[32, 0, 0] == pytest.approx(128, abs=1)


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    path = tmp_path / "moving.gif"
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, BLUE)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert tuple(load_image(path)[0, 0]) == RED


def test_the_file_ending_does_not_matter(upright, tmp_path):
    path = tmp_path / "really_a_png.jpg"
    Image.fromarray(upright).save(path, format="PNG")
    np.testing.assert_array_equal(load_image(path), upright)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((40, 40, 3), 0.5), 128),  # floats in [0, 1]
        (np.full((40, 40, 3), 128.4), 128),  # floats in [0, 255]
        (np.full((40, 40, 3), 32896, np.uint16), 128),  # 16 bits: 128 · 257
        (np.full((40, 40, 3), 128, np.uint16), 128),  # 8-bit values in a wider type
        (np.full((40, 40, 3), 128, np.int64), 128),
        (np.ones((40, 40)), 255),
    ],
)
def test_other_number_types_are_scaled(array, expected):
    loaded = load_image(array)
    assert loaded.dtype == np.uint8 and loaded.shape == (40, 40, 3)
    assert (loaded == expected).all()


@pytest.mark.parametrize(
    "array",
    [
        np.full((40, 40, 3), np.nan),
        np.full((40, 40, 3), np.inf),
        np.full((40, 40, 3), -1.0),
        np.full((40, 40, 3), 70_000),
        np.zeros((40, 40, 5), np.uint8),
        np.zeros((2, 40, 40, 3), np.uint8),
        np.zeros(40, np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.full((40, 40), "face"),
        np.zeros((40, 40), complex),
    ],
    ids=["nan", "inf", "negative", "too bright", "5 channels", "4-D", "1-D", "empty", "text", "complex"],
)
def test_arrays_that_are_no_picture_are_refused(array, refuses):
    with refuses(BadImageError):
        load_image(array)


@pytest.mark.parametrize("source", [None, 7, b"bytes", [1, 2, 3], {"path": "x"}])
def test_other_types_are_refused_by_name(source, refuses):
    with refuses(BadImageError, type(source).__name__):
        load_image(source)


def test_a_missing_file_is_refused(tmp_path, refuses):
    with refuses(BadImageError, "nobody.jpg"):
        load_image(tmp_path / "nobody.jpg")


def test_a_name_too_long_for_the_file_system_is_refused(refuses):
    with refuses(BadImageError):
        load_image("x" * 5000)


def test_a_folder_is_refused(tmp_path, refuses):
    with refuses(BadImageError, "not a file"):
        load_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"just some text\n", b"\x89PNG\r\n\x1a\n"], ids=["0 bytes", "text", "stub"])
def test_files_that_are_no_image_are_refused(content, tmp_path, refuses):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with refuses(BadImageError, "photo.jpg"):
        load_image(path)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_truncated_file_is_refused(astronaut, tmp_path, ending, refuses):
    path = tmp_path / f"photo.{ending}"
    Image.fromarray(astronaut).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with refuses(BadImageError):
        load_image(path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(b"\0" * 100)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [30_000, 13_000, 7_200])
def test_too_many_pixels_are_refused_from_the_header_alone(tmp_path, side, refuses):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(side, side))
    began = time.process_time()
    with refuses(BadImageError, f"{MAX_PIXELS:,}"):
        load_image(path)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("shape", [(1, 1), (MIN_SIDE - 1, 500), (500, MIN_SIDE - 1)])
def test_too_few_pixels_are_refused(shape, refuses):
    with refuses(BadImageError, f"{shape[1]}×{shape[0]}"):
        load_image(np.zeros((*shape, 3), np.uint8))


def test_the_smallest_allowed_picture_is_read():
    assert load_image(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_damaged_bytes_never_raise_anything_else(astronaut, tmp_path, kind):
    """Forty damaged files of each kind: each is read, or refused with the one error that the callers know."""
    rng = np.random.default_rng(0)
    path = tmp_path / "photo"
    Image.fromarray(astronaut[60:140, 160:260]).save(path, format=kind)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(40):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 400), 6)] = rng.integers(0, 256, 6)
        path.write_bytes(damaged.tobytes())
        try:
            assert load_image(path).shape[2] == 3
        except BadImageError as error:
            assert "\n" not in str(error)
