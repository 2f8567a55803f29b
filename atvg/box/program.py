"""A foreign program such as ffmpeg at work on a stranger's file, begun by the process that stands ready.

It has the few rights that `command.limited` leaves it, for a fraction of the time: no Python is started first.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from io import FileIO

from atvg.box import command
from atvg.box.command import Limits
from atvg.box.ready import READY

_PIECE = 1 << 16  # bytes that are read at once
_GRACE = 20.0  # seconds in which a program should have ended that has closed its output
_TOLD = 1 << 18  # bytes of errors that are kept: what a damaged file makes a program say has no end

Words = Sequence[str | os.PathLike]


class Killed(Exception):
    """The program did not end by itself, so what it wrote may lack its end; the message says what ended it."""


class Lost(Killed):
    """It is not to blame: no process could be begun for it, or the one that stands ready ended, and it too."""


class Program:
    """One that has begun, with nothing on its standard input. Close it when done.

    Attributes:
        output, errors: what it writes there; the latter is None unless asked for.
    """

    output: FileIO
    errors: FileIO | None = None

    def __init__(
        self, words: Words, reads: Words = (), limits: Limits | None = None, errors: bool = False, pipe: int = 0
    ) -> None:
        """Begins it.

        Args:
            words: the command, as `command.limited` takes it, and so are `reads`.
            errors: these are wanted too.
            pipe: bytes of output that may wait, where the system lets that be chosen; 0 for the usual.
        """
        self._child: subprocess.Popen | None = None
        self._leash: socket.socket | None = None
        if command.HERE:
            self._begin(words, reads, limits or Limits(), errors)
        else:
            self._child = child = subprocess.Popen(
                [os.fsdecode(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if errors else subprocess.DEVNULL, bufsize=0,
            )  # fmt: skip
            self.output, self.errors = child.stdout, child.stderr  # type: ignore[assignment]
        if pipe and sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):  # somebody has too many large ones
                fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, pipe)

    def _begin(self, words: Words, reads: Words, limits: Limits, errors: bool) -> None:
        try:
            folder = os.getcwd()
        except OSError:  # it was deleted: then only whole names are found
            folder = "/"
        request = {
            "program": [os.fsdecode(word) for word in words], "reads": [os.fsdecode(path) for path in reads],
            "limits": limits.arguments(), "folder": folder,
        }  # fmt: skip
        # Those that are given away are closed here, or their end would not be seen; those that are kept, on an error.
        with contextlib.ExitStack() as kept, contextlib.ExitStack() as given:
            self._leash, waits = socket.socketpair()
            kept.callback(self.kill)
            given.enter_context(waits)
            self.output, output = _pipe(kept, given)
            if errors:
                self.errors, told = _pipe(kept, given)
            else:
                told = os.open(os.devnull, os.O_WRONLY)
                given.callback(os.close, told)
            READY.send(request, [waits.fileno(), output, told])
            kept.pop_all()

    def kill(self) -> None:
        """Ends it; what it has written can still be read. More than once does nothing."""
        leash, self._leash = self._leash, None
        if leash is not None:  # the process that stands ready sees a word or the end of it, and ends the program
            with contextlib.suppress(OSError):  # it has ended
                leash.send(b"!")  # a fork of this process may hold it open
            leash.close()
        if self._child:
            self._child.kill()

    def check(self) -> None:
        """After the end of its output: whether that was all of it. What it says of itself, its exit status, is ignored.

        Raises:
            Killed: a signal ended it, or it does not end.
        """
        if self._child:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE)
            code = self._child.returncode
        else:
            code = self._status()
        if code is None:
            raise Killed("it closed its output and does not end")
        if code < 0:
            raise Killed(f"signal {-code}")

    def _status(self) -> int | None:
        """As the process that stands ready tells it; none if it does not."""
        assert self._leash is not None  # as it is until it is killed
        self._leash.settimeout(_GRACE)
        try:
            said = self._leash.recv(_PIECE)
        except TimeoutError:
            return None
        except OSError:  # the other end was closed while a word lay in it
            said = b""
        if not said:
            raise Lost("the system had no room for it, or ended what began it")
        return int(said)

    def close(self) -> None:
        """Ends it, and gives back what it held."""
        self.kill()
        if self._child:
            self._child.wait()
        self.output.close()
        if self.errors:
            self.errors.close()


def _pipe(kept: contextlib.ExitStack, given: contextlib.ExitStack) -> tuple[FileIO, int]:
    source, sink = os.pipe()
    given.callback(os.close, sink)
    return kept.enter_context(FileIO(source)), sink


def run(
    words: Words, reads: Words = (), limits: Limits | None = None, seconds: float | None = None, most: int = 1 << 28
) -> tuple[bytes, bytes]:
    """Runs one to its end, and returns what it wrote to its standard output, and the first of its errors.

    If it is lost with what others had begun, it is begun once more.

    Args:
        words, reads, limits: as `command.limited` takes them.
        seconds: that it may take; None for as long as it likes.
        most: bytes of output; more of them are left unread, and it is ended.

    Raises:
        subprocess.TimeoutExpired: it took longer.
        Killed: something else ended it before it was done.
    """
    try:
        return _once(words, reads, limits, seconds, most)
    except Lost:
        return _once(words, reads, limits, seconds, most)


def _once(words: Words, reads: Words, limits: Limits | None, seconds: float | None, most: int) -> tuple[bytes, bytes]:
    program = Program(words, reads, limits, errors=True)
    try:
        if program._child:
            # What it writes is not counted while it writes it, for Windows cannot wait for two pipes.
            output, errors = program._child.communicate(timeout=seconds)
            program.check()
            return output[:most], errors[:_TOLD]
        return _collected(program, words, seconds, most)
    finally:
        program.close()


def _collected(program: Program, words: Words, seconds: float | None, most: int) -> tuple[bytes, bytes]:
    assert program.errors is not None  # as `run` asked for
    output, errors = bytearray(), bytearray()
    kept = {program.output.fileno(): (output, most), program.errors.fileno(): (errors, _TOLD)}
    events = select.poll()
    for descriptor in kept:
        events.register(descriptor, select.POLLIN)
    deadline = None if seconds is None else time.monotonic() + seconds
    while kept:
        left = None if deadline is None else deadline - time.monotonic()
        ready = events.poll(None if left is None else max(0.0, left) * 1000)
        if not ready:
            raise subprocess.TimeoutExpired(os.fsdecode(words[0]), seconds or 0)
        for descriptor, _ in ready:
            part = os.read(descriptor, _PIECE)
            into, room = kept[descriptor]
            into += part[: room - len(into)]
            if not part:
                events.unregister(descriptor)
                del kept[descriptor]
        if len(output) >= most:
            break
    else:
        program.check()
    return bytes(output), bytes(errors)
