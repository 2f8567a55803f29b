"""The process that stands ready, as others see it: started before the first file comes, and again if it is gone."""

import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Both kinds of process find modules where this one finds them, but for where it happens to be.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from atvg.box.serve import main; main(sys.argv[2:])"
)


def command_of(*words: str) -> list[str]:
    """Starts `atvg.box.serve` with these words."""
    root = str(Path(__file__).parents[2])
    return [sys.executable, "-I", "-c", _PROGRAM, json.dumps([root, *filter(None, sys.path)]), *words]


class Ready:
    """A process of `atvg.box.serve`, for all threads of this one.

    Attributes:
        process: None before the first file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self._control: socket.socket
        self._of = 0  # the process whose child it is: a fork of that one starts its own
        self._starter: ThreadPoolExecutor

    def send(self, request: dict[str, Any], descriptors: list[int]) -> subprocess.Popen:
        """A request as `atvg.box.serve` takes it; the descriptors are its own then, and stay this process's too.

        What comes of it has the priority of the thread that asks. Returns the process that got it, and begins it.
        """
        said = json.dumps({**request, "nice": os.getpriority(os.PRIO_PROCESS, 0)}).encode()
        with self._lock:
            if self.process and self._of == os.getpid():
                try:
                    socket.send_fds(self._control, [said], descriptors)
                    return self.process
                except OSError:
                    self._end()
            if self._of != os.getpid():
                # A process begins with its thread's priority, and cannot raise it. So it is always the same thread,
                # whose own is that of whoever came first: a thread that stands back only asks for another start.
                self._starter = ThreadPoolExecutor(1, "ready")
            started = self._starter.submit(self._start).result()
            socket.send_fds(self._control, [said], descriptors)
            return started

    def end(self) -> None:
        """Ends it, and all that it has begun: it hangs."""
        with self._lock:
            if self.process:
                self._end()

    def _start(self) -> subprocess.Popen:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        with other:
            self.process = started = subprocess.Popen(
                command_of("serve", str(other.fileno())), pass_fds=[other.fileno()], cwd="/", start_new_session=True,
                env={**kept, "OPENBLAS_NUM_THREADS": "1"},  # its threads would not survive the forks
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._of = os.getpid()
        return started

    def _end(self) -> None:
        assert self.process is not None  # as whoever calls this has seen
        self._control.close()
        self.process.kill()
        self.process.wait()
        self.process = None


READY = Ready()
