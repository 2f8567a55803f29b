"""``atvg doctor``: what it says of a machine on which something is wrong."""

import shutil
import socket
import tempfile
from collections import namedtuple
from functools import partial
from pathlib import Path

import pytest

from atvg.cli import main
from atvg.doctor import machine, work
from atvg.doctor import run as doctor
from atvg.doctor.finding import Finding, look


def test_whatever_goes_wrong_is_a_finding():
    def broken() -> Finding:
        raise RuntimeError("two\nlines")

    assert look("part", broken, "mend it") == Finding("part", "RuntimeError: two lines", "fail", "mend it")


def test_the_home_folder_is_not_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "anna")
    said = f"{tmp_path}/anna/weights: missing; not {tmp_path}/annabel or {tmp_path}/anna"
    line = doctor.to_line(Finding("weights", said, "fail", f"see {tmp_path}/anna"))
    assert line.splitlines()[0].endswith(f"~/weights: missing; not {tmp_path}/annabel or ~")
    assert line.endswith("→ see ~")


@pytest.mark.parametrize("states, status", [(["ok", "warn"], 0), (["ok", "fail", "ok"], 1)])
def test_the_exit_status_tells_whether_something_needed_fails(states, status, monkeypatch, capsys):
    found = [Finding(f"part {i}", "said", state, "mend it") for i, state in enumerate(states)]
    monkeypatch.setattr(doctor, "examine", lambda weights: iter(found))
    assert main(["doctor"]) == status
    printed = capsys.readouterr().out
    assert all(f"{found.state:<5} {found.name}" in printed for found in found)
    assert printed.count("→ mend it") == len([state for state in states if state != "ok"])


def test_weights_that_are_none(tmp_path):
    empty = look("weights", partial(work.weights, str(tmp_path)), "")
    assert empty.state == "fail" and "is missing" in empty.said
    unfetched = look("weights", partial(work.weights, "owner/name"), "")
    assert unfetched.state == "fail" and "owner/name is no folder" in unfetched.said


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "new"))
    assert machine.folder().state == "ok" and not (tmp_path / "new").exists()
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert machine.folder().state == "fail"


def test_a_disk_that_is_nearly_full(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(10**6))
    assert machine.folder().state == "warn"


def test_a_port_that_is_taken(monkeypatch):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(held.getsockname()[1]))
        assert machine.port().state == "warn"
    monkeypatch.delenv("GRADIO_SERVER_PORT")
    assert machine.port().state == "ok"


def test_packages_that_are_missing_or_others(monkeypatch):
    asked = namedtuple("Installed", "requires")(
        ["numpy>=99", "pillow>=1", "no-such-package==1", "neither; extra == 'test'"]
    )
    monkeypatch.setattr(machine, "distribution", lambda _: asked)
    found = machine.packages()
    assert found.state == "fail" and "no-such-package is missing" in found.said and "is not >=99" in found.said
    assert "neither" not in found.said and "pillow" not in found.said.lower()


@pytest.mark.parametrize("python, state", [((3, 9), "fail"), ((3, 11), "ok"), ((3, 13), "fail")])
def test_the_pythons_there_are_wheels_for(python, state, monkeypatch):
    monkeypatch.setattr(machine.sys, "version_info", (*python, 0))
    assert machine.python().state == state


def test_a_system_without_a_box_is_told_so(monkeypatch):
    from atvg.box.layers import Layers

    monkeypatch.setattr("atvg.box.layers.layers", lambda: Layers(True, True, False))
    found = work.box()
    assert found.state == "warn" and "lacks Landlock" in found.said and "5.13" in found.todo
    monkeypatch.setattr("atvg.box.layers.layers", lambda: Layers(True, True, True))
    assert work.box().state == "ok" and "lacks" not in work.box().said


@pytest.mark.long
def test_here_everything_works(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for part in ("ATVG", "weights", "engine", "ffmpeg", "detector", "speech", "port"):
        assert f" {part} " in printed
    assert "fail" not in printed and "openvino" in printed and str(Path.home()) not in printed
