"""Which files are wanted, and whether they can be written there."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from atvg.errors import BadSettingError, DiskFullError, OutputError
from atvg.scratch import is_full

FRAMES = ("full", "face", "crop")
Target = str | os.PathLike | None


@dataclass(frozen=True)
class Outputs:
    """All that can be written of one pass over the frames; what is None is not.

    Attributes:
        full: MP4 of the whole photo.
        face: MP4 of a square close-up of the face at the photo's own resolution, at most 512 px; see
            `atvg.film.close_up`.
        crop: MP4 of the network's 128×128 crop.
        panels: MP4 of landmarks, attention, motion and result side by side.
        gif, webp: animations of the close-up, without sound, small enough to be sent.
        webm: WebM of the head alone, on nothing, at the close-up's size; see `atvg.film.cutout`.
        arrays: NPZ of all frames, attention, motion, landmarks and codes; the only output whose memory grows with time.
    """

    full: Target = None
    face: Target = None
    crop: Target = None
    panels: Target = None
    gif: Target = None
    webp: Target = None
    webm: Target = None
    arrays: Target = None

    def __post_init__(self) -> None:
        """Says before the work starts what cannot be written.

        Raises:
            OutputError: of a file.
            BadSettingError: two of them are the same, or there are none.
        """
        endings = {"arrays": ".npz", "gif": ".gif", "webp": ".webp", "webm": ".webm"}
        wanted = {name: check_output(path, endings.get(name, ".mp4")) for name, path in vars(self).items() if path}
        if not wanted:
            raise BadSettingError("nothing is to be written; name a file")
        if len({path.resolve() for path in wanted.values()}) < len(wanted):
            raise BadSettingError("two of the files to be written are the same; give two names")


def outputs(path: str | os.PathLike, frame: str = "full", **others: Target) -> Outputs:
    """A video of the picture that is named ``frame``, and others by the names that `Outputs` gives them.

    Raises:
        BadSettingError, OutputError: unknown ``frame``; and what `Outputs` says.
    """
    return Outputs(**(others | {checked_frame(frame): path}))


def checked_frame(frame: str) -> str:
    """The name of a picture, as it was given.

    Raises:
        BadSettingError: there is none of this name.
    """
    if frame not in FRAMES:
        raise BadSettingError(f"frame is {frame!r}; choose from: {', '.join(FRAMES)}")
    return frame


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


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        half.unlink(missing_ok=True)


def unwritable(path: Path, error: Exception) -> OutputError:
    """What to raise when a file cannot be written."""
    if is_full(error):
        return disk_full(path)
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot write {str(path)!r} ({reason}); choose another name or folder")


def disk_full(path: Path) -> OutputError:
    """What to raise when there is no room for a file."""
    return DiskFullError(f"cannot write {str(path)!r}: the disk is full; free some space or choose another folder")
