"""What a landmark detector is, and what it finds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detection:
    """One face, in pixels of the picture it was found in.

    Attributes:
        landmarks: (68, 3) float32, iBUG order; depth in pixels, growing away from the viewer.
        mesh: (M, 3) float32, a denser cloud over the face; the landmarks themselves if there is none.
    """

    landmarks: np.ndarray
    mesh: np.ndarray

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height around the landmarks."""
        low, high = self.landmarks[:, :2].min(axis=0), self.landmarks[:, :2].max(axis=0)
        return (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))


class FaceDetector(ABC):
    """Finds every face of a picture with its 68 landmarks."""

    name: str

    @abstractmethod
    def detect(self, image: np.ndarray) -> list[Detection]:
        """uint8 RGB (H, W, 3) → faces, largest first; an empty list if there is none.

        Raises:
            DetectorUnavailableError: the detector's own weights cannot be loaded.
        """

    def is_here(self) -> bool:
        """Whether it works without fetching anything."""
        return True


class NoDetector(FaceDetector):
    """For faces that are known already: finds none."""

    name = "none"

    def detect(self, image: np.ndarray) -> list[Detection]:
        return []
