"""A program that the process which stands ready begins: what it writes, and that it ends when it should."""

import errno
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from atvg.box import command, decoders, program, ready, serve
from atvg.box.layers import layers
from tests.box import deeds

pytestmark = pytest.mark.skipif(not all(layers()), reason="this system lacks seccomp or Landlock")

SHELL = ["/bin/sh", "-c"]


def processes() -> list[psutil.Process]:
    """What the one that stands ready has begun."""
    assert ready.READY.process is not None
    return psutil.Process(ready.READY.process.pid).children()


def has_ended(process: psutil.Process) -> bool:
    """Asked of the system once: between two questions it can vanish. Nobody may be there who buries a zombie."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(done) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def nice(more: int = 0) -> int:
    """Of this thread; 19 is the most that there is."""
    return min(19, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + more)


@pytest.fixture(params=[pytest.param(True, id="boxed"), pytest.param(False, id="unboxed")])
def either(request, monkeypatch) -> None:
    monkeypatch.setattr(command, "HERE", request.param)


@pytest.mark.usefixtures("either")
class TestRun:
    def test_both_its_outputs_are_told_apart(self):
        assert program.run([*SHELL, "echo out; echo wrong >&2"]) == (b"out\n", b"wrong\n")

    def test_both_may_be_larger_than_pipes(self):
        code = "import sys; sys.stderr.write('e' * 300_000); sys.stdout.write('o' * 400_000)"
        out, wrong = program.run([sys.executable, "-I", "-S", "-c", code], [sys.prefix, sys.base_prefix])
        assert out == b"o" * 400_000
        assert wrong == b"e" * program._TOLD  # the first of them, and the rest holds nothing up

    def test_no_more_is_kept_than_is_wanted(self):
        assert program.run([*SHELL, "echo 123456789"], most=4) == (b"1234", b"")

    def test_time(self):
        began = time.monotonic()
        with pytest.raises(subprocess.TimeoutExpired):
            program.run(["/bin/sleep", "60"], seconds=0.2)
        assert time.monotonic() - began < 5

    def test_names_are_those_of_the_folder_that_this_process_is_in(self, tmp_path, monkeypatch):
        (tmp_path / "brought").write_text("brought")
        monkeypatch.chdir(tmp_path)
        assert program.run(["/bin/cat", "brought"], ["brought"])[0] == b"brought"


@pytest.mark.usefixtures("either")
class TestHowItEnds:
    """What is cut short is never taken for all of it."""

    def test_killed_by_the_system(self):
        with pytest.raises(program.Killed, match="signal 9"):
            program.run([*SHELL, "echo half; kill -9 $$"])

    def test_killed_before_its_output_is_read(self):
        begun = program.Program([*SHELL, "echo half; kill -11 $$"])
        assert begun.output.readall() == b"half\n"
        with pytest.raises(program.Killed, match="signal 11"):
            begun.check()
        begun.close()

    def test_its_own_exit_status_is_its_own_business(self):
        assert program.run([*SHELL, "echo all there is; exit 3"])[0] == b"all there is\n"

    def test_an_end_is_never_taken_for_a_kill(self):
        """Though the process that stands ready makes sure of it by one."""
        for _ in range(30):
            assert program.run(["/bin/echo"])[0] == b"\n"

    def test_one_that_only_closes_its_output(self, monkeypatch):
        monkeypatch.setattr(program, "_GRACE", 0.2)
        begun = program.Program([*SHELL, "exec sleep 60 >&-"])
        assert begun.output.readall() == b""
        with pytest.raises(program.Killed, match="does not end"):
            begun.check()
        begun.close()


class TestTheEndOfWhatBeganIt:
    def test_is_not_its_own(self):
        begun = program.Program([*SHELL, "echo half; exec sleep 60"])
        assert begun.output.read(5) == b"half\n"
        ready.READY.end()
        assert begun.output.readall() == b""
        with pytest.raises(program.Lost):
            begun.check()
        begun.close()

    def test_what_is_lost_is_run_once_more(self):
        """Somebody else's file hangs, and the process that stands ready is ended for it."""
        code = "import time; print('half', flush=True); time.sleep(0.3); print('whole')"
        line = [sys.executable, "-I", "-S", "-c", code]
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(program.run, line, [sys.prefix, sys.base_prefix], seconds=20)
            wait_until(lambda: ready.READY.process and processes())
            ready.READY.end()
            assert done.result()[0] == b"half\nwhole\n"


class TestPriority:
    """Threads that draw stand back on the app's machine, and so do the programs that they start."""

    @pytest.fixture
    def alone(self, monkeypatch) -> Iterator[ready.Ready]:
        fresh = ready.Ready()
        for user in (program, decoders):
            monkeypatch.setattr(user, "READY", fresh)
        yield fresh
        fresh.end()

    @staticmethod
    def back(work: Callable[[], int]) -> int:
        """By a thread that stands back."""

        def standing() -> int:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice(3))
            return work()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(standing).result()

    @staticmethod
    def of_a_program() -> int:
        code = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
        return int(program.run([sys.executable, "-I", "-S", "-c", code], [sys.prefix, sys.base_prefix])[0])

    @staticmethod
    def of_a_decoder() -> int:
        return decoders.run(deeds.tell_nice, __file__, 0)[0]

    def test_is_that_of_the_thread_that_asks(self, alone):
        for asked in (self.of_a_program, self.of_a_decoder):
            assert (asked(), self.back(asked), asked()) == (nice(), nice(3), nice())

    def test_is_not_lost_when_a_thread_that_stands_back_has_to_start_it_again(self, alone):
        assert self.of_a_program() == nice()
        alone.process.kill()
        alone.process.wait()
        assert self.back(self.of_a_program) == nice(3)
        assert self.of_a_program() == nice()


class TestItsEnd:
    def test_one_that_never_ends_is_gone_when_nobody_waits_for_it(self):
        begun = program.Program(["/bin/sleep", "60"])
        wait_until(lambda: [found.name() for found in processes()] == ["sleep"])
        begun.close()
        wait_until(lambda: not processes())
        begun.close()

    def test_a_fork_of_this_process_does_not_keep_it_alive(self):
        begun = program.Program(["/bin/sleep", "60"])
        fork = os.fork()
        if fork == 0:
            time.sleep(60)
            os._exit(0)
        begun.close()
        wait_until(lambda: not processes())
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)

    def test_what_it_wrote_before_it_was_ended_can_be_read(self):
        begun = program.Program([*SHELL, "echo first; exec sleep 60"])
        assert begun.output.read(6) == b"first\n"
        begun.kill()
        assert begun.output.read() == b""
        begun.close()

    def test_one_that_ends_by_itself_leaves_nothing(self):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            program.run(["/bin/true"])
        assert len(os.listdir("/proc/self/fd")) == before
        wait_until(lambda: not processes())

    def test_it_holds_nobody_up(self):
        slow = program.Program(["/bin/sleep", "60"])
        began = time.monotonic()
        assert program.run([*SHELL, "echo"])[0] == b"\n"
        assert time.monotonic() - began < 5
        slow.close()

    def test_it_ends_with_whoever_began_it(self):
        code = "import time; from atvg.box import program, ready; kept = program.Program(['/bin/sleep', '60'])"
        code += "; print(ready.READY.process.pid, flush=True); time.sleep(60)"
        root = Path(__file__).parents[2]
        with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) as server:
            standing = psutil.Process(int(server.stdout.readline()))
            wait_until(standing.children)
            (begun,) = standing.children()
            server.kill()
        wait_until(lambda: has_ended(begun))


class TestWantOfDescriptors:
    @pytest.mark.parametrize("at", [1, 2])
    def test_here_costs_none(self, at, monkeypatch):
        """The first pipe is there, and the second one fails; for `decoders.run` the only one does."""
        program.run(["/bin/true"])
        made, pipe = [], os.pipe

        def fails() -> tuple[int, int]:
            made.append(at)
            if len(made) == at:
                raise OSError(errno.EMFILE, "too many open files")
            return pipe()

        before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(os, "pipe", fails)
        with pytest.raises(OSError, match="too many"):
            program.run(["/bin/true"])
        made[:] = [at] * (at - 1)
        with pytest.raises(OSError, match="too many"):
            decoders.run(deeds.tell, __file__, 1 << 20)
        assert len(os.listdir("/proc/self/fd")) == before

    def test_of_the_one_that_stands_ready_costs_that_file_only(self):
        slow = program.Program(["/bin/sleep", "60"])
        wait_until(processes)
        standing = ready.READY.process
        held = {int(name) for name in os.listdir(f"/proc/{standing.pid}/fd")}
        free = (number for number in itertools.count() if number not in held)
        most = resource.prlimit(standing.pid, resource.RLIMIT_NOFILE)
        for number in itertools.islice(free, 5):  # room for some of a request's three, or for these but no pipe
            resource.prlimit(standing.pid, resource.RLIMIT_NOFILE, (number, most[1]))
            try:
                with pytest.raises(program.Lost):
                    program.run(["/bin/true"])
                with pytest.raises(decoders.Broken):
                    decoders.run(deeds.tell, __file__, 1 << 20)
            finally:
                resource.prlimit(standing.pid, resource.RLIMIT_NOFILE, most)
        assert program.run([*SHELL, "echo again"])[0] == b"again\n"
        assert ready.READY.process is standing and len(processes()) == 1
        slow.close()

    def test_no_process_can_be_begun(self, monkeypatch):
        """By the loop itself, in a thread: it goes on, and lets go of all that came with the request."""
        control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        loop = threading.Thread(target=serve.serve, args=(other,))
        loop.start()
        before = len(os.listdir("/proc/self/fd"))

        def fails() -> int:
            raise BlockingIOError(errno.EAGAIN, "no more processes")

        monkeypatch.setattr(os, "fork", fails)
        request = json.dumps({"program": ["/bin/true"], "reads": [], "limits": {}, "folder": "/", "nice": 0}).encode()
        for _ in range(2):
            mine, theirs = socket.socketpair()
            with mine, theirs, open(os.devnull, "wb") as out:
                socket.send_fds(control, [request], [theirs.fileno(), out.fileno(), out.fileno()])
                theirs.close()
                mine.settimeout(10)
                assert mine.recv(9) == b"", "it is let go"
        wait_until(lambda: len(os.listdir("/proc/self/fd")) == before)
        control.close()
        loop.join(10)
        assert not loop.is_alive()
        other.close()


class TestWhatCannotBegin:
    def test_a_program_that_is_not_there(self):
        out, wrong = program.run(["/nowhere/ffmpeg"])
        assert not out and b"cannot be started" in wrong

    def test_a_pipe_is_no_file_to_read(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        assert b"cannot be started" in program.run(["/bin/cat", tmp_path / "pipe"], [tmp_path / "pipe"], seconds=20)[1]

    def test_one_that_stands_ready_no_more_is_replaced(self):
        program.run(["/bin/true"])
        ready.READY.process.kill()
        ready.READY.process.wait()
        assert program.run([*SHELL, "echo again"])[0] == b"again\n"
