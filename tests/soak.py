"""``python -m tests.soak --jobs 1000 --visitors 100 --minutes 60``: people come, have videos made and go, or just go.

A third of the jobs are abandoned, a tenth is rubbish, some are live, some dub the video that was just made. All come in
waves, so that the queue is full much of the time. Once a worker of the app is killed, once the disk is full, once the
clock jumps two hours ahead. Prints a report as JSON; the exit status is 1 unless everyone who was let in got their
own, in turn and not later than they were told, the memory came back, and nothing of theirs stayed.

``--only-checks`` asks how soon a face is checked, and a live one answers, while so many visitors have videos made.
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
from PIL import Image

from atvg.paper.figures import BLUE, ORANGE, SKY, WIDTH, write
from tests.diary import Diary
from tests.hurry import hurry
from tests.server import Server, disk, until
from tests.trouble import CLOCK, Troubles
from tests.visits import Visit, Wardrobe

WARM_UP = 20  # jobs until everything is loaded that is loaded when it is needed first, and all threads are there
TOLERATED = 0.03  # growth of the memory
SPARE = 2  # descriptors that may come and go
NAMES = {
    "page": "open the page", "check_face": "check a face", "rubbish": "rubbish refused",
    "animate": "animate, with the queue", "dub": "dub, with the queue",
    "live_start": "go live", "live": "live, 0.2 s of voice", "live_stop": "end the live face",
}  # fmt: skip
CHECKED = 1.0  # seconds in which a face is checked beside a full queue, at the 95th percentile
OWN = {"vibe_edit_history"}  # an empty folder that Gradio makes at its start
# A hundred people in so many waves are more at once than the queue takes. The last job begins after so much of the
# time, and after so much nobody is waited for any more.
WAVES, CLOSING, OVER = 4, 1.1, 1.25
RISE = 0.1  # of the time between two waves, in which people come
PAUSE = 2.0  # seconds between two jobs of one, on average
CALM, LOOKS = 0.5, 9  # seconds between two looks at the memory, and how often to look: it swings a little
ROOM = 768  # megabytes of the disk that fills
# What is raised within a task group is told with all that the group holds, each line behind a frame of | and +.
TRACEBACK = re.compile(
    r"^[ |+]+(?:Exception Group )?Traceback .*\n?(?:[ \t]*[|+].*\n?)*|^Traceback .*\n?(?:[ \t].*\n?)*(?:\S.*)?",
    re.MULTILINE,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the jobs, prints the report and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, metavar="N", help="after the warm-up (default 1000)")
    parser.add_argument("--visitors", type=int, default=100, metavar="N", help="who share them (default 100)")
    parser.add_argument("--minutes", type=float, default=60, metavar="M", help="in which they come (default 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also writes the report there")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE.png", help="draws how long people waited, and writes FILE.json beside it"
    )
    parser.add_argument("--only-checks", action="store_true", help="only measures answers beside animating visitors")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only_checks:
            print(json.dumps(hurry(Path(folder), chosen.visitors, 60 * chosen.minutes), indent=1))
            return 0
        report = soak(Path(folder), chosen.jobs, chosen.visitors, 60 * chosen.minutes)
    text = json.dumps(report, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")
    if chosen.chart:
        _draw(chosen.chart, report)
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
                diary, done = _come(server, wardrobe, jobs, visitors, seconds)
            took = time.monotonic() - began
            _wait_for_calm(server)
            after, files = _level(server), sorted(set(server.files()) - OWN)
            report = {
                "jobs": jobs,
                "jobs_done": done,
                "visitors": visitors,
                "seconds": round(took, 1),
                "troubles": troubles.told,
            }
            report |= diary.report(troubles.times) | {"before": before, "after": after, "files": files}
            report["growth"] = round(after["rss_mb"] / before["rss_mb"] - 1, 4)
            report["tracebacks"] = _tracebacks(server.log())
            return report | {"clean": _is_clean(report) and not server.encoders()}
        finally:
            server.end()


def _tracebacks(log: str) -> list[str]:
    """The end of each that was written."""
    return [text[-2000:] for text in TRACEBACK.findall(log)]


def _is_clean(report: dict[str, Any]) -> bool:
    checked = report["seconds_by_kind"].get("check_face", {"p95": 0})["p95"]
    leaked = report["after"]["open_files"] - report["before"]["open_files"] > SPARE
    unfair = report["overtaken"] or report["waited_longer_than_said"]["count"]
    wrong = report["files"] or report["wrong"] or report["failures"] or report["tracebacks"] or leaked or unfair
    whole = report["jobs_done"] == report["jobs"]
    return whole and not wrong and report["growth"] <= TOLERATED and checked <= CHECKED


def _come(server: Server, wardrobe: Wardrobe, jobs: int, visitors: int, seconds: float) -> tuple[Diary, int]:
    """Each visitor has about as many jobs, one after the other; without `seconds` all come at once, and for long.

    Returns what became of the jobs, and how many were done in time.
    """
    diary, began = Diary(), time.monotonic()
    shares = [len(part) for part in np.array_split(np.arange(jobs), visitors)]
    place = np.arange(visitors) * WAVES / visitors  # the whole part is the wave
    arrivals = (np.floor(place) + RISE * (place % 1)) * seconds / WAVES
    end = began + CLOSING * seconds if seconds else float("inf")
    visits = [
        Visit(server, wardrobe, diary, number, share, PAUSE if seconds else 0, end)
        for number, share in enumerate(shares)
    ]
    threads = [threading.Timer(arrival, visit.run) for arrival, visit in zip(arrivals, visits, strict=True)]
    for thread in threads:
        thread.daemon = True  # who still waits when all is over, waits in vain
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + OVER * seconds - time.monotonic()) if seconds else None)
    _wait_for_calm(server)
    return diary, sum(visit.done for visit in visits)


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


def _draw(chart: Path, report: dict[str, Any]) -> None:
    """The chart as PNG, and what it shows as JSON beside it."""
    names = ("jobs_done", "visitors", "seconds", "outcomes", "seconds_by_kind", "waited_longer_than_said", "overtaken")
    chart.with_suffix(".json").write_text(json.dumps({name: report[name] for name in names}, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:  # the same as PDF is for papers
        drawn = write(Path(folder), chart.stem, waits, report["seconds_by_kind"])
        with Image.open(drawn) as picture:  # of few colours: a third of the bytes
            picture.convert("RGB").quantize(64).save(chart, optimize=True)


def waits(seconds_by_kind: dict[str, dict[str, float]]) -> Figure:
    """Seconds that people waited for each kind of answer: bars to the 50th, 95th and 99th percentile.

    On white of its own, so that it is read on a dark page too.
    """
    kinds = sorted(seconds_by_kind, key=lambda kind: -seconds_by_kind[kind]["p50"])
    figure = Figure(figsize=(WIDTH, 0.9 + 0.36 * len(kinds)), layout="constrained", facecolor="white")
    axes: Axes = figure.subplots()
    for share, colour in (("p99", SKY), ("p95", BLUE), ("p50", ORANGE)):
        lengths = [seconds_by_kind[kind][share] for kind in kinds]
        axes.barh(range(len(kinds)), lengths, 0.62, color=colour, label=f"{share[1:]} % wait no longer")
    for at, kind in enumerate(kinds):
        figures = " · ".join(f"{seconds_by_kind[kind][share]:.2g}" for share in ("p50", "p95", "p99"))
        end = (seconds_by_kind[kind]["p99"], at)
        axes.annotate(figures, end, (5, 0), textcoords="offset points", fontsize=8, va="center")
    longest = max(seconds["p99"] for seconds in seconds_by_kind.values())
    axes.set(xscale="log", xlabel="seconds (logarithmic): median · 95 % · 99 %", xlim=(0.01, 6 * longest))
    axes.set_yticks(range(len(kinds)), [f"{NAMES.get(kind, kind)} ({seconds_by_kind[kind]['n']:g})" for kind in kinds])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=3, reverse=True)
    return figure


if __name__ == "__main__":
    raise SystemExit(main())
