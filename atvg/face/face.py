"""A face that was found in a photo: all that the rest of the pipeline needs to know of it."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from atvg.errors import BadSettingError, FaceTooSmallError, LyingPhotoError, NoFaceError, SeveralFacesError
from atvg.face import geometry
from atvg.face.crop import canonical_transform, warp_to_crop
from atvg.face.detection import Detection, FaceDetector
from atvg.face.image import Photo, load_image
from atvg.face.placing import Numbers, place_at_points, place_in_box

MIN_EYE_DISTANCE = 12.0  # pixels between the outer eye corners; below it the crop is a blur, and points are guessed
_LYING = 60.0  # degrees; whoever is tilted farther lies, or the photo does
_TURNS = {  # degrees counter-clockwise
    90: ("lies on its side", "a quarter to the left"),
    180: ("stands upside down", "by half"),
    270: ("lies on its side", "a quarter to the right"),
}
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


def read_face(
    photo: Photo,
    detector: FaceDetector,
    *,
    box: Numbers | None = None,
    points: Numbers | None = None,
    template: np.ndarray | None = None,
) -> Face:
    """Finds the one face of a photo, or the one that was placed by hand.

    Args:
        box: x, y, width, height in pixels of the upright photo: from the brows to the chin, jaw to jaw.
        points: (5, 2) likewise: eye centres, nose tip, mouth corners; left as seen comes first.
        template: (68, 3) frontal mean face, for places where the detector finds none.

    Raises:
        BadImageError: unreadable photo.
        BadSettingError: a box or points that no face of this photo can have, or both.
        LyingPhotoError: the only face lies, so that the photo has to be turned; one placed by hand may lie.
        NoFaceError, SeveralFacesError, FaceTooSmallError: what they say.
    """
    image = load_image(photo)
    if box is not None and points is not None:
        raise BadSettingError("both a box and points are given; place the face with one of them")
    if box is not None:
        return _checked(image, place_in_box(image, detector, box, template))
    if points is not None:
        return _checked(image, place_at_points(image, detector, points, template))
    return _checked(image, _upright(_only(detector.detect(image))))


def _only(found: list[Detection]) -> Detection:
    if not found:
        raise NoFaceError(
            "no face found in the photo; use one where a face is seen from the front, in good light, "
            "or place it by hand (box)"
        )
    face = found[0]
    rivals = [face, *(other for other in found[1:] if other.box[2] > _RIVAL * face.box[2])]
    if len(rivals) > 1:
        boxes = [rival.box for rival in rivals]
        said = f"{len(rivals)} faces of similar size found"
        raise SeveralFacesError(f"{said}; crop the photo to one of them, or place it by hand (box)", boxes)
    return face


def _upright(face: Detection) -> Detection:
    across = face.landmarks[45, :2] - face.landmarks[36, :2]
    tilt = math.degrees(math.atan2(across[1], across[0]))  # clockwise
    if abs(tilt) > _LYING:
        turn = round(tilt / 90) * 90 % 360
        said, how = _TURNS[turn]
        raise LyingPhotoError(f"the photo {said}; turn it {how}, or place the face by hand (box) to keep it so", turn)
    return face


def _checked(image: np.ndarray, found: Detection) -> Face:
    eyes = float(np.linalg.norm(found.landmarks[36, :2] - found.landmarks[45, :2]))
    if eyes < MIN_EYE_DISTANCE:
        raise FaceTooSmallError(
            f"the face is too small: {eyes:.0f} px across the eyes, at least {MIN_EYE_DISTANCE:.0f} are needed; "
            "use a larger or closer photo"
        )
    return Face(image, found.landmarks, found.mesh)
