"""Films that are given another voice: read, looked through, drawn and encoded, each in a process of its own."""

import tempfile
import time
from pathlib import Path

import numpy as np

from atvg.animator import Animator
from atvg.bench.measure import alone, exhaust, peak_memory_mb, summary
from atvg.bench.samples import placed
from atvg.config import SAMPLE_RATE

SIZES = ((512, 512), (1920, 1080))  # pixels
FACE = 400  # pixels from forehead to chin
_WARM = 1.0  # seconds of voice dubbed before it counts


def time_dubs(
    animator: Animator, weights: str | None, engine: str, photo: np.ndarray, wave: np.ndarray, runs: int
) -> list[dict]:
    """What `time_dub` says of a film of each of `SIZES`: the photo, speaking and moving by itself, in H.264.

    Args:
        animator: makes the films.
        weights, engine: those that dub them.
        photo: uint8 RGB (H, W, 3), with one face.
        wave: float32 samples at 16 kHz, what the film says and is to say.
    """
    mesh, results = animator.read_face(photo).mesh, []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = Path(folder) / "film.mp4"
            animator(placed(photo, mesh, size, FACE), wave, natural=animator.idle is not None).save(path)
            timed = alone(time_dub, weights, engine, path, wave, runs)
            results.append({"size": f"{size[0]}×{size[1]}", "face_pixels": FACE, **timed})
    return results


def time_dub(weights: str | None, engine: str, film: Path, wave: np.ndarray, runs: int) -> dict:
    """A film dubbed `runs` times in this process, after a short one that does not count.

    Returns:
        seconds of ``look`` (finding the face, and the first pass), of ``first_frames`` (from there to the first stretch
        in the encoder) and of the ``whole`` (all, to the finished file), each with median, least and greatest; the real
        time factors of look and whole, seconds of work per second of voice; peak memory.
    """
    animator = Animator.from_pretrained(weights, engine=engine)
    _times(animator, film, wave[: round(_WARM * SAMPLE_RATE)])
    times = np.array([_times(animator, film, wave) for _ in range(runs)])
    looked, drawn, done = (times[:, k].tolist() for k in range(3))
    figures = {
        "look": summary(looked),
        "first_frames": summary([b - a for a, b in zip(looked, drawn, strict=True)]),
        "whole": summary(done),
    }
    seconds = len(wave) / SAMPLE_RATE
    return {
        **figures,
        "look_factor": figures["look"]["median"] / seconds,
        "real_time_factor": figures["whole"]["median"] / seconds,
        "peak_memory_mb": peak_memory_mb(),
    }


def _times(animator: Animator, film: Path, wave: np.ndarray) -> tuple[float, float, float]:
    """Seconds until it is looked through, until the first stretch is drawn, and until the file is whole."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        dub = animator.dub(film, wave)
        exhaust(dub.look())
        looked = time.perf_counter() - began
        steps = dub.rendering(Path(folder) / "dub.mp4")
        next(steps)
        drawn = time.perf_counter() - began
        exhaust(steps)
        return looked, drawn, time.perf_counter() - began
