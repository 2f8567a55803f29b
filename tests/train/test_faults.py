"""Training that is killed, stopped, out of space or given damaged files: nothing is lost beyond the last save."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from atvg import checkpoint
from atvg import tensors as tensors_file
from atvg.cli import main
from atvg.config import VGNetConfig
from atvg.data.pack import shard_paths
from atvg.errors import CheckpointError, OutputError, PackError
from atvg.nets.vg_net import VGNet
from atvg.train.at_stage import ATStage
from atvg.train.log import LOG_FILE
from atvg.train.loop import Stopped
from atvg.train.state import STATE_FILE
from tests.train.conftest import SMALL_AT, SMALL_VG
from tests.train.test_loop import assert_same_run, state_of

SMALL = {"at": SMALL_AT, "vg": SMALL_VG}
NAMES = {"at": checkpoint.AT_NET, "vg": checkpoint.VG_NET}
PATIENCE = 300.0  # seconds; only a hang takes so long
# Importing PyTorch takes seconds, so one process does it once and forks each run. It has computed nothing, and so has
# no threads that a fork would lose.
NURSERY = """
import json, os, sys
import torch
import lightning.fabric, torch.utils.tensorboard
from atvg.cli import main
import atvg.train.at_stage, atvg.train.loop, atvg.train.run, atvg.train.vg_stage
for line in sys.stdin:
    arguments, log = json.loads(line)
    child = os.fork()
    if not child:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1), os.dup2(out, 2)
        torch.set_num_threads(1)
        sys.exit(main(arguments))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Starts ``atvg …`` in processes that may be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, arguments: list[str], log: Path) -> int:
        self._process.stdin.write(json.dumps([arguments, str(log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def status(self) -> int:
        """Of the run that was started last, once it has ended."""
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.end()


def command(stage: str, pack: Path, folder: Path, resume: bool = False, **overrides: object) -> list[str]:
    settings = SMALL[stage] | {name: str(value) for name, value in overrides.items()}
    line = ["train", stage, "-p", str(pack), "-o", str(folder), *(["--resume"] if resume else [])]
    return line + [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def logged(folder: Path) -> list[int]:
    """The steps in the log, less a line that is not whole."""
    path = folder / LOG_FILE
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line)["step"] for line in lines]


def inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def is_there(path: Path) -> bool:
    return inode(path) is not None


def assert_readable(folder: Path, stage: str) -> int:
    """State and weights are whole and belong together; returns the step of the state, 0 if there is none yet."""
    step = state_of(folder)[1]["step"] if is_there(folder / STATE_FILE) else 0
    name = NAMES[stage]
    if is_there(folder / f"{name}.safetensors"):
        {"at": checkpoint.load_at_net, "vg": checkpoint.load_vg_net}[stage](folder)
        with safe_open(folder / f"{name}.safetensors", framework="pt") as file:
            header = json.loads(file.metadata()["meta"])
        about = json.loads((folder / f"{name}.json").read_text())
        assert header["config"] == about["config"]
        # The kill may have come between the two files, which are of one save or of two that follow each other.
        assert about["notes"]["step"] - header["notes"]["step"] in (0, 1)
        assert step - header["notes"]["step"] in (0, 1)
    return step


@pytest.mark.long
class TestKilled:
    # What to wait for, and then kill: a file that is being written, or one that has just taken its place.
    MOMENTS = [
        (f"{STATE_FILE}.half", "is there"),
        (f"{STATE_FILE}.half/{STATE_FILE}", "is there"),
        (STATE_FILE, "is new"),
        ("NAME.safetensors.half/NAME.safetensors", "is there"),
        ("NAME.json", "is new"),
        ("NAME.safetensors", "is new"),
        (LOG_FILE, "is there"),
    ]

    @pytest.mark.parametrize("stage, moments", [("vg", MOMENTS), ("at", MOMENTS[1::3])])
    def test_whenever_it_comes_the_run_goes_on_as_if_never_killed(self, nursery, tiny_pack, tmp_path, stage, moments):
        folder, log = tmp_path / "killed", tmp_path / "output"
        steps = 18
        settings = {"steps": steps, "save_minutes": 0, "log_every": 1}
        caught_writing = last = kills = 0
        for number, (name, what) in enumerate(moments):
            path = folder / name.replace("NAME", NAMES[stage])
            resume = is_there(folder / STATE_FILE)
            process = nursery.start(command(stage, tiny_pack, folder, resume, **settings), log)
            end = time.monotonic() + PATIENCE
            # It shall at least have saved once more, at another step each time.
            while len(logged(folder)) < last + 1 + number % 2 and is_running(process):
                assert time.monotonic() < end
                time.sleep(0.005)
            before = inode(path)
            while is_running(process) and not (is_there(path) if what == "is there" else inode(path) != before):
                assert time.monotonic() < end
                time.sleep(1e-4)  # a save takes milliseconds, and needs the processor
            if is_running(process):
                os.kill(process, signal.SIGKILL)
            status = nursery.status()
            assert status in (0, -signal.SIGKILL), log.read_text()
            kills += status != 0
            caught_writing += bool(list(folder.glob("*.half")))
            seen = max(logged(folder), default=0)
            step = assert_readable(folder, stage)
            assert step >= last and seen - 1 <= step <= seen  # it saves at every step
            last = step
        assert kills >= len(moments) / 2 and caught_writing >= 1
        nursery.start(command(stage, tiny_pack, folder, True, **settings), log)
        assert nursery.status() == 0, log.read_text()
        nursery.start(command(stage, tiny_pack, tmp_path / "whole", **settings), log)
        assert nursery.status() == 0, log.read_text()
        assert_same_run(tmp_path / "whole", folder)
        assert logged(folder) == list(range(1, steps + 1))
        assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}

    @pytest.mark.long  # the same, without the nursery
    def test_the_command_itself(self, tiny_pack, tmp_path):
        folder = tmp_path / "run"
        line = [sys.executable, "-m", "atvg", *command("at", tiny_pack, folder, steps=9999, save_minutes=0)]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while not is_there(folder / "at_net.safetensors") or not list(folder.glob("*.half")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(1e-4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        step = assert_readable(folder, "at")
        assert step > 0
        assert main(command("at", tiny_pack, folder, True, steps=step + 2)) == 0
        assert state_of(folder)[1]["step"] == step + 2
        assert not list(folder.glob("*.half"))

    def test_before_the_first_save_there_is_nothing_to_resume(self, tiny_pack, tmp_path, capsys):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / LOG_FILE).write_text('{"step": 1}\n')
        assert main(command("at", tiny_pack, tmp_path / "run", True, steps=1)) == 2
        assert "begin without --resume" in capsys.readouterr().err
        assert main(command("at", tiny_pack, tmp_path / "run", steps=1)) == 0


def is_running(process: int) -> bool:
    """Whether a grandchild lives; a dead one stays a zombie until the nursery has asked for its status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class TestStopped:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_run_is_saved_and_says_so(self, nursery, tiny_pack, tmp_path, number):
        folder, log = tmp_path / "run", tmp_path / "output"
        settings = {"steps": 9999, "save_minutes": 999, "log_every": 1}
        process = nursery.start(command("at", tiny_pack, folder, **settings), log)
        while not logged(folder):
            assert is_running(process), log.read_text()
            time.sleep(0.01)
        os.kill(process, number)
        assert nursery.status() == 128 + number
        step = assert_readable(folder, "at")
        assert step == logged(folder)[-1]
        said = log.read_text().splitlines()[-1]
        assert said == f"stopped by {number.name} at step {step}; the run is saved, go on with --resume"
        assert "Traceback" not in log.read_text()

    def test_a_stopped_run_goes_on_as_if_never_stopped(self, run_at, tmp_path, monkeypatch):
        def stopped_at_2(step):
            if step == 2:
                os.kill(os.getpid(), signal.SIGTERM)

        before = signal.getsignal(signal.SIGTERM)
        with at_each_step(monkeypatch, stopped_at_2), pytest.raises(Stopped) as caught:
            run_at(tmp_path / "run", steps=5)
        assert caught.value.code == 143 and state_of(tmp_path / "run")[1]["step"] == 3
        assert signal.getsignal(signal.SIGTERM) is before
        run_at(tmp_path / "run", resume=True, steps=5)
        run_at(tmp_path / "whole", steps=5)
        assert_same_run(tmp_path / "run", tmp_path / "whole")

    def test_a_second_ctrl_c_does_not_wait(self, run_at, tmp_path, monkeypatch):
        def twice(step):
            if step == 1:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

        with at_each_step(monkeypatch, twice), pytest.raises(KeyboardInterrupt):
            run_at(tmp_path / "run", steps=5)
        assert not (tmp_path / "run" / STATE_FILE).exists()


@contextlib.contextmanager
def at_each_step(monkeypatch, act):
    step = ATStage.step

    def stepping(self, number):
        act(number)
        return step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(ATStage, "step", stepping)
        yield


class Killed(BaseException):
    """Nothing after it may have an effect."""


def killed_at(monkeypatch, number: int, act) -> bool:
    """Runs `act` up to its file operation `number`, at which it is killed; returns whether it got there."""
    done = 0

    def watched(function):
        def call(*args, **kwargs):
            nonlocal done
            done += 1
            if done > number:
                raise Killed
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for owner, name in (
            (tensors_file.os, "replace"), (tensors_file.os, "fsync"), (tensors_file, "save_file"),
            (tensors_file, "_remove"), (Path, "write_text"), (Path, "unlink"),
        ):  # fmt: skip
            patch.setattr(owner, name, watched(getattr(owner, name)))
        try:
            act()
        except Killed:
            return True
    return False


class TestPair:
    """Weights and their JSON are two files; a kill at any operation leaves two that fit."""

    def small(self, seed: int, hidden: int = 4) -> VGNet:
        torch.manual_seed(seed)
        return VGNet(VGNetConfig((4, 4, 4, 4), (4, 4, 4), (4, 4, 4), hidden))

    @pytest.mark.parametrize("hidden, beta", [(4, 0.5), (8, 0.5), (4, 2.0)])
    def test_killed_at_each_operation(self, tmp_path, monkeypatch, hidden, beta):
        old, new = self.small(0), self.small(1, hidden)
        seen = set()
        for number in range(100):
            folder = tmp_path / str(number)
            checkpoint.save_net(folder, "vg_net", old, {"step": 1, "beta": 0.5})
            save = lambda: checkpoint.save_net(folder, "vg_net", new, {"step": 2, "beta": beta})  # noqa: E731, B023
            was_killed = killed_at(monkeypatch, number, save)
            if is_there(folder / "vg_net.safetensors"):
                loaded = checkpoint.load_vg_net(folder)
                which = 1 if torch.equal(loaded.start.weight, old.start.weight.half().float()) else 2
                assert checkpoint.notes(folder, "vg_net")["beta"] == (0.5 if which == 1 else beta)
                seen.add(which)
            else:
                # Weights of another size or β must not be mistaken for those that the JSON is about.
                assert (hidden, beta) != (4, 0.5)
            save()
            assert {path.name for path in folder.iterdir()} == {"vg_net.json", "vg_net.safetensors"}
            assert torch.equal(checkpoint.load_vg_net(folder).start.weight, new.start.weight.half().float())
            if not was_killed:
                break
        assert seen == {1, 2} and number > 8

    def test_a_first_save_never_leaves_weights_without_their_json(self, tmp_path, monkeypatch):
        for number in range(100):
            folder = tmp_path / str(number)
            save = lambda: checkpoint.save_net(folder, "vg_net", self.small(0), {"step": 1})  # noqa: E731, B023
            if not killed_at(monkeypatch, number, save):
                break
            if is_there(folder / "vg_net.safetensors"):
                checkpoint.load_vg_nets(folder)

    def test_what_older_versions_and_safetensors_leave_does_no_harm(self, tmp_path):
        path = tmp_path / "state.safetensors"
        (tmp_path / "state.safetensors.half").write_bytes(b"a file, not a folder")
        tensors_file.save_state(path, {"a": torch.ones(3)}, {"step": 1})
        (tmp_path / "state.safetensors.half").mkdir()
        (tmp_path / "state.safetensors.half/.tmpX1y2Z3").write_bytes(b"half")
        tensors_file.save_state(path, {"a": torch.ones(3)}, {"step": 2})
        assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode:
            pytest.skip("only root may mount a small disk")
        yield disk
        subprocess.run(["umount", "-l", str(disk)], check=True)

    def test_the_last_save_stays_and_the_run_goes_on(self, small_disk, tiny_pack, capsys):
        folder, filler = small_disk / "run", small_disk / "filler"
        settings = {"log_every": 1, "steps": 6}
        assert main(command("at", tiny_pack, folder, **settings | {"steps": 2})) == 0
        before = state_of(folder)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"0" * 1000)
        capsys.readouterr()
        for _ in range(2):  # what the first leaves does not hinder the second
            assert main(command("at", tiny_pack, folder, True, **settings)) == 2
            said = capsys.readouterr().err.splitlines()
            assert len(said) == 1 and said[0].startswith(f"error: cannot write {folder}")
            assert "No space left on device" in said[0] and "--resume" in said[0]
            after = state_of(folder)
            assert after[1] == before[1] and all(torch.equal(after[0][name], before[0][name]) for name in before[0])
            checkpoint.load_at_net(folder)
        filler.unlink()
        assert main(command("at", tiny_pack, folder, True, **settings)) == 0
        assert logged(folder) == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize("name", [STATE_FILE, "at_net.json", "at_net.safetensors"])
    def test_whichever_file_it_hits(self, run_at, tmp_path, monkeypatch, refuses, name):
        run_at(tmp_path / "run", steps=2)
        fsync, met = os.fsync, 0

        def full(number):
            nonlocal met
            path = os.readlink(f"/proc/self/fd/{number}")
            met += path.endswith(name)
            # The weights are written when the run goes on, too.
            if path.endswith(name) and met == (1 if name == STATE_FILE else 2):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            return fsync(number)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with refuses(OutputError, name):
                run_at(tmp_path / "run", resume=True, steps=3)
        assert assert_readable(tmp_path / "run", "at") == (2 if name == STATE_FILE else 3)
        assert checkpoint.notes(tmp_path / "run", "at_net")["step"] == 2
        assert not list(tmp_path.glob("run/*.half"))

    def test_a_folder_that_cannot_be_made(self, tiny_pack, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        assert main(command("at", tiny_pack, tmp_path / "file/run", steps=1)) == 2
        assert capsys.readouterr().err.count("\n") == 1


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


DAMAGES = {
    "empty": lambda data: b"",
    "header cut": lambda data: data[:100],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "last byte missing": lambda data: data[:-1],
    "a byte flipped in the middle": lambda data: flip(data, len(data) // 2),
    "a byte flipped at the end": lambda data: flip(data, len(data) - 1),
    "a byte flipped in the header": lambda data: flip(data, 40),
    "text": lambda data: b"this is not a state",
    "zeros": lambda data: b"\0" * len(data),
    "more at the end": lambda data: data + b"more",
}


class TestDamagedState:
    @pytest.fixture(scope="class")
    def run(self, tiny_pack, tmp_path_factory):
        folder = tmp_path_factory.mktemp("run") / "run"
        assert main(command("at", tiny_pack, folder, steps=1)) == 0
        return folder

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_it_is_refused_in_one_line_that_says_what_to_do(self, run, run_at, tmp_path, damage, refuses):
        folder = shutil.copytree(run, tmp_path / "run")
        path = folder / STATE_FILE
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
        damaged = path.read_bytes()
        with refuses(CheckpointError, str(path)) as caught:
            run_at(folder, resume=True, steps=2)
        assert "new run" in str(caught.value) or "same --set" in str(caught.value)
        assert path.read_bytes() == damaged

    @pytest.mark.parametrize("meta", [{}, {"step": None}, {"step": 1, "seconds": 1, "groups": 3}])
    def test_a_header_of_another_kind(self, run, run_at, tmp_path, meta, refuses):
        folder = shutil.copytree(run, tmp_path / "run")
        tensors_file.save_state(folder / STATE_FILE, state_of(folder)[0], meta)
        with refuses(CheckpointError, STATE_FILE):
            run_at(folder, resume=True, steps=2)

    def test_a_state_of_before_there_were_checksums(self, run, run_at, tmp_path):
        folder = shutil.copytree(run, tmp_path / "run")
        tensors, meta = state_of(folder)
        del meta["checksum"]
        tensors_file.save_state(folder / STATE_FILE, tensors, meta)
        run_at(folder, resume=True, steps=2)
        assert state_of(folder)[1]["step"] == 2


class TestCorruptShard:
    @pytest.fixture
    def damaged(self, tiny_pack, tmp_path):
        """``damaged(split)``: a pack, and a shard of its split in which a byte was flipped."""

        def make(split: str) -> tuple[Path, Path]:
            pack = shutil.copytree(tiny_pack, tmp_path / "pack", ignore=shutil.ignore_patterns(".parts"))
            shard = shard_paths(pack, split)[0]
            data = shard.read_bytes()
            shard.write_bytes(flip(data, len(data) // 2))
            return pack, shard

        return make

    @pytest.mark.parametrize("stage, more", [("at", {}), ("vg", {}), ("vg", {"stream": "true"})])
    def test_training_stops_with_its_name(self, damaged, tmp_path, capsys, stage, more):
        pack, shard = damaged("train")
        assert main(command(stage, pack, tmp_path / "run", steps=3, **more)) == 2
        self.assert_named(capsys, shard)
        assert not (tmp_path / "run").exists()

    def test_a_shard_that_breaks_while_a_stream_is_read(self, tiny_pack, run_vg, tmp_path, monkeypatch, refuses):
        """The state is that of the last save; nothing hangs."""
        from atvg.data import stream

        unpack, count = stream.unpack_clip, 0

        def unpack_some(*args):
            nonlocal count
            count += 1
            if count > 6:
                raise OSError("input/output error")
            return unpack(*args)

        monkeypatch.setattr(stream, "unpack_clip", unpack_some)
        with refuses(PackError, "train-00000.tar is corrupt (input/output error)"):
            run_vg(tmp_path / "run", stream="true", steps=99, save_minutes=0)
        assert state_of(tmp_path / "run")[1]["step"] > 0

    def test_evaluation_stops_with_its_name(self, damaged, tmp_path, capsys):
        pack, shard = damaged("val")
        report = tmp_path / "report.json"
        assert main(["evaluate", "-p", str(pack), "-o", str(report), "--frames", "2"]) == 2
        self.assert_named(capsys, shard)
        assert not report.exists()

    def assert_named(self, capsys, shard: Path) -> None:
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert len(said) == 1 and f"shard {shard} is corrupt" in said[0]
