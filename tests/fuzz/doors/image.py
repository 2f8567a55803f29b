"""A photo, as the box hands it to Pillow: the function that runs there, in this process. HEIC has a door of its own."""

import io
from unittest.mock import patch

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import ChunkStream

from atvg.face import heic, pixels
from tests import icc
from tests.fuzz.harness import as_file

SECONDS, EXAMPLES, NATIVE = 15, 10, True


def pictures() -> tuple[bytes, ...]:
    """A small picture in all formats that are read, and in kinds of them that are decoded apart."""
    y, x = np.mgrid[:48, :40]
    array = np.stack([5 * x, 5 * y, (x * y) % 256], axis=-1).astype(np.uint8)
    picture, exif, files = Image.fromarray(array), Image.Exif(), []
    exif[0x0112] = 6
    for kind, options in (
        ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {"save_all": True, "append_images": [picture.rotate(90)]}), ("TIFF", {}), ("BMP", {}), ("JPEG2000", {}),
        ("AVIF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {}),
    ):  # fmt: skip
        files.append(_saved(picture, kind, **options))
    return *files, _saved(picture.quantize(16), "PNG", transparency=0)


def seeds() -> list[bytes]:
    """`pictures`, and such of other colours, depths and profiles."""
    picture = Image.open(io.BytesIO(pictures()[2]))
    grey, frames = picture.convert("L"), {"save_all": True, "append_images": [picture.rotate(90)]}
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return [
        *pictures(), _saved(picture.convert("CMYK"), "JPEG"), _saved(deep, "PNG"), _saved(deep, "TIFF"),
        _saved(grey.convert("F"), "TIFF"), _saved(grey.convert("LA"), "PNG"), _saved(grey.convert("1"), "PPM"),
        _saved(picture.convert("RGBA"), "WEBP", exif=Image.Exif()), _saved(picture.convert("RGBA"), "PNG", **frames),
        _saved(picture, "MPO", **frames), _saved(picture, "TIFF", compression="jpeg"),
        _saved(picture, "TIFF", compression="tiff_adobe_deflate"),
        _saved(picture, "PNG", icc_profile=icc.rgb(*icc.DISPLAY_P3)), _saved(grey, "JPEG", icc_profile=icc.grey(1.8)),
        _saved(picture.convert("CMYK"), "TIFF", icc_profile=icc.inks((50, -30, -40))),
    ]  # fmt: skip


def one(data: bytes) -> None:
    """Decodes and describes it. What a checksum would stop goes on, as whoever means harm computes it anew."""
    with as_file(data) as file, patch.object(ChunkStream, "crc", lambda self, kind, content: self.fp.read(4)):
        if heic.is_heic(file):
            return
        shape, strips = pixels.decode(file, "photo")
        picture = np.concatenate(list(strips))
        assert picture.dtype == np.uint8 and list(picture.shape) == shape and shape[2] == 3
        assert min(shape[:2]) >= pixels.MIN_SIDE
        file.seek(0)
        (width, height, kind), _ = pixels.describe(file, "photo")
        assert {width, height} == set(shape[:2]) and kind in (*pixels.FORMATS, "MPO"), (width, height, kind)


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
