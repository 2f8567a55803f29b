"""A face that was found in a photo: all that the rest of the pipeline needs to know of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from atvg.errors import FaceTooSmallError, NoFaceError, SeveralFacesError
from atvg.face import geometry
from atvg.face.crop import canonical_transform, warp_to_crop
from atvg.face.detector import Detection, FaceDetector
from atvg.face.image import Photo, load_image
from atvg.face.turn import turn_photo
from atvg.pose import Pose, head_centre, turn_points

MIN_EYE_DISTANCE = 18.0  # pixels between the outer eye corners; below it the crop is a blur
_RIVAL = 0.6  # a second face at least this wide, compared to the first, competes with it


@dataclass(frozen=True)
class Face:
    """A photo and the face in it.

    Attributes:
        photo: (H, W, 3) uint8 RGB.
        landmarks: (68, 3) photo pixels and depth.
        mesh: (M, 3) likewise, the detector's densest cloud.
    """

    photo: np.ndarray
    landmarks: np.ndarray
    mesh: np.ndarray

    @cached_property
    def matrix(self) -> np.ndarray:
        """2×3, photo → 128×128 crop."""
        return canonical_transform(self.landmarks)

    @cached_property
    def crop(self) -> np.ndarray:
        """(128, 128, 3) uint8 canonical crop."""
        return warp_to_crop(self.photo, self.matrix)

    @cached_property
    def crop_landmarks(self) -> np.ndarray:
        """(68, 3) float32 landmarks in crop pixels, depth in the same unit."""
        return geometry.apply(self.matrix, self.landmarks).astype(np.float32)

    def turned(self, pose: Pose) -> "Face":
        """This face with its head turned, in the same photo."""
        if not pose:
            return self
        centre = head_centre(self.landmarks)
        return Face(
            photo=turn_photo(self.photo, self.landmarks, self.mesh, pose),
            landmarks=turn_points(self.landmarks, centre, pose),
            mesh=turn_points(self.mesh, centre, pose),
        )


def read_face(photo: Photo, detector: FaceDetector) -> Face:
    """Finds the one face of a photo.

    Raises:
        BadImageError: unreadable photo.
        NoFaceError, SeveralFacesError, FaceTooSmallError: what they say.
    """
    image = load_image(photo)
    found = detector.detect(image)
    if not found:
        raise NoFaceError("no face found in the photo; use one where a face is seen from the front, in good light")
    face = found[0]
    rivals = [face, *(other for other in found[1:] if other.box[2] > _RIVAL * face.box[2])]
    if len(rivals) > 1:
        boxes = [rival.box for rival in rivals]
        raise SeveralFacesError(f"{len(rivals)} faces of similar size found; crop the photo to one of them", boxes)
    return _checked(image, face)


def _checked(image: np.ndarray, found: Detection) -> Face:
    eyes = float(np.linalg.norm(found.landmarks[36, :2] - found.landmarks[45, :2]))
    if eyes < MIN_EYE_DISTANCE:
        raise FaceTooSmallError(f"the face is too small ({eyes:.0f} px across the eyes); use a larger or closer photo")
    return Face(image, found.landmarks, found.mesh)
