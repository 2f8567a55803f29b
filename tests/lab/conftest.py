"""Another face and a little speech: enough to see what the laboratory says of them."""

import numpy as np
import pytest

from atvg.lab.run import excerpt
from atvg.voice.audio import load_audio


@pytest.fixture(scope="session")
def other(animator, hopper):
    return animator.read_face(hopper)


@pytest.fixture(scope="session")
def voice(voice_path) -> np.ndarray:
    """0.6 s with syllables in them: 15 frames."""
    return excerpt(load_audio(voice_path), 0.6)
