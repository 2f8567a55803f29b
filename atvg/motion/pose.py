"""Head pose: angles, 3-D rotation of landmarks, and how they are projected back.

Pixels have x right, y down and depth away from the viewer. Angles are right-handed about x right, y up, z towards
the viewer: positive yaw turns the face to the viewer's right, positive pitch makes it look down, positive roll tilts
it counter-clockwise as seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from atvg.config import check_number
from atvg.face.landmarks import TEMPLES

MAX_DEGREES = 60.0  # beyond it half of the face was never in the photo

# Between the pixel axes and the right-handed ones of the angles.
_AXES = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Pose:
    """Head turn in degrees, relative to the photo; see the module's text for the signs.

    Raises:
        BadSettingError: an angle is not a number within ±60.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def __post_init__(self) -> None:
        for name in ("yaw", "pitch", "roll"):
            check_number(name, getattr(self, name), -MAX_DEGREES, MAX_DEGREES)

    def __bool__(self) -> bool:
        """False when the head stays as in the photo."""
        return any((self.yaw, self.pitch, self.roll))

    def matrix(self) -> np.ndarray:
        """3×3 rotation in pixel axes (x right, y down, depth): roll, then pitch, then yaw."""
        pitch, yaw, roll = (cv2.Rodrigues(turn)[0] for turn in np.diag(np.radians([self.pitch, self.yaw, self.roll])))
        return _AXES @ yaw @ pitch @ roll @ _AXES


def angles_of(matrix: np.ndarray) -> np.ndarray:
    """Rotations in pixel axes (..., 3, 3) → (..., 3) yaw, pitch, roll in degrees; undoes `Pose.matrix`."""
    turn = _AXES @ matrix @ _AXES
    yaw = np.arctan2(turn[..., 0, 2], turn[..., 2, 2])
    pitch = np.arctan2(-turn[..., 1, 2], np.hypot(turn[..., 1, 0], turn[..., 1, 1]))
    roll = np.arctan2(turn[..., 1, 0], turn[..., 1, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))


def head_centre(landmarks: np.ndarray) -> np.ndarray:
    """The point a head turns about, (68, 3) → (3,): halfway between the temples."""
    return landmarks[TEMPLES].mean(axis=0)


def turn_points(points: np.ndarray, centre: np.ndarray, pose: Pose) -> np.ndarray:
    """Rotates (..., 3) points about `centre`; dropping the depth then projects them back."""
    return (points - centre) @ pose.matrix().T + centre
