"""What a decoder may do once a file has taken it over. Each returns as a decoder does if nothing stops it."""

import ctypes
import os
import resource
import signal
import socket
import time
from typing import Any, BinaryIO

Answer = tuple[Any, bytes]


def warm() -> None:
    """Nothing: all of it is loaded."""


def tell(file: BinaryIO) -> Answer:
    """Honest work: what the file holds."""
    return os.getpid(), file.read()


def tell_late(file: BinaryIO) -> Answer:
    told = tell(file)
    time.sleep(0.5)
    return told


def tell_nice(file: BinaryIO) -> Answer:
    return os.getpriority(os.PRIO_PROCESS, 0), b""


def read(file: BinaryIO, path: str) -> Answer:
    return len(open(path, "rb").read(1)), b""


def read_named(file: BinaryIO, other: str) -> Answer:
    """Another file, or its own once more."""
    return len(open(other or f"/proc/self/fd/{file.fileno()}", "rb").read(1)), b""


def write(file: BinaryIO, path: str) -> Answer:
    with open(path, "wb") as mine:
        mine.write(b"mine")
    return "written", b""


def remove(file: BinaryIO, path: str) -> Answer:
    os.unlink(path)
    return "removed", b""


def list_folder(file: BinaryIO, path: str) -> Answer:
    return len(os.listdir(path)), b""


def dial(file: BinaryIO, family: int) -> Answer:
    socket.socket(family).close()
    return "dialled", b""


def fork(file: BinaryIO) -> Answer:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked", b""


def run_program(file: BinaryIO) -> Answer:
    return os.posix_spawn("/bin/true", ["true"], {}) > 0, b""


def become_program(file: BinaryIO) -> Answer:
    os.execv("/bin/echo", ["echo", "-n", '{"said": "become", "bytes": 0}'])


def signal_parent(file: BinaryIO) -> Answer:
    os.kill(os.getppid(), 0)
    return "signalled", b""


def peep_into_parent(file: BinaryIO) -> Answer:
    """Attaches to the process that will open the next guest's file."""
    trace_seize = 0x4206
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(trace_seize, os.getppid(), None, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "attached", b""


def raise_limits(file: BinaryIO) -> Answer:
    """As root, who else could not."""
    limit = resource.getrlimit(resource.RLIMIT_CPU)[1]
    more = resource.RLIM_INFINITY if limit == resource.RLIM_INFINITY else limit + 1
    resource.setrlimit(resource.RLIMIT_CPU, (more, more))
    return "raised", b""


def eat(file: BinaryIO, size: int) -> Answer:
    return len(bytearray(size)), b""


def answer_too_much(file: BinaryIO, size: int) -> Answer:
    return "much", bytes(size)


def pour(file: BinaryIO) -> Answer:
    """Without end, into all that is open."""
    while True:
        for descriptor in range(3, 32):
            try:
                os.write(descriptor, bytes(1 << 16))
            except OSError:
                continue


def hang(file: BinaryIO) -> Answer:
    time.sleep(600)
    return "woke", b""


def hang_unseen(file: BinaryIO) -> Answer:
    """Lets go of all that others could wait for."""
    os.closerange(0, 64)
    return hang(file)


def spin(file: BinaryIO) -> Answer:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def overrun(file: BinaryIO, name: str = "") -> Answer:
    return ctypes.string_at(0), b""


def look_around(file: BinaryIO) -> Answer:
    """What was left lying about: of the environment, and of descriptors."""
    found = []
    for descriptor in range(3, 256):
        try:
            os.fstat(descriptor)
            found.append(descriptor)
        except OSError:
            continue
    return [dict(os.environ), found], b""


def leave(file: BinaryIO) -> Answer:
    """Something for the next one."""
    before = globals().get("left", "")
    globals()["left"] = "a face"
    return before, b""
