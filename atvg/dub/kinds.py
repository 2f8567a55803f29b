"""Whether a file is a film, told by its first bytes, and what it is that is none."""

import re
from pathlib import Path

from atvg.face.kinds import kind_of as kind_of_picture
from atvg.voice.kinds import kind_of as kind_of_sound

_HEAD = 4096  # bytes that are looked at; the second packet of a transport stream begins at 188 or 196

_STILL = rb"hei|hev|mi[fa]1|mia|msf1|avif|avis|crx "  # brands of MP4's container that are pictures,
_HEARD = rb"M4A|M4B|M4P|F4A|F4B|aax"  # and sounds
_FILMS = [
    rb"....ftyp(?!" + _STILL + rb"|" + _HEARD + rb")",
    rb"....(moov|mdat|wide|pnot|skip|free)",  # QuickTime, before there were brands
    rb"\x1aE\xdf\xa3",  # Matroska, WebM
    rb"RIFF....AVI ",
    rb"FLV\x01",
    rb"\x00\x00\x01\xba",  # MPEG, VOB
    rb"0&\xb2u\x8ef\xcf\x11",  # ASF, WMV
    rb"\x47.{187}\x47.{187}\x47",  # a transport stream,
    rb".{4}\x47.{191}\x47.{191}\x47",  # and a camcorder's
    rb"OggS.{0,400}(\x80theora|BBCD|OVP80|fishead)",
]


def is_film(path: Path) -> bool:
    """Whether a file begins as a film does; not whether it can be decoded, nor whether there is more than sound in it.

    Photos that share a film's container (HEIC, AVIF) or move (GIF, WebP) are none, and sounds (M4A) are none.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEAD)
    return any(re.match(pattern, head, re.DOTALL) for pattern in _FILMS)


def kind_of(path: Path) -> str | None:
    """What a file is that cannot be used as a film, as "it is …" goes on, if that can be told."""
    heard = kind_of_sound(path)
    if is_film(path):
        return heard if heard and heard.startswith("protected") else "damaged, or of a kind that is not decoded here"
    seen = kind_of_picture(path)
    if heard is None and seen and seen[0] == "a sound":
        return "a sound: give it as the voice"
    return heard or (seen[0] if seen else None)
