"""Which files of a folder are clips or stills, and whose: one small function per dataset's own folder layout."""

import csv
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

from atvg.data.storage import AnyPath, as_path, files, inside
from atvg.errors import BadSettingError, PackError

VIDEO_ENDINGS = {".mp4", ".mpg", ".mpeg", ".avi", ".mov", ".mkv", ".webm", ".m4v"}
PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
GRID_VAL = {"1", "2", "20", "22"}  # the unseen speakers of lip reading on GRID
_VAL_SHARE = 10  # where nothing else names a split, one identity in ten is kept for validation


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip, or of one person's stills, before it is opened; its files are named by path or URL.

    Attributes:
        sync: whether its sound fits its lips.
        audio: a file with its sound, for a video that has none of its own.
        pictures: the stills; then there is no video, and `path` is the first of them.
    """

    path: str
    key: str
    source: str
    identity: str
    split: str
    language: str = ""
    sync: bool = True
    audio: str = ""
    pictures: tuple[str, ...] = ()


def find_clips(clips_dir: str | AnyPath, layout: str = "folder") -> list[ClipInfo]:
    """Lists the clips of a folder, here or in a store, sorted by key; `LAYOUTS` names the trees that are understood.

    Raises:
        BadSettingError: unknown layout, or a URL that cannot be used.
        PackError: no such folder, no clips in the places where the layout has them, or a person in two splits.
    """
    if layout not in LAYOUTS:
        raise BadSettingError(f"unknown layout {layout!r}; choose from: {', '.join(LAYOUTS)}")
    clips_dir = as_path(clips_dir)
    if not clips_dir.is_dir():
        raise PackError(f"no such folder of clips: {clips_dir}; check the path")
    list_clips, expected = LAYOUTS[layout]
    clips = list_clips(clips_dir)
    if not clips:
        raise PackError(f"{clips_dir} holds no clips; expected {expected}")
    check_splits(clips)
    return clips


def find_stills(stills_dir: str | AnyPath) -> list[ClipInfo]:
    """Lists the people of a folder of photographs, here or in a store, each with all their pictures, sorted by name.

    A table ``stills.csv`` in the folder or beside it names image, source, identity and split. Without one, and for
    pictures it does not name, identity and split follow from the picture's folder as those of clips do.

    Raises:
        PackError: no such folder, no pictures in it, or a person in two splits.
    """
    stills_dir = as_path(stills_dir)
    if not stills_dir.is_dir():
        raise PackError(f"no such folder of stills: {stills_dir}; check the path")
    rows = _read_table(stills_dir, "stills", "image")
    found = [
        _described(path, stills_dir, rows.get(_real(path), {}), sync=False, pictures=(str(path),))
        for path in _files(stills_dir, PICTURE_ENDINGS)
    ]
    if not found:
        raise PackError(f"{stills_dir} holds no stills; expected files ending in {', '.join(sorted(PICTURE_ENDINGS))}")
    check_splits(found)
    people = groupby(sorted(found, key=lambda clip: clip.identity), key=lambda clip: clip.identity)
    return [_one_person(list(stills), stills_dir) for _, stills in people]


def _one_person(stills: list[ClipInfo], stills_dir: AnyPath) -> ClipInfo:
    """One clip of all stills of a person.

    Its key follows from who it is and which pictures there are, so that one more picture makes another clip; the plus
    sign keeps it apart from the keys of videos.
    """
    first, pictures = stills[0], tuple(still.path for still in stills)
    named = "\n".join(inside(as_path(path), stills_dir).as_posix() for path in pictures)
    key = f"stills+{_key(f'{first.source}/{first.identity}')}-{_short_hash(first.identity + named)}"
    return replace(first, key=key, pictures=pictures)


def check_splits(clips: list[ClipInfo]) -> None:
    """Nobody may be in two splits.

    Raises:
        PackError: somebody is.
    """
    splits: dict[str, str] = {}
    for clip in clips:
        if splits.setdefault(clip.identity, clip.split) != clip.split:
            both = f"{splits[clip.identity]} and {clip.split}"
            raise PackError(
                f"{clip.identity!r} is in {both}; a person must be in one split only, see clips.csv and stills.csv"
            )


def _folder(clips_dir: AnyPath) -> list[ClipInfo]:
    """Any tree of videos.

    A table ``clips.csv`` in the folder or beside it names source, identity, split, language and sync. Without one,
    and for clips it does not name, the identity is the path of the clip's folder and the split follows from a hash
    of it, so that nobody is in two splits.
    """
    rows = _read_table(clips_dir, "clips", "clip")
    clips = []
    for path in _files(clips_dir, VIDEO_ENDINGS):
        row = rows.get(_real(path), {})
        sync = row.get("sync", "1") == "1"
        clips.append(_described(path, clips_dir, row, sync=sync, language=row.get("language", "")))
    # Names may differ only in their ending or in letters a key cannot have: then all of them get a longer key.
    count = Counter(clip.key for clip in clips)
    return [_with_longer_key(clip, clips_dir) if count[clip.key] > 1 else clip for clip in clips]


def _lrw(clips_dir: AnyPath) -> list[ClipInfo]:
    """LRW: a folder per word, in it the three splits as published.

    LRW does not say who speaks. Each clip counts as an identity of its own, so here, and only here, a person may well
    be in several splits: figures on such a ``val`` or ``test`` are about unseen clips, not about unseen people.
    """
    pattern = re.compile(r"(?:.*/)?([^/]+)/(train|val|test)/(\1_\d+)\.mp4")
    clips = []
    for path, match in _matches(clips_dir, pattern, {".mp4"}):
        word, split, name = match.groups()
        clips.append(ClipInfo(str(path), _key(f"{word}/{split}/{name}"), "lrw", f"lrw-{split}-{name}", split, "en"))
    return sorted(clips, key=lambda clip: clip.key)


def _grid(clips_dir: AnyPath) -> list[ClipInfo]:
    """GRID: speakers s1 to s34, of whom s1, s2, s20 and s22 are kept for ``val``, as is usual.

    Of an utterance that lies there twice, the better copy (mpg_6000) counts. Recordings beside the videos serve those
    that carry no sound themselves.
    """
    speaker = r"(?:.*/)?s(\d{1,2})(?:[._-]\w+)?/"
    recordings = {
        (match[1], match[2]): str(path)
        for path, match in _matches(clips_dir, re.compile(speaker + r"(?:audio\w*/)?([^/]+)\.wav"), {".wav"})
    }
    videos = _matches(clips_dir, re.compile(speaker + r"(?:video/)?(?:mpg_\w+/)?([^/]+)\.\w+"), VIDEO_ENDINGS)
    clips = {}
    for path, match in sorted(videos, key=lambda found: "mpg_6000" in found[1][0].split("/")):
        number, name = match.groups()
        key = _key(f"s{number}/{name}")
        split = "val" if number in GRID_VAL else "train"
        audio = recordings.get((number, name), "")
        clips[key] = ClipInfo(str(path), key, "grid", f"grid-s{number}", split, "en", audio=audio)
    return [clips[key] for key in sorted(clips)]


def _voxceleb(clips_dir: AnyPath) -> list[ClipInfo]:
    """VoxCeleb1 and 2: the people of ``dev`` are in train, one in ten of them in val; those of ``test`` stay there.

    Sound that lies apart is looked for in ``aac`` (VoxCeleb2) and ``wav`` (VoxCeleb1) beside ``mp4``.
    """

    @cache  # listed once: to ask for each of a million files takes hours where every answer takes a while
    def all_of(folder: AnyPath) -> set[AnyPath]:
        return set(files(folder)) if folder.is_dir() else set()

    clips = []
    for path, match in _matches(clips_dir, re.compile(r"(.*/)?(id\d{5})/([^/]+)/([^/]+)\.mp4"), {".mp4"}):
        above, identity, video, name = match.groups()
        split = "test" if "test" in (above or "").split("/") else _split_of(identity)
        root = path.parent.parent.parent
        root = root.parent if root.name == "mp4" else root
        kinds = [(root / kind, f"{identity}/{video}/{name}{end}") for kind, end in (("aac", ".m4a"), ("wav", ".wav"))]
        audio = next((str(folder / sound) for folder, sound in kinds if folder / sound in all_of(folder)), "")
        key = _key(f"{identity}/{video}/{name}")
        clips.append(ClipInfo(str(path), key, "voxceleb", identity, split, audio=audio))
    return sorted(clips, key=lambda clip: clip.key)


# How the clips are listed, and what is expected to lie in the folder.
LAYOUTS: dict[str, tuple[Callable[[AnyPath], list[ClipInfo]], str]] = {
    "folder": (_folder, f"files ending in {', '.join(sorted(VIDEO_ENDINGS))}"),
    "lrw": (_lrw, "LRW's tree: WORD/{train,val,test}/WORD_00001.mp4"),
    "grid": (_grid, "GRID's tree: s1/*.mpg, s1/video/*.mpg or s1/video/mpg_6000/*.mpg"),
    "voxceleb": (_voxceleb, "VoxCeleb's tree: {dev,test}/mp4/id00012/VIDEO/00001.mp4"),
}


def _files(folder: AnyPath, endings: set[str]) -> list[AnyPath]:
    return sorted(path for path in files(folder) if path.suffix.lower() in endings)


def _matches(folder: AnyPath, pattern: re.Pattern, endings: set[str]) -> Iterator[tuple[AnyPath, re.Match]]:
    """Files whose whole path inside the folder matches."""
    for path in _files(folder, endings):
        match = pattern.fullmatch(inside(path, folder).as_posix())
        if match:
            yield path, match


def _described(
    path: AnyPath, root: AnyPath, row: dict[str, str], sync: bool, language: str = "", pictures: tuple[str, ...] = ()
) -> ClipInfo:
    """A file with what the table says of it, or else what its folder does."""
    place = inside(path, root)
    identity = row.get("identity") or place.parent.as_posix()
    return ClipInfo(
        path=str(path),
        key=_key(place.with_suffix("").as_posix()),
        source=row.get("source") or (place.parts[0] if len(place.parts) > 1 else root.name),
        identity=identity,
        split=row.get("split") or _split_of(identity),
        language=language,
        sync=sync,
        pictures=pictures,
    )


def _key(inside: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", inside.replace("/", "__"))


def _with_longer_key(clip: ClipInfo, clips_dir: AnyPath) -> ClipInfo:
    named = inside(as_path(clip.path), clips_dir).as_posix()
    return replace(clip, key=f"{clip.key}-{_short_hash(named)}")


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _split_of(identity: str) -> str:
    return "val" if int(hashlib.sha256(identity.encode()).hexdigest(), 16) % _VAL_SHARE == 0 else "train"


def _read_table(folder: AnyPath, name: str, column: str) -> dict[AnyPath, dict[str, str]]:
    """Rows of ``NAME.csv`` in the folder or up to two levels above it, by the file that `column` names.

    Raises:
        PackError: it is no table.
    """
    for root in (folder, folder.parent, folder.parent.parent):
        table = root / f"{name}.csv"
        if table.is_file():
            try:
                text = table.read_bytes().decode("utf-8-sig")
                rows = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row.get(column)]
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise PackError(f"{table} cannot be read ({error}); save it as CSV in UTF-8") from None
            return {_real(base / row[column]): row for row in rows for base in (root, root / name)}
    return {}


def _real(path: AnyPath) -> AnyPath:
    """As `Path.resolve`, which fails on a link that leads back to itself; a store has no links."""
    return Path(os.path.realpath(path)) if isinstance(path, Path) else path
