"""HEIC, read by libheif, which damaged files have crashed: only where that does no harm (`atvg.box`)."""

from typing import BinaryIO

from PIL import Image

from atvg.errors import BadImageError

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_HEAD = 64  # bytes that tell


def warm() -> None:
    """Loads the library."""
    from pi_heif import register_heif_opener

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def is_heic(file: BinaryIO) -> bool:
    """Whether its first bytes say so, and do not name AVIF, which may call itself of the same family."""
    head = file.read(_HEAD)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head


def open_heic(file: BinaryIO, name: str, most_pixels: int) -> Image.Image:
    """The main picture of a HEIC, upright, with its ICC profile and nothing else.

    Raises:
        BadImageError: damaged, or with too many pixels; told from its header.
    """
    warm()
    try:
        image = Image.open(file, formats=["HEIF"])
        fits = image.width * image.height <= most_pixels
        if fits:
            image.load()  # of several pictures it has opened the main one
    except MemoryError:
        raise
    except Exception:  # whatever it is, it says less than this
        raise BadImageError(f"{name} is damaged; copy it once more, or save it again as JPEG or PNG") from None
    if not fits:
        raise BadImageError(f"{name} has too many pixels; the limit is {most_pixels:,}, shrink it")
    plain = Image.frombytes(image.mode, image.size, image.tobytes())
    plain.info["icc_profile"] = image.info.get("icc_profile")
    plain.format = image.format
    return plain
