"""The app in this process; or ``python app.py`` as one of its own, to be loaded, starved and killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from gradio_client import Client

ROOT = Path(__file__).parent.parent
PATIENCE = 180  # seconds; a loaded machine is slow, what hangs never gets there


@contextmanager
def launched(page: Any) -> Iterator[Any]:
    """A page of `atvg.studio.page.build`, on a free port of this machine, as long as the block runs."""
    from atvg.studio.serve import LAUNCH

    # Gradio writes into this one, and what it writes serves one page only.
    launch = LAUNCH | {"app_kwargs": dict(LAUNCH["app_kwargs"])}
    page.launch(**launch, prevent_thread_lock=True, quiet=True, server_port=free_port())
    try:
        yield page
    finally:
        page.close(verbose=False)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Traces:
    """What an app has made: files in the folder `cache`, and ffmpeg processes as children of its own, `pid`."""

    def __init__(self, cache: Path, pid: int):
        self.cache, self._pid = cache, pid

    def files(self) -> list[str]:
        """All files and folders, as paths in `cache`, but for those that each process keeps of its own."""
        found = [os.path.join(folder, name) for folder, *names in os.walk(self.cache) for name in sum(names, [])]
        paths = (os.path.relpath(path, self.cache) for path in found)
        return sorted(path for path in paths if not path.startswith("process-"))

    def runs(self) -> list[Path]:
        return list(self.cache.glob("atvg-*/*"))

    def encoders(self) -> list[int]:
        """The ffmpeg processes that are alive."""
        return encoders(self._pid)


class Server(Traces):
    """The app, started at once by a command of Python's, in `cwd`; `cache` is all that it may write to, its log lies in
    `folder`.

    Raises:
        RuntimeError: it ended instead of answering; with its log.
    """

    def __init__(
        self, folder: Path, cache: Path | None = None, command: tuple[str, ...] = ("app.py",), cwd: Path = ROOT
    ):
        folder.mkdir(exist_ok=True)
        cache, self._log, port = cache or folder / "cache", folder / "log.txt", str(free_port())
        self.address = f"http://127.0.0.1:{port}/"
        environment = os.environ | {
            "GRADIO_SERVER_PORT": port, "GRADIO_TEMP_DIR": str(cache),
            "GRADIO_HEARTBEAT_INTERVAL": "0.5",  # only at the next beat it is seen that somebody has left
        }  # fmt: skip
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=cwd, env=environment, stdout=log, stderr=log
            )
        super().__init__(cache, self.process.pid)
        until(lambda: self.process.poll() is not None or self.answers(), "for the app to start")
        if self.process.poll() is not None:
            raise RuntimeError(self.log())

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(self.address, timeout=5).status == 200
        except OSError:
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def end(self, sign: int = signal.SIGTERM) -> float:
        """Sends a signal, waits for the process to end, and returns the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(sign)
        self.process.wait(PATIENCE)
        return time.monotonic() - began


def visitor(address: str, cookies: dict[str, str] | None = None) -> Client:
    """Somebody who gets files as the server names them instead of downloading copies."""
    return Client(address, download_files=False, verbose=False, httpx_kwargs={"cookies": cookies})


def at_the_page(address: str) -> Client:
    """As `visitor`, but in a browser: known by the cookie that comes with the page."""
    return visitor(address, dict(httpx.get(address, timeout=60).raise_for_status().cookies))


@contextmanager
def visitors(address: str) -> Iterator[Callable[[], Client]]:
    """Lets visitors come, who leave when the block ends."""
    came: list[Client] = []

    def come() -> Client:
        came.append(visitor(address))
        return came[-1]

    try:
        yield come
    finally:
        leave(*came)


def leave(*clients: Client) -> None:
    """They close their pages, all at once."""
    with ThreadPoolExecutor(max(1, len(clients))) as pool:
        list(pool.map(Client.close, clients))


def encoders(parent: int) -> list[int]:
    """The ffmpeg processes that a process has started and that are alive; on Linux."""
    return [child for child in children(parent) if "ffmpeg" in name_of(child)]


def children(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # the thread has ended
            continue
    return found


def name_of(process: int) -> str:
    """The command it runs; empty if it is dead."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().partition(b"\0")[0].decode()
    except OSError:
        return ""


def until(done: Callable[[], Any], what: str = "", patience: float = PATIENCE) -> Any:
    """What `done` returns as soon as it is true.

    Raises:
        TimeoutError: it was not.
    """
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := done():
            return result
        time.sleep(0.1)
    raise TimeoutError(f"waited {patience} s in vain {what}".rstrip())


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A small disk in a new folder, and whether that is allowed here; else it is a folder like any other."""
    folder.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None and subprocess.run(size, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """A file that leaves so many bytes of a disk."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        while (free := shutil.disk_usage(folder).free - left) > 0:
            with suppress(OSError):  # somebody else was quicker
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + free)
                break
    return ballast


def write_wav(path: Path, samples: np.ndarray) -> Path:
    """Float samples, 16 kHz, as 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.asarray(samples) * 32767).astype(np.int16).tobytes())
    return path
