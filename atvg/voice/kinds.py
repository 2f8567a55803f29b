"""What a file is that holds no sound, told by its first bytes, so that a refusal can name it."""

from pathlib import Path

_HEAD, _TAIL = 2**16, 2**20  # bytes that are looked at; the index of a recording may be its end
_NO_SOUND = "holds no audio that can be decoded"

# Beginning → what it is.
_BEGINNINGS = {
    b"MThd": "is a MIDI file: notes, but no sound",
    b"RIFF....RMID": "is a MIDI file: notes, but no sound",
    b"#EXTM3U": "is a playlist: it only names other files",
    b"[playlist]": "is a playlist: it only names other files",
    b"\x89PNG": "is a picture",
    b"\xff\xd8\xff": "is a picture",
    b"GIF8": "is a picture",
    b"BM": "is a picture",
    b"II*\0": "is a picture",
    b"MM\0*": "is a picture",
    b"RIFF....WEBP": "is a picture",
    b"....ftypheic": "is a picture",
    b"....ftypmif1": "is a picture",
    b"....ftypavif": "is a picture",
    b"....ftypaax": "is protected against copying and cannot be decoded",
    b"....ftypM4P": "is protected against copying and cannot be decoded",
    b"%PDF": "is a document",
    b"{\\rtf": "is a document",
    b"\xd0\xcf\x11\xe0": "is a document",
    b"PK\x03\x04": "is an archive or a document: take the recording out of it",
    b"Rar!": "is an archive: take the recording out of it",
    b"7z\xbc\xaf": "is an archive: take the recording out of it",
    b"\x1f\x8b": "is an archive: take the recording out of it",
    b".ra\xfd": "is RealAudio, an old kind that is not read: save it as WAV or MP3",
    b".RMF": "is RealAudio, an old kind that is not read: save it as WAV or MP3",
    b"\x7fELF": "is a program",
    b"MZ": "is a program",
}
_FILMS = {
    b"....ftyp",
    b"....moov",
    b"....mdat",
    b"\x1aE\xdf\xa3",
    b"RIFF....AVI ",
    b"\0\0\x01\xba",
    b"0&\xb2u\x8ef\xcf\x11",
}
_LISTS = (b"<asx", b"<playlist", b"<smil", b"<MPD")
_LOCKED = (b"drms", b"enca", b"encv", bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"))  # the last: WMA's


def kind_of(path: Path) -> str:
    """The rest of a sentence that the file's name begins: what it is, or that no sound can be found in it."""
    head = _head(path)
    if any(sign in head + _tail(path) for sign in _LOCKED) and _begins_as_any(head, _FILMS):
        return "is protected against copying and cannot be decoded"
    for beginning, kind in _BEGINNINGS.items():
        if _begins(head, beginning):
            return kind
    if _begins_as_any(head, _FILMS):
        return "is a video without sound, or it is damaged"
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if any(sign.lower() in text[:512].lower() for sign in _LISTS):
        return "is a playlist: it only names other files"
    if _is_text(text):
        return "holds no audio: it is a text file"
    return _NO_SOUND


def wav_inside(path: Path) -> tuple[str, ...] | None:
    """How ffmpeg reads a WAV that begins late, after what does not belong to it; None if there is none."""
    head = _head(path)
    at = head.find(b"RIFF", 1)
    while at >= 0 and head[at + 8 : at + 12] != b"WAVE":
        at = head.find(b"RIFF", at + 1)
    return ("-f", "wav", "-skip_initial_bytes", str(at)) if at > 0 else None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read(_TAIL)


def _begins(head: bytes, beginning: bytes) -> bool:
    """Whether it does; four dots stand for any four bytes."""
    start, dots, rest = beginning.partition(b"....")
    return head.startswith(start) and (not dots or head[len(start) + 4 :].startswith(rest))


def _begins_as_any(head: bytes, beginnings: set[bytes]) -> bool:
    return any(_begins(head, beginning) for beginning in beginnings)


def _is_text(head: bytes) -> bool:
    try:
        text = head[:4096].decode("utf-8", errors="strict" if len(head) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(c.isprintable() or c in "\r\n\t\f" for c in text)
