"""The process that stands ready to decode: it forks for every file, and never looks into one itself.

What it forks off is fresh, gives up its rights, has one function of ours read the file or becomes a program that does,
and ends. So no file can leave anything behind for the next one. It loads modules of ours that it is told to, and knows
no face and no voice.
"""

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from atvg.box import rights
from atvg.errors import ATVGError

LONGEST = 1 << 16  # bytes of a request, and of the first line of an answer
_GIVEN = 3  # descriptors that come with a request
_DIE_WITH_PARENT = 1  # prctl's number


def main(words: list[str]) -> None:
    """``serve DESCRIPTOR`` of a socket that brings requests, or ``once REQUEST`` with the file on standard input."""
    if words[0] == "serve":
        serve(socket.socket(fileno=int(words[1])))
    else:
        request = json.loads(words[1])
        _write(1, answer(_function(request), 0, request["arguments"], 1))


class _Begun(NamedTuple):
    """A process at work.

    Attributes:
        line: a pipe that ends with the process.
        leash: a socket that ends when nobody waits for it any more, and is told how it ended; or none.
        deadline: when it has to end.
    """

    process: int
    line: int
    leash: socket.socket | None
    deadline: float

    def descriptors(self) -> list[int]:
        """Of which one can be read when there is something to do."""
        return [self.line] + ([self.leash.fileno()] if self.leash else [])


def serve(control: socket.socket) -> None:
    """Takes requests until nobody can ask, each with descriptors.

    They name modules to ``load``, once for all; or a function, with the file, and where line and bytes go; or a
    ``program``, with a socket that ends when nobody waits for it and is told its exit status, negative if it is a
    signal, and where its output and its errors go. Both may stand back, as far as ``nice`` says.
    """
    running: list[_Begun] = []
    while True:
        first = min((begun.deadline for begun in running), default=math.inf)
        wait = None if first == math.inf else max(0.0, first - time.monotonic())
        watched = select.poll()  # which takes descriptors of any number
        for descriptor in (control.fileno(), *(each for begun in running for each in begun.descriptors())):
            watched.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in watched.poll(None if wait is None else math.ceil(1000 * wait))}
        for begun in list(running):
            if not ready.isdisjoint(begun.descriptors()) or time.monotonic() >= begun.deadline:
                _end(begun)
                running.remove(begun)
        if control.fileno() in ready:
            said, descriptors, _, _ = socket.recv_fds(control, LONGEST, _GIVEN)
            if not said:  # whoever asked is gone, and what still runs dies with this process
                return
            request = json.loads(said)
            if "load" in request:
                for module in request["load"]:
                    _load(module)
                continue
            try:
                running.append(_begin(request, descriptors, control))
            except Exception:  # no process or descriptor is left: who asked sees the end of theirs, and others go on
                for descriptor in descriptors:
                    os.close(descriptor)


def _begin(request: dict[str, Any], descriptors: list[int], control: socket.socket) -> _Begun:
    """The descriptors are closed here, but on an error."""
    if len(descriptors) != _GIVEN:
        raise OSError(errno.EMFILE, "some were lost")
    if "program" in request:
        leash, *outputs = descriptors
        line, process = _fork(lambda: _become(request, outputs), outputs, control, stays=True)
        return _Begun(process, line, socket.socket(fileno=leash), math.inf)
    function = _function(request)
    line, process = _fork(lambda: _decode(function, request, descriptors), descriptors, control)
    return _Begun(process, line, None, time.monotonic() + request["seconds"])


def _end(begun: _Begun) -> None:
    """Buries it, and tells how it ended: a signal that comes when it is at its end changes nothing of that."""
    os.kill(begun.process, signal.SIGKILL)  # it may have closed the pipe and live on
    _, status = os.waitpid(begun.process, 0)
    os.close(begun.line)
    if begun.leash:
        with begun.leash, contextlib.suppress(OSError):  # nobody waits any more
            begun.leash.send(str(os.waitstatus_to_exitcode(status)).encode())


def _load(name: str) -> None:
    """A module of ours with all that it needs: in the box nothing can be loaded any more."""
    if name not in sys.modules:
        module = importlib.import_module(name)
        if hasattr(module, "warm"):
            module.warm()
        gc.freeze()  # or the first collection in every fork would copy all of it


def _function(request: dict[str, Any]) -> Callable:
    _load(request["module"])
    return getattr(sys.modules[request["module"]], request["function"])


def _fork(work: Callable, kept: list[int], control: socket.socket, stays: bool = False) -> tuple[int, int]:
    """Has a new process do it, which keeps these descriptors; this one closes them.

    Args:
        stays: what it becomes keeps the pipe open.

    Returns:
        A pipe that ends with the process, and its ID.
    """
    line, other = os.pipe()
    os.set_inheritable(other, stays)
    parent = os.getpid()
    try:
        process = os.fork()
    except OSError:
        os.close(line)
        os.close(other)
        raise
    if process == 0:
        with contextlib.suppress(BaseException):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != parent:  # it died before, and nobody would ever end this one
                os._exit(0)
            control.close()
            _close_all_but(*kept, other)
            work()
        os._exit(0)
    for descriptor in (other, *kept):
        os.close(descriptor)
    return line, process


def _stand_back(nice: int) -> None:
    """Like the thread that asked: this process was forked from one that does not. In the box nobody may do it."""
    os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))


def _decode(function: Callable, request: dict[str, Any], descriptors: list[int]) -> None:
    _stand_back(request["nice"])
    source, sink, sheet = descriptors
    by_name = (f"/proc/self/fd/{source}",) if request["names"] else ()
    rights.give_up(**request["limits"], reads=by_name, names=request["names"])
    _write(sink, answer(function, source, request["arguments"], sheet))


def _become(request: dict[str, Any], outputs: list[int]) -> None:
    _stand_back(request["nice"])
    for target, descriptor in enumerate(outputs, 1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    with contextlib.suppress(OSError):  # then names that need it are not found
        os.chdir(request["folder"])
    rights.become(request["program"], request["limits"], tuple(request["reads"]))


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
