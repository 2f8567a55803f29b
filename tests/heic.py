"""HEIC files as phones write them, made by code: ffmpeg encodes the pictures, and the boxes about them are put here."""

import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import numpy as np

HDR_GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"


@dataclass
class Item:
    """A picture or metadata in a HEIC.

    Attributes:
        properties: boxes that belong to it.
        refers: kind of reference, and number of the item it is to; the first item has number 1.
        hidden: not to be shown by itself, as gain maps are.
    """

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    refers: tuple[bytes, int] | None = None
    hidden: bool = False


def picture(rgb: np.ndarray, *properties: bytes, bits: int = 8, **more: object) -> Item:
    """A coded picture of (H, W, 3) uint8 RGB, with even sides of at least 64 pixels."""
    height, width = rgb.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.mp4"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", f"{width}x{height}", "-i", "pipe:", "-frames:v", "1", "-c:v", "libx265",
            "-vf", "scale=out_range=full:out_color_matrix=bt601", "-color_range", "pc", "-colorspace", "smpte170m",
            "-pix_fmt", "yuv420p" if bits == 8 else "yuv420p10le", "-crf", "8", "-tag:v", "hvc1",
            "-x265-params", "log-level=none:info=0", str(path),
        ]  # fmt: skip
        subprocess.run(command, input=rgb.tobytes(), check=True)
        film = path.read_bytes()
    coder = _inside(film, b"hvcC")
    size = full_box(b"ispe", struct.pack(">II", width, height))
    return Item(b"hvc1", _inside(film, b"mdat"), [box(b"hvcC", coder), size, *properties], **more)


def turned(quarters: int) -> bytes:
    """The property that a picture is to be turned so many quarters counter-clockwise."""
    return box(b"irot", bytes([quarters]))


def coloured(profile: bytes) -> bytes:
    """The property of an ICC profile."""
    return box(b"colr", b"prof" + profile)


def auxiliary(urn: bytes) -> bytes:
    """The property of a picture that helps another one."""
    return full_box(b"auxC", urn)


def exif(data: bytes, of: int) -> Item:
    """EXIF, as `Image.Exif.tobytes` gives it, of an item."""
    return Item(b"Exif", struct.pack(">I", 6) + data, refers=(b"cdsc", of))


def heic(items: Sequence[Item], primary: int = 1, brand: bytes = b"heic") -> bytes:
    """A file of items, of which the one with the number `primary` is the photo."""
    properties = list(dict.fromkeys(p for item in items for p in item.properties))
    entries, shares, links = b"", b"", b""
    for number, item in enumerate(items, 1):
        entries += full_box(b"infe", struct.pack(">HH4sx", number, 0, item.kind), 2, int(item.hidden))
        own = [properties.index(p) + 1 for p in item.properties]
        shares += struct.pack(">HB", number, len(own)) + bytes(own)
        if item.refers:
            links += box(item.refers[0], struct.pack(">HHH", number, 1, item.refers[1]))
    start = box(b"ftyp", brand + struct.pack(">I", 0) + b"mif1heic")

    def meta(offset: int) -> bytes:
        places = b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, offset, len(item.data))
            offset += len(item.data)
        associations = full_box(b"ipma", struct.pack(">I", len(items)) + shares)
        return full_box(
            b"meta",
            full_box(b"hdlr", struct.pack(">I4s12xx", 0, b"pict"))
            + full_box(b"pitm", struct.pack(">H", primary))
            + full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + places)
            + full_box(b"iinf", struct.pack(">H", len(items)) + entries)
            + (full_box(b"iref", links) if links else b"")
            + box(b"iprp", box(b"ipco", b"".join(properties)) + associations),
        )

    data = b"".join(item.data for item in items)
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", data)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


def _inside(film: bytes, kind: bytes) -> bytes:
    """What is in the first box of that kind, wherever it lies."""
    at = film.index(kind)
    (size,) = struct.unpack(">I", film[at - 4 : at])
    return film[at + 4 : at - 4 + size]
