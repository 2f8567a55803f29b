"""Training of the sync expert: what a batch is, and that it learns which sound belongs to which mouth."""

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg.checkpoint import load_sync_net
from atvg.config import SyncNetConfig
from atvg.errors import PackError
from atvg.train.run import train
from atvg.train.settings import SyncSettings
from atvg.train.sync_stage import SyncStage, grey_mouths

SMALL = SyncNetConfig(picture_widths=(8, 8, 12, 16), sound_widths=(12, 12, 16), codes=16, dropout=0.0)


@pytest.fixture
def make(tiny_pack):
    def build(**settings: object) -> SyncStage:
        torch.manual_seed(0)
        chosen = {"batch": 2, "frames": 8, "reach": 1, "warmup": 1} | settings
        return SyncStage(Fabric(accelerator="cpu", devices=1), tiny_pack, SyncSettings(**chosen), SMALL)

    return build


def test_mouths_are_kept_as_grey_pixels():
    frames = np.full((3, 128, 128, 3), (0, 100, 0), np.uint8)
    assert grey_mouths(frames).shape == (3, 48, 64) and np.unique(grey_mouths(frames)).tolist() == [59]


def test_a_batch(make):
    pictures, rows = make().batch(np.random.default_rng(0))
    assert pictures.shape == (2, 12, 48, 64) and pictures.abs().max() <= 1.35
    assert rows.shape == (2, 4 * (8 + 2) + 24, 20)


def test_the_sound_is_that_of_the_looks(make, monkeypatch):
    """Frame and row numbers in place of pictures and sound: look i of a stretch is about frame first + 2 + i."""
    stage = make(distort=0.0, noise=0.0, light=0.0, shift=0)
    frames = len(stage._mouths[0])
    numbers = np.broadcast_to(np.arange(frames)[:, None, None], (frames, 48, 64)).astype(np.uint8)
    rows = np.repeat(np.arange(4 * frames + 24, dtype=np.float32)[:, None], 20, axis=1)
    stage._mouths, stage._rows, stage._chances = [numbers], [rows], np.ones(1)
    monkeypatch.setattr("atvg.data.sound.distort", lambda rows, limits, rng: rows)
    for seed in range(5):
        pictures, heard = stage.batch(np.random.default_rng(seed))
        first = ((pictures[0, 0, 0, 0] + 1) * 127.5).round()
        start = first + 2 - 1  # the middle of the first look, less the reach
        inside = (4 * start + np.arange(heard.shape[1])).clip(0, len(rows) - 1)
        torch.testing.assert_close(heard[0, :, 0], inside.float())


def test_a_few_dozen_steps_learn_a_batch(make):
    stage = make(lr=0.01)
    batch = stage.batch(np.random.default_rng(0))
    stage.batch = lambda rng: batch
    cost = [float(stage.step(step)["sync"]) for step in range(30)]
    assert min(cost[-3:]) < 0.7 * cost[0]


def test_a_run_writes_weights_that_load(tiny_pack, tmp_path):
    small = {"batch": "2", "frames": "8", "steps": "2", "net.picture_widths": "8,8,12,16", "net.codes": "16"}
    terms = train("sync", tiny_pack, tmp_path, overrides=small)
    assert set(terms) == {"sync", "near"} and 0 <= terms["near"] <= 1
    net = load_sync_net(tmp_path)
    assert net.config.codes == 16 and net.ear.mfcc_std.min() > 0 and net.ear.mfcc_mean[0] != 0


def test_clips_must_be_long_enough(tiny_pack, tmp_path, refuses):
    with refuses(PackError, "no clip of 104 frames"):
        train("sync", tiny_pack, tmp_path / "run", overrides={"frames": "100"})
