"""Sums of weights: what was damaged or exchanged is refused, and what is written anew is no longer compared."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from atvg import checkpoint, sums
from atvg.config import VGNetConfig
from atvg.errors import CheckpointError
from atvg.nets.vg_net import VGNet
from atvg.shipped import shipped

SMALL = VGNetConfig(photo_widths=(4, 4, 4, 4), landmark_widths=(4, 4, 4), decoder_widths=(4, 4, 4), hidden=4)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("vg_net", "vg_net_soft"):
        checkpoint.save_net(tmp_path, name, VGNet(SMALL), {"beta": len(name)})
    (tmp_path / "compared").mkdir()
    shutil.copy(tmp_path / "vg_net.safetensors", tmp_path / "compared" / "other.safetensors")
    sums.write_sums(tmp_path)
    return tmp_path


def change(path: Path) -> None:
    """The last weight by one bit: what it is of stays whole."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_the_shipped_list_names_all_that_is_shipped():
    folder = shipped("checkpoints")
    files = [path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors")]
    assert sums.read_sums(folder) == {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }, "weights were replaced; run: make sums"


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="GNU's coreutils are not installed")
def test_sha256sum_can_check_it(folder):
    subprocess.run(["sha256sum", "--check", "--strict", sums.SUMS], cwd=folder, check=True, capture_output=True)


def test_whole_weights_are_loaded(folder):
    assert set(checkpoint.load_vg_nets(folder)) == {6.0, 11.0}
    checkpoint.load_compared(folder, "other", VGNet, VGNetConfig)


@pytest.mark.parametrize("name", ["vg_net.safetensors", "vg_net.json"])
def test_one_other_bit_is_refused(folder, name, refuses):
    change(folder / name)
    with refuses(CheckpointError, "SHA256SUMS"):
        checkpoint.load_vg_net(folder)


def test_so_it_is_in_a_folder_within(folder, refuses):
    change(folder / "compared" / "other.safetensors")
    with refuses(CheckpointError, "SHA256SUMS"):
        checkpoint.load_compared(folder, "other", VGNet, VGNetConfig)


def test_each_file_is_hashed_when_it_is_read_and_not_before(folder, refuses):
    change(folder / "vg_net_soft.safetensors")
    found = checkpoint.find_vg_nets(folder)
    found[6.0]()
    with refuses(CheckpointError, "vg_net_soft"):
        found[11.0]()


def test_without_a_list_everything_is_loaded(folder):
    (folder / sums.SUMS).unlink()
    change(folder / "vg_net.safetensors")
    checkpoint.load_vg_net(folder)


def test_weights_that_are_written_anew_leave_the_list(folder, refuses):
    checkpoint.save_net(folder, "vg_net", VGNet(SMALL), {"beta": 6})
    checkpoint.load_vg_net(folder)
    assert set(sums.read_sums(folder)) == {
        "vg_net_soft.json",
        "vg_net_soft.safetensors",
        "compared/other.safetensors",
    }
    change(folder / "vg_net_soft.safetensors")
    with refuses(CheckpointError, "vg_net_soft"):
        checkpoint.load_vg_net(folder, "vg_net_soft")


def test_a_list_of_nothing_is_removed(folder):
    sums.drop_sums(folder, *sums.read_sums(folder))
    assert not (folder / sums.SUMS).exists()


@pytest.mark.parametrize("text", [b"no sum at all\n", b"\xff\xfe", b"0" * 64 + b"  vg_net.json\nrubbish\n"])
def test_a_damaged_list_is_told(folder, text, refuses):
    (folder / sums.SUMS).write_bytes(text)
    with refuses(CheckpointError, "no list of SHA-256"):
        checkpoint.load_vg_net(folder)
