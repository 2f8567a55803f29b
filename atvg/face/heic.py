"""HEIC, read by a process of its own: damaged files have crashed the native library, and would take the app along.

The process gets the file on its standard input and gives back a TIFF, upright, with the ICC profile.
"""

import inspect
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from atvg.errors import BadImageError

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PATIENCE = 60  # seconds; a large photo takes two


def is_heic(path: Path) -> bool:
    """Whether its first bytes say so, and do not name AVIF, which may call itself of the same family."""
    with path.open("rb") as file:
        head = file.read(64)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head


def open_heic(path: Path, most_pixels: int) -> Image.Image:
    """The main picture of a HEIC.

    Raises:
        BadImageError: damaged, or with too many pixels; told from its header.
    """
    command = [sys.executable, "-c", f"{inspect.getsource(_decode)}_decode({most_pixels})"]
    try:
        done = subprocess.run(command, input=path.read_bytes(), capture_output=True, timeout=_PATIENCE, check=True)
    except (subprocess.SubprocessError, OSError):
        raise BadImageError(f"{path.name} is damaged; copy it once more, or save it again as JPEG or PNG") from None
    if not done.stdout:
        raise BadImageError(f"{path.name} has too many pixels; the limit is {most_pixels:,}, shrink it")
    return Image.open(io.BytesIO(done.stdout), formats=["TIFF"])


def _decode(most_pixels: int) -> None:
    """Run by the other process, which has no more than this."""
    import io
    import sys

    sys.path = [folder for folder in sys.path if folder]  # not where the user happens to be
    from pi_heif import register_heif_opener
    from PIL import Image

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    image = Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=["HEIF"])
    if image.width * image.height <= most_pixels:
        image.load()  # of several pictures it has opened the main one
        plain = Image.frombytes(image.mode, image.size, image.tobytes())
        file = io.BytesIO()
        plain.save(file, "TIFF", icc_profile=image.info.get("icc_profile"))
        sys.stdout.buffer.write(file.getvalue())
