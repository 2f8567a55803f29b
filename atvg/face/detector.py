"""Which detector finds the faces: chosen by name, or the first that finds one."""

import numpy as np

from atvg.errors import BadSettingError, DetectorUnavailableError
from atvg.face.detection import Detection, FaceDetector
from atvg.face.face_alignment import FaceAlignmentDetector
from atvg.face.mediapipe import MediaPipeDetector

DETECTORS = ("auto", "mediapipe", "face-alignment")


class FirstThatFinds(FaceDetector):
    """Asks detectors in turn until one finds a face; one that cannot be loaded is passed over, except the first."""

    name = "auto"

    def __init__(self, *detectors: FaceDetector):
        self.detectors = detectors

    def detect(self, image: np.ndarray) -> list[Detection]:
        faces = self.detectors[0].detect(image)
        for detector in self.detectors[1:]:
            if faces:
                break
            try:
                faces = detector.detect(image)
            except DetectorUnavailableError:
                continue
        return faces


def make_detector(name: str = "auto") -> FaceDetector:
    """Builds a detector of `DETECTORS`. Weights that must be downloaded are loaded at first use only.

    Raises:
        BadSettingError: unknown name.
    """
    if name == "auto":
        return FirstThatFinds(MediaPipeDetector(), FaceAlignmentDetector())
    if name == "mediapipe":
        return MediaPipeDetector()
    if name == "face-alignment":
        return FaceAlignmentDetector()
    raise BadSettingError(f"unknown detector {name!r}; choose from: {', '.join(DETECTORS)}")
