"""``python -m tests.soak --jobs 200``: visitors come, have videos made and go. Does anything of theirs stay?

Prints a report as JSON. The exit status is 1 if the app's memory grew by more than `TOLERATED` of what it was after the
first `WARM_UP` jobs, if a file or a process of its own stayed, or if a job failed.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from tests.server import Server, leave, until, write_wav

WARM_UP = 20  # jobs until everything is loaded that is loaded when it is needed first, and all threads are there
TOLERATED = 0.05
JOBS_EACH = 5  # of one visitor, before the next comes
SECONDS = 0.4  # of sound
OWN = {"vibe_edit_history"}  # an empty folder that Gradio makes at its start
CALM, LOOKS = 0.5, 9  # seconds between two looks at the memory, and how often to look: it swings a little


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the jobs, prints the report and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200, metavar="N", help="after the warm-up (default 200)")
    jobs = parser.parse_args(arguments).jobs
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), jobs)
    print(json.dumps(report, indent=1))
    return 0 if report["clean"] else 1


def soak(folder: Path, jobs: int) -> dict[str, Any]:
    """The report: memory in MB before and after, its growth as a share, files and processes left, failures, seconds."""
    server = Server(folder)
    try:
        photo = _photo(folder)
        failures = _work(server, folder, photo, WARM_UP)
        before = _level(server)
        began = time.monotonic()
        failures += _work(server, folder, photo, jobs, progress=True)
        seconds = time.monotonic() - began
        after, files = _level(server), sorted(set(server.files()) - OWN)
        growth = after["rss_mb"] / before["rss_mb"] - 1
        calm = not files and not server.encoders() and not failures and "Traceback" not in server.log()
        return {
            "jobs": jobs, "warm_up": WARM_UP, "seconds": round(seconds, 1), "before": before, "after": after,
            "growth": round(growth, 4), "files": files, "failures": failures,
            "clean": calm and growth <= TOLERATED,
        }  # fmt: skip
    finally:
        server.end()


def _photo(folder: Path) -> Path:
    from skimage import data

    path = folder / "photo.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def _work(server: Server, folder: Path, photo: Path, jobs: int, progress: bool = False) -> list[str]:
    """Jobs of one visitor after the other, each with another sound; what went wrong."""
    random, failures = np.random.default_rng(jobs), []
    for start in range(0, jobs, JOBS_EACH):
        visitor = Client(server.address, download_files=False, verbose=False)
        for _ in range(min(JOBS_EACH, jobs - start)):
            voice = write_wav(folder / "voice.wav", random.uniform(-0.3, 0.3, round(SECONDS * 16_000)))
            try:
                visitor.predict(handle_file(photo), handle_file(voice), api_name="/animate")
            except Exception as error:  # all of them are in the report
                failures.append(f"{type(error).__name__}: {error}"[:300])
        leave(visitor)
        if progress and start % 20 == 0:
            print(f"{start + JOBS_EACH} jobs, {_status(server)['rss_mb']} MB", file=sys.stderr)
    until(lambda: set(server.files()) <= OWN, "for the files to go", patience=30)
    return failures


def _level(server: Server) -> dict[str, float]:
    """What the app takes at rest: the middle of several looks."""
    looks = []
    for _ in range(LOOKS):
        time.sleep(CALM)
        looks.append(_status(server))
    return {name: median(look[name] for look in looks) for name in looks[0]}


def _status(server: Server) -> dict[str, float]:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    values = {name: int(re.search(rf"{name}:\s*(\d+)", text)[1]) for name in ("VmRSS", "RssAnon", "Threads")}
    open_files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    return {
        "rss_mb": round(values["VmRSS"] / 1024, 1), "anonymous_mb": round(values["RssAnon"] / 1024, 1),
        "threads": values["Threads"], "open_files": open_files,
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
