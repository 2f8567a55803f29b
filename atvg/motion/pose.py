"""Head pose: angles, 3-D rotation of landmarks, and how they are projected back.

Pixels have x right, y down and depth away from the viewer. Angles are right-handed about x right, y up, z towards
the viewer: positive yaw turns the face to the viewer's right, positive pitch makes it look down, positive roll tilts
it counter-clockwise as seen.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

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
        turn = Rotation.from_euler("zxy", [self.roll, self.pitch, self.yaw], degrees=True).as_matrix()
        return _AXES @ turn @ _AXES


def angles_of(matrix: np.ndarray) -> np.ndarray:
    """Rotations in pixel axes (..., 3, 3) → (..., 3) yaw, pitch, roll in degrees; undoes `Pose.matrix`."""
    flat = (_AXES @ matrix @ _AXES).reshape(-1, 3, 3)
    roll, pitch, yaw = Rotation.from_matrix(flat).as_euler("zxy", degrees=True).T
    return np.stack([yaw, pitch, roll], axis=-1).reshape(*matrix.shape[:-2], 3)


def head_centre(landmarks: np.ndarray) -> np.ndarray:
    """The point a head turns about, (68, 3) → (3,): halfway between the temples."""
    return landmarks[TEMPLES].mean(axis=0)


def turn_points(points: np.ndarray, centre: np.ndarray, pose: Pose) -> np.ndarray:
    """Rotates (..., 3) points about `centre`; dropping the depth then projects them back."""
    return (points - centre) @ pose.matrix().T + centre
