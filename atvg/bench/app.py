"""The app as a visitor meets it: how soon its page answers, and how much memory it holds at rest and at work."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil

from atvg.errors import ATVGError
from atvg.shipped import shipped

_PATIENCE = 300  # seconds until the app is taken for dead
_LOOK = 0.05  # seconds between two looks at the memory
_CALM, _IDLE = 2.0, 0.1  # seconds without work, of which so many seconds of a core are none
_SECONDS = 8  # of voice in each video


def time_app(weights: str | None, jobs: int = 10) -> dict[str, float]:
    """Starts the app in a process of its own, and has some videos made, one after the other.

    Returns:
        ``page_seconds`` from the start to a page that answers; ``ready_seconds`` until nothing is loaded any more; and
        MB that are resident then, at most while the first video and while all are drawn, and when they are done:
        ``rest_mb``, ``first_mb``, ``drawing_mb``, ``after_mb``. Without the ffmpeg that it starts.

    Raises:
        ATVGError: it ended, or does not answer.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="atvg-bench-") as folder:
        chosen = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder}
        if weights:
            chosen["ATVG_WEIGHTS"] = weights
        began = time.perf_counter()
        command, nowhere = [sys.executable, "-m", "atvg.studio"], subprocess.DEVNULL
        app = subprocess.Popen(command, env=os.environ | chosen, stdout=nowhere, stderr=nowhere)
        try:
            return _visit(psutil.Process(app.pid), f"http://127.0.0.1:{port}", began, jobs)
        finally:
            app.terminate()
            with suppress(subprocess.TimeoutExpired):
                app.wait(20)
            app.kill()


def _visit(app: psutil.Process, address: str, began: float, jobs: int) -> dict[str, float]:
    while not _answers(address):
        if not app.is_running() or app.status() == psutil.STATUS_ZOMBIE or time.perf_counter() - began > _PATIENCE:
            raise ATVGError("the app does not start; run atvg app to see why")
        time.sleep(_LOOK)
    page = time.perf_counter() - began
    _settle(app)
    figures = {"page_seconds": page, "ready_seconds": time.perf_counter() - began - _CALM, "rest_mb": _resident(app)}
    try:
        peaks = [_peak_of_a_video(app, address) for _ in range(jobs)]
    except OSError as error:  # also what HTTP has for a refusal
        raise ATVGError(f"the app makes no video ({error}); run atvg app to see why") from None
    _settle(app)
    return figures | {"first_mb": peaks[0], "drawing_mb": max(peaks), "after_mb": _resident(app), "videos": jobs}


def _answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=5) as page:
        return page.status == 200
    return False


def _settle(app: psutil.Process) -> None:
    """Waits until it has nothing to do."""
    spent = -1.0
    while (now := sum(app.cpu_times()[:2])) - spent > _IDLE:
        spent = now
        time.sleep(_CALM)


def _resident(app: psutil.Process) -> float:
    return app.memory_info().rss / 2**20


def _peak_of_a_video(app: psutil.Process, address: str) -> float:
    """Has one made of an example, by the app's API, and looks at the memory meanwhile."""
    with urllib.request.urlopen(f"{address}/gradio_api/info", timeout=_PATIENCE) as answer:
        wanted = json.load(answer)["named_endpoints"]["/animate"]["parameters"]
    examples = shipped("assets") / "examples"
    given: dict[str, Any] = {"photo": _file(examples / "f_african.jpg"), "audio": _file(examples / "spanish.mp3")}
    given["end"] = _SECONDS
    data = [given.get(one["parameter_name"], one.get("parameter_default")) for one in wanted]
    asked = urllib.request.Request(
        f"{address}/gradio_api/call/animate", json.dumps({"data": data}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
        job = json.load(answer)["event_id"]
    return _watched(app, f"{address}/gradio_api/call/animate/{job}")


def _file(path: Any) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def _watched(app: psutil.Process, address: str) -> float:
    """The most that is resident until a stream of events ends."""
    peak = _resident(app)
    with ThreadPoolExecutor(1) as reader:
        last = reader.submit(_last_event, address)
        while not last.done():
            peak = max(peak, _resident(app))
            time.sleep(_LOOK)
    if last.result() != b"complete":
        raise ATVGError("the app makes no video; run atvg app to see why")
    return peak


def _last_event(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=_PATIENCE) as events:
        named = [line.split()[1] for line in events if line.startswith(b"event: ")]
    return named[-1] if named else b""
