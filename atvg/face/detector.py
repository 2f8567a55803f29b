"""Which detector finds the faces: chosen by name, or the first that finds one."""

from contextlib import suppress

import numpy as np

from atvg.errors import BadSettingError, DetectorUnavailableError
from atvg.face.detection import Detection, FaceDetector
from atvg.face.face_alignment import FaceAlignmentDetector
from atvg.face.mediapipe import MediaPipeDetector

DETECTORS = ("auto", "mediapipe", "face-alignment")


class FirstThatFinds(FaceDetector):
    """Asks detectors in turn until one finds a face.

    All but the first are passed over if they cannot be loaded, or would fetch something: nobody has asked for that.
    """

    name = "auto"

    def __init__(self, *detectors: FaceDetector):
        self.detectors = detectors

    def detect(self, image: np.ndarray) -> list[Detection]:
        faces = self.detectors[0].detect(image)
        for detector in self.detectors[1:]:
            if not faces and detector.is_here():
                with suppress(DetectorUnavailableError):
                    faces = detector.detect(image)
        return faces


def make_detector(name: str = "auto") -> FaceDetector:
    """Builds a detector of `DETECTORS`; ``auto`` uses face-alignment once somebody has chosen it on this machine.

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
