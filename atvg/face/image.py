"""Any picture a person may bring → uint8 RGB, upright, or a clear `BadImageError`. Files are decoded in a box."""

import logging
import math
import os
from collections.abc import Callable
from typing import Any, Union

import numpy as np
from PIL import Image

from atvg.box import decoders
from atvg.box.decoders import LIMITS
from atvg.errors import BadImageError, existing_file
from atvg.face import pixels
from atvg.face.pixels import MAX_PIXELS, MIN_SIDE, check_size

__all__ = ["MAX_PIXELS", "MIN_SIDE", "Photo", "image_format", "image_size", "load_image"]

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong is said by the error, once

Photo = Union[str, os.PathLike, Image.Image, np.ndarray]


def load_image(source: Photo) -> np.ndarray:
    """Reads a path, PIL image or array as uint8 RGB, (H, W, 3).

    EXIF rotation is applied, colours are converted to sRGB by the embedded profile, transparency is laid over white,
    16-bit and float greys are scaled, CMYK and palettes are converted. Of an animation the first frame is taken, of a
    HEIC the main picture, of a photo with a gain map the base. Sizes are checked on the header, before any pixel is
    decoded. A PIL image is decoded here and now, not in the box: open one yourself only if you trust it.

    Raises:
        BadImageError: not readable as an image, too large or too small, or it breaks its decoder.
    """
    if isinstance(source, np.ndarray):
        return _checked(pixels.from_array(source))
    if isinstance(source, Image.Image):
        return _checked(pixels.from_pil(source))
    if not isinstance(source, (str, os.PathLike)):
        raise BadImageError(f"a photo must be a path, a PIL image or an array, not {type(source).__name__}")
    shape, data = _boxed(pixels.decode, source, 3 * MAX_PIXELS)
    if not (isinstance(shape, list) and [type(size) for size in shape] == [int] * 3):
        raise _broken(source, "its size is none")
    if min(shape) < 1 or shape[2] != 3 or math.prod(shape) != len(data):
        raise _broken(source, "its size is another")
    return _checked(np.frombuffer(data, np.uint8).reshape(shape).copy())  # shared memory costs an open file each


def image_size(path: Union[str, os.PathLike]) -> tuple[int, int]:
    """Width and height in pixels as the file's header tells them, before any turn that EXIF asks for.

    Raises:
        BadImageError: not an image.
    """
    width, height, _ = _described(path)
    return width, height


def image_format(path: Union[str, os.PathLike]) -> str:
    """Which of `pixels.FORMATS` a file has, by its content, or HEIF.

    Raises:
        BadImageError: not an image.
    """
    kind = _described(path)[2]
    return "JPEG" if kind == "MPO" else kind  # some photos with a gain map or a second view


def _described(path: Union[str, os.PathLike]) -> tuple[int, int, str]:
    said, _ = _boxed(pixels.describe, path, 0)
    if not (isinstance(said, list) and [type(part) for part in said] == [int, int, str]):
        raise _broken(path, "its header is none")
    return said[0], said[1], said[2]


def _boxed(function: Callable, source: Union[str, os.PathLike], most: int) -> tuple[Any, decoders.Bytes]:
    path = existing_file(source, BadImageError, "photo", "give a JPEG, PNG or WebP photo")
    try:
        return decoders.run(function, path, most, limits=LIMITS, name=path.name)
    except decoders.Refused as refusal:
        raise BadImageError(str(refusal)) from None
    except (decoders.Broken, OSError) as error:
        raise _broken(path, str(error)) from None


def _broken(source: Union[str, os.PathLike], why: str) -> BadImageError:
    name = os.path.basename(os.fsdecode(source))
    return BadImageError(f"{name} is damaged ({why}); copy it once more, or save it again as JPEG or PNG")


def _checked(image: np.ndarray) -> np.ndarray:
    check_size(image.shape[1], image.shape[0])
    return image
