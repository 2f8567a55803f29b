"""Has a function of ours decode a file in a box: on Linux a fork, with few rights, of a process that stands ready.

On other systems it is a process of its own and no more: there a decoder may crash, but has the rights of this user.
Nothing is unpickled: what comes back is a line of JSON and bytes.
"""

import contextlib
import json
import mmap
import os
import select
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from atvg.box import command
from atvg.box.command import Limits
from atvg.box.ready import READY, command_of
from atvg.box.serve import LONGEST

SECONDS = 30.0  # for one file; a photo as large as may be takes three
LIMITS = Limits(cpu=60, files=32)
AT_ONCE = 4  # files; more of them wait
_MOMENT = 0.2  # seconds in which a process is seen to have ended, whose children end a little before
_GRACE = 5.0  # seconds in which the process that stands ready should have ended another

Bytes = bytes | bytearray | mmap.mmap  # to be written into, unless there are none


class Refused(Exception):
    """The function found that it should not, or cannot, decode the file; the message is that of its `ATVGError`."""


class Broken(Exception):
    """The file broke its decoder, or took too long; the message says how."""


class _Lost(Broken):
    """The process that stands ready ended, and with it all that it had begun: that tells nothing of the file."""


def run(
    function: Callable,
    path: str | os.PathLike,
    most: int,
    /,
    seconds: float = SECONDS,
    limits: Limits = LIMITS,
    names: bool = False,
    **arguments: Any,
) -> tuple[Any, Bytes]:
    """What a function makes of a file; where `command.HERE`, it can use nothing but that file, opened, and memory.

    Args:
        function: of a module of ATVG, called as ``function(file, **arguments)``; it returns something for JSON, and
            bytes, an array, or an iterator over such, which may complete the former. If its module has a function
            ``warm``, that has loaded all that may be needed.
        most: bytes that it may return.
        seconds: that it may take.
        limits: of memory and the like; what it returns has its own.
        names: it may open its file once more, as ``/proc/self/fd/N``, for a library that wants a name. Other names are
            then refused by Landlock alone.
        arguments: that JSON can hold.

    Returns:
        The same two, as a stranger may have put them: to be checked. Bytes on Linux are shared memory, and hold a
        descriptor as long as they are kept.

    Raises:
        Refused: the function raised an `ATVGError`.
        Broken: it raised anything else, died, or took too long or too much.
        OSError: the file cannot be opened.
    """
    request = {
        "module": function.__module__, "function": function.__name__, "arguments": arguments, "seconds": seconds,
        "limits": replace(limits, written=most).arguments(), "names": names,
    }  # fmt: skip
    with _open_regular(path) as file, _room:
        if not command.HERE:
            first, data = _once(request, file, most)
        else:
            try:
                first, data = _ask(request, file.fileno(), most)
            except _Lost:
                file.seek(0)
                first, data = _ask(request, file.fileno(), most)
    if "refused" in first:
        raise Refused(str(first["refused"]))
    if "said" not in first:
        raise Broken(str(first.get("broken", "it died")))
    return first["said"], data


def stand_ready(*functions: Callable) -> None:
    """Starts now what `run` needs for these functions, and not with the first file; does not wait for it."""
    if command.HERE:
        READY.send({"load": [function.__module__ for function in functions]}, [])


def _open_regular(path: str | os.PathLike) -> Any:
    """Opened once, and looked at when open: what is exchanged for it later is not meant."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Broken("it is no regular file")
    return file


def _once(request: dict[str, Any], file: Any, most: int) -> tuple[dict[str, Any], Bytes]:
    """By a process that is started for it, with all rights."""
    try:
        done = subprocess.run(
            command_of("once", json.dumps(request)), stdin=file, capture_output=True, timeout=request["seconds"]
        )
    except subprocess.TimeoutExpired:
        raise Broken("it takes too long") from None
    data, _, line = done.stdout.rpartition(b"\n")
    first = _parsed(line, most)
    if "said" in first and len(data) != first["bytes"]:
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


def _ask(request: dict[str, Any], file: int, most: int) -> tuple[dict[str, Any], Bytes]:
    """By the process that stands ready."""
    import fcntl

    deadline = time.monotonic() + request["seconds"]
    with contextlib.ExitStack() as held:
        # Bytes come in memory that is shared: through a pipe 36 MB took four times as long.
        sheet = os.memfd_create("atvg", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        held.callback(os.close, sheet)
        answer, sink = os.pipe()
        held.callback(os.close, answer)
        try:
            # Whoever still held it could make it shorter, and whoever reads it would die of that.
            fcntl.fcntl(sheet, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            standing = READY.send(request, [file, sink, sheet])
        finally:
            os.close(sink)  # or the end of the process would not be the end of the pipe
        line = _read(answer, deadline)
        if not line and _is_gone(standing):
            raise _Lost("it died")
        first = _parsed(line, most)
        if "said" not in first:
            return first, b""
        if os.fstat(sheet).st_size != first["bytes"]:
            raise Broken("it died")
        return first, mmap.mmap(sheet, first["bytes"], mmap.MAP_PRIVATE) if first["bytes"] else b""


def _is_gone(process: subprocess.Popen) -> bool:
    try:
        process.wait(_MOMENT)
    except subprocess.TimeoutExpired:
        return False
    return True


def _read(answer: int, deadline: float) -> bytes:
    """All that comes through a pipe."""
    line = b""
    while len(line) < LONGEST:
        _await(answer, deadline)
        part = os.read(answer, LONGEST)
        if not part:
            break
        line += part
    if not line and time.monotonic() >= deadline:
        raise Broken("it takes too long")
    return line


def _await(answer: int, deadline: float) -> None:
    """Until something comes, or the end."""
    events = select.poll()
    events.register(answer, select.POLLIN)
    if not events.poll(max(0.0, deadline + _GRACE - time.monotonic()) * 1000):
        READY.end()
        raise Broken("it takes too long")


_room = threading.BoundedSemaphore(AT_ONCE)
