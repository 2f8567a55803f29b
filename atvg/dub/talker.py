"""Who in a film is to be dubbed: the first picture that shows a face, and which of its faces it is."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from atvg.dub.follow import first_faces
from atvg.dub.footage import Footage, frames, open_footage
from atvg.face.detection import Detection, FaceDetector
from atvg.face.detector import FirstThatFinds
from atvg.face.face import Face, read_face
from atvg.face.mediapipe import MediaPipeDetector
from atvg.face.placing import Numbers


@dataclass(frozen=True)
class Talker:
    """One person in a film.

    Attributes:
        footage: the film.
        face: the person, in the first of its frames that shows a face.
        at: number of that frame.
    """

    footage: Footage
    face: Face
    at: int


def read_talker(film: Any, detector: FaceDetector, *, box: Numbers | None = None) -> Talker:
    """Finds the one face of the first picture of a film that shows any, or the one that is chosen.

    Args:
        film: path of any film that ffmpeg reads.
        box: x, y, width, height of the face in pixels of that picture, if it shows several.

    Raises:
        BadFilmError, TooLongError: it cannot be read, or is too long.
        BadSettingError: a box that no face can have.
        NoFaceError, SeveralFacesError, FaceTooSmallError, LyingPhotoError: what they say, of that picture.
    """
    footage = open_footage(film)
    finder = follower_of(detector)
    with closing(frames(footage)) as film_frames:  # an import in there may keep what is only forgotten
        at, picture, found = first_faces(film_frames, finder)
    face = read_face(picture, finder if box else _Found(found), box=box)
    return Talker(footage, face, at)


def follower_of(detector: FaceDetector) -> MediaPipeDetector:
    """What finds faces in films: MediaPipe, for its tracker follows them; its models are shared if they are loaded."""
    known = detector.detectors if isinstance(detector, FirstThatFinds) else (detector,)
    return next((one for one in known if isinstance(one, MediaPipeDetector)), None) or MediaPipeDetector()


class _Found(FaceDetector):
    """Faces that are known already."""

    name = "found"

    def __init__(self, faces: list[Detection]):
        self._faces = faces

    def detect(self, image: Any) -> list[Detection]:
        return self._faces
