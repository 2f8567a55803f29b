"""How long work takes, and how much memory a process has taken."""

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def seconds_of(work: Callable[[], object], runs: int, warm: bool = True) -> list[float]:
    """Of each of `runs` runs, after one that does not count if `warm`."""
    if warm:
        work()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Their median, the least and the greatest."""
    return {"median": statistics.median(seconds), "least": min(seconds), "greatest": max(seconds)}


def exhaust(values: Iterable[object]) -> None:
    """Runs a generator without keeping what it makes."""
    for _ in values:
        pass


def peak_memory_mb() -> float:
    """Of this process, without the ffmpeg it starts."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux passes the other figure on to child processes
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1024**2
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def alone(work: Callable[..., T], *arguments: object) -> T:
    """`work` in a process of its own, whose memory nothing else has touched."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)
