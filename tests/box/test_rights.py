"""The filter of calls, run by hand for both kinds of machine; and kernels that lack a part of the box."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from atvg.box import rights
from atvg.box.command import HERE

ALLOWED, FORBIDDEN, UNKNOWN, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_* of linux/audit.h
# By the kernel's tables, on both.
READ, SOCKET, OPENAT, EXECVE = (0, 63), (41, 198), (257, 56), (59, 221)
CLONE, KILL, PRLIMIT, IOCTL = (56, 220), (62, 129), (302, 261), (16, 29)
IO_URING, CLONE3 = (425, 425), (435, 435)


def verdict(steps: list[tuple], machine: int, number: int, arguments: list[int]) -> int:
    """What the kernel's interpreter would say of a call: of its number, the machine, 8 bytes, and the arguments."""
    words = {0: number, 4: machine}
    for i, value in enumerate(arguments):
        words[16 + 8 * i], words[20 + 8 * i] = value & 0xFFFFFFFF, value >> 32
    at, loaded = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            loaded = words[value]
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += yes if holds else no


@pytest.fixture(params=MACHINES)
def ask(request, monkeypatch):
    column = list(MACHINES).index(request.param)
    monkeypatch.setattr(rights.os, "uname", lambda: SimpleNamespace(machine=request.param))

    def ask(numbers: tuple[int, int], *arguments: int, names: bool = True, machine: int | None = None) -> int:
        steps = rights._filter(names)
        assert all(0 <= part < 256 for step in steps for part in step[1:3]) and len(steps) < 4096
        values = [*arguments, *[0] * (6 - len(arguments))]
        return verdict(steps, machine or MACHINES[request.param], numbers[column], values)

    return ask


@pytest.mark.skipif(not hasattr(os, "uname"), reason="Windows")
class TestTheFilter:
    def test_what_decoders_need_is_allowed(self, ask):
        assert ask(READ) == ALLOWED and ask(READ, names=False) == ALLOWED

    def test_networks_are_not(self, ask):
        assert ask(SOCKET) == FORBIDDEN

    def test_names_are_for_programs_only(self, ask):
        for call in (OPENAT, EXECVE):
            assert ask(call) == ALLOWED and ask(call, names=False) == FORBIDDEN

    def test_threads_are_allowed_and_processes_not(self, ask):
        thread, process = 0x3D0F00, 0x01200011  # the flags that glibc gives for each
        assert ask(CLONE, thread) == ALLOWED and ask(CLONE, process) == FORBIDDEN

    def test_signals_are_for_itself(self, ask):
        assert ask(KILL, os.getpid()) == ALLOWED
        assert ask(KILL, os.getppid()) == ask(KILL, 0) == ask(KILL, 0xFFFFFFFF) == FORBIDDEN

    def test_limits_can_be_read_and_not_set(self, ask):
        assert ask(PRLIMIT, 0, 7, 0, 1 << 40) == ALLOWED
        assert ask(PRLIMIT, 0, 7, 1 << 40) == ask(PRLIMIT, 0, 7, 16) == FORBIDDEN

    def test_nobody_types_into_a_terminal(self, ask):
        assert ask(IOCTL, 0, 0x5401) == ALLOWED
        assert ask(IOCTL, 0, 0x5412) == ask(IOCTL, 0, 0x541C) == FORBIDDEN

    def test_newer_calls_are_as_if_unknown(self, ask):
        assert ask(IO_URING) == ask(CLONE3) == ask((0x40000029, 10_000)) == UNKNOWN  # the first: x32's `socket`

    def test_calls_of_another_machine_end_it(self, ask):
        assert ask(READ, machine=0x40000003) == KILLED  # i386, whose numbers mean other calls


@pytest.mark.parametrize(
    "column, header", [(1, "x86_64-linux-gnu/asm/unistd_64.h"), (2, "asm-generic/unistd.h")], ids=MACHINES
)
def test_the_numbers_are_those_of_the_kernel(column, header):
    path = Path("/usr/include") / header
    if not path.is_file():
        pytest.skip("no headers of the kernel here")
    theirs = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text()))
    for call in (rights._DENIED + "," + rights._NAMES).split(","):
        words = call.split()
        if words[column] != "0":
            assert theirs[words[0]] == words[column], words


@pytest.mark.skipif(not HERE, reason="only Linux has it")
@pytest.mark.parametrize(
    "missing, left", [("_restrict_files", {"limits", "calls"}), ("_restrict_calls", {"limits", "files"})]
)
def test_what_a_kernel_lacks_is_not_claimed_and_the_rest_holds(missing, left):
    code = f"""import sys; sys.path.append({str(Path(rights.__file__).parent)!r})
import rights
rights.{missing} = lambda *_: False
print(*rights.give_up(1 << 30, 60, 0, 64))"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == left
