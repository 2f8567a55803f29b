"""What the protocol's tracker makes of mouths that are drawn open and shut."""

import cv2
import numpy as np
import pytest

from atvg.evaluation import metrics
from atvg.evaluation.tracking import PhotoTracker, track
from atvg.face import geometry
from atvg.face.face import Face
from atvg.face.landmarks import INNER_LIP
from atvg.face.mediapipe import MediaPipeTracker
from tests import synthetic

SHUT, OPEN = slice(0, 4), slice(8, 12)


@pytest.fixture(scope="module")
def tracker() -> MediaPipeTracker:
    return MediaPipeTracker()


@pytest.fixture(scope="module")
def shut_face(mediapipe, hopper) -> Face:
    """Grace Hopper, whose lips are closed."""
    found = mediapipe.detect(hopper)[0]
    return Face(hopper, found.landmarks, found.mesh)


@pytest.fixture(scope="module")
def opens(shut_face) -> np.ndarray:
    """Her crop, four frames shut, four on their way and four wide open, (12, 256, 256, 3)."""
    x, y = shut_face.crop_landmarks[INNER_LIP, :2].mean(axis=0)
    opening = np.concatenate([np.zeros(4), np.linspace(0, 1, 4), np.ones(4)])
    return synthetic.talking_frames(shut_face.crop, (x, y, 26.0), opening)


def test_in_clips_a_drawn_mouth_is_shut_and_then_open(opens, tracker):
    small = opens.reshape(12, 128, 2, 128, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    seen = track(small, tracker)
    assert seen.shape == (12, 68, 2)
    assert metrics.opening_share(seen[SHUT]) == 0 and metrics.opening_share(seen[OPEN]) == 1


def test_in_photographs_as_in_clips(shut_face, opens, tracker):
    """The crops, laid back into the photo."""
    back = geometry.invert(shut_face.matrix)
    follow = PhotoTracker(shut_face, tracker)
    pictures = [shut_face.photo, *(in_photo(shut_face, frame, back) for frame in opens[OPEN])]
    seen = np.stack([follow.look(picture) for picture in pictures])
    assert metrics.opening_share(seen[:1]) == 0 and metrics.opening_share(seen[2:]) == 1
    lips = shut_face.landmarks[INNER_LIP, :2].mean(axis=0)
    assert np.linalg.norm(follow.photo_landmarks[INNER_LIP].mean(axis=0) - lips) < 4


def in_photo(face: Face, frame: np.ndarray, back: np.ndarray) -> np.ndarray:
    small = cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA)
    picture = face.photo.copy()
    size = picture.shape[1::-1]
    return cv2.warpAffine(small, back, size, picture, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
