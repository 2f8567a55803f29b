"""Folders that are being worked in: what a killed process left half-made can be told from what is still being made.

Whoever works in a folder holds a lock on a file in it. The system takes locks back from a process that ends in whatever
way, so nothing has to be known of processes, and those of other users count too.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

try:
    import fcntl

    _LOCKS = True
except ImportError:  # Windows, where nobody can delete a file that somebody has open: no lock is needed
    _LOCKS = False

MARK = ".unfinished"
ROOM = 1 << 20  # bytes; with less left on the disk nothing can be made


@contextmanager
def under_way(folder: str | os.PathLike) -> Iterator[None]:
    """Marks a folder as unfinished while the block runs, and if the process dies in it.

    Raises:
        OSError: the folder is gone, or its disk is full.
    """
    mark = Path(folder) / MARK
    nameless = mark.with_name(f"{MARK}.new")
    name = nameless if _LOCKS else mark
    with name.open("wb") as held:
        if _LOCKS:
            with suppress(OSError):  # a file system without locks: then nobody else gets one either, see `abandoned`
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            nameless.replace(mark)  # only now: a mark without a lock would be a dead process's
        yield  # after an error the mark stays: whoever finds the folder may help to remove it
        if _LOCKS:  # while it is held, or somebody might find it free
            mark.unlink(missing_ok=True)
    if not _LOCKS:
        mark.unlink(missing_ok=True)


def abandoned(folder: str | os.PathLike) -> bool:
    """Whether somebody began to work in a folder, and died."""
    mark = Path(folder) / MARK
    try:
        if not _LOCKS:
            mark.unlink()
            return True
        with mark.open("rb") as found:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # somebody holds it, or there is none
        return False


def remove_abandoned(parent: str | os.PathLike, pattern: str) -> None:
    """Deletes the folders of that pattern whose process is dead; whatever cannot be deleted stays."""
    for folder in found(parent, pattern):
        if abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def found(parent: str | os.PathLike, pattern: str) -> list[Path]:
    """What lies below a folder under names like ``a-*/*``; `Path.glob` raises if another deletes a folder meanwhile."""
    paths = [Path(parent)]
    for part in pattern.split("/"):
        paths = [path / name for path in paths for name in _names(path) if fnmatchcase(name, part)]
    return paths


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it is gone, or no folder
        return []


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no space left, on the disk or for this user."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def has_room(folder: str | os.PathLike, needed: int = ROOM) -> bool:
    """Whether so many bytes are free on the disk of a folder, or of the nearest one above it that exists.

    Programs and libraries tell of a full disk in many ways; this is what they have in common.
    """
    folder = Path(folder)
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), None)
    return there is None or shutil.disk_usage(there).free >= needed
