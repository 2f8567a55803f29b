"""The process that stands ready to decode: it forks for every file, and never looks into one itself.

What it forks off is fresh, gives up its rights, has one function of ours read the file, and ends. So no file can leave
anything behind for the next one. It loads modules of ours that it is told to, and knows no face and no voice.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from atvg.box import rights
from atvg.errors import ATVGError

LONGEST = 1 << 16  # bytes of a request, and of the first line of an answer
_DIE_WITH_PARENT = 1  # prctl's number


def main(words: list[str]) -> None:
    """``serve DESCRIPTOR`` of a socket that brings requests, or ``once REQUEST`` with the file on standard input."""
    if words[0] == "serve":
        serve(socket.socket(fileno=int(words[1])))
    else:
        request = json.loads(words[1])
        _write(1, answer(_function(request), 0, request["arguments"], 1))


def serve(control: socket.socket) -> None:
    """Takes requests until nobody can ask: each with descriptors of the file, and of where line and bytes go."""
    running: dict[int, tuple[int, float]] = {}  # by a pipe that ends with the process: its ID, and when it has to end
    while True:
        first = min((deadline for _, deadline in running.values()), default=None)
        wait = None if first is None else max(0.0, first - time.monotonic())
        ready, _, _ = select.select([control.fileno(), *running], [], [], wait)
        for line, (process, deadline) in list(running.items()):
            if line in ready or time.monotonic() >= deadline:
                os.kill(process, signal.SIGKILL)  # it may have closed the pipe and live on
                os.waitpid(process, 0)
                os.close(line)
                del running[line]
        if control.fileno() in ready:
            said, descriptors, _, _ = socket.recv_fds(control, LONGEST, 3)
            if not said:  # whoever asked is gone, and what still runs dies with this process
                return
            request = json.loads(said)
            function = _function(request)
            line, process = _begin(function, request, descriptors, control)
            running[line] = process, time.monotonic() + request["seconds"]


def _function(request: dict[str, Any]) -> Callable:
    """What is asked for, with all that it needs loaded: in the box nothing can be loaded any more."""
    known = request["module"] in sys.modules
    module = importlib.import_module(request["module"])
    if not known and hasattr(module, "warm"):
        module.warm()
        gc.freeze()  # or the first collection in every fork would copy all of it
    return getattr(module, request["function"])


def _begin(
    function: Callable, request: dict[str, Any], descriptors: list[int], control: socket.socket
) -> tuple[int, int]:
    """Forks. Returns a pipe that ends with the process, and its ID."""
    source, sink, sheet = descriptors
    line, other = os.pipe()
    parent, process = os.getpid(), os.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != parent:  # it died before, and nobody would ever end this one
                os._exit(0)
            control.close()
            _close_all_but(source, sink, sheet, other)
            by_name = (f"/proc/self/fd/{source}",) if request["names"] else ()
            rights.give_up(**request["limits"], reads=by_name, names=request["names"])
            _write(sink, answer(function, source, request["arguments"], sheet))
        os._exit(0)
    for descriptor in (other, source, sink, sheet):
        os.close(descriptor)
    return line, process


def _close_all_but(*kept: int) -> None:
    """Of others, the pipes above all: they belong to files of other people."""
    edges = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for low, high in zip(edges, edges[1:], strict=False):
        os.closerange(low + 1, high)


def answer(function: Callable, source: int, arguments: dict[str, Any], sheet: int) -> bytes:
    """Has the function read a file. Writes the bytes that it makes, and returns a line of JSON that goes with them."""
    count = 0
    try:
        with open(source, "rb") as file:
            said, data = function(file, **arguments)
            for part in data if isinstance(data, Iterator) else [data]:
                count += _write(sheet, memoryview(part).cast("B"))
        first = {"said": said}
    except ATVGError as error:
        first = {"refused": str(error)}
    except MemoryError:
        first = {"broken": "it takes too much memory"}
    except Exception as error:
        large = isinstance(error, OSError) and error.errno == errno.EFBIG
        first = {"broken": "it is too large" if large else f"{type(error).__name__}: {error}"[:300]}
    return b"\n" + json.dumps({**first, "bytes": count}).encode()


def _write(sink: int, data: bytes | memoryview) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sink, rest) :]
    return len(data)
