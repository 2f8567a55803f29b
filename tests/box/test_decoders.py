"""A decoder that a file has taken over: what it tries succeeds in a process of its own, and fails in the box."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atvg.box import command, decoders, ready
from atvg.box.layers import layers
from atvg.errors import BadImageError
from atvg.face import image as photos
from tests.box import deeds

pytestmark = pytest.mark.skipif(not layers().calls, reason="this system has no seccomp")

BOXED = [pytest.param(True, id="boxed"), pytest.param(False, id="unboxed")]


@pytest.fixture
def brought(tmp_path) -> Path:
    path = tmp_path / "brought"
    path.write_bytes(b"brought")
    return path


@pytest.fixture(params=BOXED)
def boxed(request, monkeypatch) -> bool:
    """Each deed is done in the box, and with the box taken away: there it must succeed, or it proves nothing."""
    monkeypatch.setattr(command, "HERE", request.param)
    return request.param


class TestWhatItMayNotDo:
    @pytest.fixture
    def attempt(self, boxed, brought) -> Callable:
        def attempt(deed: Callable, **arguments: object) -> None:
            if boxed:
                with pytest.raises(decoders.Broken, match="PermissionError|OSError"):
                    decoders.run(deed, brought, 100, **arguments)
            else:
                assert decoders.run(deed, brought, 100, **arguments)[0]

        return attempt

    def test_read_a_file_of_the_system(self, attempt):
        attempt(deeds.read, path="/etc/passwd")

    def test_read_what_another_guest_brought(self, attempt, tmp_path):
        other = tmp_path / "other"
        other.write_bytes(b"a face")
        attempt(deeds.read, path=str(other))

    def test_read_its_own_file_by_name(self, attempt, brought):
        """It has it open; a name may mean another file by now."""
        attempt(deeds.read, path=str(brought))

    def test_read_by_way_of_a_descriptor(self, attempt, boxed, tmp_path):
        attempt(deeds.read, path="/proc/self/environ" if boxed else "/proc/self/status")

    def test_see_who_else_is_there(self, attempt, tmp_path):
        attempt(deeds.list_folder, path=str(tmp_path))

    def test_write(self, attempt, boxed, tmp_path):
        attempt(deeds.write, path=str(tmp_path / "new"))
        assert (tmp_path / "new").exists() is not boxed

    def test_write_over_its_own_file(self, attempt, boxed, brought):
        attempt(deeds.write, path=str(brought))
        assert (brought.read_bytes() == b"brought") is boxed

    def test_remove(self, attempt, boxed, brought):
        attempt(deeds.remove, path=str(brought))
        assert brought.exists() is boxed

    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["network", "this machine"])
    def test_open_a_socket(self, attempt, family):
        attempt(deeds.dial, family=int(family))

    @pytest.mark.parametrize("deed", [deeds.fork, deeds.run_program, deeds.become_program])
    def test_start_a_process(self, attempt, deed):
        attempt(deed)

    @pytest.mark.parametrize("deed", [deeds.signal_parent, deeds.peep_into_parent])
    def test_touch_another_process(self, attempt, deed):
        attempt(deed)


class TestWhatItMayNotTake:
    def test_memory(self, boxed, brought):
        size = decoders.LIMITS.memory + (64 << 20) * (os.cpu_count() or 1)
        if boxed:
            with pytest.raises(decoders.Broken, match="too much memory"):
                decoders.run(deeds.eat, brought, 0, size=size)
        else:
            assert decoders.run(deeds.eat, brought, 0, size=size)[0] == size

    def test_higher_limits(self, boxed, brought):
        if boxed:
            with pytest.raises(decoders.Broken, match="ValueError|PermissionError"):
                decoders.run(deeds.raise_limits, brought, 0)
        else:
            assert decoders.run(deeds.raise_limits, brought, 0)[0] == "raised"

    def test_the_room_of_an_answer(self, brought):
        assert decoders.run(deeds.answer_too_much, brought, 5000, size=5000)[0] == "much"
        with pytest.raises(decoders.Broken, match="too large"):
            decoders.run(deeds.answer_too_much, brought, 4999, size=5000)

    @pytest.mark.parametrize("deed", [deeds.pour, deeds.hang, deeds.hang_unseen, deeds.spin])
    def test_time(self, brought, deed):
        """In whatever way it goes on and on, it is given up, and is gone soon after."""
        assert decoders.run(deeds.tell, brought, 100)[1][:] == b"brought"
        began = time.monotonic()
        with pytest.raises(decoders.Broken, match="too long|died"):
            decoders.run(deed, brought, 100, seconds=0.5)
        assert time.monotonic() - began < 0.5 + decoders._GRACE
        while children_of_the_server():
            assert time.monotonic() - began < 10, "it lives on"
            time.sleep(0.05)

    def test_processor(self, brought):
        """The kernel ends it, even if nobody looks at a clock."""
        began = time.monotonic()
        with pytest.raises(decoders.Broken, match="died"):
            decoders.run(deeds.spin, brought, 100, seconds=60, limits=command.Limits(cpu=1))
        assert time.monotonic() - began < 40


def is_alive(process: int | str) -> bool:
    """Not gone, and not one of the dead that nobody has counted."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def children_of_the_server() -> str:
    server = ready.READY.process
    assert server is not None
    return Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().strip()


class TestWhatItLeaves:
    def test_nothing_for_the_next(self, brought):
        for _ in range(3):
            assert decoders.run(deeds.leave, brought, 0)[0] == ""

    def test_nothing_lies_about(self, brought, monkeypatch):
        monkeypatch.setenv("SECRET", "of the server")
        monkeypatch.setattr(decoders, "READY", ready.Ready())
        environment, descriptors = decoders.run(deeds.look_around, brought, 0)[0]
        assert set(environment) <= {"OPENBLAS_NUM_THREADS", "LD_LIBRARY_PATH", "LC_CTYPE"}
        assert len(descriptors) == 4  # its file, where its line and its bytes go, and what ends with it

    def test_a_crash_is_one_line_and_the_next_is_served(self, brought):
        with pytest.raises(decoders.Broken, match="died"):
            decoders.run(deeds.overrun, brought, 0)
        assert decoders.run(deeds.tell, brought, 100)[1][:] == b"brought"

    def test_each_file_has_a_process_of_its_own(self, brought):
        assert len({decoders.run(deeds.tell, brought, 100)[0] for _ in range(5)}) == 5


class TestTheOneThatStandsReady:
    def test_it_can_be_started_before_there_is_a_file(self, monkeypatch):
        fresh = ready.Ready()
        monkeypatch.setattr(decoders, "READY", fresh)
        began = time.monotonic()
        decoders.stand_ready(photos.pixels.decode)
        assert time.monotonic() - began < 0.3  # it is loaded by itself
        while b"pi_heif" not in Path(f"/proc/{fresh.process.pid}/maps").read_bytes():
            assert time.monotonic() - began < 20, "nothing is loaded"
            time.sleep(0.05)
        fresh.end()

    def test_it_is_started_again_if_it_is_gone(self, brought):
        decoders.run(deeds.tell, brought, 100)
        old = ready.READY.process
        old.kill()
        old.wait()
        assert decoders.run(deeds.tell, brought, 100)[1][:] == b"brought"
        assert ready.READY.process is not old

    def test_what_it_had_begun_when_it_was_killed_is_begun_again(self, brought):
        """Else a photo would be called damaged because the system had too little memory."""
        decoders.stand_ready(deeds.tell_late)
        done: list[decoders.Bytes] = []
        asking = threading.Thread(target=lambda: done.append(decoders.run(deeds.tell_late, brought, 100)[1]))
        asking.start()
        began, old = time.monotonic(), ready.READY.process
        while not children_of_the_server():
            assert time.monotonic() - began < 20, "nothing is begun"
            time.sleep(0.02)
        old.kill()
        asking.join()
        assert list(map(bytes, done)) == [b"brought"]
        assert ready.READY.process is not old

    def test_it_ends_with_whoever_started_it(self, brought):
        """However that ends, and with all that it has under way."""
        code = f"""
import threading, time
from atvg.box import decoders, ready
from tests.box import deeds
decoders.run(deeds.tell, {str(brought)!r}, 100)
threading.Thread(target=decoders.run, args=(deeds.hang, {str(brought)!r}, 0), daemon=True).start()
print(ready.READY.process.pid, flush=True)
time.sleep(60)
"""
        root = Path(__file__).parents[2]
        with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) as server:
            standing = int(server.stdout.readline())
            began = time.monotonic()
            while not (children := Path(f"/proc/{standing}/task/{standing}/children").read_text().split()):
                assert time.monotonic() - began < 20
            server.kill()
        while any(map(is_alive, [standing, *children])):
            assert time.monotonic() - began < 30, "it lives on"
            time.sleep(0.05)

    def test_one_that_hangs_holds_nobody_up(self, brought):
        late: list[Exception] = []

        def hang() -> None:
            try:
                decoders.run(deeds.hang, brought, 0, seconds=3)
            except decoders.Broken as error:
                late.append(error)

        waiting = threading.Thread(target=hang)
        waiting.start()
        began = time.monotonic()
        for _ in range(5):
            decoders.run(deeds.tell, brought, 100)
        assert time.monotonic() - began < 2.5
        waiting.join()
        assert "too long" in str(late[0])

    def test_many_at_once(self, tmp_path):
        def bring(number: int) -> None:
            path = tmp_path / str(number)
            path.write_bytes(bytes([number]) * 1000)
            right.append(bytes(decoders.run(deeds.tell, path, 1000)[1]) == bytes([number]) * 1000)

        right: list[bool] = []
        threads = [threading.Thread(target=bring, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert right == [True] * 12


class TestPhotos:
    @pytest.fixture
    def red(self, tmp_path) -> Path:
        path = tmp_path / "photo.png"
        Image.new("RGB", (40, 40), "red").save(path)
        return path

    @pytest.fixture
    def secret(self, tmp_path) -> Path:
        path = tmp_path / "secret.png"
        Image.new("RGB", (40, 40), "blue").save(path)
        return path

    def test_pixels_are_the_same_with_and_without(self, boxed, red):
        picture = photos.load_image(red)
        assert (picture == (255, 0, 0)).all() and picture.flags.writeable
        assert photos.image_size(red) == (40, 40) and photos.image_format(red) == "PNG"

    def test_pictures_that_are_kept_keep_no_file_open(self, red):
        photos.load_image(red)
        before = len(os.listdir("/proc/self/fd"))
        kept = [photos.load_image(red) for _ in range(5)]
        assert len(kept) == 5 and len(os.listdir("/proc/self/fd")) == before

    def test_what_takes_the_name_after_it_was_opened_is_not_read(self, red, secret, monkeypatch):
        ask = decoders._ask

        def late(*rest: object) -> object:
            red.unlink()
            red.symlink_to(secret)
            return ask(*rest)

        monkeypatch.setattr(decoders, "_ask", late)
        assert (photos.load_image(red) == (255, 0, 0)).all()
        monkeypatch.setattr(decoders, "_ask", ask)
        assert (photos.load_image(red) == (0, 0, 255)).all()  # a name for whoever gives the path

    def test_what_becomes_a_pipe_after_it_was_checked_is_refused(self, red, monkeypatch, refuses):
        check = photos.existing_file

        def late(*rest: object) -> Path:
            path = check(*rest)
            red.unlink()
            os.mkfifo(red)
            return path

        monkeypatch.setattr(photos, "existing_file", late)
        with refuses(BadImageError, "photo.png"):
            photos.load_image(red)

    @pytest.mark.parametrize(
        "answer",
        [
            ([40, 40, 3], bytes(10)), ([40, 40], bytes(4800)), ([-40, -40, 3], bytes(4800)), (["40", 40, 3], b""),
            ({}, b""), ([True, 1600, 3], bytes(4800)), ([1, 1600, 3], bytes(4800)), ([1600, 3, 1], bytes(4800)),
        ],
    )  # fmt: skip
    def test_an_answer_that_lies_is_refused(self, red, answer, monkeypatch, refuses):
        monkeypatch.setattr(decoders, "run", lambda *_, **__: answer)
        with refuses(BadImageError):
            photos.load_image(red)
        with refuses(BadImageError, "photo.png"):
            photos.image_size(red)

    def test_a_decoder_that_dies_is_a_line(self, red, monkeypatch, refuses):
        monkeypatch.setattr(photos.pixels, "decode", deeds.overrun)
        with refuses(BadImageError, "photo.png is damaged"):
            photos.load_image(red)

    @pytest.mark.skipif((os.cpu_count() or 1) > 8, reason="addresses for a thread a core are enough for it")
    def test_a_picture_that_takes_too_much_memory_is_a_line(self, tmp_path, monkeypatch, refuses):
        path = tmp_path / "large.png"
        Image.fromarray(np.zeros((5000, 7000), np.uint8)).save(path)
        monkeypatch.setattr(photos, "LIMITS", command.Limits(memory=150 << 20))
        with refuses(BadImageError, "memory"):
            photos.load_image(path)
