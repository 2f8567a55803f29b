"""What a file is that holds no sound, told by its first bytes, so that a refusal can name it."""

from pathlib import Path

_HEAD, _TAIL = 2**16, 2**20  # bytes that are looked at; the index of a recording may be its end

# Beginning → what it is.
_BEGINNINGS = {
    b"MThd": "a MIDI file: notes, but no sound",
    b"RIFF....RMID": "a MIDI file: notes, but no sound",
    b"#EXTM3U": "a playlist: it only names other files",
    b"[playlist]": "a playlist: it only names other files",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"BM": "a picture",
    b"II*\0": "a picture",
    b"MM\0*": "a picture",
    b"RIFF....WEBP": "a picture",
    b"....ftypheic": "a picture",
    b"....ftypmif1": "a picture",
    b"....ftypavif": "a picture",
    b"....ftypaax": "protected against copying and cannot be decoded",
    b"....ftypM4P": "protected against copying and cannot be decoded",
    b"%PDF": "a document",
    b"{\\rtf": "a document",
    b"\xd0\xcf\x11\xe0": "a document",
    b"PK\x03\x04": "an archive or a document: take the recording out of it",
    b"Rar!": "an archive: take the recording out of it",
    b"7z\xbc\xaf": "an archive: take the recording out of it",
    b"\x1f\x8b": "an archive: take the recording out of it",
    b".ra\xfd": "RealAudio, an old kind that is not read: save it as WAV or MP3",
    b".RMF": "RealAudio, an old kind that is not read: save it as WAV or MP3",
    b"\x7fELF": "a program",
    b"MZ": "a program",
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


def kind_of(path: Path) -> str | None:
    """What it is, as "it is …" goes on, if that can be told."""
    head = _head(path)
    if any(sign in head + _tail(path) for sign in _LOCKED) and _begins_as_any(head, _FILMS):
        return "protected against copying and cannot be decoded"
    for beginning, kind in _BEGINNINGS.items():
        if _begins(head, beginning):
            return kind
    if _begins_as_any(head, _FILMS):
        return "a video without sound, or it is damaged"
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if any(sign.lower() in text[:512].lower() for sign in _LISTS):
        return "a playlist: it only names other files"
    if _is_text(text):
        return "a text file"
    return None


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
