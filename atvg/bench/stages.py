"""Each stage between a photo, a voice and a film, timed by itself, and all of them end to end."""

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from atvg.animate.ear_engine import make_ear
from atvg.animator import Animator
from atvg.bench.measure import exhaust, seconds_of, summary
from atvg.bench.samples import enlarged
from atvg.config import FPS
from atvg.face.face import Face
from atvg.film.label import stamp
from atvg.film.panels import PanelRenderer
from atvg.film.paste import Paster
from atvg.film.render import render
from atvg.film.video import VideoWriter
from atvg.voice.audio import mfcc_rows, n_video_frames
from atvg.voice.hearing import listen, stored_rows
from atvg.voice.mel import clip_mfcc80

Stages = dict[str, Callable[[], object]]


def time_stages(animator: Animator, photo: np.ndarray, wave: np.ndarray, runs: int) -> dict[str, dict[str, float]]:
    """By stage, its seconds in `runs` runs; where it works on a whole video, frames/s and real-time factor too.

    Args:
        photo: uint8 RGB (H, W, 3), with one face.
        wave: float32 samples at 16 kHz.
    """
    face = animator.read_face(photo)
    large = animator.read_face(enlarged(photo, face.mesh))
    n_frames = n_video_frames(wave)
    chunks = list(animator.stream(face, wave))
    landmarks, codes = (np.concatenate([getattr(c, name) for c in chunks]) for name in ("landmarks", "codes"))
    paster, panels = Paster(face), PanelRenderer(face)
    drawn = [(c, t, *pasted) for c in chunks[:2] for t, pasted in enumerate(paster.frames(c))]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.mp4"

        def encode() -> None:
            with VideoWriter(path, (photo.shape[1], photo.shape[0]), wave) as writer:
                for _, _, picture, _ in islice(cycle(drawn), n_frames):
                    stamp(picture[None])
                    writer.write(picture[None])

        stages: Stages = {
            "detect": lambda: animator.read_face(photo),
            **_hearing(animator, face, wave),
            "shape": lambda: animator.landmarks(codes, face.crop_landmarks),
            "vg_net": lambda: animator.draw(face.crop, face.crop_landmarks[:, :2], landmarks),
            "paste_back": lambda: exhaust(p for c in chunks for p in paster.paste(c)),
            "encode": encode,
            "panels": lambda: exhaust(panels.render(*frame) for frame in islice(cycle(drawn), n_frames)),
            "first_frame": lambda: next(iter(animator.stream(animator.read_face(photo), wave))),
            "end_to_end": lambda: render(face, animator.stream(animator.read_face(photo), wave), wave, path),
            "natural": lambda: render(face, animator.stream(face, wave, natural=True), wave, path),
            "large": lambda: render(large, animator.stream(large, wave), wave, path),
        }
        if animator.idle is None:
            del stages["natural"]
        timed = {name: summary(seconds_of(stage, runs)) for name, stage in stages.items()}
    for name, figures in timed.items():
        if name not in ("detect", "first_frame"):
            figures["frames_per_second"] = n_frames / figures["median"]
            figures["real_time_factor"] = figures["median"] / (n_frames / FPS)
    return timed


def _hearing(animator: Animator, face: Face, wave: np.ndarray) -> Stages:
    """What comes before landmarks: features, the ear alone on one core, and AT-net with each ear that it has."""
    frames = n_video_frames(wave)
    rows = {"whisper": clip_mfcc80(wave, frames), "none": mfcc_rows(wave, frames)}
    stages: Stages = {"mfcc": lambda: mfcc_rows(wave, frames), "mfcc80": lambda: clip_mfcc80(wave, frames)}
    if "whisper" in animator.ears:
        layers = animator.at_nets["whisper"].config.ear_layers
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone = make_ear(animator.engine_name, animator.load_ear().to(animator.device), layers)
        torch.set_num_threads(threads)

        def one_core() -> None:
            torch.set_num_threads(1)
            exhaust(listen(alone, stored_rows(rows["whisper"]), frames, layers))
            torch.set_num_threads(threads)

        stages["ear_on_one_core"] = one_core
    for ear in animator.ears:
        stages[f"at_net_ear_{ear}"] = partial(animator.codes_from_rows, rows[ear], face.crop_landmarks, ear=ear)
    return stages
