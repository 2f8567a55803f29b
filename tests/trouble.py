"""What happens to a server once in a while: a process of it is killed, its disk is full, its clock jumps."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from tests.server import Server, children, fill

JUMP = 7200  # seconds ahead
FULL = 3.0  # seconds for which the disk is
SOON = 0.02  # of all the time
MARGIN = 5.0  # seconds around a trouble in which a job may fail for it
# ``python app.py`` that believes, from the first SIGUSR1 on, that two hours have passed.
_CODE = f"""
import runpy, signal, time
real, ahead = time.time, [0]
time.time = lambda: real() + ahead[0]
signal.signal(signal.SIGUSR1, lambda *_: ahead.__setitem__(0, {JUMP}))
runpy.run_path("app.py", run_name="__main__")
"""
CLOCK = ("-c", _CODE)


class Troubles:
    """Each of them once, while the block runs, soon after a quarter, half and three quarters of the time: people come
    then.

    Args:
        seconds: of all.
        own_disk: whether the server's folder is a disk of its own that may be filled.
    """

    def __init__(self, server: Server, seconds: float, own_disk: bool):
        self._server, self.told, self.times = server, list[str](), list[float]()
        deeds = [self._kill, self._fill if own_disk else self._pass, self._jump]
        times = [seconds * ((at + 1) / 4 + SOON) for at in range(len(deeds))]
        self._timers = [threading.Timer(at, self._do, [deed]) for at, deed in zip(times, deeds, strict=True)]

    def __enter__(self) -> "Troubles":
        for timer in self._timers:
            timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()

    def _do(self, deed: Any) -> None:
        self.times.append(time.monotonic())
        self.told.append(deed())

    def _kill(self) -> str:
        """What it is working with at the moment: an encoder, or the process that decodes files."""
        found = self._server.encoders() or children(self._server.process.pid)
        for child in found[:1]:
            os.kill(child, signal.SIGKILL)
        return f"killed {len(found[:1])} process"

    def _fill(self) -> str:
        ballast: Path = fill(self._server.cache, 0)
        time.sleep(FULL)
        ballast.unlink()
        return f"the disk was full for {FULL:g} s"

    @staticmethod
    def _pass() -> str:
        return "no disk could be mounted that may be filled"

    def _jump(self) -> str:
        self._server.process.send_signal(signal.SIGUSR1)
        return f"the clock jumped {JUMP} s ahead"


def near(times: list[float], began: float, ended: float) -> bool:
    """Whether a job from `began` to `ended` had to do with a trouble."""
    return any(began - FULL - MARGIN <= at <= ended for at in times)
