"""Errors a user can cause and mend. Every message is one line: what is wrong, then what to do."""


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


class BadSettingError(ATVGError):
    """A parameter has the wrong type or lies outside its range."""


class CheckpointError(ATVGError):
    """Weights are missing, truncated, of the wrong shape or not safetensors."""


class PackError(ATVGError):
    """A training pack or a folder of clips is missing, incomplete or corrupt."""


class OutputError(ATVGError):
    """The output cannot be written."""
