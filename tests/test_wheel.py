"""The installed package: weights, assets and app come along, and nothing leaves the machine."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from atvg import shipped
from tests.server import ROOT, Server

# Notes every address that Python code looks up or connects to, in any process that finds this file.
WATCH = """
import os, sys
def watch(event, values):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = values[0] if event == "socket.getaddrinfo" else values[1]
        host = address[0] if isinstance(address, tuple) else address
        if isinstance(address, (str, tuple)) and host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
            with open(os.environ["ATVG_TEST_CALLS"], "a") as calls:
                calls.write(f"{event} {address}\\n")
sys.addaudithook(watch)
"""


def test_shipped_folders_are_found_in_a_clone_and_in_a_package(monkeypatch, tmp_path):
    assert shipped.shipped("checkpoints") == ROOT / "checkpoints"
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "atvg")
    assert shipped.shipped("assets") == tmp_path / "assets"
    (tmp_path / "atvg" / "assets").mkdir(parents=True)
    assert shipped.shipped("assets") == tmp_path / "atvg" / "assets"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with nothing but what the wheel holds."""
    pytest.importorskip("hatchling", reason="what builds wheels is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=600)
    (wheel,) = folder.glob("atvg-*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def calls(installed, tmp_path, monkeypatch) -> Path:
    """Where calls are noted, of programs that use the installed package and stand somewhere else."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    paths = [str(installed), str(tmp_path / "watch"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("ATVG_TEST_CALLS", str(tmp_path / "calls.txt"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "calls.txt"


@pytest.mark.long
def test_a_wheel_has_all_that_runs_and_only_that(installed):
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"atvg"}
    for name in ("checkpoints/ear.safetensors", "assets/page.json", "assets/teeth/teeth.json", "studio/__main__.py"):
        assert (installed / "atvg" / name).is_file()
    assert not (installed / "atvg" / "assets" / "screenshots").exists()


@pytest.mark.long
def test_the_installed_commands_work_and_call_nobody(installed, calls, astronaut_path, voices, tmp_path):
    for line in (["doctor"], ["animate", str(astronaut_path), str(voices / "audio_sample.wav"), "-o", "out.mp4"]):
        done = subprocess.run([sys.executable, "-m", "atvg", *line], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        assert line != ["doctor"] or str(installed / "atvg" / "checkpoints") in done.stdout
    assert (tmp_path / "out.mp4").stat().st_size > 10_000
    assert not calls.exists(), calls.read_text()


@pytest.mark.long
def test_the_installed_app_opens_and_calls_nobody(calls, tmp_path):
    server = Server(tmp_path / "app", command=("-m", "atvg", "app"), cwd=tmp_path)
    try:
        assert server.answers()
    finally:
        server.end()
    assert not calls.exists(), calls.read_text()


@pytest.mark.long
def test_a_call_would_be_noted(calls):
    code = "import socket\ntry: socket.create_connection(('192.0.2.1', 9), timeout=0.1)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "192.0.2.1" in calls.read_text()
