"""What photos people bring: how each kind becomes upright sRGB, and what is said of what is no photo."""

import io
import struct
import zipfile
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from atvg.errors import BadImageError, FaceTooSmallError, LyingPhotoError
from atvg.face.advice import advise
from atvg.face.face import read_face
from atvg.face.image import image_format, load_image
from tests import heic, icc
from tests.heic import picture
from tests.marks import quick

# Red above to the left, blue to the right, light grey below; every encoder is told to keep them.
RED, BLUE, GREY = (220, 30, 30), (30, 30, 220), (200, 200, 200)
PICTURE = np.full((96, 128, 3), GREY, np.uint8)
PICTURE[:48, :64], PICTURE[:48, 64:] = RED, BLUE
LYING = np.ascontiguousarray(np.rot90(PICTURE, -1))
HELPER = np.full((64, 64, 3), 128, np.uint8)


def saved(source: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    (source if isinstance(source, Image.Image) else Image.fromarray(source)).save(file, kind, **options)
    return file.getvalue()


def jpeg(source: np.ndarray | Image.Image = PICTURE, **options: object) -> bytes:
    return saved(source, "JPEG", quality=98, subsampling=0, **options)


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def gain_map() -> heic.Item:
    return picture(HELPER, heic.auxiliary(heic.HDR_GAIN_MAP), refers=(b"auxl", 1), hidden=True)


def png16(channels: int) -> bytes:
    """A PNG of 16 bits per channel, which Pillow does not write."""
    values = PICTURE.astype(np.uint16) * 257
    if channels == 4:
        values = np.concatenate([values, np.full((96, 128, 1), 65535, np.uint16)], axis=2)
    return cv2.imencode(".png", values[..., [2, 1, 0, 3][:channels]])[1].tobytes()


def palette() -> bytes:
    return saved(Image.fromarray(PICTURE).quantize(8), "PNG", transparency=255)


def parts_of_a_phones_photo() -> list[heic.Item]:
    """Stored lying, with what turns it said twice; with a gain map, a thumbnail, EXIF."""
    return [
        picture(LYING, heic.turned(1)), gain_map(), picture(HELPER, refers=(b"thmb", 1)),
        heic.exif(oriented(6).tobytes(), 1),
    ]  # fmt: skip


READ: dict[str, Callable[[], bytes]] = {
    "HEIC": lambda: heic.heic([picture(PICTURE)]),
    "HEIC of a phone": lambda: heic.heic(parts_of_a_phones_photo()),
    "HEIC of 10 bits": lambda: heic.heic([picture(PICTURE, bits=10)]),
    "HEIC whose second picture is the photo": lambda: heic.heic([picture(HELPER), picture(PICTURE)], primary=2),
    "HEIF of no known maker": lambda: heic.heic([picture(PICTURE)], brand=b"mif1"),
    "AVIF": lambda: saved(PICTURE, "AVIF", quality=95, subsampling="4:4:4"),
    "WebP": lambda: saved(PICTURE, "WEBP", lossless=True),
    "TIFF": lambda: saved(PICTURE, "TIFF"),
    "JPEG 2000": lambda: saved(PICTURE, "JPEG2000"),
    "JPEG that lies, and says so": lambda: jpeg(LYING, exif=oriented(8)),
    "motion photo: JPEG with a film behind it": lambda: jpeg() + b"\0\0\0\x18ftypmp42" + bytes(5000),
    "JPEG with a gain map": lambda: saved(
        PICTURE, "MPO", quality=98, subsampling=0, save_all=True, append_images=[Image.fromarray(HELPER)]
    ),
    "CMYK": lambda: saved(Image.fromarray(PICTURE).convert("CMYK"), "TIFF"),
    "Lab": lambda: saved(lab(), "TIFF"),
    "PNG of 16 bits": lambda: png16(3),
    "PNG of 16 bits with alpha": lambda: png16(4),
    "PNG with a palette and a transparent colour": palette,
    "a damaged profile": lambda: jpeg(icc_profile=b"no profile" * 20),
    "a profile of greys in a colour picture": lambda: jpeg(icc_profile=icc.grey(1.0)),
}  # fmt: skip


def lab() -> Image.Image:
    from PIL import ImageCms

    return ImageCms.profileToProfile(
        Image.fromarray(PICTURE), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )


@pytest.mark.parametrize("kind", quick(READ, "HEIC of a phone", "PNG of 16 bits", "JPEG with a gain map"))
def test_a_photo_is_read_upright_in_its_colours(kind, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(READ[kind]())
    read = load_image(path)
    assert read.shape == PICTURE.shape and read.dtype == np.uint8
    for y, x in ((20, 20), (20, 100), (80, 64)):
        assert np.abs(read[y, x].astype(int) - PICTURE[y, x]).max() <= 6


# As it is stored, by which profile, and in sRGB.
COLOURS = {
    "Display P3": ((234, 51, 35), icc.rgb(*icc.DISPLAY_P3), (255, 0, 0)),
    "Adobe RGB": ((144, 255, 60), icc.rgb(*icc.ADOBE_RGB), (0, 255, 0)),
    "ProPhoto": ((179, 70, 26), icc.rgb(*icc.PRO_PHOTO), (255, 0, 0)),
    "linear grey": (128, icc.grey(1.0), (188, 188, 188)),
    "inks": ((255, 0, 0, 0), icc.inks((60, -10, -30)), (93, 151, 196)),
}
MODES = {1: "L", 3: "RGB", 4: "CMYK"}


@pytest.mark.parametrize("space", COLOURS)
def test_an_embedded_profile_is_converted(space, tmp_path):
    stored, profile, meant = COLOURS[space]
    path = tmp_path / "photo.tif"
    Image.new(MODES[np.size(stored)], (64, 64), stored).save(path, icc_profile=profile)
    assert np.abs(load_image(path)[32, 32].astype(int) - meant).max() <= 8


@pytest.mark.parametrize("kind", quick(["HEIC", "PNG with alpha"], "HEIC"))
def test_profiles_count_in_every_kind_of_file(kind, tmp_path):
    stored, profile, meant = COLOURS["Display P3"]
    flat = np.full((64, 64, 3), stored, np.uint8)
    path = tmp_path / "photo"
    if kind == "HEIC":
        path.write_bytes(heic.heic([picture(flat, heic.coloured(profile))]))
    else:
        Image.fromarray(np.dstack([flat, np.full((64, 64), 255, np.uint8)])).save(path, "PNG", icc_profile=profile)
    assert np.abs(load_image(path)[32, 32].astype(int) - meant).max() <= 8


def test_of_profiles_that_change_nothing_pixels_stay_as_they_are(tmp_path):
    from PIL import ImageCms

    path = tmp_path / "photo.png"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PICTURE).save(path, icc_profile=srgb)
    np.testing.assert_array_equal(load_image(path), PICTURE)


def test_dark_greys_of_16_bits_stay_dark(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.full((64, 64), 200, np.uint16)).save(path)
    assert load_image(path).max() == 1


NAMES = ["photo", "Öl auf Leinwand 写真 🙂.jpeg", "wrong.heic", " a  b .JPG", "n" * 200 + ".jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_does_not_matter(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(jpeg())
    assert load_image(path).shape == PICTURE.shape and image_format(path) == "JPEG"


def raw_tiff() -> bytes:
    """A TIFF whose picture is the thumbnail of a DNG."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    return saved(PICTURE, "TIFF", tiffinfo=tags)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("word/document.xml", "<w/>")
    return file.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "SVG": (lambda: b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "PNG"),
    "PDF": (lambda: b"%PDF-1.7\n", "document"),
    "Word": (archive, "document"),
    "Photoshop": (lambda: b"8BPS\0\1" + bytes(20), "layers"),
    "DNG": (raw_tiff, "raw file; export it as JPEG"),
    "CR3": (lambda: box(b"ftyp", b"crx " + bytes(8)), "raw file; export it as JPEG"),
    "RAF": (lambda: b"FUJIFILMCCD-RAW 0201", "raw file; export it as JPEG"),
    "MP4": (lambda: box(b"ftyp", b"isom" + bytes(8)), "video; take a still picture"),
    "MOV of a live photo": (lambda: box(b"ftyp", b"qt  " + bytes(8)), "video; take a still picture"),
    "WebM": (lambda: b"\x1a\x45\xdf\xa3" + bytes(20), "video; take a still picture"),
    "AVI": (lambda: b"RIFF\0\0\0\0AVI LIST", "video; take a still picture"),
    "MP3": (lambda: b"ID3\4" + bytes(20), "sound; give it as the voice"),
    "M4A": (lambda: box(b"ftyp", b"M4A " + bytes(8)), "sound; give it as the voice"),
    "WAV": (lambda: b"RIFF\0\0\0\0WAVEfmt ", "sound; give it as the voice"),
    "a web page": (lambda: b"\xef\xbb\xbf\n<!DOCTYPE html><html></html>", "web page"),
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(20), "JPEG or PNG"),
    "text": (lambda: b"Dear all,\n", "not an image"),
    "nothing": (lambda: b"", "empty"),
    "half a JPEG": (lambda: jpeg(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))[:9000], "damaged"),
    "half a HEIC": (lambda: heic.heic([picture(PICTURE)])[:-60], "damaged"),
    "a hundredth of a HEIC": (lambda: heic.heic([picture(PICTURE)])[:40], "damaged"),
    "many opening brackets": (lambda: b"<!" * 2048, "not an image"),
}  # fmt: skip


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_photo_is_named_and_what_to_do_is_said(kind, tmp_path, refuses):
    make, words = REFUSED[kind]
    path = tmp_path / "photo.jpg"
    path.write_bytes(make())
    with refuses(BadImageError, words) as caught:
        load_image(path)
    assert ";" in str(caught.value)


class TestFaces:
    """Of the portraits in the wheels, as people bring them."""

    def test_of_a_heic_the_landmarks_are_those_of_the_photo(self, mediapipe, astronaut, astronaut_face, tmp_path):
        path = tmp_path / "IMG_0042.HEIC"
        stored = np.ascontiguousarray(np.rot90(astronaut, -1))
        path.write_bytes(heic.heic([picture(stored, heic.turned(1)), gain_map()]))
        face = read_face(path, mediapipe)
        assert np.abs(face.landmarks - astronaut_face.landmarks)[:, :2].max() < 2

    @pytest.mark.parametrize("turn", quick([90, 180, 270], 180, 270))
    @pytest.mark.parametrize("portrait", quick(["astronaut", "hopper"], "astronaut"))
    def test_a_lying_photo_is_offered_turned(self, mediapipe, portrait, turn, request, refuses):
        photo = request.getfixturevalue(portrait)
        lying = np.ascontiguousarray(np.rot90(photo, -turn // 90))
        with refuses(LyingPhotoError, "turn it") as caught:
            read_face(lying, mediapipe)
        assert caught.value.turn == turn
        upright = np.ascontiguousarray(np.rot90(lying, turn // 90))
        np.testing.assert_array_equal(upright, photo)

    @pytest.mark.long
    def test_a_lying_face_can_be_kept_by_placing_it(self, mediapipe, astronaut):
        lying = np.ascontiguousarray(np.rot90(astronaut))
        box = mediapipe.detect(lying)[0].box
        face = read_face(lying, mediapipe, box=box)
        assert [advice.kind for advice in advise(face)] == ["tilted"]

    @pytest.mark.parametrize(
        ("width", "height", "across"),
        quick(
            [(1170, 2532, 22), (1920, 1080, 22), (900, 700, 16), (700, 400, 15), (1280, 720, 40), (4000, 3000, 40)],
            (900, 700, 16),
            (700, 400, 15),
        ),
    )
    def test_a_small_face_in_a_corner_is_found(self, mediapipe, astronaut, astronaut_face, width, height, across):
        true = astronaut_face.landmarks[:, :2]
        scale = across / np.linalg.norm(true[36] - true[45])
        small = cv2.resize(astronaut[:300, 80:400], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        screen = np.full((height, width, 3), 245, np.uint8)
        for y in range(40, height // 2, 34):
            cv2.putText(screen, "some words of a message " * 3, (20, y), 0, 0.7, (40, 40, 50), 1)
        y, x = height - small.shape[0] - 8, width - small.shape[1] - 8
        screen[y : y + small.shape[0], x : x + small.shape[1]] = small
        face = read_face(screen, mediapipe)
        off = np.linalg.norm(face.landmarks[:, :2] - ((true - [80, 0]) * scale + [x, y]), axis=1).mean()
        assert off < 0.1 * across
        assert "small" in [advice.kind for advice in advise(face)] or across > 30

    @pytest.mark.parametrize(("across", "accepted"), [(15, True), (13, True), (9, False)])
    def test_from_twelve_pixels_on_a_face_is_large_enough(self, mediapipe, astronaut, astronaut_face, across, accepted):
        apart = np.linalg.norm(astronaut_face.landmarks[36, :2] - astronaut_face.landmarks[45, :2])
        scale = across / apart
        small = cv2.resize(astronaut[:300, 80:400], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        photo = cv2.copyMakeBorder(small, 20, 20, 20, 20, cv2.BORDER_REPLICATE)
        if accepted:
            small_one = {advice.kind: advice.message for advice in advise(read_face(photo, mediapipe))}["small"]
            assert "close-up" in small_one
        else:
            with pytest.raises(FaceTooSmallError, match=r"\b(8|9|10) px across the eyes, at least 12 are needed"):
                read_face(photo, mediapipe)

    @pytest.mark.parametrize(
        ("portrait", "paint"),
        quick(
            [("astronaut", "grey"), ("astronaut", "sepia"), ("astronaut", "posterised"), ("astronaut", "inked"),
             ("hopper", "grey"), ("hopper", "sepia"), ("hopper", "posterised")], ("astronaut", "sepia"),
        ),
    )  # fmt: skip
    def test_painted_and_colourless_faces_get_no_wrong_advice(self, mediapipe, portrait, paint, request):
        photo = request.getfixturevalue(portrait)
        usual = {advice.kind for advice in advise(read_face(photo, mediapipe))}
        assert {advice.kind for advice in advise(read_face(PAINTS[paint](photo), mediapipe))} <= usual


def grey(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


PAINTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": grey,
    "sepia": lambda photo: (grey(photo) * [1.0, 0.85, 0.65]).astype(np.uint8),
    "posterised": lambda photo: cv2.medianBlur(photo, 5) // 48 * 48 + 24,
    "inked": lambda photo: cv2.stylization(photo, sigma_s=60, sigma_r=0.35),
}


@pytest.mark.long
def test_a_damaged_heic_is_read_or_refused(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "photo.heic"
    whole = np.frombuffer(heic.heic(parts_of_a_phones_photo()), np.uint8)
    for first in (400, len(whole)):
        for _ in range(40):
            damaged = whole.copy()
            damaged[rng.integers(0, first, 6)] = rng.integers(0, 256, 6)
            path.write_bytes(damaged.tobytes())
            try:
                assert load_image(path).shape[2] == 3
            except BadImageError as error:
                assert "\n" not in str(error)
