"""What is deleted when it is old, whichever process made it, and what killed processes left."""

import os
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from atvg.scratch import found, remove_abandoned
from atvg.studio.owners import clear_away, remove
from atvg.studio.settings import MAX_AGE, STALLED

_UPLOADS = "[0-9a-f]" * 64  # folders


def remove_old(root: Path, spared: Collection[Path]) -> None:
    """Below the folder of uploads and results, but for the runs and uploads that are `spared`: the clock may jump."""
    remove_abandoned(root, "atvg-*/*")
    clear_away(root)
    for upload in found(root, "tmp*"):  # so Gradio names what is not whole yet; it forgets those who leave before
        if upload.is_file() and age(upload) > STALLED:
            upload.unlink(missing_ok=True)
    for folder in set(found(root, "atvg-*/*")).difference(spared, (upload.parent for upload in spared)):
        with suppress(OSError):  # its owner may be leaving just now
            if min(path.stat().st_mtime for path in (folder, *folder.iterdir())) < time.time() - MAX_AGE:
                shutil.rmtree(folder)
    for upload in set(found(root, f"{_UPLOADS}/*")).difference(spared):
        if age(upload) > MAX_AGE:
            remove(upload)
    for folder in (*found(root, "atvg-*"), *(empty for empty in found(root, _UPLOADS) if age(empty) > MAX_AGE)):
        with suppress(OSError):  # there is something in it
            folder.rmdir()


def renew(root: Path, upload: Path) -> None:
    """Counts the age of what is used from now on; with the file of a run, as typed speech is, the whole run's."""
    parts = upload.relative_to(root).parts if upload.is_relative_to(root) else ()
    if fnmatchcase("/".join(parts[:1]), "atvg-*"):
        run = root.joinpath(*parts[:2])
        used = [run, *found(run, "*")]
    else:
        used = [upload] if fnmatchcase("/".join(parts), f"{_UPLOADS}/*") else []  # an example stays as it is
    now = time.time()  # by the same clock as `age`
    for path in used:
        with suppress(OSError):  # it is gone; whoever opens it will say so
            os.utime(path, (now, now))


def age(path: Path) -> float:
    """Seconds; endless for what is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")
