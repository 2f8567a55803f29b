"""What is deleted when it is old, whichever process made it, and what killed processes left."""

import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from atvg.scratch import found, remove_abandoned
from atvg.studio.owners import clear_away
from atvg.studio.settings import MAX_AGE, STALLED


def remove_old(root: Path, spared: Collection[Path]) -> None:
    """Below the folder of uploads and results, but for what is `spared`, whose clock may have jumped."""
    long_ago = time.time() - MAX_AGE
    remove_abandoned(root, "atvg-*/*")
    clear_away(root)
    for upload in found(root, "tmp*"):  # so Gradio names what is not whole yet; it forgets those who leave before
        if upload.is_file() and age(upload) > STALLED:
            upload.unlink(missing_ok=True)
    for folder in {*found(root, "atvg-*/*"), *found(root, "[0-9a-f]" * 64)}.difference(spared):
        with suppress(OSError):  # its owner may be leaving just now
            if min(path.stat().st_mtime for path in (folder, *folder.iterdir())) < long_ago:
                shutil.rmtree(folder)
    for session in found(root, "atvg-*"):
        with suppress(OSError):  # there is something in it
            session.rmdir()


def remove_run(folder: Path) -> None:
    """A folder of results, and that of its session unless there are others in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def age(path: Path) -> float:
    """Seconds; endless for what is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")
