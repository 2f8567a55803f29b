"""Every front door, over what is whole and over damage to it: a result or one line, in time, and nothing left behind.

``make fuzz`` looks farther, led by what is reached; see `tests.fuzz.__main__`.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given

from atvg.errors import ATVGError
from tests.fuzz import __main__ as fuzzing
from tests.fuzz import harness
from tests.fuzz.mutation import bounded, mutated

WITH_GRADIO = {"api", "link", "request"}  # the networks and the page take seconds to load
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment():
    """Stays as it is: doors of the page choose a folder for its files, which other pages of this process have too."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def _doors() -> list:
    return [pytest.param(name, marks=[pytest.mark.long] if name in WITH_GRADIO else []) for name in harness.NAMES]


@pytest.mark.parametrize("name", _doors())
def test_what_is_whole_and_what_is_damaged(name):
    bring(name, harness.door(name).EXAMPLES, seeds=3)


@pytest.mark.long
@pytest.mark.parametrize("name", harness.NAMES)
def test_more_that_is_damaged(name):
    bring(name, 10 * harness.door(name).EXAMPLES)


def bring(name: str, examples: int, seeds: int | None = None) -> None:
    """To a door, some of what is whole there, and so many mutations of it."""
    harness.warm(name)
    whole = tuple(harness.door(name).seeds()[:seeds])
    for data in (*whole, b""):
        harness.check(name, data)

    @bounded(examples)
    @given(mutated(whole))
    def check(data: bytes) -> None:
        harness.check_apart(name, data) if getattr(harness.door(name), "NATIVE", False) else harness.check(name, data)

    check()


@pytest.mark.parametrize("name", ["image", "heic", "sound", "film", "clip", "shard", "weights", "text"])
def test_what_is_whole_goes_through(name):
    """Or nothing but the first check would be fuzzed: the first seed is no error."""
    door = harness.door(name)
    assert door.seeds() == door.seeds()
    door.one(door.seeds()[0])


class TestHarness:
    """What it is to find, it finds."""

    @pytest.fixture
    def door(self, monkeypatch):
        """A door that does what the test says."""

        class Door:
            SECONDS = 5

            def one(self, data: bytes) -> None:
                raise AssertionError

        here = Door()
        monkeypatch.setattr(harness, "door", lambda name: here)
        return here

    def test_a_refusal_in_one_line_is_none(self, door):
        def refuse(data):
            raise ATVGError("it is none; give another")

        door.one = refuse
        harness.check("x", b"")

    @pytest.mark.parametrize("error", [KeyError("a"), MemoryError(), ATVGError("")])
    def test_any_other_error(self, door, error):
        def fail(data):
            raise error

        door.one = fail
        with pytest.raises(harness.Finding):
            harness.check("x", b"")

    def test_one_that_takes_too_long(self, door):
        door.one, door.SECONDS = lambda data: time.sleep(0.05), 0.01
        with pytest.raises(harness.Finding, match="took"):
            harness.check("x", b"")

    def test_a_file_that_is_left(self, door):
        door.one = lambda data: os.close(tempfile.mkstemp()[0])
        with pytest.raises(harness.Finding, match="left behind"):
            harness.check("x", b"")

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not tell")
    def test_a_file_that_stays_open(self, door):
        kept = []
        door.one = lambda data: kept.append(open(os.devnull, "rb"))  # noqa: SIM115
        with pytest.raises(harness.Finding, match="/dev/null"):
            harness.check("x", b"")
        kept[0].close()

    @pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not tell")
    def test_a_process_that_lives_on(self, door):
        kept = []
        door.one = lambda data: kept.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        with pytest.raises(harness.Finding, match="process"):
            harness.check("x", b"")
        kept[0].communicate()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_decoder_that_dies_is_none_and_an_error_is_one(self, door):
        door.one = lambda data: os.kill(os.getpid(), signal.SIGKILL)
        harness.check_apart("x", b"")
        door.one = lambda data: 1 / 0
        with pytest.raises(harness.Finding, match="ZeroDivisionError"):
            harness.check_apart("x", b"")


def _called(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.fuzz", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


class TestCommand:
    def test_a_file_is_replayed(self, tmp_path):
        path = tmp_path / "pack.json"
        path.write_bytes(b"{}")
        assert "nothing found" in _called("index", "--replay", str(path)).stdout

    def test_an_unknown_door_is_named(self):
        said = _called("window", "--minutes", "1")
        assert said.returncode == 2 and "no such door: window" in said.stderr

    def test_why_a_process_ended_is_told_in_a_line(self):
        assert fuzzing._why("x\nFinding: index: KeyError: 1\n==7== ERROR: libFuzzer: exited") == "index: KeyError: 1"
        assert fuzzing._why("==7== ERROR: libFuzzer: timeout after 60 s") == "libFuzzer: timeout after 60 s"
        assert fuzzing._why("INFO: seed") == "it died"

    @pytest.mark.long
    @pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=fuzzing.MISSING)
    @pytest.mark.parametrize("name", harness.NAMES)
    def test_a_minute_each(self, name, tmp_path):
        """Led by coverage; and what it has found to be new is kept for the next call."""
        said = _called(name, "--minutes", "1", "--corpus", str(tmp_path))
        assert said.returncode == 0 and "0 findings" in said.stdout, said.stdout + said.stderr
        assert len(list((tmp_path / name / "corpus").iterdir())) >= len(harness.door(name).seeds())
