"""Training of the sync expert: what a batch is, and that it learns which sound belongs to which mouth."""

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg.checkpoint import load_ear, load_sync_net, locate
from atvg.config import SyncNetConfig
from atvg.errors import BadSettingError, PackError
from atvg.evaluation.baselines import load_speech
from atvg.nets.sync_net import SyncNet
from atvg.train.run import train
from atvg.train.settings import SyncSettings
from atvg.train.sync_stage import SyncStage, components, grey_mouths, hear_all

SMALL = SyncNetConfig(picture_widths=(8, 8, 12, 16), squeezed=12, around=6, hidden=16, codes=16, dropout=0.0)
SPANS = {"short": 8, "long": 12}
UNCHANGED = dict.fromkeys(("noise", "shift", "size", "tilt", "blur", "bend", "light", "grain"), 0.0)


@pytest.fixture
def make(tiny_pack):
    def build(**settings: object) -> SyncStage:
        torch.manual_seed(0)
        chosen = {"batch": 2, "looks": 4, "reach": 1, "warmup": 1, "begin": False} | SPANS | settings
        return SyncStage(Fabric(accelerator="cpu", devices=1), tiny_pack, SyncSettings(**chosen), SMALL)

    return build


def test_mouths_are_kept_as_grey_pixels():
    frames = np.full((3, 128, 128, 3), (0, 100, 0), np.uint8)
    assert grey_mouths(frames).shape == (3, 48, 64) and np.unique(grey_mouths(frames)).tolist() == [59]


@pytest.mark.parametrize(("share", "span"), [(0, 8), (1, 12)])
def test_a_batch(make, share, span):
    stage = make(long_share=share)
    looks, heard, places = stage.batch(np.random.default_rng(0))
    assert looks.shape == (2, 4, 5, 48, 64) and heard.shape == (2, 2 * (span + 2 - 1) + 6, 12)
    assert places.shape == (2, 4) and places.min() >= 1 and places.max() <= span
    assert looks.mean(dim=(1, 2, 3, 4)).abs().max() < 1e-4 and looks.isfinite().all()


def test_the_sound_is_that_of_the_looks(make, monkeypatch):
    """Frame and feature numbers in place of pictures and sound."""
    stage = make(**UNCHANGED)
    frames = len(stage._mouths[0])
    stage._mouths = [np.broadcast_to(np.arange(frames)[:, None, None], (frames, 48, 64)).astype(np.uint8)]
    stage._sounds = [np.arange(2 * frames, dtype=np.float32)[None, :, None] * np.ones(12, np.float32)]
    stage._chances = dict.fromkeys(stage._chances, np.ones(1))
    monkeypatch.setattr("atvg.train.sync_stage.evened", lambda looks: looks)
    monkeypatch.setattr("atvg.train.sync_stage._LONGEST_GAP", 0)
    for seed in range(5):
        looks, heard, places = stage.batch(np.random.default_rng(seed))
        middle = ((looks[0, :, 2, 20, 20] + 1) * 127.5).round()
        own = heard[0, stage.players["main"].module.lead + 2 * places[0], 0]  # the first feature that lies in the frame
        torch.testing.assert_close(own, 2 * middle)


def test_mouths_change_alike_within_a_clip_and_not_between_two(make):
    stage = make(grain=0.0)
    looks = torch.rand(1, 1, 1, 48, 64).expand(2, 4, 5, -1, -1) * 2 - 1
    changed = stage._changed(looks, np.random.default_rng(0))
    torch.testing.assert_close(changed, changed[:, :1, :1].expand_as(changed))
    assert (changed[0] - changed[1]).abs().mean() > 0.1
    half = make(**UNCHANGED)._changed(looks, np.random.default_rng(0))
    for picture in half[:, 0, 0]:
        assert min((picture - looks[0, 0, 0]).abs().max(), (picture - looks[0, 0, 0].flip(-1)).abs().max()) < 1e-4


def test_a_clip_is_heard_in_versions_from_other_places():
    rows = np.random.default_rng(0).standard_normal((60, 80)).astype(np.float32)
    stage_net = SyncNet(SMALL)
    first, second = hear_all(load_ear(locate()), [rows, rows], 2, 0, stage_net)
    assert first.shape == second.shape == (2, 30, 12)
    assert 0 < np.abs(first[0] - second[0]).mean() < np.abs(first[0] - first[1]).mean()
    assert stage_net.hearing.ear_mean.abs().max() > 0


def test_components_are_white():
    features = torch.randn(500, 6) @ torch.randn(6, 6) + 3
    mean, basis = components(features, 4)
    squeezed = (features - mean) @ basis.T
    torch.testing.assert_close(squeezed.T @ squeezed / 500, torch.eye(4), atol=1e-3, rtol=0)


def test_a_few_dozen_steps_learn_a_batch(make):
    stage = make(lr=0.01)
    batch = stage.batch(np.random.default_rng(0))
    stage.batch = lambda rng: batch
    cost = [float(stage.step(step)["sync"]) for step in range(30)]
    assert min(cost[-3:]) < 0.7 * cost[0]


def test_a_run_writes_weights_that_load(tiny_pack, tmp_path):
    small = {key: str(value) for key, value in SPANS.items()} | {"batch": "2", "steps": "2", "net.hidden": "16"}
    terms = train("sync", tiny_pack, tmp_path, overrides=small)
    assert set(terms) == {"sync", "near"} and 0 <= terms["near"] <= 1
    net = load_sync_net(tmp_path)
    assert net.config.hidden == 16 and net.hearing.ear_mean.abs().max() > 0
    begun = load_speech().eye.layers[0][0].weight
    assert (net.eye.layers[0][0].weight - begun).abs().max() < 0.2 * begun.abs().max(), "it begins with that eye"


def test_an_eye_of_another_size_begins_from_nothing(tiny_pack, tmp_path, refuses):
    small = {key: str(value) for key, value in SPANS.items()} | {"net.picture_widths": "8,8,12,16"}
    with refuses(BadSettingError, "begin=false"):
        train("sync", tiny_pack, tmp_path, overrides=small)


def test_clips_must_be_long_enough(tiny_pack, tmp_path, refuses):
    with refuses(PackError, "no clip of 104 frames"):
        train("sync", tiny_pack, tmp_path / "run", overrides={"short": "100"})
