"""Speed and memory of every stage and end to end, on this machine, with the real weights."""

import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from atvg.config import FPS, MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from atvg.errors import BadSettingError


def bench(weights: str | None = None, runs: int = 5, seconds: float = 8.0) -> dict[str, Any]:
    """Times each stage `runs` times after one warm-up.

    Returns:
        JSON-ready figures: per stage the median, least and greatest seconds, frames/s and real-time factor
        (seconds of work per second of video); load time, time to the first frame and peak memory of the process.

    Raises:
        BadSettingError: `runs` or `seconds` out of range.
    """
    if runs < 1:
        raise BadSettingError(f"--runs is {runs}; give at least 1")
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadSettingError(f"--seconds is {seconds}; give {MIN_SECONDS:g} to {MAX_SECONDS:g}")
    began = time.perf_counter()
    import torch

    from atvg import audio
    from atvg.animator import Animator
    from atvg.face.paste import Paster
    from atvg.panels import PanelRenderer
    from atvg.render import render
    from atvg.video import VideoWriter, label

    animator = Animator.from_pretrained(weights)
    load = time.perf_counter() - began
    photo, wave = sample_photo(), sample_voice(seconds)
    face = animator.read_face(photo)
    n_frames = audio.n_video_frames(wave)
    chunks = list(animator.stream(face, wave))
    landmarks = np.concatenate([c.landmarks for c in chunks])
    paster, panels = Paster(face), PanelRenderer(face.crop, face.crop_landmarks[:, :2])
    pictures = [picture for c in chunks[:2] for picture in paster.paste(c.attention, c.motion)]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.mp4"

        def encode() -> None:
            with VideoWriter(path, (photo.shape[1], photo.shape[0]), wave) as writer:
                for t in range(n_frames):
                    writer.write(label(pictures[t % len(pictures)][None]))

        stages: dict[str, Callable[[], Any]] = {
            "detect": lambda: animator.read_face(photo),
            "mfcc": lambda: audio.mfcc_rows(wave, n_frames),
            "at_net": lambda: animator.codes(face.crop_landmarks, wave),  # includes its MFCC
            "vg_net": lambda: animator.draw(face.crop, face.crop_landmarks[:, :2], landmarks),
            "paste_back": lambda: _exhaust(p for c in chunks for p in paster.paste(c.attention, c.motion)),
            "encode": encode,
            "panels": lambda: _exhaust(panels.render(c.frames, c.attention, c.motion, c.landmarks) for c in chunks),
            "first_frame": lambda: next(iter(animator.stream(animator.read_face(photo), wave))),
            "end_to_end": lambda: render(face, animator.stream(animator.read_face(photo), wave), wave, path),
        }
        timed = {name: _time(stage, runs) for name, stage in stages.items()}
    for name, figures in timed.items():
        if name not in ("detect", "first_frame"):
            figures["frames_per_second"] = n_frames / figures["median"]
            figures["real_time_factor"] = figures["median"] / (n_frames / FPS)
    return {
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "device": str(animator.device)},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "seconds_of_audio": seconds,
        "photo": f"{photo.shape[1]}×{photo.shape[0]}",
        "runs": runs,
        "load_seconds": load,
        "peak_memory_mb": _peak_memory_mb(),
        "stages": timed,
    }


def to_table(result: dict[str, Any]) -> str:
    """The figures of `bench` as a Markdown table."""
    lines = [
        f"{result['machine']['cpus']} CPUs, {result['machine']['device']}, torch {result['torch']}, "
        f"{result['seconds_of_audio']:g} s of audio, photo {result['photo']}, median of {result['runs']} runs",
        "",
        "| stage | seconds | least – greatest | frames/s | real-time factor |",
        "|---|---|---|---|---|",
    ]
    for name, figures in result["stages"].items():
        speed, factor = figures.get("frames_per_second"), figures.get("real_time_factor")
        lines.append(
            f"| {name} | {figures['median']:.3f} | {figures['least']:.3f} – {figures['greatest']:.3f} "
            f"| {f'{speed:.0f}' if speed else ''} | {f'{factor:.3f}' if factor else ''} |"
        )
    lines += ["", f"load {result['load_seconds']:.1f} s, peak memory {result['peak_memory_mb']:.0f} MB"]
    return "\n".join(lines)


def sample_photo() -> np.ndarray:
    """A public-domain portrait that lies in matplotlib's wheel, uint8 RGB."""
    from matplotlib import cbook

    from atvg.face.image import load_image

    return load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def sample_voice(seconds: float) -> np.ndarray:
    """Noise that rises and falls four times a second, as syllables do; speed does not depend on what is said."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (0.1 * noise * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))).astype(np.float32)


def _time(stage: Callable[[], Any], runs: int) -> dict[str, float]:
    stage()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        stage()
        seconds.append(time.perf_counter() - began)
    return {"median": statistics.median(seconds), "least": min(seconds), "greatest": max(seconds)}


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _exhaust(values: Iterable[Any]) -> None:
    """Runs a generator without keeping what it makes."""
    for _ in values:
        pass
