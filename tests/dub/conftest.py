"""People who talk: the portraits, animated."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from atvg.film.paste import Paster
from atvg.voice.audio import load_audio
from tests.dub.films import save

SIDE = 256


def talking(animator, portrait: np.ndarray, voice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 256, 256, 3) uint8 RGB, and landmarks (T, 68, 2) in its pixels."""
    face = animator.read_face(portrait)
    paster, frames, landmarks = Paster(face), [], []
    turn, shift = face.matrix[:, :2], face.matrix[:, 2]
    for chunk in animator.stream(face, voice, natural=True, mouth_gain=1.5):
        frames += [picture.copy() for picture in paster.paste(chunk)]
        landmarks.append((chunk.landmarks - shift) @ np.linalg.inv(turn).T)
    return np.stack(frames), np.concatenate(landmarks)


@pytest.fixture(scope="session")
def spoken(voice_path) -> np.ndarray:
    """A second of real speech, in which the mouth opens wide once: float32 samples, 16 kHz."""
    return load_audio(voice_path)[8_000:24_000]


@pytest.fixture(scope="session")
def collins(animator, astronaut, spoken) -> tuple[np.ndarray, np.ndarray]:
    """A second of Eileen Collins."""
    return talking(animator, np.ascontiguousarray(astronaut[:SIDE, 96 : 96 + SIDE]), spoken)


@pytest.fixture(scope="session")
def grace(animator, hopper, spoken) -> np.ndarray:
    """Half a second of Grace Hopper, (T, 256, 256, 3)."""
    portrait = cv2.resize(hopper[20:500, 30:510], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return talking(animator, portrait, spoken[:8_000])[0]


@pytest.fixture(scope="session")
def film(collins, tmp_path_factory) -> Path:
    """`collins` as a film, 25 frames a second, without sound."""
    return save(tmp_path_factory.mktemp("film") / "collins.mp4", collins[0])
