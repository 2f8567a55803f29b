"""``python -m tests.soak --jobs 1000 --visitors 100 --minutes 60``: people come, have videos made and go, or just go.

A third of the jobs are abandoned, a tenth is rubbish, some are live; films are dubbed where the page can. Once a worker
of the app is killed, once the disk is full, and once the clock jumps two hours ahead. Prints a report as JSON; the exit
status is 1 unless everyone who was let in got their own, the memory came back, and nothing of theirs stayed.
"""

import argparse
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atvg.paper.figures import BLUE, WIDTH, write
from tests.server import Server, disk, until
from tests.trouble import CLOCK, Troubles
from tests.visits import Diary, Visit, Wardrobe

WARM_UP = 20  # jobs until everything is loaded that is loaded when it is needed first, and all threads are there
TOLERATED = 0.03  # growth of the memory
SPARE = 2  # descriptors that may come and go
CHECKED = 1.0  # seconds in which a face is checked beside a full queue, at the 95th percentile
OWN = {"vibe_edit_history"}  # an empty folder that Gradio makes at its start
CALM, LOOKS = 0.5, 9  # seconds between two looks at the memory, and how often to look: it swings a little
ROOM = 768  # megabytes of the disk that fills


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the jobs, prints the report and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, metavar="N", help="after the warm-up (default 1000)")
    parser.add_argument("--visitors", type=int, default=100, metavar="N", help="who share them (default 100)")
    parser.add_argument("--minutes", type=float, default=60, metavar="M", help="in which they come (default 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also writes the report there")
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draws how long people waited, as PNG and PDF")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), chosen.jobs, chosen.visitors, 60 * chosen.minutes)
    text = json.dumps(report, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    if chosen.chart:
        write(chosen.chart.parent, chosen.chart.stem, waits, report["seconds_by_kind"])
    return 0 if report["clean"] else 1


def soak(folder: Path, jobs: int, visitors: int, seconds: float) -> dict[str, Any]:
    """The report: what became of the jobs, how long people waited, and the app's memory before and after."""
    with disk(folder / "cache", ROOM) as own:
        server = Server(folder, folder / "cache", CLOCK)
        try:
            wardrobe = Wardrobe(folder)
            _come(server, wardrobe, WARM_UP, visitors=4, seconds=0)
            before, began = _level(server), time.monotonic()
            with Troubles(server, seconds, own) as troubles:
                diary = _come(server, wardrobe, jobs, visitors, seconds)
            took = time.monotonic() - began
            _wait_for_calm(server)
            after, files = _level(server), sorted(set(server.files()) - OWN)
            report = {"jobs": jobs, "visitors": visitors, "seconds": round(took, 1), "troubles": troubles.told}
            report |= diary.report(troubles.times) | {"before": before, "after": after, "files": files}
            report["growth"] = round(after["rss_mb"] / before["rss_mb"] - 1, 4)
            report["tracebacks"] = server.log().count("Traceback")
            return report | {"clean": _is_clean(report) and not server.encoders()}
        finally:
            server.end()


def _is_clean(report: dict[str, Any]) -> bool:
    checked = report["seconds_by_kind"].get("check_face", {"p95": 0})["p95"]
    leaked = report["after"]["open_files"] - report["before"]["open_files"] > SPARE
    wrong = report["files"] or report["wrong"] or report["failures"] or report["tracebacks"] or leaked
    return not wrong and report["growth"] <= TOLERATED and checked <= CHECKED


def _come(server: Server, wardrobe: Wardrobe, jobs: int, visitors: int, seconds: float) -> Diary:
    """Each visitor has about as many jobs, one after the other; more and more come, and are there at once."""
    diary, random = Diary(), np.random.default_rng(jobs)
    shares = [len(part) for part in np.array_split(np.arange(jobs), visitors)]
    arrivals = np.sort(random.uniform(0, 0.8 * seconds, visitors)) if seconds else np.zeros(visitors)
    pause = 0.2 * seconds / max(1, max(shares))  # between the jobs of one
    visits = [
        Visit(server, wardrobe, diary, number, share, pause if seconds else 0)
        for number, share in enumerate(shares) if share
    ]  # fmt: skip
    threads = [threading.Timer(arrival, visit.run) for arrival, visit in zip(arrivals, visits, strict=False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _wait_for_calm(server)
    return diary


def _wait_for_calm(server: Server) -> None:
    try:
        until(lambda: set(server.files()) <= OWN, "for the files to go", patience=60)
    except TimeoutError as error:  # the report lists them
        print(error, file=sys.stderr)


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


def waits(seconds_by_kind: dict[str, dict[str, float]]) -> Figure:
    """Seconds that people waited for each kind of answer: median, and a whisker to the 95th and 99th percentile."""
    figure = Figure(figsize=(WIDTH, 0.6 + 0.4 * len(seconds_by_kind)), layout="constrained")
    axes: Axes = figure.subplots()
    for at, seconds in enumerate(seconds_by_kind.values()):
        axes.plot([seconds["p50"], seconds["p99"]], [at, at], color=BLUE, linewidth=1)
        axes.plot(seconds["p50"], at, "o", color=BLUE)
        axes.plot([seconds["p95"], seconds["p99"]], [at, at], "|", color=BLUE, markersize=9)
        axes.annotate(f"{seconds['p50']:.2g} s", (seconds["p50"], at), (0, 5), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", xlabel="seconds: median, 95th and 99th percentile", ylim=(-0.6, len(seconds_by_kind) - 0.3))
    axes.set_yticks(range(len(seconds_by_kind)), [f"{kind} ({s['n']:g})" for kind, s in seconds_by_kind.items()])
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
