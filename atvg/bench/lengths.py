"""Speed and memory over the length of the voice, each length in a process of its own."""

import tempfile
import time
from pathlib import Path

from atvg.animator import Animator
from atvg.bench.measure import alone, peak_memory_mb
from atvg.bench.samples import sample_photo, sample_voice
from atvg.film.render import render

CURVE = (5, 10, 30, 60, 120, 300, 600)  # seconds of audio


def time_lengths(weights: str | None, engine: str) -> list[dict[str, float]]:
    """The render of each length in `CURVE`: its seconds, real-time factor and peak memory."""
    return [alone(time_length, weights, engine, length) for length in CURVE]


def time_length(weights: str | None, engine: str, seconds: float) -> dict[str, float]:
    """One render of a whole photo, in this process."""
    animator = Animator.from_pretrained(weights, engine=engine)
    face, wave = animator.read_face(sample_photo()), sample_voice(seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "length.mp4"
        render(face, animator.stream(face, sample_voice(1)), sample_voice(1), path)
        before = peak_memory_mb()
        began = time.perf_counter()
        frames = render(face, animator.stream(face, wave), wave, path)
        took = time.perf_counter() - began
    return {
        "seconds_of_audio": seconds,
        "frames": frames,
        "seconds": took,
        "real_time_factor": took / seconds,
        "peak_memory_mb": peak_memory_mb(),
        "peak_memory_of_one_second_mb": before,
    }
