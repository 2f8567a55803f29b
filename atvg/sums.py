"""What SHA-256 files of weights must have: ``SHA256SUMS`` in their folder, as ``sha256sum`` writes and checks it.

The shipped folder has one, and every copy of it; a folder without one is read as it is. Sums tell a damaged download or
an exchanged file from the one that was shipped. They are no signature: who can write the one can write the other.
"""

import hashlib
import os
import re
from pathlib import Path

from atvg.errors import CheckpointError

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_MOST, _AT_ONCE = 1_000_000, 1 << 20  # bytes: of a list, the shipped one has 2000; of what is hashed at a time


def check_sum(path: Path) -> None:
    """Hashes a file of weights if a list of sums beside it, or beside its folder, names it: 0.1 s for 100 MB.

    Raises:
        CheckpointError: it has another sum, or the list is damaged.
    """
    for folder in (path.parent, path.parent.parent):
        expected = read_sums(folder).get(path.relative_to(folder).as_posix())
        if expected is not None and sum_of(path) != expected:
            raise CheckpointError(f"{path} is not the file that {SUMS} beside it names; copy the weights' folder again")


def read_sums(folder: Path) -> dict[str, str]:
    """The sums by the names of the files, relative to the folder; empty if it has no list.

    Raises:
        CheckpointError: the list is damaged.
    """
    path = folder / SUMS
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MOST:
            raise ValueError("too long")
        found = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if not all(found):
            raise ValueError("something else is in it")
        return {line[2]: line[1] for line in found if line}
    except (OSError, ValueError):
        raise CheckpointError(f"{path} is no list of SHA-256 sums; copy the weights' folder again") from None


def sum_of(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_AT_ONCE):
            total.update(block)
    return total.hexdigest()


def write_sums(folder: Path) -> None:
    """Lists all weights in a folder and in those within it, with the JSON beside them.

    Raises:
        OSError: the list cannot be written.
    """
    files = sorted(path for ending in ("json", "safetensors") for path in folder.rglob(f"*.{ending}"))
    _write(folder, {path.relative_to(folder).as_posix(): sum_of(path) for path in files})


def drop_sums(folder: Path, *names: str) -> None:
    """Takes files off the folder's list, as they are about to be written anew; a list of nothing goes too.

    Raises:
        OSError: the list cannot be written.
    """
    if not (folder / SUMS).is_file():
        return
    try:
        known = read_sums(folder)
    except CheckpointError:  # what cannot be read names nothing
        known = {}
    left = {name: value for name, value in known.items() if name not in names}
    if left:
        _write(folder, left)
    else:
        (folder / SUMS).unlink()


def _write(folder: Path, sums: dict[str, str]) -> None:
    half = folder / f"{SUMS}.half"
    half.write_text(
        "".join(f"{value}  {name}\n" for name, value in sorted(sums.items())), encoding="utf-8", newline="\n"
    )
    os.replace(half, folder / SUMS)
