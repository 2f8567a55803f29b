"""Which limits hold on this machine: a process in the box tries what it may not do, and tells what it could."""

import subprocess
import sys
from functools import lru_cache
from typing import NamedTuple

from atvg.box import command

_PATIENCE = 20  # seconds


class Layers(NamedTuple):
    """What stops a decoder that a file has taken over.

    Attributes:
        limits: of memory, time and files that it writes.
        calls: no network, no other processes (seccomp).
        files: a program such as ffmpeg opens no other files (Landlock). What decodes photos needs `calls` for that.
    """

    limits: bool
    calls: bool
    files: bool

    def __str__(self) -> str:
        """What holds, and what does not."""
        if not any(self):
            return "in processes of their own, which may crash, but have all rights of this user"
        parts = [
            (self.limits, "limits of memory and time"), (self.calls, "no network, no other processes (seccomp)"),
            (self.files, "no other files (Landlock)"),
        ]  # fmt: skip
        said = "; ".join(part for holds, part in parts if holds)
        lacks = " and ".join(name for name, holds in (("seccomp", self.calls), ("Landlock", self.files)) if not holds)
        return f"in processes of their own: {said}" + (f"; this system lacks {lacks}" if lacks else "")


@lru_cache(maxsize=1)
def layers() -> Layers:
    """Tried once, which takes 0.1 s; nothing holds where the box cannot be entered at all."""
    if not command.HERE:
        return Layers(False, False, False)
    tried = [sys.executable, "-I", "-S", "-c", _TRY]
    boxed = command.limited(tried, reads=[sys.prefix, sys.base_prefix])
    try:
        done = subprocess.run(boxed, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return Layers(False, False, False)
    held = done.stdout.split()
    return Layers(b"limits" in held, b"network" in held and b"processes" in held, b"files" in held)


# Run by the process in the box. The root is a folder that everybody may list.
_TRY = """
import os, resource, socket

def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

for name, deed in (("network", socket.socket), ("processes", fork), ("files", lambda: os.listdir("/"))):
    try:
        deed()
    except OSError:
        print(name)
if resource.getrlimit(resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY:
    print("limits")
"""
