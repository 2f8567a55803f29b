"""Speed and memory of every stage and end to end, on this machine, with the real weights."""

import os
import platform
import time
from typing import Any

from atvg.config import MAX_SECONDS, MIN_SECONDS, check_number
from atvg.errors import BadSettingError

AGAINST = ("authors",)


def bench(
    weights: str | None = None,
    runs: int = 5,
    seconds: float = 8.0,
    engine: str = "auto",
    against: str | None = None,
    curve: bool = False,
    app: bool = False,
) -> dict[str, Any]:
    """Times each stage `runs` times after one warm-up.

    Args:
        weights: folder or Hub id; the shipped ones if None.
        seconds: of audio.
        engine: what VG-net is drawn with, see `atvg.animate.engine`.
        against: ``"authors"`` also times networks of the authors' sizes, in turns with ours.
        curve: also render each of `atvg.bench.lengths.CURVE` seconds of audio, each in a process of its own.
        app: also start the app, see `atvg.bench.app`; it chooses its engine itself.

    Returns:
        JSON-ready figures: per stage the median, least and greatest seconds, frames/s and real-time factor
        (seconds of work per second of video); times to load and to the first frame; what it costs to decode in a box;
        peak memory of the process; and the same of films that are dubbed, see `atvg.bench.dubbing`.

    Raises:
        BadSettingError: an argument out of range.
        CheckpointError: the weights cannot be read.
    """
    if runs < 1:
        raise BadSettingError(f"--runs is {runs}; give at least 1")
    check_number("--seconds", seconds, MIN_SECONDS, MAX_SECONDS)
    if against not in (None, *AGAINST):
        raise BadSettingError(f"--against is {against!r}; choose from: {', '.join(AGAINST)}")
    # Whoever animates a photo waits for these imports too; all others are no part of it, so they come after.
    began = time.perf_counter()
    import torch

    from atvg.animator import Animator

    animator = Animator.from_pretrained(weights, engine=engine)
    load = time.perf_counter() - began
    from atvg.bench.samples import sample_photo, sample_voice

    photo, wave = sample_photo(), sample_voice(seconds)
    began = time.perf_counter()
    next(iter(animator.stream(animator.read_face(photo), wave)))
    first_use = time.perf_counter() - began
    from atvg.bench.boxed import time_box
    from atvg.bench.dubbing import time_dubs
    from atvg.bench.live import time_live
    from atvg.bench.measure import peak_memory_mb
    from atvg.bench.stages import time_stages

    result: dict[str, Any] = {
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "device": str(animator.device)},
        "engine": animator.engine().name,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "seconds_of_audio": seconds,
        "photo": f"{photo.shape[1]}×{photo.shape[0]}",
        "runs": runs,
        "load_seconds": load,
        "first_use_seconds": first_use,
        "stages": time_stages(animator, photo, wave, runs),
        "live": time_live(animator, photo, wave),
        "box": time_box(photo),
        "peak_memory_mb": peak_memory_mb(),
        "dubs": time_dubs(animator, weights, engine, photo, wave, runs),
    }
    if animator.device.type == "cuda":
        result["gpu"] = torch.cuda.get_device_name(animator.device)
        result["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated(animator.device) / 2**20
    if against:
        from atvg.bench.compared import time_authors

        result["authors"] = time_authors(animator, photo, runs)
    if app:
        from atvg.bench.app import time_app

        result["app"] = time_app(weights)
    if curve:
        from atvg.bench.lengths import time_lengths

        result["curve"] = time_lengths(weights, engine)
    return result
