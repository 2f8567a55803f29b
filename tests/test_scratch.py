"""Who works in a folder, and who has died in one."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atvg.scratch import MARK, abandoned, found, has_room, is_full, remove_abandoned, under_way


def test_a_folder_is_marked_while_somebody_works_in_it(tmp_path):
    with under_way(tmp_path):
        assert (tmp_path / MARK).is_file() and not abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [] and not abandoned(tmp_path)


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "raise ValueError", "os._exit(0)"])
def test_what_somebody_left_unfinished_can_be_told(tmp_path, end):
    died, works, done = (tmp_path / name for name in ("run-died", "run-works", "run-done"))
    for folder in (died, works, done):
        folder.mkdir()
    code = f"import os, sys; from atvg.scratch import under_way\nwith under_way(sys.argv[1]): {end}"
    child = subprocess.run([sys.executable, "-c", code, str(died)], stderr=subprocess.DEVNULL)
    assert abandoned(died) and (child.returncode or end.startswith("os._exit"))
    with under_way(works):
        remove_abandoned(tmp_path, "other-*")
        assert died.is_dir()
        remove_abandoned(tmp_path, "run-*")
        assert sorted(tmp_path.iterdir()) == [done, works]


def test_another_process_sees_that_somebody_works_there(tmp_path):
    code = "import sys; from atvg.scratch import abandoned\nsys.exit(abandoned(sys.argv[1]))"
    with under_way(tmp_path):
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0


def test_a_folder_that_is_gone_cannot_be_worked_in(tmp_path):
    with pytest.raises(FileNotFoundError), under_way(tmp_path / "gone"):
        pass


def test_what_vanishes_while_it_is_looked_for_is_left_out(tmp_path, monkeypatch):
    for name in ("a-1/x", "a-2/y", "b-1/z"):
        (tmp_path / name).mkdir(parents=True)
    assert sorted(found(tmp_path, "a-*/*")) == [tmp_path / "a-1" / "x", tmp_path / "a-2" / "y"]
    assert sorted(found(tmp_path, "*/x")) == [tmp_path / "a-1" / "x"] and found(tmp_path / "c", "*") == []
    look = os.listdir

    def looked(folder):
        names = look(folder)
        if folder == tmp_path:
            shutil.rmtree(tmp_path / "a-1")
        return names

    monkeypatch.setattr(os, "listdir", looked)
    assert found(tmp_path, "a-*/*") == [tmp_path / "a-2" / "y"]


def test_room_is_that_of_the_disk_where_the_folder_will_be(tmp_path):
    for folder in (tmp_path, tmp_path / "not" / "yet"):
        assert has_room(folder, 1) and not has_room(folder, 1 << 60)


def test_which_errors_say_that_a_disk_is_full():
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert not is_full(OSError(errno.EACCES, "Permission denied")) and not is_full(ValueError())
    assert not is_full(FileNotFoundError(Path("x")))
