"""Inputs that nobody should bring, made by code: photos, sounds, films, settings and weights, each with what must come.

A case makes its input in a folder of its own. What must come of it is a kind of error, or a check of the result:
`found` and the other functions below say something true of it. Where both are allowed (half a face), either may happen.
"""

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy.io import wavfile

from atvg import checkpoint
from atvg.config import SAMPLE_RATE
from atvg.errors import (
    BadAudioError,
    BadFilmError,
    BadImageError,
    CheckpointError,
    FaceTooSmallError,
    LyingPhotoError,
    NoFaceError,
    SeveralFacesError,
    TooLongError,
)
from atvg.sums import SUMS
from tests import synthetic

SECONDS = 0.4
SIDE = 256  # of the portrait


@dataclass(frozen=True)
class Case:
    """One input and what must come of it.

    Attributes:
        make: called with a `Kit`, gives the input.
        error: the kinds that are allowed.
        check: called with the result; None if only an error is right.
    """

    name: str
    make: Callable[["Kit"], Any]
    error: tuple[type[Exception], ...] = ()
    check: Callable[["Kit", Any], None] | None = None
    words: str = ""


@dataclass(frozen=True)
class Kit:
    """What inputs are made of, and the folder they are made in.

    Attributes:
        portrait: (256, 256, 3) uint8 RGB.
        landmarks: (68, 2) the portrait's own.
    """

    folder: Path
    portrait: np.ndarray = field(repr=False)
    landmarks: np.ndarray = field(repr=False)

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def image(self, name: str, picture: Any = None, **options: Any) -> Path:
        """The portrait, or another picture, in the format that the name says."""
        picture = self.picture if picture is None else picture
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(self.folder / name, **options)
        return self.folder / name

    @cached_property
    def picture(self) -> Image.Image:
        return Image.fromarray(self.portrait)

    def encoded(self, ending: str) -> bytes:
        return encoded(self.portrait.tobytes(), ending)

    def wav(self, name: str, samples: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
        wavfile.write(self.folder / name, rate, samples)
        return self.folder / name

    def sound(self, name: str, *options: str) -> Path:
        """The voice in the format that the name says."""
        path = self.folder / name
        path.write_bytes(recorded(path.suffix, options))
        return path

    def film(self, name: str, picture: np.ndarray | None = None, *options: str) -> Path:
        """Five frames of the portrait, or of another picture, in the format that the name says."""
        picture = self.portrait if picture is None else np.ascontiguousarray(picture)
        path = self.folder / name
        path.write_bytes(filmed(picture.tobytes(), picture.shape[:2], path.suffix or ".mp4", options))
        return path


@lru_cache(maxsize=32)
def encoded(portrait: bytes, ending: str) -> bytes:
    file = io.BytesIO()
    array = np.frombuffer(portrait, np.uint8).reshape(SIDE, SIDE, 3)
    Image.fromarray(array).save(file, {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(ending, ending.upper()))
    return file.getvalue()


def voice(seconds: float = SECONDS, rate: int = SAMPLE_RATE) -> np.ndarray:
    return synthetic.tone(seconds, synthetic.syllables(max(2, round(25 * seconds))), rate)


def ffmpeg(*arguments: str | Path, feed: bytes = b"") -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, input=feed, check=True, timeout=60)


@lru_cache(maxsize=32)
def recorded(ending: str, options: tuple[str, ...]) -> bytes:
    """The voice, encoded by ffmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"voice{ending}"
        raw = ("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0")
        ffmpeg(*raw, *options, path, feed=voice().tobytes())
        return path.read_bytes()


@lru_cache(maxsize=32)
def filmed(picture: bytes, shape: tuple[int, int], ending: str, options: tuple[str, ...]) -> bytes:
    """A picture that stays for five frames, encoded by ffmpeg."""
    with tempfile.TemporaryDirectory() as folder:
        path, size = Path(folder) / f"film{ending}", f"{shape[1]}x{shape[0]}"
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", "pipe:0")
        ffmpeg(*raw, "-pix_fmt", "yuv420p", "-crf", "12", *options, path, feed=5 * picture)
        return path.read_bytes()


# -- what is true of results -------------------------------------------------------------------------------------


def found(kit: Kit, face: Any) -> None:
    """The face of the portrait is found where it is, upright."""
    away = np.linalg.norm(face.landmarks[:, :2] - kit.landmarks, axis=1).mean()
    assert away < 6, f"landmarks are {away:.1f} px from where they are"


def valid(kit: Kit, face: Any) -> None:
    """Some face, that can be animated."""
    assert face.photo.dtype == np.uint8 and face.photo.shape[2:] == (3,)
    assert face.crop.shape == (128, 128, 3)
    assert np.isfinite(face.landmarks).all() and np.isfinite(face.mesh).all()


def lasts(seconds: float, slack: float = 0.0) -> Callable[[Kit, Any], None]:
    def check(kit: Kit, wave: np.ndarray) -> None:
        assert wave.dtype == np.float32 and wave.ndim == 1 and np.abs(wave).max() <= 1
        assert abs(len(wave) / SAMPLE_RATE - seconds) <= slack + 1e-3

    return check


def speaks(seconds: float = SECONDS, slack: float = 0.0) -> Callable[[Kit, Any], None]:
    def check(kit: Kit, wave: np.ndarray) -> None:
        lasts(seconds, slack)(kit, wave)
        assert np.abs(wave).max() > 0.02, "the voice is gone"

    return check


def mute(kit: Kit, wave: np.ndarray) -> None:
    lasts(SECONDS)(kit, wave)
    assert np.abs(wave).max() == 0


# -- photos ------------------------------------------------------------------------------------------------------

PHOTOS: list[Case] = []
BAD = (BadImageError,)
NOBODY = (NoFaceError, FaceTooSmallError)
LYING = (LyingPhotoError,)


def photo(
    name: str, make: Callable[[Kit], Any], error: tuple = (), check: Callable | None = None, words: str = ""
) -> None:
    PHOTOS.append(Case(name, make, error, check, words))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, extra: bytes = b"", depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """A PNG of any claimed size; without `data` no pixel follows."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + (_chunk(b"IDAT", data) + _chunk(b"IEND", b"") if data else b"")


def inserted(portrait: bytes, chunk: bytes) -> bytes:
    """A chunk after a PNG's header."""
    return portrait[:33] + chunk + portrait[33:]


def tiff(width: int, height: int) -> bytes:
    """A grey TIFF of any claimed size, 16 bytes of pixels."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 16)]  # fmt: skip
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + body


for _ending in ("jpg", "png", "webp", "gif", "tif", "bmp", "avif", "jp2"):
    for _keep in (12, 0.5, 0.95):

        def _make(kit: Kit, ending: str = _ending, keep: float = _keep) -> Path:
            whole = kit.encoded(ending)
            return kit.file(f"cut.{ending}", whole[: keep if isinstance(keep, int) else int(keep * len(whole))])

        # OpenJPEG and GIF's decoder give what there is; a photo of which all but the end is there is a good one.
        _lenient = _ending in ("jp2", "gif", "avif") and _keep != 12
        _said = f"{_ending} cut off after {_keep if _keep == 12 else format(_keep, '.0%')}"
        photo(_said, _make, (*BAD, *NOBODY) if _lenient else BAD, valid if _lenient else None)

photo("png that claims 50 000²", lambda kit: kit.file("bomb.png", png(50_000, 50_000, data=b"x")), BAD, words="pixels")
photo("png just above the limit", lambda kit: kit.file("bomb.png", png(30_000, 1_200, data=b"x")), BAD, words="pixels")
photo("png of 2³¹ − 1 pixels a side", lambda kit: kit.file("bomb.png", png(2**31 - 1, 2**31 - 1)), BAD)
photo(
    "small png with 81 million real pixels",
    lambda kit: kit.file("bomb.png", png(9_000, 9_000, depth=1, colour=0, data=zlib.compress(bytes(1126 * 9_000)))),
    BAD,
    words="pixels",
)
photo("png without pixels", lambda kit: kit.file("hollow.png", png(300, 300)), BAD)
photo(
    "png with too few pixels",
    lambda kit: kit.file("hollow.png", png(300, 300, data=zlib.compress(bytes(99)))),
    BAD,
)
photo(
    "png whose text unpacks to 80 MB",
    lambda kit: kit.file(
        "text.png", inserted(kit.encoded("png"), _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 1)))
    ),
    BAD,
)
photo(
    "png whose colour profile unpacks to 80 MB",
    lambda kit: kit.file(
        "icc.png", inserted(kit.encoded("png"), _chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000), 1)))
    ),
    BAD,
    found,
)
photo("tiff that claims 60 000²", lambda kit: kit.file("bomb.tif", tiff(60_000, 60_000)), BAD, words="pixels")
photo("tiff with too few pixels", lambda kit: kit.file("hollow.tif", tiff(200, 200)), BAD)
photo(
    "gif that claims 65 535²",
    lambda kit: kit.file("bomb.gif", kit.encoded("gif")[:6] + b"\xff\xff\xff\xff" + kit.encoded("gif")[10:]),
    BAD,
    words="pixels",
)
photo(
    "bmp that claims 2³¹ − 1",
    lambda kit: kit.file("bomb.bmp", kit.encoded("bmp")[:18] + struct.pack("<ii", 2**31 - 1, 9) + bytes(32)),
    BAD,
)
photo(
    "webp that claims 16 million a side",
    lambda kit: kit.file("bomb.webp", b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2 + bytes(4)),
    BAD,
)


def _jpeg_size(kit: Kit) -> Path:
    data = bytearray(kit.encoded("jpg"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return kit.file("bomb.jpg", bytes(data))


photo("jpeg that claims 65 500²", _jpeg_size, BAD, words="pixels")

photo("text as jpg", lambda kit: kit.file("a.jpg", "not a picture"), BAD, words="not an image")
photo("html as png", lambda kit: kit.file("a.png", "<!doctype html><script>alert(1)</script>"), BAD)
photo(
    "svg with an outside picture",
    lambda kit: kit.file(
        "a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:9/a.png"/></svg>'
    ),
    BAD,
)
photo("empty jpg", lambda kit: kit.file("a.jpg", b""), BAD, words="empty")
photo("one byte", lambda kit: kit.file("a.jpg", b"\xff"), BAD)
photo("zip as png", lambda kit: _zip(kit), BAD)
photo("pdf", lambda kit: kit.file("a.pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF"), BAD)
photo(
    "PostScript that would be run by Ghostscript",
    lambda kit: kit.file("a.jpg", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n%%EndComments\nshowpage\n"),
    BAD,
    words="vector drawing",
)
photo("film as png", lambda kit: shutil.copy(kit.sound("a.mp4"), kit.folder / "film.png"), BAD)
photo("sound as jpg", lambda kit: kit.wav("a.jpg", voice()), BAD)
photo("pickle as png", lambda kit: kit.file("a.png", pickle.dumps({"a": 1})), BAD)
photo("jpeg named png", lambda kit: kit.file("a.png", kit.encoded("jpg")), (), found)
photo("png named txt", lambda kit: kit.file("a.txt", kit.encoded("png")), (), found)
photo("no ending", lambda kit: kit.file("photo", kit.encoded("jpg")), (), found)


def _zip(kit: Kit) -> Path:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.png", kit.encoded("png"))
    return kit.file("a.png", file.getvalue())


for _size in ((1, 1), (200, 1), (1, 200), (31, 500)):
    photo(
        f"{_size[0]}×{_size[1]} pixels",
        lambda kit, size=_size: kit.image("a.png", Image.new("RGB", size, "grey")),
        BAD,
        words="only",
    )
for _size in ((20_000, 40), (40, 20_000), (20_000, 1_500)):
    photo(
        f"{_size[0]}×{_size[1]} pixels",
        lambda kit, size=_size: kit.image("a.png", Image.new("L", size, 90), compress_level=1),
        NOBODY,
    )


def _wide(kit: Kit) -> Path:
    """A portrait in a strip of 1500 pixels."""
    strip = np.full((SIDE, 1_500, 3), 120, np.uint8)
    strip[:, :SIDE] = kit.portrait
    return kit.image("wide.png", strip, compress_level=1)


photo("a portrait at the end of a panorama", _wide, (), found)

for _mode in ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"):
    photo(f"PIL image of mode {_mode}", lambda kit, mode=_mode: _in_mode(kit, mode), (), found)


def _in_mode(kit: Kit, mode: str) -> Image.Image:
    if mode == "LAB":
        lab = cv2.cvtColor(kit.portrait, cv2.COLOR_RGB2LAB)
        lab[..., 1:] ^= 128  # Pillow keeps a and b signed
        return Image.frombytes("LAB", kit.picture.size, lab.tobytes())
    if mode == "PA":
        return kit.picture.convert("P").convert("PA")
    if mode == "RGBX":
        return Image.frombytes("RGBX", kit.picture.size, kit.picture.convert("RGBA").tobytes())
    return kit.picture.convert(mode)


photo(
    "PIL image of mode 1",
    lambda kit: kit.picture.convert("1", dither=Image.Dither.NONE),
    NOBODY,
    lambda kit, face: _only_values(face, {0, 255}),
)


def _only_values(face: Any, values: set[int]) -> None:
    assert set(np.unique(face.photo)) <= values


photo("PIL image of mode La", lambda kit: kit.picture.convert("LA").convert("La"), (), found)
photo("PIL image of mode RGBa", lambda kit: kit.picture.convert("RGBA").convert("RGBa"), (), found)
photo("PIL image of mode I", lambda kit: Image.fromarray(_grey(kit).astype(np.int32)), (), found)
photo("PIL image of mode I, 16-bit values", lambda kit: Image.fromarray(_grey(kit).astype(np.int32) * 257), (), found)
photo("PIL image of mode F", lambda kit: Image.fromarray(_grey(kit).astype(np.float32)), (), found)
photo("PIL image of mode F with NaN", lambda kit: Image.fromarray(_grey(kit) * np.float32(np.nan)), BAD, words="NaN")
photo("PIL image of negative numbers", lambda kit: Image.fromarray(-_grey(kit).astype(np.int32)), BAD)
photo("PIL image of mode I;16", lambda kit: Image.fromarray(_grey(kit).astype(np.uint16) * 257), (), found)
photo(
    "PIL image of mode I;16B",
    lambda kit: Image.frombytes("I;16B", (SIDE, SIDE), (_grey(kit).astype(">u2") * 257).tobytes()),
    (),
    found,
)
photo("grey png of 16 bits", lambda kit: _cv(kit, "a.png", _grey(kit).astype(np.uint16) * 257), (), found)
photo(
    "colour png of 16 bits",
    lambda kit: _cv(kit, "a.png", kit.portrait[..., ::-1].astype(np.uint16) * 257),
    (),
    found,
)
photo("float tiff", lambda kit: kit.image("a.tif", Image.fromarray(_grey(kit) / np.float32(255))), (), found)
photo("CMYK jpeg", lambda kit: kit.image("a.jpg", kit.picture.convert("CMYK")), (), found)
photo("LAB tiff", lambda kit: kit.image("a.tif", _in_mode(kit, "LAB")), (), found)
photo(
    "palette with a transparent colour",
    lambda kit: kit.image("a.png", kit.picture.quantize(64), transparency=0),
    (),
    found,
)
photo(
    "wholly transparent",
    lambda kit: kit.image("a.png", Image.fromarray(np.dstack([kit.portrait, np.zeros((SIDE, SIDE), np.uint8)]))),
    NOBODY,
)


def _grey(kit: Kit) -> np.ndarray:
    return np.asarray(kit.picture.convert("L"))


def _cv(kit: Kit, name: str, array: np.ndarray) -> Path:
    cv2.imwrite(str(kit.folder / name), array)
    return kit.folder / name


# How a camera that was held so would have stored the upright portrait.
_STORED = {
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p), 7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
    8: lambda p: np.rot90(p, -1),
}  # fmt: skip
for _orientation in _STORED:

    def _turned(kit: Kit, orientation: int = _orientation) -> Path:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return kit.image("a.jpg", np.ascontiguousarray(_STORED[orientation](kit.portrait)), exif=exif, quality=95)

    photo(f"EXIF orientation {_orientation}", _turned, (), found)

for _name, _exif in {
    "orientation 99": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
    "orientation that is a text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
    "garbage": b"Exif\0\0" + bytes(range(256)),
    "a list that contains itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    "four billion values": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x63\0\0\0\0\0\0\0",
}.items():
    photo(f"EXIF: {_name}", lambda kit, exif=_exif: kit.image("a.jpg", exif=exif, quality=95), (), found)
photo("colour profile of garbage", lambda kit: kit.image("a.jpg", icc_profile=b"garbage" * 99, quality=95), (), found)

for _ending, _options in {"gif": {}, "png": {}, "webp": {"lossless": True}, "tif": {}}.items():
    photo(
        f"{_ending} of three pictures, the first a face",
        lambda kit, ending=_ending, options=_options: kit.image(
            f"a.{ending}", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), c) for c in ("red", "blue")],
            **options,
        ),
        (),
        found,
    )  # fmt: skip

photo(
    "two faces",
    lambda kit: kit.image("a.png", np.concatenate([kit.portrait, kit.portrait[:, ::-1]], axis=1)),
    (SeveralFacesError,),
    words="2 faces",
)
photo(
    "nine faces",
    lambda kit: kit.image("a.png", np.tile(kit.portrait, (3, 3, 1))),
    (SeveralFacesError,),
    words="9 faces",
)
photo("half a face", lambda kit: kit.image("a.png", kit.portrait[:, : SIDE // 2]), NOBODY, valid)
photo(
    "upside down",
    lambda kit: kit.image("a.png", np.ascontiguousarray(kit.portrait[::-1])),
    LYING,
    words="by half",
)
photo(
    "on its side",
    lambda kit: kit.image("a.png", np.ascontiguousarray(np.rot90(kit.portrait))),
    LYING,
    words="quarter",
)
photo("squeezed to a profile", lambda kit: kit.image("a.png", kit.picture.resize((70, SIDE))), NOBODY, valid)


def _hidden(kit: Kit) -> Path:
    picture = kit.portrait.copy()
    low, high = kit.landmarks[2:].min(axis=0).astype(int), kit.landmarks.max(axis=0).astype(int)
    picture[(low[1] + high[1]) // 2 : high[1] + 10, low[0] - 10 : high[0] + 10] = 20
    return kit.image("a.png", picture)


photo("the mouth hidden", _hidden, NOBODY, valid)
photo("a face of 20 pixels", lambda kit: kit.image("a.png", kit.picture.resize((40, 40))), NOBODY)
photo("black", lambda kit: kit.image("a.png", Image.new("RGB", (200, 200))), NOBODY)
photo("white", lambda kit: kit.image("a.png", Image.new("RGB", (200, 200), "white")), NOBODY)
photo(
    "noise",
    lambda kit: kit.image("a.png", np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)),
    NOBODY,
    words="no face",
)
photo(
    "a landscape",
    lambda kit: kit.image("a.png", np.add.outer(np.arange(200), np.arange(300) // 2).astype(np.uint8)),
    NOBODY,
)

for _name, _array in {
    "of objects": np.full((64, 64, 3), None, object),
    "of complex numbers": np.zeros((64, 64, 3), complex),
    "of texts": np.full((64, 64), "a"),
    "of dates": np.zeros((64, 64), "datetime64[s]"),
    "of records": np.zeros((64, 64), [("r", "u1")]),
    "of no size": np.zeros((0, 0, 3), np.uint8),
    "of one dimension": np.zeros(4096, np.uint8),
    "of five channels": np.zeros((64, 64, 5), np.uint8),
    "of four dimensions": np.zeros((2, 64, 64, 3), np.uint8),
    "channels first": np.zeros((3, 64, 64), np.uint8),
    "with NaN": np.full((64, 64, 3), np.nan),
    "with infinity": np.full((64, 64, 3), np.inf, np.float32),
    "of negative numbers": np.full((64, 64, 3), -1),
    "of huge numbers": np.full((64, 64, 3), 1e300),
    "of 50 000 × 50 000, one pixel repeated": np.broadcast_to(np.uint8(0), (50_000, 50_000, 3)),
}.items():
    photo(f"array {_name}", lambda kit, array=_array: array, BAD)
photo("array in 0..1", lambda kit: kit.portrait / 255, (), found)
photo("array of half precision", lambda kit: (kit.portrait / 255).astype(np.float16), (), found)
photo("array of 16 bits, big-endian", lambda kit: kit.portrait.astype(">u2") * 257, (), found)
photo("array, masked", lambda kit: np.ma.masked_array(kit.portrait, np.zeros_like(kit.portrait)), (), found)
for _name, _value in {
    "None": None, "a number": 7, "NaN": float("nan"), "a list": [[1, 2], [3, 4]], "bytes": b"photo.jpg",
    "a dict": {"path": "photo.jpg"}, "an open file": io.BytesIO(b"GIF89a"),
}.items():  # fmt: skip
    photo(f"photo is {_name}", lambda kit, value=_value: value, BAD, words="photo must be")


def paths(add: Callable, error: tuple, good: Callable[[Kit, str], Path], right: Callable) -> None:
    """Names under which there is no file, or none that could be read to its end."""

    def fifo(kit: Kit) -> Path:
        os.mkfifo(kit.folder / "pipe")
        return kit.folder / "pipe"

    def link(to: Callable[[Kit], Any]) -> Callable[[Kit], Path]:
        def make(kit: Kit) -> Path:
            (kit.folder / "link").symlink_to(to(kit))
            return kit.folder / "link"

        return make

    def secret(kit: Kit) -> Path:
        path = good(kit, "secret")
        path.chmod(0)
        return path

    add("a folder", lambda kit: kit.folder, error, None, "not a file")
    add("/dev/zero", lambda kit: Path("/dev/zero"), error, None, "not a file")
    add("a pipe that nobody writes to", fifo, error, None, "not a file")
    add("an endless file of /proc", lambda kit: Path("/proc/self/mem"), error)
    add("a missing file", lambda kit: kit.folder / "nowhere.bin", error, None, "no such")
    add("a file as a folder", lambda kit: kit.file("f", "x") / "photo.png", error, None, "no such")
    add("a name of 5000 characters", lambda kit: "x" * 5000, error, None, "no such")
    add("a name with a zero byte", lambda kit: str(kit.folder / "a\0b.png"), error, None, "no such")
    add("an empty name", lambda kit: "", error)
    add("an address", lambda kit: "http://127.0.0.1:9/a.png", error, None, "no such")
    add("a file address", lambda kit: f"file://{good(kit, 'good')}", error, None, "no such")
    add("a link to nowhere", link(lambda kit: kit.folder / "gone"), error, None, "no such")
    add("a link to itself", link(lambda kit: kit.folder / "link"), error, None, "no such")
    add("a link to a pipe", link(fifo), error, None, "not a file")
    add("a link to a good file", link(lambda kit: good(kit, "good")), (), right)
    add("a name that begins like an option", lambda kit: good(kit, "-i"), (), right)
    add("a name with a pattern", lambda kit: good(kit, "a%03d*?[x]"), (), right)
    add("a name of many lines", lambda kit: kit.file("a\nTraceback\x1b[31m\r.png", "x"), error)
    add("a name that is no text", lambda kit: kit.file(os.fsdecode(b"\xff\xfe.png"), "x"), error)
    add("a file that may not be read", secret, error, right)  # the superuser may


paths(
    lambda name, make, error, check=None, words="": photo(f"photo: {name}", make, error, check, words),
    BAD,
    lambda kit, name: kit.file(name, kit.encoded("png")),
    found,
)

# -- sounds ------------------------------------------------------------------------------------------------------

SOUNDS: list[Case] = []
BAD_SOUND = (BadAudioError,)


def sound(
    name: str, make: Callable[[Kit], Any], error: tuple = (), check: Callable | None = None, words: str = ""
) -> None:
    SOUNDS.append(Case(name, make, error, check, words))


def wav_header(channels: int = 1, rate: int = SAMPLE_RATE, said: int | None = None, data: bytes = b"") -> bytes:
    """A WAV of 16 bits that says what it likes."""
    said = len(data) if said is None else said
    block = min(2 * channels, 65_535)
    form = struct.pack("<HHIIHH", 1, channels, rate, min(rate * block, 2**32 - 1), block, 16)
    size = min(36 + said, 2**32 - 1)
    return b"RIFF" + struct.pack("<I", size) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", said) + data


def _pcm(seconds: float = SECONDS) -> bytes:
    return (voice(seconds) * 32_767).astype("<i2").tobytes()


sound("silent", lambda kit: kit.wav("a.wav", np.zeros(6_400, np.int16)), (), mute)
sound("clipped", lambda kit: kit.wav("a.wav", np.sign(voice()) * np.float32(9)), (), speaks())
sound("constant", lambda kit: kit.wav("a.wav", np.ones(6_400, np.float32)), (), speaks())
for _name, _value in {"NaN": np.nan, "infinity": np.inf}.items():

    def _broken(kit: Kit, value: float = _value) -> Path:
        wave = voice()
        wave[3_000] = value
        return kit.wav("a.wav", wave)

    sound(f"wav with {_name}", _broken, BAD_SOUND, words="NaN")
for _rate in (8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000):
    sound(f"{_rate} Hz", lambda kit, rate=_rate: kit.wav("a.wav", voice(SECONDS, rate), rate), (), speaks(slack=1e-3))
for _channels in range(2, 9):
    sound(
        f"{_channels} channels",
        lambda kit, channels=_channels: kit.wav("a.wav", np.tile(voice()[:, None], (1, channels))),
        (),
        speaks(),
    )
sound("8 bits", lambda kit: kit.wav("a.wav", (voice() * 100 + 128).astype(np.uint8)), (), speaks())
sound("64-bit numbers", lambda kit: kit.wav("a.wav", voice().astype(np.float64)), (), speaks())
sound("one sample", lambda kit: kit.wav("a.wav", np.ones(1, np.int16)), BAD_SOUND, words="at least")
sound("0.19 s", lambda kit: kit.wav("a.wav", voice(0.19)), BAD_SOUND, words="at least")
sound("0.2 s", lambda kit: kit.wav("a.wav", voice(0.2)), (), speaks(0.2))
sound("header alone", lambda kit: kit.file("a.wav", wav_header()), BAD_SOUND)


@lru_cache(maxsize=8)
def endless(ending: str, options: tuple[str, ...]) -> bytes:
    """Just over ten minutes of silence: a few kilobytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"long.{ending}"
        ffmpeg("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=603", "-ar", "8000", *options, path)
        return path.read_bytes()


for _ending, _options in {"flac": (), "mp3": ("-b:a", "8k"), "m4a": ("-b:a", "8k"), "mka": ("-c:a", "flac")}.items():
    sound(
        f"ten minutes and more in a small {_ending}",
        lambda kit, ending=_ending, options=_options: kit.file(f"a.{ending}", endless(ending, options)),
        (TooLongError,),
        words="cut it",
    )
for _ending in ("mp3", "ogg", "m4a", "flac", "webm", "aiff"):
    for _keep in (20, 0.5):

        def _cut(kit: Kit, ending: str = _ending, keep: float = _keep) -> Path:
            whole = recorded(f".{ending}", ())
            return kit.file(f"a.{ending}", whole[: keep if keep == 20 else int(keep * len(whole))])

        # What was there before the cut is a sound, if the format needs nothing that came after it.
        _said = f"{_ending} cut off after {'20 bytes' if _keep == 20 else 'half'}"
        sound(_said, _cut, BAD_SOUND, None if _keep == 20 or _ending == "m4a" else lasts(0.2, 0.21))
sound("wav cut off in the middle", lambda kit: kit.file("a.wav", wav_header(said=99_999, data=_pcm())), (), speaks())
sound("wav that claims 4 GB", lambda kit: kit.file("a.wav", wav_header(said=2**32 - 1, data=_pcm())), (), speaks())
sound("wav that claims nothing", lambda kit: kit.file("a.wav", wav_header(said=0, data=_pcm())), BAD_SOUND, speaks())
for _channels, _rate in ((0, 16_000), (1, 0), (1, 2**31 - 1), (1, 2**32 - 1), (2, 96_000_000), (256, 16_000),
                         (600, 16_000), (65_535, 16_000), (255, 2**31 - 1)):  # fmt: skip
    sound(
        f"wav of {_channels} channels at {_rate} Hz",
        lambda kit, channels=_channels, rate=_rate: kit.file(
            "a.wav", wav_header(channels, rate, data=_pcm(4) * 20 if rate > 16_000 or channels > 1 else _pcm())
        ),
        BAD_SOUND,
    )
sound("wav of 1 Hz", lambda kit: kit.file("a.wav", wav_header(1, 1, data=_pcm())), (TooLongError,), words="cut it")
sound("wav of 1 MHz", lambda kit: kit.file("a.wav", wav_header(1, 1_000_000, data=_pcm() * 40)), (), lasts(0.256, 1e-3))
sound(
    "film with a sound track",
    lambda kit: synthetic.write_video(kit.folder / "a.mp4", np.zeros((10, 64, 64, 3), np.uint8), voice()),
    (),
    speaks(slack=0.1),
)
sound(
    "film without",
    lambda kit: synthetic.write_video(kit.folder / "a.mp4", np.zeros((10, 64, 64, 3), np.uint8)),
    BAD_SOUND,
    words="no audio",
)
sound("mp3 named wav", lambda kit: kit.file("a.wav", recorded(".mp3", ())), (), speaks(slack=0.1))
sound("wav named jpg", lambda kit: kit.wav("a.jpg", voice()), (), speaks())
sound("text as wav", lambda kit: kit.file("a.wav", "not a sound\n" * 500), BAD_SOUND)
sound("html as mp3", lambda kit: kit.file("a.mp3", "<!doctype html><audio src='http://127.0.0.1:9/a'>"), BAD_SOUND)
sound("empty wav", lambda kit: kit.file("a.wav", b""), BAD_SOUND, words="empty")
sound("zeros as mp3", lambda kit: kit.file("a.mp3", bytes(100_000)), BAD_SOUND)
sound("picture as wav", lambda kit: kit.file("a.wav", kit.encoded("png")), BAD_SOUND)
sound("animated picture as sound", lambda kit: kit.file("a.mp3", kit.encoded("gif")), BAD_SOUND)
sound("svg as sound", lambda kit: kit.file("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), BAD_SOUND)
sound("subtitles as sound", lambda kit: kit.file("a.srt", "1\n00:00:00,000 --> 00:00:09,000\nHello\n"), BAD_SOUND)
sound("zip as sound", lambda kit: _zip(kit), BAD_SOUND)


def lists(kit: Kit, name: str, where: str) -> str:
    """A list of sounds that names another file or an address."""
    mpd = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" minBufferTime="PT1S" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet '
        f'mimeType="audio/mp4"><Representation id="1" bandwidth="9"><BaseURL>{where}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    return {
        "concat": f"ffconcat version 1.0\nfile '{where}'\n",
        "hls": f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{where}\n#EXT-X-ENDLIST\n",
        "m3u": f"#EXTM3U\n{where}\n",
        "pls": f"[playlist]\nFile1={where}\nNumberOfEntries=1\n",
        "dash": mpd,
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "ram": f"{where}\n",
    }[name]


_ENDINGS = {"concat": "mp3", "hls": "m3u8", "m3u": "m3u", "pls": "pls", "dash": "mpd", "sdp": "sdp", "ram": "ram"}
for _list, _ending in _ENDINGS.items():
    for _where in ("beside", "absolute", "address"):

        def _listed(kit: Kit, name: str = _list, ending: str = _ending, where: str = _where) -> Path:
            hidden = kit.wav("hidden.wav", voice())
            target = {"beside": hidden.name, "absolute": str(hidden), "address": "http://127.0.0.1:9/a.wav"}[where]
            return kit.file(f"list.{ending}", lists(kit, name, target))

        if (_list, _where) != ("sdp", "absolute"):  # names no file
            sound(f"{_list} list, {_where}", _listed, BAD_SOUND, words="no audio")


def _pattern(kit: Kit) -> Path:
    """A name that ffmpeg's reader of picture sequences would take for many."""
    for number in (1, 2):
        kit.file(f"a{number}.png", kit.encoded("png"))
    return kit.file("a%d.png", kit.encoded("png"))


sound("pattern of pictures", _pattern, BAD_SOUND)
for _name, _value in {
    "samples of no size": np.zeros(0, np.float32), "samples of three dimensions": np.zeros((9, 9, 9)),
    "samples of objects": np.full(6_400, None, object), "complex samples": np.zeros(6_400, complex),
    "samples of texts": np.full(6_400, "a"), "samples with NaN": np.full(6_400, np.nan),
    "samples with infinity": np.full(6_400, np.inf), "samples of 1e300": np.full(6_400, 1e300),
    "samples of Booleans": np.ones(6_400, bool), "0 Hz": (0, np.zeros(6_400)),
    "NaN Hz": (float("nan"), np.zeros(6_400)),
    "−16 kHz": (-16_000, np.zeros(6_400)), "infinite Hz": (float("inf"), np.zeros(6_400)),
    "10⁵⁰⁰⁰ Hz": (10**5_000, np.zeros(6_400)), "a text for the rate": ("16000", np.zeros(6_400)),
    "True Hz": (True, np.zeros(6_400)), "complex Hz": (np.complex128(16_000), np.zeros(6_400)),
    "a rate alone": (16_000,), "three things": (16_000, np.zeros(6_400), 1), "ragged lists": (16_000, [[1], [1, 2]]),
    "None": None, "a number": 3, "a list": [0.0] * 6_400, "bytes": b"voice.wav", "a dict": {"path": "voice.wav"},
    "one sample at 1 kHz": (1_000, np.zeros(1)),
}.items():  # fmt: skip
    sound(f"sound is {_name}", lambda kit, value=_value: value, BAD_SOUND)
sound("sound is three hours at 1 kHz", lambda kit: (1_000, np.broadcast_to(np.float32(0), 10_800_000)), (TooLongError,))
sound("sound is lists", lambda kit: (16_000, voice().tolist()), (), speaks())
sound("sound is at 22 050.5 Hz", lambda kit: (22_050.5, voice(SECONDS, 22_050)), (), speaks(slack=1e-3))
sound("sound is whole numbers of 64 bits", lambda kit: (voice() * 2**62).astype(np.int64), (), speaks())
paths(
    lambda name, make, error, check=None, words="": sound(f"sound: {name}", make, error, check, words),
    BAD_SOUND,
    lambda kit, name: kit.wav(name, voice()),
    speaks(),
)

# -- films -------------------------------------------------------------------------------------------------------

FILMS: list[Case] = []
BAD_FILM = (BadFilmError,)


def film(
    name: str, make: Callable[[Kit], Any], error: tuple = (), check: Callable | None = None, words: str = ""
) -> None:
    FILMS.append(Case(name, make, error, check, words))


def found_in_film(kit: Kit, talker: Any) -> None:
    found(kit, talker.face)


def _amid(kit: Kit, side: int, ground: int = 300) -> np.ndarray:
    """The portrait, so many pixels wide, amid grey."""
    picture = np.full((ground, ground, 3), 128, np.uint8)
    picture[100 : 100 + side, 100 : 100 + side] = cv2.resize(kit.portrait, (side, side), interpolation=cv2.INTER_AREA)
    return picture


def _endless(kit: Kit) -> Path:
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=64x64:r=1:d=605", "-preset", "ultrafast", kit.folder / "long.mp4")
    return kit.folder / "long.mp4"


for _keep in (12, 0.5, 0.95):

    def _cut_film(kit: Kit, keep: float = _keep) -> Path:
        whole = kit.film("whole.mp4").read_bytes()  # its index is at the end
        return kit.file("cut.mp4", whole[: keep if isinstance(keep, int) else int(keep * len(whole))])

    film(f"mp4 film cut off after {_keep if _keep == 12 else format(_keep, '.0%')}", _cut_film, BAD_FILM)

film("text as mp4", lambda kit: kit.file("a.mp4", "not a film " * 99), BAD_FILM)
film("rubbish as mp4", lambda kit: kit.file("a.mp4", b"\0\0\0\x20ftypisom" + bytes(range(256)) * 99), BAD_FILM)
film("empty mp4", lambda kit: kit.file("a.mp4", b""), BAD_FILM, words="empty")
film("zip as mkv", lambda kit: _zip(kit), BAD_FILM)
film("html as webm", lambda kit: kit.file("a.webm", "<!doctype html><script>alert(1)</script>"), BAD_FILM)
film("only sound in an mp4", lambda kit: kit.sound("a.mp4"), BAD_FILM, words="holds sound, but no film")
film("a wav as film", lambda kit: kit.wav("a.wav", voice()), BAD_FILM, words="sound")
film("zeros as mkv", lambda kit: kit.file("a.mkv", b"\x1aE\xdf\xa3" + bytes(999)), BAD_FILM)
for _list, _ending in (("concat", "mp4"), ("hls", "m3u8"), ("dash", "mpd"), ("sdp", "sdp")):

    def _listed_film(kit: Kit, name: str = _list, ending: str = _ending) -> Path:
        return kit.file(f"list.{ending}", lists(kit, name, kit.film("hidden.mp4").name))

    film(f"{_list} list of a film", _listed_film, BAD_FILM)
film("film of 48 pixels", lambda kit: kit.film("a.mp4", kit.portrait[:48, :48]), BAD_FILM, words="at least 64")
film("film that lasts ten minutes and more", _endless, (TooLongError,), words="cut it")
film("film without a face", lambda kit: kit.film("a.mp4", 128 + 0 * kit.portrait), (NoFaceError,), words="film")
film("film of a face of 30 pixels", lambda kit: kit.film("a.mp4", _amid(kit, 30)), NOBODY)
film(
    "film of two faces",
    lambda kit: kit.film("a.mp4", np.concatenate([kit.portrait, kit.portrait[:, ::-1]], axis=1)),
    (SeveralFacesError,),
    words="2 faces",
)
film("film of a face that lies", lambda kit: kit.film("a.mp4", np.rot90(kit.portrait)), (*LYING, *NOBODY))
film("film in MPEG-2", lambda kit: kit.film("a.mpg", None, "-q:v", "2"), (), found_in_film)
film("mp4 film named png", lambda kit: kit.film("a.mp4").rename(kit.folder / "b.png"), (), found_in_film)
for _name, _value in {
    "None": None,
    "bytes": b"film.mp4",
    "an array": np.zeros((9, 64, 64, 3), np.uint8),
    "7": 7,
}.items():
    film(f"film is {_name}", lambda kit, value=_value: value, BAD_FILM, words="film must be a path")

paths(
    lambda name, make, error, check=None, words="": film(f"film: {name}", make, error, check, words),
    BAD_FILM,
    lambda kit, name: kit.film(name),
    found_in_film,
)

# -- settings ----------------------------------------------------------------------------------------------------

NO_NUMBERS: dict[str, Any] = {
    "NaN": float("nan"), "infinity": float("inf"), "−infinity": float("-inf"), "a text": "much", "a list": [1],
    "None": None, "True": True, "a dict": {}, "10³⁰": 10**30, "−10³⁰": -(10**30), "complex": 1j,
}  # fmt: skip
NUMBERS = ("beta", "mouth_gain", "smoothing", "yaw", "pitch", "roll", "seed", "liveliness")
PLACES: dict[str, tuple[str, str]] = {
    "words": ("box", "here"), "nothing": ("box", ""), "three numbers": ("box", "1,2,3"), "five": ("box", "1,2,3,4,5"),
    "NaN": ("box", "1,2,nan,4"), "infinity": ("box", "0,0,inf,inf"), "no area": ("box", "10,10,0,50"),
    "inside out": ("box", "100,100,-50,-50"), "outside": ("box", "5000,5000,90,90"), "a hair": ("box", "0,0,1,200"),
    "1e308": ("box", "0,0,1e308,1e308"), "9000 numbers": ("box", ",".join(["1"] * 9_000)),
    "hexadecimal": ("box", "0x1,2,3,4"), "another comma": ("box", "1;2;3;4"),
    "nine numbers": ("points", "1,2,3,4,5,6,7,8,9"),
    "one point five times": ("points", ",".join(["100,100"] * 5)), "NaN points": ("points", ",".join(["nan"] * 10)),
    "mirrored": ("points", "170,100,80,100,120,130,160,170,90,170"),
    "upside down": ("points", "80,170,170,170,120,130,90,100,160,100"),
    "points outside": ("points", "-9,-9,900,0,1,1,1,1,1,1"), "1e308 points": ("points", ",".join(["1e308"] * 10)),
}  # fmt: skip
CHUNKS = (0, -1, 1.5, "10", None, True, float("nan"), [])
OPTIONS: dict[str, list[str]] = {
    "unknown frame": ["--frame", "poster"], "unknown option": ["--wings"],
    "half an option": ["--beta"], "a third input": ["another.wav"], "negative seed": ["--seed", "-1"],
    "seed of 5000 digits": ["--seed", "9" * 5_000], "panels without ending": ["--panels", "p"],
    "arrays as text": ["--arrays", "a.txt"], "panels nowhere": ["--panels", "no/where/p.mp4"],
    "an option of many lines": ["--frame", "a\nb\x1b[2J"], "zero byte": ["--panels", "a\0.mp4"],
}  # fmt: skip

# -- weights -----------------------------------------------------------------------------------------------------

WEIGHTS: list[Case] = []


def weights(name: str, make: Callable[[Kit], Any], words: str = "") -> None:
    WEIGHTS.append(Case(name, make, (CheckpointError,), None, words))


def _shipped(kit: Kit) -> Path:
    """A folder of links to the shipped weights, of which one can be replaced: without their list of sums."""
    folder = kit.folder / "weights"
    folder.mkdir()
    for path in (path for path in checkpoint.locate().iterdir() if path.name != SUMS):
        (folder / path.name).symlink_to(path)
    return folder


def _replaced(name: str, content: Callable[[bytes], bytes]) -> Callable[[Kit], Path]:
    def make(kit: Kit) -> Path:
        folder = _shipped(kit)
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(content(whole))
        return folder

    return make


def _configured(name: str, **changes: Any) -> Callable[[Kit], Path]:
    def content(whole: bytes) -> bytes:
        meta = json.loads(whole)
        meta["config"] |= changes
        return json.dumps(meta).encode()

    return _replaced(f"{name}.json", content)


class _Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


def _pickled(kit: Kit) -> Path:
    return _replaced("vg_net.safetensors", lambda _: pickle.dumps(_Trap(kit.folder / "sprung")))(kit)


def _torch_file(kit: Kit) -> Path:
    file = io.BytesIO()
    torch.save({"a": _Trap(kit.folder / "sprung")}, file)
    return _replaced("at_net.safetensors", lambda _: file.getvalue())(kit)


def _tensors(name: str, change: Callable[[dict], dict]) -> Callable[[Kit], Path]:
    def make(kit: Kit) -> Path:
        folder = _shipped(kit)
        path = folder / f"{name}.safetensors"
        tensors = load_file(path)
        path.unlink()
        save_file(change(tensors), path, metadata={"meta": "{}"})
        return folder

    return make


def _instead(name: str, put: Callable[[Path], None]) -> Callable[[Kit], Path]:
    def make(kit: Kit) -> Path:
        folder = _shipped(kit)
        (folder / name).unlink()
        put(folder / name)
        return folder

    return make


weights("a missing folder", lambda kit: kit.folder / "nowhere", "no such folder")
weights("an empty folder", lambda kit: kit.folder, "missing")
weights("a file", lambda kit: kit.file("w.safetensors", b"x"), "no such folder")
weights("a name of 5000 characters", lambda kit: "w" * 5_000, "no such folder")
weights("a name with a zero byte", lambda kit: "a\0b", "no such folder")
weights("an address", lambda kit: "http://127.0.0.1:9/weights", "no such folder")
weights("a number", lambda kit: 7)
weights("a list", lambda kit: ["a/b"])
for _name in ("at_net", "vg_net", "idle", "vg_net_beta2"):
    for _keep in (0, 7, 0.3, 0.999):

        def _half(whole: bytes, keep: float = _keep) -> bytes:
            return whole[: keep if isinstance(keep, int) else int(keep * len(whole))]

        weights(f"{_name} cut off after {_keep}", _replaced(f"{_name}.safetensors", _half), f"{_name}.safetensors")
weights("a pickle named safetensors", _pickled, "not safetensors")
weights("a torch file named safetensors", _torch_file, "not safetensors")
weights(
    "a header of 2⁶³ bytes", _replaced("vg_net.safetensors", lambda w: struct.pack("<Q", 2**63) + w[8:]), "safetensors"
)
weights("a picture named safetensors", _replaced("vg_net.safetensors", lambda _: png(9, 9)), "safetensors")
for _name, _text in {
    "nothing": b"", "half": b'{"config": {', "a list": b"[]", "a number": b"3", "no text": b"\xff\xfe\x00",
    "a hundred thousand brackets": b"[" * 100_000, "no notes": b'{"config": {}}', "NaN": b"NaN",
    "a number of 9999 digits": b'{"config": {"hidden": ' + b"9" * 9_999 + b'}, "notes": {}}',
    "twenty megabytes": b'{"config": {}, "notes": {}}' + b" " * 20_000_000,
}.items():  # fmt: skip
    weights(f"JSON of {_name}", _replaced("vg_net.json", lambda _, text=_text: text), "vg_net.json")
for _name, _change in {
    "a hundred million wide": {"hidden": 10**8}, "of 10³⁰ channels": {"hidden": 10**30}, "of no width": {"hidden": 0},
    "of negative width": {"hidden": -192}, "wide as a text": {"hidden": "192"}, "of True width": {"hidden": True},
    "of wide maps": {"photo_widths": [10**6, 10**6, 10**6, 10**6]}, "of two maps": {"photo_widths": [40, 80]},
    "of no maps": {"photo_widths": None}, "with an unknown size": {"wings": 2}, "with flat bumps": {"heat_sigma": 0},
    "of an unknown recurrence": {"recurrence": "yes"}, "with a list of lists": {"decoder_widths": [[40], [88], [144]]},
}.items():  # fmt: skip
    weights(f"VG-net {_name}", _configured("vg_net", **_change), "do not fit")
for _name, _change in {
    "of a billion layers": {"layers": 10**9}, "of no layers": {"layers": 0}, "that hears 10⁷ rows": {"n_mfcc": 10**7},
    "that begins at −1": {"first_mfcc": -1}, "that begins too late": {"first_mfcc": 15}, "that drops 2": {"dropout": 2},
    "that drops NaN": {"dropout": float("nan")},
}.items():  # fmt: skip
    weights(f"AT-net {_name}", _configured("at_net", **_change), "do not fit")
weights("NaN weights", _tensors("vg_net", lambda t: t | {"start.bias": t["start.bias"] * torch.nan}), "NaN")
weights("infinite shapes", _tensors("at_net", lambda t: t | {"shape.mean": t["shape.mean"] / 0}), "NaN")
weights(
    "people that do not differ", _tensors("at_net", lambda t: t | {"shape.identity_std": t["shape.identity_std"] * 0})
)
weights("one tensor less", _tensors("vg_net", lambda t: {k: v for k, v in t.items() if k != "start.bias"}), "fit")
weights("one tensor more", _tensors("vg_net", lambda t: t | {"extra": torch.zeros(1)}), "fit")
weights("a tensor of another shape", _tensors("vg_net", lambda t: t | {"start.bias": torch.zeros(3)}), "fit")
weights("complex weights", _tensors("vg_net", lambda t: t | {"start.bias": torch.zeros(192, dtype=torch.cfloat)}))
weights("no shape model", _tensors("at_net", lambda t: {k: v for k, v in t.items() if "shape" not in k}), "lacks")
weights("idle motion of one frame", _tensors("idle", lambda t: t | {"poses": t["poses"][:1]}), "damaged")
weights("no blinks", _tensors("idle", lambda t: {k: v for k, v in t.items() if k != "blinks"}), "lacks")
for _file in ("vg_net.safetensors", "vg_net.json", "at_net.safetensors"):
    weights(f"a folder as {_file}", _instead(_file, Path.mkdir))
    weights(f"a pipe as {_file}", _instead(_file, os.mkfifo))
weights("a β of NaN", _replaced("vg_net_beta2.json", lambda w: w.replace(b'"beta": 2.0', b'"beta": NaN')), "β")
weights("a β of 10⁴⁰⁰", _replaced("vg_net_beta2.json", lambda w: w.replace(b'"beta": 2.0', b'"beta": 1' + b"0" * 400)))
