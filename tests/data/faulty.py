"""What can happen to a worker process; the processes import these functions by name."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from atvg.data import prepare
from atvg.data.layouts import ClipInfo


def work(item: str) -> str:
    """Does to its process what `item` says."""
    what, _, path = item.partition(":")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "crash":
        ctypes.string_at(0)
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        time.sleep(3600)
    elif what == "child":  # a program it has started, which would outlive it
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        Path(path).write_text(str(child.pid))
        time.sleep(3600)
    elif what == "pid":
        Path(path).write_text(str(os.getpid()))
        time.sleep(3600)
    elif what == "parent":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    elif what == "who":
        time.sleep(0.5)
        return str(os.getpid())
    elif what == "raise":
        raise ModuleNotFoundError("no library", name="library")
    return item.upper()


def cannot_start() -> None:
    raise RuntimeError("nothing works here")


def make_nothing(clip: ClipInfo, parts: Path) -> None:
    """What a machine seems to do whose folders are not those of the others."""


def make_part(clip: ClipInfo, parts: Path) -> str | None:
    """As in `prepare`, but some clips break the process that works on them."""
    what = clip.key.split("__")[-1]
    if what in ("kill", "crash", "hang"):
        work(what)
    if what != "unforeseen":
        return prepare._make_part(clip, parts)
    usual, prepare.process_clip = prepare.process_clip, _fail
    try:
        return prepare._make_part(clip, parts)
    finally:
        prepare.process_clip = usual


def _fail(clip: ClipInfo) -> None:
    raise ZeroDivisionError("several\nlines")
