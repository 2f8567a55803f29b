"""Errors a user can cause and mend, and advice. Every message is one line: what is wrong, then what to do."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 600  # characters of a message: names of files and what was typed are repeated in it


@dataclass(frozen=True)
class Advice:
    """What is wrong with a photo or a voice, but no error: it can be used, and the result suffers.

    Attributes:
        kind: one of the `KINDS` of the module that gives it.
        message: one line: what is wrong, then what to do.
    """

    kind: str
    message: str


class ATVGError(Exception):
    """Base of all errors that are about the input, not about a bug.

    Whatever is repeated in the message (a file's name may hold line breaks or codes that repaint a terminal), it is
    one line of printable text.
    """

    def __init__(self, message: str = ""):
        super().__init__(_one_line(message))


class BadImageError(ATVGError):
    """The photo cannot be read or used as an image."""


class NoFaceError(ATVGError):
    """The detector found no face."""


class LyingPhotoError(NoFaceError):
    """The photo lies on its side or stands upside down, and its EXIF does not say so.

    Attributes:
        turn: degrees counter-clockwise that make it upright: 90, 180 or 270.
    """

    def __init__(self, message: str, turn: int):
        super().__init__(message)
        self.turn = turn

    def __reduce__(self) -> tuple:  # or it could not be sent from one process to another
        return type(self), (str(self), self.turn)


class SeveralFacesError(ATVGError):
    """Several faces compete for the picture.

    Attributes:
        boxes: one ``(x, y, width, height)`` per face in photo pixels, largest face first.
    """

    def __init__(self, message: str, boxes: list[tuple[float, float, float, float]]):
        super().__init__(message)
        self.boxes = boxes

    def __reduce__(self) -> tuple:  # or it could not be sent from one process to another
        return type(self), (str(self), self.boxes)


class FaceTooSmallError(ATVGError):
    """A face was found, but it has too few pixels to be animated."""


class DetectorUnavailableError(ATVGError):
    """The chosen landmark detector cannot be loaded (usually: its weights cannot be downloaded)."""


class BadFilmError(ATVGError):
    """The film cannot be decoded, or not be used as one."""


class BadAudioError(ATVGError):
    """The audio cannot be decoded, or holds nothing to speak from."""


class TooLongError(BadAudioError):
    """The audio, or the film, is longer than the limit."""


class BadTextError(ATVGError):
    """The text cannot be spoken."""


class SpeechUnavailableError(ATVGError):
    """The engine that speaks texts is not installed or cannot be loaded."""


class BadSettingError(ATVGError):
    """A parameter has the wrong type or lies outside its range."""


class CheckpointError(ATVGError):
    """Weights are missing, truncated, of the wrong shape or not safetensors."""


class PackError(ATVGError):
    """A training pack or a folder of clips is missing, incomplete or corrupt."""


class OutputError(ATVGError):
    """The output cannot be written."""


class DiskFullError(OutputError):
    """The output cannot be written because its disk is full."""


class RecordingError(ATVGError):
    """What a run left on disk is gone or damaged."""


class LiveBusyError(ATVGError):
    """As many faces are live as this machine can draw at once."""


class LiveOverError(ATVGError):
    """A live face has ended: it was stopped, fell silent, or its time is up."""


class LiveTurnError(ATVGError):
    """A live face was given something while it was still at work on the piece before."""


def _one_line(message: str) -> str:
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(message).split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def existing_file(path: str | os.PathLike, error: type[ATVGError], what: str, advice: str) -> Path:
    """`path`, if a file with something in it lies there.

    Raises:
        `error`: nothing is there, the name is impossible (too long, a zero byte in it), it is no regular file (a
            folder, a device, a pipe: reading might never end), it is empty or may not be read.
    """
    path = Path(os.fsdecode(path))
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise error(f"no such {what}: {str(path)!r}; check the path") from None
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path} is not a file; {advice}")
    if status.st_size == 0:  # so are the endless ones of /proc
        raise error(f"{path.name} is empty; {advice}")
    if not os.access(path, os.R_OK):
        raise error(f"{path.name} may not be read; change its permissions or {advice}")
    return path
