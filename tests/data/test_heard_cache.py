"""What the ear heard of a pack is kept for the next run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from atvg.config import ATNetConfig, EarConfig
from atvg.data.heard_cache import hear_pack
from atvg.data.speech import sample_clips
from atvg.errors import OutputError
from atvg.nets.ear import Ear

CONFIG = ATNetConfig(squeezed=8)


@pytest.fixture(scope="module")
def ear() -> Ear:
    """A small one: it is listened with, and all the same what it hears."""
    torch.manual_seed(0)
    return Ear(EarConfig(width=32, heads=4)).eval().requires_grad_(False)


@pytest.fixture
def hear(tiny_pack, ear, tmp_path):
    clips = sample_clips(tiny_pack, "train")

    def call(folder: Path | None = tmp_path / "cache", config=CONFIG, distort=0.5, seed=0, versions=2, write=True):
        return hear_pack(tiny_pack, clips, ear, config, clips, distort, 0.1, seed, versions, folder, write)

    return call


@pytest.fixture
def deaf(monkeypatch):
    def refuse(*_):
        raise AssertionError("somebody listened")

    return lambda: monkeypatch.setattr(Ear, "forward", refuse)


def test_the_next_run_need_not_listen(hear, deaf):
    features, tracks = hear()
    assert [track.shape for track in tracks] == [(2, 60, 8), (2, 50, 8)]
    deaf()
    kept, same = hear()
    for one, other in zip(tracks, same, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(features.silences, kept.silences)
    assert (features.mean == kept.mean).all() and (features.basis == kept.basis).all()


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"versions": 3},
        {"distort": 0.1},
        {"config": ATNetConfig(squeezed=9)},
        {"config": ATNetConfig(squeezed=8, ear_layers=(3,))},
    ],
)
def test_what_would_be_heard_otherwise_is_heard_again(hear, deaf, other):
    hear()
    deaf()
    with pytest.raises(AssertionError, match="listened"):
        hear(**other)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-99]), lambda path: path.touch()])
def test_a_damaged_file_is_written_again(hear, deaf, tmp_path, damage):
    _, tracks = hear()
    (path,) = (tmp_path / "cache").glob("*")
    assert path.suffix == ".safetensors"
    whole = path.read_bytes()
    path.write_bytes(b"")
    damage(path)
    _, again = hear()
    np.testing.assert_array_equal(tracks[0], again[0])
    assert path.read_bytes() == whole


def test_one_process_of_several_writes(hear, tmp_path):
    hear(write=False)
    assert not (tmp_path / "cache").exists()


def test_without_a_folder_nothing_is_kept(hear, tmp_path):
    hear(folder=None)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_made_is_told(hear, tmp_path, refuses):
    (tmp_path / "file").touch()
    with refuses(OutputError, "file"):
        hear(folder=tmp_path / "file/cache")
