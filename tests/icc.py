"""ICC profiles of version 2, made by code: of colours and greys by their primaries and gamma, of inks by a table."""

import struct

import numpy as np

# Columns of XYZ of the primaries, adapted to D50, and gamma; sRGB's curve is near 2.2.
DISPLAY_P3 = [(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], 2.2
ADOBE_RGB = [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 2.2
PRO_PHOTO = [(0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)], 1.8
_WHITE = (0.9642, 1.0, 0.8249)


def rgb(primaries: list[tuple[float, float, float]], gamma: float) -> bytes:
    tags = {f"{name}XYZ": _xyz(column) for name, column in zip("rgb", primaries, strict=True)}
    return _profile("RGB ", "XYZ ", tags | {f"{name}TRC": _curve(gamma) for name in "rgb"})


def grey(gamma: float) -> bytes:
    return _profile("GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def inks(cyan: tuple[float, float, float]) -> bytes:
    """CMYK in which full cyan has that Lab, full black is black, and all else is as white as paper."""
    corners = np.zeros((2, 2, 2, 2, 3), np.uint8)
    corners[..., 0, :], corners[1, ..., 0, :] = _lab8(100, 0, 0), _lab8(*cyan)
    corners[..., 1, :] = _lab8(0, 0, 0)
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(np.eye(3, dtype=int) << 16).ravel())
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * ramp + corners.tobytes() + 3 * ramp
    return _profile("CMYK", "Lab ", {"A2B0": table})


def _lab8(lightness: float, a: float, b: float) -> tuple[int, int, int]:
    return round(lightness * 2.55), round(a + 128), round(b + 128)


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(space: str, meeting: str, tags: dict[str, bytes]) -> bytes:
    name = b"made by code\0"
    said = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {"desc": said, "wtpt": _xyz(_WHITE), "cprt": b"text" + bytes(4) + b"free\0"} | tags
    index, data, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, content in tags.items():
        index += struct.pack(">4sII", tag.encode(), offset + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    kind = b"prtr" if space == "CMYK" else b"mntr"
    about = struct.pack(">I4sI4s4s4s", offset + len(data), bytes(4), 0x2400000, kind, space.encode(), meeting.encode())
    made = struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_WHITE)[8:]
    return (about + made).ljust(128, b"\0") + index + data
