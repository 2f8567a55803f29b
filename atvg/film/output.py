"""Whether a result can be written where it is wanted."""

import os
import stat
from pathlib import Path

from atvg.errors import DiskFullError, OutputError
from atvg.scratch import is_full


def check_output(path: str | os.PathLike, ending: str = ".mp4") -> Path:
    """Says before the work starts whether a file can be written, and returns its absolute path.

    Raises:
        OutputError: wrong ending, no such folder, no permission, an impossible name, or `path` is a folder.
    """
    path = Path(os.path.abspath(path))
    if path.suffix.lower() != ending:
        raise OutputError(f"{path.name} does not end in {ending}; give the output a name that does")
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise OutputError(f"{path} is a folder; give a file name")
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise OutputError(f"there is no folder {path.parent}; make it first") from None
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path.parent} is not writable; choose another folder")
    return path


def unwritable(path: Path, error: Exception) -> OutputError:
    """What to raise when a file cannot be written."""
    if is_full(error):
        return disk_full(path)
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot write {str(path)!r} ({reason}); choose another name or folder")


def disk_full(path: Path) -> OutputError:
    """What to raise when there is no room for a file."""
    return DiskFullError(f"cannot write {str(path)!r}: the disk is full; free some space or choose another folder")
