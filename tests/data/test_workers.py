"""Processes that die or hang cost the item they were working on, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atvg.data.workers import Lost, work_on
from tests.data import faulty

LONG = 300.0  # a limit that is never reached


def outcome(items, workers=2, seconds=lambda item: LONG, start=None):
    return {item: str(answer) for item, answer in work_on(faulty.work, items, workers, seconds, start)}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_whatever_one_does_the_others_get_done():
    items = ["a", "kill", "b", "crash", "exit", "c", "d"]
    found = outcome(items)
    assert set(found) == set(items)
    assert {item: found[item] for item in "abcd"} == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert "died (signal 9)" in found["kill"]
    assert "died (signal 11)" in found["crash"]
    assert "died (exit status 3)" in found["exit"]


@pytest.mark.long
def test_one_that_hangs_is_ended_with_all_it_has_started(tmp_path):
    note = tmp_path / "pid"
    hanging = f"child:{note}"
    found = dict(work_on(faulty.work, [hanging, "a"], 1, lambda item: 2.0 if item == hanging else LONG))
    assert isinstance(found[hanging], Lost) and "longer than" in str(found[hanging])
    assert found["a"] == "A"
    if note.exists() and note.read_text():  # on a very slow machine it had not even got that far
        wait_until(lambda: not is_alive(int(note.read_text())))


def test_what_no_item_can_do_without_stops_everything():
    with pytest.raises(ModuleNotFoundError) as caught:
        outcome(["raise", "a", "b"])
    assert caught.value.name == "library"


def test_processes_that_cannot_start_are_not_tried_again_for_each_item():
    with pytest.raises(RuntimeError, match="could not be started"):
        outcome(["a", "b", "c"], start=faulty.cannot_start)


def test_no_items_need_no_processes():
    assert outcome([]) == {}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux which processes live")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    """They would go on writing beside those of the run that follows."""
    note = tmp_path / "pid"
    code = (
        "from atvg.data.workers import work_on\nfrom tests.data import faulty\n"
        f"if __name__ == '__main__': list(work_on(faulty.work, ['pid:{note}'], 1, lambda item: {LONG}))"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        wait_until(lambda: note.exists() and note.read_text())
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not is_alive(int(note.read_text())))
