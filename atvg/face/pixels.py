"""A picture as Pillow or NumPy has it, or a file in a box → uint8 RGB, upright, or a clear `BadImageError`."""

import codecs
import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from atvg.errors import BadImageError
from atvg.face import heic
from atvg.face.colour import to_srgb
from atvg.face.kinds import RAW, kind_in

MAX_PIXELS = 35_000_000  # the largest picture H.264 knows (level 6.2): a video is made of it
MIN_SIDE = 32
_STRIP = 64  # rows that are taken out of a picture at once: as many as the processor's cache holds

# The formats of photos. Pillow knows many more, among them EPS, which it would hand to Ghostscript to be run.
# HEIC is read apart.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_REDUCED, _SUB_IFDS, _DNG = 254, 330, 50706  # tags of TIFF
_TEXTS = ("ascii", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be")  # that metadata are written in


def warm() -> None:
    """Loads all that reading may need: in a box nothing can be loaded any more."""
    heic.warm()
    Image.init()
    for name in _TEXTS:
        codecs.lookup(name)


def decode(file: BinaryIO, name: str) -> tuple[list[int], Iterator[np.ndarray]]:
    """A file's picture, (H, W, 3) uint8, in strips from the top, and its shape, which is known when these are.

    Strips, as a copy of the whole of a large photo would take as long as its way out of the box.

    Raises:
        BadImageError: not readable as an image, too large or too small; it tells the file's `name`.
    """
    shape: list[int] = []

    def strips() -> Iterator[np.ndarray]:
        with _opened(file, name) as image:
            picture = _rgb(image)
            shape.extend((picture.height, picture.width, 3))
            for top in range(0, picture.height, _STRIP):
                yield np.asarray(picture.crop((0, top, picture.width, min(top + _STRIP, picture.height))))

    return shape, strips()


def describe(file: BinaryIO, name: str) -> tuple[list[Any], bytes]:
    """Width, height and format of a file, by its header.

    Raises:
        BadImageError: not an image.
    """
    with _opened(file, name) as image:
        return [image.width, image.height, image.format], b""


@contextlib.contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[Image.Image]:
    """The picture of a file, not decoded yet; whatever goes wrong with it becomes a `BadImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning; the size is checked by who decodes
            photo = heic.open_heic(file, name, MAX_PIXELS) if heic.is_heic(file) else Image.open(file, formats=FORMATS)
            with photo as image:
                if _is_raw(image):
                    raise _refused(name, *RAW)
                yield image
    except BadImageError:
        raise
    except MemoryError:
        raise BadImageError(f"{name} takes too much memory to decode; shrink it, or save it as JPEG") from None
    except Image.DecompressionBombError:
        raise BadImageError(f"{name} has too many pixels; the limit is {MAX_PIXELS:,}, shrink it") from None
    except UnidentifiedImageError:
        if kind := kind_in(file):
            raise _refused(name, *kind) from None
        raise BadImageError(f"{name} is not an image; give a JPEG, PNG or WebP photo") from None
    except Exception as error:  # Pillow's forty decoders raise nearly every kind there is
        raise _damaged(error) from None


def _refused(name: str, what: str, advice: str) -> BadImageError:
    return BadImageError(f"{name} is {what}; {advice}")


def _is_raw(image: Image.Image) -> bool:
    """Whether it is the thumbnail of a raw file, which looks like a TIFF to Pillow."""
    if not isinstance(image, TiffImageFile):
        return False
    tags = image.tag_v2
    return _DNG in tags or bool(tags.get(_REDUCED, 0) & 1 and _SUB_IFDS in tags)


def from_pil(image: Image.Image) -> np.ndarray:
    """As `atvg.face.image.load_image`."""
    return np.array(_rgb(image))


def _rgb(image: Image.Image) -> Image.Image:
    check_size(image.width, image.height)
    try:
        image.seek(0)
        image.load()
        profile = image.info.get("icc_profile")
        image = _upright(image)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            image = Image.fromarray(_grey(image))
        if image.mode in ("P", "PA", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode == "La":
            image = image.convert("LA")
        if image.mode not in ("LA", "RGBA"):
            return to_srgb(image, profile)
        colours = to_srgb(image.convert(image.mode.removesuffix("A")), profile)
        return Image.composite(colours, Image.new("RGB", image.size, "white"), image.getchannel("A"))
    except BadImageError:
        raise
    except MemoryError:
        raise BadImageError("the image takes too much memory to decode; shrink it, or save it as JPEG") from None
    except Exception as error:  # as above
        raise _damaged(error) from None


def _grey(image: Image.Image) -> np.ndarray:
    """Greys of 16 or 32 bits, or floats → (H, W) uint8."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values / np.float32(65535)
    return from_array(values)[..., 0]


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing of the picture, nor of which way up it is
        return image


def _damaged(error: Exception) -> BadImageError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadImageError(f"the image is damaged ({reason}); save it again as JPEG or PNG")


def from_array(array: np.ndarray) -> np.ndarray:
    """As `atvg.face.image.load_image`."""
    array = np.asarray(array)  # and no subclass, which may mask some of its values
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise BadImageError(f"an image array must be H×W, H×W×3 or H×W×4, not {array.shape}")
    check_size(array.shape[1], array.shape[0])
    if array.dtype == np.uint8:
        values = array
    elif array.dtype == bool:
        values = array.astype(np.uint8) * 255
    elif array.dtype.kind in "iuf":
        values = _to_8_bit(array)
    else:
        raise BadImageError(f"an image array must hold numbers, not {array.dtype}")
    if values.shape[2] in (2, 4):
        alpha = values[..., -1:].astype(np.uint16)
        values = ((values[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else np.ascontiguousarray(values)


def _to_8_bit(array: np.ndarray) -> np.ndarray:
    """Floats in [0, 1], 8-bit values in a wider type, or 16-bit values → uint8."""
    if not np.isfinite(array).all():
        raise BadImageError("the image array holds NaN or infinite values; clean it first")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 65535:
        raise BadImageError(f"image values must lie in 0..1, 0..255 or 0..65535, not {low:g}..{high:g}")
    if array.dtype.kind == "f" and high <= 1:
        scale = 255.0
    else:
        scale = 1.0 if high <= 255 else 255 / 65535
    return (array * scale + 0.5).astype(np.uint8)


def check_size(width: int, height: int) -> None:
    """Raises `BadImageError` for a picture with too many pixels, or too few."""
    if width * height > MAX_PIXELS:
        raise BadImageError(f"the image is {width}×{height} pixels; the limit is {MAX_PIXELS:,}, shrink it")
    if min(width, height) < MIN_SIDE:
        raise BadImageError(f"the image is only {width}×{height} pixels; give one of at least {MIN_SIDE}×{MIN_SIDE}")
