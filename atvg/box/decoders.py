"""Has a function of ours decode a file in a box: on Linux a fork, with few rights, of a process that stands ready.

On other systems it is a process of its own and no more: there a decoder may crash, but has the rights of this user.
Nothing is unpickled: what comes back is a line of JSON and bytes.
"""

import contextlib
import json
import os
import select
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atvg.box import command
from atvg.box.command import Limits
from atvg.box.serve import LONGEST

SECONDS = 30.0  # for one file; a photo as large as may be takes three
LIMITS = Limits(cpu=60, files=32)
AT_ONCE = 4  # files; more of them wait
_GRACE = 5.0  # seconds in which the process that stands ready should have ended another
_PIPE = 1 << 20  # bytes that fit into a pipe: a picture comes in few turns

# The program of both kinds of process: modules are found where this process finds them, but for where it happens to be.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from atvg.box.serve import main; main(sys.argv[2:])"
)


class Refused(Exception):
    """The function found that it should not, or cannot, decode the file; the message is that of its `ATVGError`."""


class Broken(Exception):
    """The file broke its decoder, or took too long; the message says how."""


def run(
    function: Callable, path: str | os.PathLike, most: int, seconds: float = SECONDS, **arguments: Any
) -> tuple[Any, bytearray]:
    """What a function makes of a file; where `command.HERE`, it can use nothing but that file, opened, and memory.

    Args:
        function: of a module of ATVG, called as ``function(file, **arguments)``; it returns something for JSON, and
            bytes or an array. If its module has a function ``warm``, that has loaded all that may be needed.
        most: bytes that it may return.
        seconds: that it may take.
        arguments: that JSON can hold.

    Returns:
        The same two, as a stranger may have put them: to be checked.

    Raises:
        Refused: the function raised an `ATVGError`.
        Broken: it raised anything else, died, or took too long or too much.
        OSError: the file cannot be opened.
    """
    request = {
        "module": function.__module__, "function": function.__name__, "arguments": arguments, "seconds": seconds,
        "limits": LIMITS.arguments(),
    }  # fmt: skip
    with _open_regular(path) as file, _room:
        first, data = _warm.ask(request, file.fileno(), most) if command.HERE else _once(request, file, most)
    if "refused" in first:
        raise Refused(str(first["refused"]))
    if "said" not in first:
        raise Broken(str(first.get("broken", "it died")))
    return first["said"], data


def _open_regular(path: str | os.PathLike) -> Any:
    """Opened once, and looked at when open: what is exchanged for it later is not meant."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Broken("it is no regular file")
    return file


def _command(*words: str) -> list[str]:
    root = str(Path(__file__).parents[2])
    return [sys.executable, "-I", "-c", _PROGRAM, json.dumps([root, *filter(None, sys.path)]), *words]


def _once(request: dict[str, Any], file: Any, most: int) -> tuple[dict[str, Any], bytearray]:
    """By a process that is started for it, with all rights."""
    try:
        done = subprocess.run(
            _command("once", json.dumps(request)), stdin=file, capture_output=True, timeout=request["seconds"]
        )
    except subprocess.TimeoutExpired:
        raise Broken("it takes too long") from None
    line, _, data = done.stdout.partition(b"\n")
    first = _parsed(line, most)
    if len(data) != first["bytes"]:
        raise Broken("it died")
    return first, bytearray(data)


def _parsed(line: bytes, most: int) -> dict[str, Any]:
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = None
    if not isinstance(first, dict) or not isinstance(first.get("bytes"), int) or not 0 <= first["bytes"] <= most:
        raise Broken("it died")
    return first


def _ended(deadline: float) -> Broken:
    return Broken("it takes too long" if time.monotonic() >= deadline else "it died")


class _Warm:
    """The process that stands ready, from the first file on; a new one if it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._control: socket.socket
        self._of = 0  # the process whose child it is: a fork of that one starts its own

    def ask(self, request: dict[str, Any], file: int, most: int) -> tuple[dict[str, Any], bytearray]:
        """As `run`, but that the first line comes as it is."""
        import fcntl

        deadline = time.monotonic() + request["seconds"]
        answer, sink = os.pipe()
        try:
            try:
                with contextlib.suppress(OSError):  # a user may have no more room for pipes
                    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE)
                self._send(json.dumps(request).encode(), [file, sink])
            finally:
                os.close(sink)  # or the end of the process would not be the end of the pipe
            return self._read(answer, most, deadline)
        finally:
            os.close(answer)

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            if self._process and self._of == os.getpid():
                try:
                    socket.send_fds(self._control, [request], descriptors)
                    return
                except OSError:
                    self._end()
            self._start()
            socket.send_fds(self._control, [request], descriptors)

    def _start(self) -> None:
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        with other:
            self._process = subprocess.Popen(
                _command("serve", str(other.fileno())), pass_fds=[other.fileno()], cwd="/", start_new_session=True,
                env={**kept, "OPENBLAS_NUM_THREADS": "1"},  # its threads would not survive the forks
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._of = os.getpid()

    def _end(self) -> None:
        assert self._process is not None  # as whoever calls this has seen
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._process = None

    def _read(self, answer: int, most: int, deadline: float) -> tuple[dict[str, Any], bytearray]:
        head = bytearray()
        while b"\n" not in head and len(head) < LONGEST:
            self._await(answer, deadline)
            part = os.read(answer, LONGEST - len(head))
            if not part:
                raise _ended(deadline)
            head += part
        line, _, begun = head.partition(b"\n")
        first = _parsed(bytes(line), most)
        data = bytearray(first["bytes"])
        if len(begun) > len(data):
            raise Broken("it died")
        data[: len(begun)] = begun
        got = len(begun)
        while got < len(data):
            self._await(answer, deadline)
            count = os.readv(answer, [memoryview(data)[got:]])
            if not count:
                raise _ended(deadline)
            got += count
        return first, data

    def _await(self, answer: int, deadline: float) -> None:
        """Until something comes, or the end."""
        events = select.poll()
        events.register(answer, select.POLLIN)
        if not events.poll(max(0.0, deadline + _GRACE - time.monotonic()) * 1000):
            with self._lock:
                if self._process:
                    self._end()
            raise Broken("it takes too long")


_warm = _Warm()
_room = threading.BoundedSemaphore(AT_ONCE)
