"""Speed and memory of every stage and end to end, on this machine, with the real weights."""

import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from atvg.config import CROP_SIZE, FPS, MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE, check_number
from atvg.errors import BadSettingError

AGAINST = ("authors",)
CURVE = (5, 10, 30, 60, 120, 300, 600)  # seconds of audio
LARGE, LARGE_PHOTO = 1000, 1280  # pixels of a large face, and of the photo around it: the app takes no larger ones
PIECE = 0.2  # seconds of voice that a live microphone sends at once


def bench(
    weights: str | None = None,
    runs: int = 5,
    seconds: float = 8.0,
    engine: str = "auto",
    against: str | None = None,
    curve: bool = False,
) -> dict[str, Any]:
    """Times each stage `runs` times after one warm-up.

    Args:
        weights: folder or Hub id; the shipped ones if None.
        seconds: of audio.
        engine: what VG-net is drawn with, see `atvg.animate.engine`.
        against: ``"authors"`` also times networks of the authors' sizes, in turns with ours.
        curve: also render `CURVE` seconds of audio, each in a process of its own.

    Returns:
        JSON-ready figures: per stage the median, least and greatest seconds, frames/s and real-time factor
        (seconds of work per second of video); times to load and to the first frame; peak memory of the process.

    Raises:
        BadSettingError: an argument out of range.
        CheckpointError: the weights cannot be read.
    """
    if runs < 1:
        raise BadSettingError(f"--runs is {runs}; give at least 1")
    check_number("--seconds", seconds, MIN_SECONDS, MAX_SECONDS)
    if against not in (None, *AGAINST):
        raise BadSettingError(f"--against is {against!r}; choose from: {', '.join(AGAINST)}")
    began = time.perf_counter()
    import torch

    from atvg.animator import Animator

    animator = Animator.from_pretrained(weights, engine=engine)
    load = time.perf_counter() - began
    photo, wave = sample_photo(), sample_voice(seconds)
    began = time.perf_counter()
    next(iter(animator.stream(animator.read_face(photo), wave)))
    first_use = time.perf_counter() - began
    result = {
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "device": str(animator.device)},
        "engine": animator.engine().name,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "seconds_of_audio": seconds,
        "photo": f"{photo.shape[1]}×{photo.shape[0]}",
        "runs": runs,
        "load_seconds": load,
        "first_use_seconds": first_use,
        "stages": _stages(animator, photo, wave, runs),
        "live": _live(animator, photo, wave),
        "peak_memory_mb": _peak_memory_mb(),
    }
    if animator.device.type == "cuda":
        result["gpu"] = torch.cuda.get_device_name(animator.device)
        result["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated(animator.device) / 2**20
    if against:
        result["authors"] = _authors(animator, photo, runs)
    if curve:
        result["curve"] = [_alone(_length, weights, engine, length) for length in CURVE]
    return result


def _stages(animator: Any, photo: np.ndarray, wave: np.ndarray, runs: int) -> dict[str, dict[str, float]]:
    from atvg.film.label import stamp
    from atvg.film.panels import PanelRenderer
    from atvg.film.paste import Paster
    from atvg.film.render import render
    from atvg.film.video import VideoWriter
    from atvg.voice import audio

    face = animator.read_face(photo)
    large = animator.read_face(enlarged(photo, face.mesh))
    n_frames = audio.n_video_frames(wave)
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

        stages: dict[str, Callable[[], Any]] = {
            "detect": lambda: animator.read_face(photo),
            **_hearing(animator, face, wave),
            "shape": lambda: animator.landmarks(codes, face.crop_landmarks),
            "vg_net": lambda: animator.draw(face.crop, face.crop_landmarks[:, :2], landmarks),
            "paste_back": lambda: _exhaust(p for c in chunks for p in paster.paste(c)),
            "encode": encode,
            "panels": lambda: _exhaust(panels.render(*frame) for frame in islice(cycle(drawn), n_frames)),
            "first_frame": lambda: next(iter(animator.stream(animator.read_face(photo), wave))),
            "end_to_end": lambda: render(face, animator.stream(animator.read_face(photo), wave), wave, path),
            "natural": lambda: render(face, animator.stream(face, wave, natural=True), wave, path),
            "large": lambda: render(large, animator.stream(large, wave), wave, path),
        }
        if animator.idle is None:
            del stages["natural"]
        timed = {name: _summary(_time(stage, runs)) for name, stage in stages.items()}
    for name, figures in timed.items():
        if name not in ("detect", "first_frame"):
            figures["frames_per_second"] = n_frames / figures["median"]
            figures["real_time_factor"] = figures["median"] / (n_frames / FPS)
    return timed


def _hearing(animator: Any, face: Any, wave: np.ndarray) -> dict[str, Callable[[], Any]]:
    """What comes before landmarks: features, the ear alone on one core, and AT-net with each ear that it has."""
    import torch

    from atvg.animate.ear_engine import make_ear
    from atvg.voice import audio
    from atvg.voice.hearing import listen, stored_rows
    from atvg.voice.mel import clip_mfcc80

    frames = audio.n_video_frames(wave)
    rows = {"whisper": clip_mfcc80(wave, frames), "none": audio.mfcc_rows(wave, frames)}
    stages = {"mfcc": lambda: audio.mfcc_rows(wave, frames), "mfcc80": lambda: clip_mfcc80(wave, frames)}
    if "whisper" in animator.ears:
        layers = animator.at_nets["whisper"].config.ear_layers
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone = make_ear(animator.engine_name, animator.load_ear().to(animator.device), layers)
        torch.set_num_threads(threads)

        def one_core() -> None:
            torch.set_num_threads(1)
            _exhaust(listen(alone, stored_rows(rows["whisper"]), frames, layers))
            torch.set_num_threads(threads)

        stages["ear_on_one_core"] = one_core
    for ear in animator.ears:
        stages[f"at_net_ear_{ear}"] = partial(animator.codes_from_rows, rows[ear], face.crop_landmarks, ear=ear)
    return stages


def _live(animator: Any, photo: np.ndarray, wave: np.ndarray) -> dict[str, float]:
    """A microphone's pieces at 16 kHz, one after the other.

    Latency is from a sound to the frame of it, for the first sound of the slowest piece; pasting, sending and showing
    come on top.
    """
    from atvg.animate.live import Live, look_ahead

    ear = animator.ears[0]
    live, step = Live(animator, animator.read_face(photo), ear=ear), round(PIECE * SAMPLE_RATE)
    seconds = []
    for first in range(0, len(wave) - step + 1, step):
        began = time.perf_counter()
        shown = live.feed(SAMPLE_RATE, wave[first : first + step])
        if shown is not None:
            seconds.append(time.perf_counter() - began)
    if not seconds:
        return {}
    summary = _summary(seconds)
    ahead = look_ahead(ear)
    latency = 1 / FPS + ahead + PIECE + summary["greatest"]
    return {"piece_seconds": PIECE, "look_ahead_seconds": ahead, **summary, "latency_seconds": latency}


def _authors(animator: Any, photo: np.ndarray, runs: int) -> dict[str, Any]:
    """VG-nets of both sizes draw the same number of frames, in turns; ratios are medians over the turns.

    Theirs is drawn by PyTorch. Ours is drawn by the engine that is timed, and by PyTorch as well.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from atvg.animate.drawer import Drawer
    from atvg.animate.engine import make_engine
    from atvg.nets.authors import AuthorsATNet, AuthorsVGNet

    n_frames, at_once = 50, 10
    face = animator.read_face(photo)
    places = np.repeat(face.crop_landmarks[None, :, :2], n_frames, axis=0)
    device = animator.device
    torch.manual_seed(0)
    at_net = AuthorsATNet().to(device).eval()
    vg_net = AuthorsVGNet().to(device, memory_format=torch.channels_last).eval()
    picture = torch.rand(1, 3, CROP_SIZE, CROP_SIZE, device=device)
    example, asked = torch.rand(1, 136, device=device), torch.rand(at_once, 136, device=device)
    windows, codes = torch.rand(at_once, 28, 12, device=device), torch.rand(1, 6, device=device)

    @torch.inference_mode()
    def theirs() -> None:
        features = vg_net.encode(picture)
        for _ in range(n_frames // at_once):
            vg_net(picture, features, example, asked).cpu()

    @torch.inference_mode()
    def their_at_net() -> None:
        for _ in range(n_frames // at_once):
            at_net(windows, codes).cpu()

    def drawn_with(engine: Any) -> Callable[[], None]:
        def draw() -> None:
            drawer = Drawer(engine, face.crop, face.crop_landmarks[:, :2])
            for first in range(0, n_frames, at_once):
                drawer.draw(places[first : first + at_once])

        return draw

    contest = {
        "ours": drawn_with(animator.engine()),
        "ours_in_pytorch": drawn_with(make_engine("torch", animator.engine().net)),
        "theirs": theirs,
        "their_at_net": their_at_net,
    }
    times: dict[str, list[float]] = {name: [] for name in contest}
    for work in contest.values():
        work()
    for _ in range(runs):
        for name, work in contest.items():
            times[name] += _time(work, 1, warm=False)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        vg_net(picture, vg_net.encode(picture), example, asked[:1])
    ratios, plain = (
        [b / a for a, b in zip(times[n], times["theirs"], strict=True)] for n in ("ours", "ours_in_pytorch")
    )
    return {
        "parameters": sum(p.numel() for p in vg_net.parameters()),
        "gflop_first_frame": counter.get_total_flops() / 1e9,
        **{f"{name}_frames_per_second": n_frames / statistics.median(seconds) for name, seconds in times.items()},
        "ratio": statistics.median(ratios),
        "least_ratio": min(ratios),
        "greatest_ratio": max(ratios),
        "ratio_in_pytorch": statistics.median(plain),
    }


def _length(weights: str | None, engine: str, seconds: float) -> dict[str, float]:
    """One render of a whole photo, in this process."""
    from atvg.animator import Animator
    from atvg.film.render import render

    animator = Animator.from_pretrained(weights, engine=engine)
    face, wave = animator.read_face(sample_photo()), sample_voice(seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "length.mp4"
        render(face, animator.stream(face, sample_voice(1)), sample_voice(1), path)
        before = _peak_memory_mb()
        began = time.perf_counter()
        frames = render(face, animator.stream(face, wave), wave, path)
        took = time.perf_counter() - began
    return {
        "seconds_of_audio": seconds,
        "frames": frames,
        "seconds": took,
        "real_time_factor": took / seconds,
        "peak_memory_mb": _peak_memory_mb(),
        "peak_memory_of_one_second_mb": before,
    }


def _alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """`work` in a process of its own, whose memory nothing else has touched."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def to_table(result: dict[str, Any]) -> str:
    """The figures of `bench` as Markdown."""
    lines = [
        f"{result['machine']['cpus']} CPUs, {result.get('gpu', result['machine']['device'])}, engine "
        f"{result['engine']}, torch {result['torch']}, {result['seconds_of_audio']:g} s of audio, photo "
        f"{result['photo']}, median of {result['runs']} runs",
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
    lines += [
        "",
        f"load {result['load_seconds']:.1f} s, first frame of a new process {result['first_use_seconds']:.1f} s later, "
        f"peak memory {result['peak_memory_mb']:.0f} MB without ffmpeg's",
    ]
    if result["live"]:
        live = result["live"]
        lines += [
            f"live, in pieces of {live['piece_seconds']:g} s: {1000 * live['median']:.0f} ms a piece "
            f"({1000 * live['least']:.0f} – {1000 * live['greatest']:.0f}), look-ahead "
            f"{1000 * live['look_ahead_seconds']:.0f} ms; frames are drawn at most "
            f"{1000 * live['latency_seconds']:.0f} ms after their sound"
        ]
    if "authors" in result:
        theirs = result["authors"]
        lines += [
            "",
            f"VG-net, in turns: one of the authors' size in PyTorch {theirs['theirs_frames_per_second']:.1f} frames/s; "
            f"ours with {result['engine']} {theirs['ours_frames_per_second']:.0f}, {theirs['ratio']:.1f} times as fast "
            f"({theirs['least_ratio']:.1f} – {theirs['greatest_ratio']:.1f}); ours in PyTorch too "
            f"{theirs['ours_in_pytorch_frames_per_second']:.0f}, {theirs['ratio_in_pytorch']:.1f} times as fast",
        ]
    if "curve" in result:
        lines += ["", "| audio, s | seconds | real-time factor | peak memory, MB |", "|---:|---:|---:|---:|"]
        for point in result["curve"]:
            lines.append(
                f"| {point['seconds_of_audio']:g} | {point['seconds']:.1f} | {point['real_time_factor']:.3f} "
                f"| {point['peak_memory_mb']:.0f} |"
            )
    return "\n".join(lines)


def sample_photo() -> np.ndarray:
    """A public-domain portrait that lies in matplotlib's wheel, uint8 RGB."""
    from matplotlib import cbook

    from atvg.face.image import load_image

    return load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def enlarged(photo: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """The photo around a face whose mesh (M, 2+) is given, enlarged so that it is `LARGE` pixels from forehead to chin:
    `LARGE_PHOTO` pixels square."""
    import cv2

    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    scale = LARGE / (high[1] - low[1])
    shift = LARGE_PHOTO / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(photo, matrix, (LARGE_PHOTO,) * 2, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def sample_voice(seconds: float) -> np.ndarray:
    """Noise that rises and falls four times a second, as syllables do; speed does not depend on what is said."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (0.1 * noise * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))).astype(np.float32)


def _time(stage: Callable[[], Any], runs: int, warm: bool = True) -> list[float]:
    if warm:
        stage()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        stage()
        seconds.append(time.perf_counter() - began)
    return seconds


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "greatest": max(seconds)}


def _peak_memory_mb() -> float:
    """Of this process, without the ffmpeg it starts."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux passes the other figure on to child processes
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _exhaust(values: Iterable[Any]) -> None:
    """Runs a generator without keeping what it makes."""
    for _ in values:
        pass
