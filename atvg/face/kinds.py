"""What a file is that is no photo, told by its first bytes, and what to do about it."""

import re
from pathlib import Path
from typing import BinaryIO

_HEAD = 4096  # bytes that are looked at

_VIDEO = "a video", "take a still picture of it and give that, or dub the film itself: atvg animate, Animator.read_film"
_BARE = "a video", "take a still picture of it and give that, or save it as MP4"
RAW = "a camera's raw file", "export it as JPEG"
_DAMAGED = "a damaged photo", "copy it once more, or save it again as JPEG or PNG"
_SOUND = "a sound", "give it as the voice, and a photo here"
_DRAWN = "a vector drawing", "export it as PNG"
_DOCUMENT = "a document or an archive", "take the picture out of it, or a screenshot of it"
_LAYERS = "a file of layers", "export it as JPEG or PNG"
_WEB = "a web page", "open it and save the picture itself"
_UNREAD = "a picture of a kind that is not read here", "save it as JPEG or PNG"

# The first that fits. MP4, MOV, M4A and CR3 differ in the brand behind "ftyp".
_KINDS = [
    (rb"....ftyp(hei|hev|mif1|mia|msf1|avif|avis)|\x89PNG|\xff\xd8\xff|RIFF....WEBP|GIF8", *_DAMAGED),
    (rb"....ftyp(M4A|M4B|M4P)", *_SOUND),
    (rb"....ftypcrx |FUJIFILMCCD-RAW|II[RU][OS\x00]|II\x2a\x00....CR", *RAW),
    (rb"....(ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI |FLV\x01|\x00\x00\x01\xba|0&\xb2u", *_VIDEO),
    (rb"\x00\x00\x01\xb3", *_BARE),
    (rb"RIFF....WAVE|ID3|fLaC|OggS|FORM....AIF|#!AMR|\xff[\xf1\xf3\xf9\xfa\xfb]", *_SOUND),
    (rb"(<[?!][^>]*>|\s)*<svg|%!PS|\xc5\xd0\xd3\xc6", *_DRAWN),
    (rb"(<[?!][^>]*>|\s)*<(html|head|body)|\s*<!doctype html", *_WEB),
    (rb"%PDF-|PK\x03\x04|\xd0\xcf\x11\xe0|Rar!|7z\xbc\xaf|\x1f\x8b|\{\\rtf", *_DOCUMENT),
    (rb"8BPS|gimp xcf", *_LAYERS),
    (rb"\xff\x0a|....JXL |\x76\x2f\x31\x01|#\?RADIANCE|DDS |\x00\x00\x01\x00|icns|II\xbc|qoif|BPG\xfb", *_UNREAD),
]


def kind_of(path: Path) -> tuple[str, str] | None:
    """What a file that Pillow cannot open is, and what to do; None if its first bytes do not tell."""
    with path.open("rb") as file:
        return kind_in(file)


def kind_in(file: BinaryIO) -> tuple[str, str] | None:
    """`kind_of` a file that is open."""
    file.seek(0)
    head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf")
    for pattern, what, advice in _KINDS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return what, advice
    return None
