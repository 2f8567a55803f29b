"""Errors a user can cause and mend. Every message is one line: what is wrong, then what to do."""

import os
from pathlib import Path


class ATVGError(Exception):
    """Base of all errors that are about the input, not about a bug."""


class BadImageError(ATVGError):
    """The photo cannot be read or used as an image."""


class NoFaceError(ATVGError):
    """The detector found no face."""


class SeveralFacesError(ATVGError):
    """Several faces compete for the picture.

    Attributes:
        boxes: one ``(x, y, width, height)`` per face in photo pixels, largest face first.
    """

    def __init__(self, message: str, boxes: list[tuple[float, float, float, float]]):
        super().__init__(message)
        self.boxes = boxes


class FaceTooSmallError(ATVGError):
    """A face was found, but it has too few pixels to be animated."""


class DetectorUnavailableError(ATVGError):
    """The chosen landmark detector cannot be loaded (usually: its weights cannot be downloaded)."""


class BadAudioError(ATVGError):
    """The audio cannot be decoded, or holds nothing to speak from."""


class TooLongError(BadAudioError):
    """The audio is longer than the limit."""


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


class RecordingError(ATVGError):
    """What a run left on disk is gone or damaged."""


def existing_file(path: str | os.PathLike, error: type[ATVGError], what: str, advice: str) -> Path:
    """`path`, if a file lies there.

    Raises:
        `error`: nothing is there, the name is impossible (too long, a zero byte in it), or it is no file.
    """
    path = Path(path)
    try:
        path.stat()
    except (OSError, ValueError):
        raise error(f"no such {what}: {str(path)!r}; check the path") from None
    if not path.is_file():
        raise error(f"{path} is not a file; {advice}")
    return path
