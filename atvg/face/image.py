"""Any picture a person may bring → uint8 RGB, upright, or a clear `BadImageError`."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from atvg.errors import BadImageError, existing_file
from atvg.face.colour import to_srgb
from atvg.face.heic import is_heic, open_heic
from atvg.face.kinds import RAW, kind_of

MAX_PIXELS = 35_000_000  # the largest picture H.264 knows (level 6.2): a video is made of it
MIN_SIDE = 32

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong is said by the error, once

# The formats of photos. Pillow knows many more, among them EPS, which it would hand to Ghostscript to be run.
# HEIC is read apart.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_REDUCED, _SUB_IFDS, _DNG = 254, 330, 50706  # tags of TIFF

Photo = Union[str, os.PathLike, Image.Image, np.ndarray]


def load_image(source: Photo) -> np.ndarray:
    """Reads a path, PIL image or array as uint8 RGB, (H, W, 3).

    EXIF rotation is applied, colours are converted to sRGB by the embedded profile, transparency is laid over white,
    16-bit and float greys are scaled, CMYK and palettes are converted. Of an animation the first frame is taken, of a
    HEIC the main picture, of a photo with a gain map the base. Sizes are checked on the header, before any pixel is
    decoded.

    Raises:
        BadImageError: not readable as an image, too large or too small.
    """
    if isinstance(source, np.ndarray):
        return _checked(_from_array(source))
    if isinstance(source, Image.Image):
        return _checked(_from_pil(source))
    if not isinstance(source, (str, os.PathLike)):
        raise BadImageError(f"a photo must be a path, a PIL image or an array, not {type(source).__name__}")
    with _opened(source) as image:
        return _checked(_from_pil(image))


def image_size(path: Union[str, os.PathLike]) -> tuple[int, int]:
    """Width and height in pixels as the file's header tells them, before any turn that EXIF asks for.

    Raises:
        BadImageError: not an image.
    """
    with _opened(path) as image:
        return image.size


def image_format(path: Union[str, os.PathLike]) -> str:
    """Which of `FORMATS` a file has, by its content; HEIC is told as the TIFF it is read as.

    Raises:
        BadImageError: not an image.
    """
    with _opened(path) as image:
        return "JPEG" if image.format == "MPO" else str(image.format)  # some photos with a gain map or a second view


@contextlib.contextmanager
def _opened(source: Union[str, os.PathLike]) -> Iterator[Image.Image]:
    """The picture of a file, not decoded yet; whatever goes wrong with it becomes a `BadImageError`."""
    path = existing_file(source, BadImageError, "photo", "give a JPEG, PNG or WebP photo")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning; the size is checked by who decodes
            with open_heic(path, MAX_PIXELS) if is_heic(path) else Image.open(path, formats=FORMATS) as image:
                if _is_raw(image):
                    raise _refused(path, *RAW)
                yield image
    except BadImageError:
        raise
    except Image.DecompressionBombError:
        raise BadImageError(f"{path.name} has too many pixels; the limit is {MAX_PIXELS:,}, shrink it") from None
    except UnidentifiedImageError:
        if kind := kind_of(path):
            raise _refused(path, *kind) from None
        raise BadImageError(f"{path.name} is not an image; give a JPEG, PNG or WebP photo") from None
    except Exception as error:  # Pillow's forty decoders raise nearly every kind there is
        raise _damaged(error) from None


def _refused(path: Path, what: str, advice: str) -> BadImageError:
    return BadImageError(f"{path.name} is {what}; {advice}")


def _is_raw(image: Image.Image) -> bool:
    """Whether it is the thumbnail of a raw file, which looks like a TIFF to Pillow."""
    if not isinstance(image, TiffImageFile):
        return False
    tags = image.tag_v2
    return _DNG in tags or bool(tags.get(_REDUCED, 0) & 1 and _SUB_IFDS in tags)


def _from_pil(image: Image.Image) -> np.ndarray:
    _check_size(image.width, image.height)
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
            return np.array(to_srgb(image, profile))
        colours = to_srgb(image.convert(image.mode.removesuffix("A")), profile)
        return np.array(Image.composite(colours, Image.new("RGB", image.size, "white"), image.getchannel("A")))
    except BadImageError:
        raise
    except Exception as error:  # as above
        raise _damaged(error) from None


def _grey(image: Image.Image) -> np.ndarray:
    """Greys of 16 or 32 bits, or floats → (H, W) uint8."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = values / np.float32(65535)
    return _from_array(values)[..., 0]


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF says nothing of the picture, nor of which way up it is
        return image


def _damaged(error: Exception) -> BadImageError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadImageError(f"the image is damaged ({reason}); save it again as JPEG or PNG")


def _from_array(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)  # and no subclass, which may mask some of its values
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise BadImageError(f"an image array must be H×W, H×W×3 or H×W×4, not {array.shape}")
    _check_size(array.shape[1], array.shape[0])
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


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadImageError(f"the image is {width}×{height} pixels; the limit is {MAX_PIXELS:,}, shrink it")
    if min(width, height) < MIN_SIDE:
        raise BadImageError(f"the image is only {width}×{height} pixels; give one of at least {MIN_SIDE}×{MIN_SIDE}")


def _checked(image: np.ndarray) -> np.ndarray:
    _check_size(image.shape[1], image.shape[0])
    return image
