"""Work on many items in several processes, of which any may die or hang without taking the others along.

Native decoders do both on broken files. A `ProcessPoolExecutor` gives up as a whole when one of its processes dies,
and waits for ever for one that hangs.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from typing import Any

_CONTEXT = get_context("spawn")  # MediaPipe's threads do not survive a fork
_READY = "ready"


class Lost(Exception):
    """What happened to a process: the answer for the item it was working on."""


def work_on(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    workers: int,
    seconds: Callable[[Any], float],
    start: Callable[[], None] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Yields each item with ``function(item)`` as they get done, or with `Lost` where a process died or took too long.

    Args:
        function: importable by name, as is `start`, which each process calls first.
        seconds: how long an item may take.

    Raises:
        Exception: whatever `function` raises; nothing is begun any more then.
        RuntimeError: the processes cannot even be started.
    """
    waiting = deque(items)
    busy: dict[Any, _Worker] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = _Worker(function, start)
                worker.give(waiting.popleft(), seconds)
                busy[worker.pipe] = worker
            first = min(worker.deadline for worker in busy.values())
            for pipe in connection.wait(list(busy), timeout=max(0.0, first - time.monotonic())):
                worker = busy.pop(pipe)
                item, (kind, answer) = worker.item, worker.answer()
                if kind == "raised":
                    busy[pipe] = worker  # to be ended with the others
                    raise answer
                if kind == _READY:
                    worker.begin(seconds)
                elif kind == "done" and waiting:
                    worker.give(waiting.popleft(), seconds)
                else:
                    worker.end()
                if worker.is_used:
                    busy[pipe] = worker
                if kind != _READY:
                    yield item, answer
            for pipe, worker in list(busy.items()):
                if time.monotonic() >= worker.deadline and not pipe.poll():
                    del busy[pipe]
                    worker.end()
                    yield worker.item, _too_long(worker.item, seconds)
    finally:
        for worker in busy.values():
            worker.end()


class Guard:
    """One process for one item after another, and a new one after each that died or had to be ended."""

    def __init__(self, function: Callable[[Any], Any], start: Callable[[], None] | None = None):
        self._function, self._start = function, start
        self._worker: _Worker | None = None

    def work(self, item: Any, seconds: Callable[[Any], float]) -> tuple[str, Any]:
        """``"done"`` and ``function(item)``, ``"lost"`` and `Lost`, or ``"raised"`` and what `function` has raised.

        Raises:
            RuntimeError: no process can be started.
        """
        worker = self._worker = self._worker or _Worker(self._function, self._start)
        worker.give(item, seconds)
        kind = _READY
        while kind == _READY:
            if connection.wait([worker.pipe], timeout=seconds(item)):
                kind, answer = worker.answer()
            else:
                kind, answer = "lost", _too_long(item, seconds)
        if kind == "lost":
            self.end()
        return kind, answer

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._worker:
            self._worker.end()
            self._worker = None


def _too_long(item: Any, seconds: Callable[[Any], float]) -> Lost:
    return Lost(f"it took longer than {seconds(item):g} s")


class _Worker:
    """A process, the pipe to it and what it is working on."""

    def __init__(self, function: Callable, start: Callable | None):
        self.pipe, other = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(other, function, start), daemon=True)
        self.process.start()
        assert self.process.pid is not None  # as of every process that has been started
        self.pid = self.process.pid
        other.close()  # or the end of the process would not be the end of the pipe
        self.is_ready, self.is_used = False, True

    def give(self, item: Any, seconds: Callable[[Any], float]) -> None:
        self.item = item
        self.begin(seconds)
        with suppress(OSError):  # it is gone, which `answer` will find out
            self.pipe.send(item)

    def begin(self, seconds: Callable[[Any], float]) -> None:
        self.deadline = time.monotonic() + seconds(self.item)

    def answer(self) -> tuple[str, Any]:
        try:
            kind, answer = self.pipe.recv()
        except (EOFError, OSError):
            connection.wait([self.process.sentinel])
            _kill_group(self.pid)  # what it has started lives on
            self.process.join()
            code = self.process.exitcode
            assert code is not None  # as of every process that has been waited for
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            if not self.is_ready:
                raise RuntimeError(f"a worker process could not be started ({how})") from None
            return "lost", Lost(f"the process that worked on it died ({how})")
        self.is_ready = True
        return kind, answer

    def end(self) -> None:
        self.is_used = False
        if self.process.exitcode is None:
            _kill_group(self.pid)
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _serve(pipe: Any, function: Callable, start: Callable | None) -> None:
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a group of its own: what it has started, such as ffmpeg, ends with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start:
        start()
    pipe.send((_READY, None))
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(("done", function(item)))
        except Exception as error:
            pipe.send(("raised", error))


def _end_with_parent() -> None:
    """Without it, a killed parent would leave workers that go on writing while the next run does the same."""
    parent = parent_process()
    assert parent is not None  # a worker is never the main process
    parent.join()
    _kill_group(os.getpid())
    os._exit(1)


def _kill_group(leader: int) -> None:
    try:
        if os.getpgid(leader) == leader:  # it may not have got that far
            os.killpg(leader, signal.SIGKILL)
    except (OSError, AttributeError):  # it is gone, or this system has no groups
        pass
