"""A voice in a file. ffmpeg decodes it in a process apart, which no coverage is measured in."""

from functools import cache

import numpy as np

from atvg.config import MIN_SECONDS, SAMPLE_RATE
from atvg.voice.audio import load_audio
from tests import bad_inputs as bad
from tests.fuzz.harness import laid

SECONDS, EXAMPLES = 20, 6
MOST = 30.0  # seconds of sound


@cache
def seeds() -> list[bytes]:
    """The voice in every kind of file that is common, and what is told from a voice by its first bytes."""
    wav = bad.wav_header(data=bad._pcm(0.25))
    kinds = (".mp3", ".ogg", ".flac", ".m4a", ".mka", ".aiff", ".au", ".wav")
    texts = (b"#EXTM3U\nhttp://x/y\n", b"ffconcat version 1.0\nfile /etc/passwd\n", b"MThd\0\0\0\6", b"PK\x03\x04 zip")
    return [wav, b"late " + wav, *(bad.recorded(kind, ()) for kind in kinds), *texts]


def one(data: bytes) -> None:
    """Loads it."""
    wave = load_audio(laid("voice", data), MOST)
    assert type(wave) is np.ndarray and wave.dtype == np.float32 and wave.ndim == 1
    assert MIN_SECONDS * SAMPLE_RATE <= len(wave) <= MOST * SAMPLE_RATE
    assert np.isfinite(wave).all() and np.abs(wave).max() <= 1
