"""A program that a file has taken over: what it tries succeeds when it is started as it is, and fails in the box,
whether that is entered by `command.limited` or through the process that stands ready."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from atvg.box import command, program, rights
from atvg.box.layers import Layers, layers
from atvg.errors import BadAudioError
from atvg.voice import decoding
from atvg.voice.audio import load_audio

pytestmark = pytest.mark.skipif(not all(layers()), reason="this system lacks seccomp or Landlock")

PYTHON = [sys.executable, "-I", "-S", "-c"]
LIBRARIES = [sys.prefix, sys.base_prefix]  # of Python, which takes the part of ffmpeg


@pytest.fixture(params=[pytest.param(True, id="boxed"), pytest.param(False, id="unboxed")])
def boxed(request, monkeypatch) -> bool:
    monkeypatch.setattr(command, "HERE", request.param)
    return request.param


def run(code: str, *words: object, **limits: object) -> subprocess.CompletedProcess:
    line = command.limited([*PYTHON, code, *map(str, words)], reads=LIBRARIES, **limits)
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


@pytest.fixture
def attempt(boxed) -> Callable:
    def attempt(code: str, *words: object, why: str = "PermissionError") -> None:
        done = run(code, *words)
        if boxed:
            assert done.returncode and why in done.stderr
        else:
            assert done.returncode == 0, done.stderr
        _, said = program.run([*PYTHON, code, *map(str, words)], LIBRARIES, seconds=60)
        assert (why.encode() in said) is boxed, said

    return attempt


def test_it_cannot_read_what_is_not_its_own(attempt, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"a face")
    attempt("import sys; open(sys.argv[1])", other)
    attempt("open('/etc/passwd')")


def test_it_cannot_see_others_environment(attempt):
    attempt("import os; open(f'/proc/{os.getppid()}/environ', 'rb').read()")


def test_it_cannot_write(attempt, boxed, tmp_path):
    attempt("import sys; open(sys.argv[1], 'w')", tmp_path / "new")
    assert (tmp_path / "new").exists() is not boxed


def test_it_cannot_open_a_socket(attempt):
    attempt("import socket; socket.socket()")
    attempt("import socket; socket.socket(socket.AF_UNIX)")


def test_it_cannot_start_processes(attempt):
    attempt("import os\nif os.fork() == 0: os._exit(0)")
    attempt("import os; os.posix_spawn('/bin/true', ['true'], {})")


def test_it_cannot_signal_others(attempt):
    attempt("import os; os.kill(os.getppid(), 0)")


def test_it_cannot_change_whose_a_file_is(attempt, tmp_path):
    mine = tmp_path / "mine"
    mine.touch()
    attempt("import os, sys; os.chmod(sys.argv[1], 0o777)", mine)


def test_it_cannot_take_much_memory(attempt):
    more = command.Limits().memory + rights.THREAD * (os.cpu_count() or 1) + 1
    attempt("import sys; bytearray(int(sys.argv[1]))", more, why="MemoryError")


def test_it_cannot_work_for_ever():
    done = run("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
               limits=command.Limits(cpu=1))  # fmt: skip
    assert done.returncode == -9


def test_it_inherits_no_environment(boxed, monkeypatch):
    monkeypatch.setenv("SECRET", "of the server")
    said = run("import os; print(os.environ.get('SECRET'))").stdout.strip()
    assert said == ("None" if boxed else "of the server")


def test_it_keeps_threads():
    done = run("import threading\nt = threading.Thread(target=print, args=['threaded'])\nt.start()\nt.join()")
    assert done.stdout == "threaded\n", done.stderr


class TestItsFolder:
    def test_it_may_write_there_and_nowhere_else(self, tmp_path):
        own, other = tmp_path / "own", tmp_path / "other"
        own.mkdir()
        other.mkdir()
        limits = command.Limits(written=100)
        code = "import sys; print(open(sys.argv[1], 'w').write('x' * int(sys.argv[2])), flush=True)"
        assert run(code, own / "a", 100, writes=[own], limits=limits).returncode == 0
        run(code, own / "b", 101, writes=[own], limits=limits)
        assert (own / "b").stat().st_size == 100
        assert "PermissionError" in run(code, other / "a", 1, writes=[own], limits=limits).stderr
        link = "import os, sys; os.symlink('/etc/passwd', sys.argv[1])"
        assert "PermissionError" in run(link, own / "link", writes=[own], limits=limits).stderr


class TestItsFile:
    WAIT = "import sys; print('ready', flush=True); sys.stdin.read(1); print(open(sys.argv[1]).read())"

    def test_what_takes_the_name_later_is_not_read(self, boxed, tmp_path):
        path, secret = tmp_path / "brought", tmp_path / "secret"
        path.write_text("brought")
        secret.write_text("secret")
        line = command.limited([*PYTHON, self.WAIT, path], reads=[*LIBRARIES, path])
        with subprocess.Popen(line, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            path.unlink()
            path.symlink_to(secret)
            said, wrong = process.communicate("\n", timeout=60)
        assert ("secret" in said) is not boxed
        assert ("PermissionError" in wrong) is boxed

    def test_a_pipe_is_none(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        line = command.limited(["/bin/cat", tmp_path / "pipe"], reads=[tmp_path / "pipe"])
        done = subprocess.run(line, capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and "no regular file" not in done.stdout and "cannot be started" in done.stderr


class TestSounds:
    @pytest.fixture
    def voice(self, tmp_path) -> Path:
        path = tmp_path / "voice.wav"
        samples = 3000 * np.sin(np.arange(16_000) / 8)
        wavfile.write(path, 16_000, samples.astype(np.int16))
        return path

    def test_samples_are_the_same_with_and_without(self, voice, monkeypatch):
        inside = load_audio(voice)
        monkeypatch.setattr(command, "HERE", False)
        np.testing.assert_array_equal(inside, load_audio(voice))

    def test_a_list_reads_no_other_file_even_without_the_whitelist(self, boxed, voice, monkeypatch):
        path = voice.with_name("list.mp3")
        path.write_text(f"ffconcat version 1.0\nfile {voice.name}\n")
        monkeypatch.setattr(decoding, "_CONTAINERS", "concat,wav")
        if boxed:
            with pytest.raises(BadAudioError):
                load_audio(path)
        else:
            assert np.abs(load_audio(path)).max() > 0.02

    def test_ffmpeg_dials_nobody_even_without_the_whitelist(self, boxed):
        import imageio_ffmpeg

        line = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", "tcp://127.0.0.1:9"]
        done = subprocess.run(command.limited(line), stdin=-3, capture_output=True, text=True, timeout=60)
        assert ("Connection refused" in done.stderr) is not boxed


class TestTypedText:
    def test_the_engine_has_few_rights(self, boxed):
        """Its program, with a deed in place of the speaking."""
        import json

        from atvg.voice import speak

        deed = speak._COMMAND[-1].replace("made = bytearray()", "open('/etc/passwd'); made = bytearray()")
        job = json.dumps([speak._BOX if boxed else "", *speak._installed(), "en", 160, ["one"], 60])
        done = subprocess.run([*PYTHON, deed], input=job.encode(), capture_output=True, timeout=60)
        assert (done.returncode, b"PermissionError" in done.stdout) == ((1, True) if boxed else (0, False))
        assert done.stdout


class TestLayers:
    def test_here_all_of_them_hold(self):
        assert str(layers()) == (
            "in processes of their own: limits of memory and time; no network, no other processes (seccomp); "
            "no other files (Landlock)"
        )

    @pytest.mark.parametrize(
        "held, said",
        [
            ((True, True, False), "this system lacks Landlock"),
            ((True, False, False), "this system lacks seccomp and Landlock"),
            ((False, False, False), "have all rights of this user"),
        ],
    )
    def test_what_is_missing_is_said(self, held, said):
        assert said in str(Layers(*held))

    def test_other_systems_have_none(self, monkeypatch):
        layers.cache_clear()
        monkeypatch.setattr(command, "HERE", False)
        assert not any(layers())
        layers.cache_clear()

    def test_they_are_tried_and_not_believed(self, monkeypatch):
        """A kernel that takes the rules and does not hold to them would be found out."""
        layers.cache_clear()
        monkeypatch.setattr(command, "limited", lambda line, **_: list(line))
        assert tuple(layers()) == (False, False, False)
        layers.cache_clear()
