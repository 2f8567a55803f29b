"""Training of the compared systems: what they see, and that each learns."""

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg.checkpoint import COMPARED
from atvg.config import BaselineConfig
from atvg.errors import BadSettingError
from atvg.evaluation.baselines import BASELINES, load_baseline, load_speech
from atvg.train import baseline_stage
from atvg.train.baseline_stage import BaselineStage
from atvg.train.run import train
from atvg.train.settings import BaselineSettings

SMALL = BaselineConfig((8, 8, 12, 12, 16), (16, 12, 12, 8, 8), 16)
SMALL_NET = {"net.photo_widths": "8,8,12,12,16", "net.decoder_widths": "16,12,12,8,8", "net.codes": "16"}
PLAIN = {"affine": 0.0, "colour": 0.0, "grey": 0.0, "toned": 0.0, "sound_noise": 0.0}


@pytest.fixture(autouse=True)
def few_examples(monkeypatch):
    """Of 256 frames: the linear regressions before and after training need not be good ones."""
    monkeypatch.setattr(baseline_stage, "_EXAMPLES", 2)


@pytest.fixture
def make(tiny_pack):
    def build(name: str = "chung", **settings: object) -> BaselineStage:
        torch.manual_seed(0)
        chosen = {"batch": 2, "frames": 2, "warmup": 1} | settings
        return BaselineStage(Fabric(accelerator="cpu", devices=1), tiny_pack, BaselineSettings(**chosen), SMALL, name)

    return build


@pytest.mark.parametrize("name", BASELINES)
def test_a_few_dozen_steps_learn_a_batch(make, name):
    stage = make(name, lr=0.003, steps=100, **PLAIN)
    batch = stage.batch(np.random.default_rng(0))
    stage.batch = lambda rng: batch
    cost = [float(sum(terms.values())) for terms in map(stage.step, range(25))]
    assert min(cost[-3:]) < 0.9 * cost[0]


def test_what_is_seen_belongs_together(make):
    """Turned photo, frame, sound and person of sample i, frame by frame."""
    stage = make(batch=3, frames=2, **PLAIN)
    batch = stage.batch(np.random.default_rng(0))
    seen = stage._seen(batch)
    assert [len(part) for part in seen] == [6] * 4
    for i in range(3):
        for t in range(2):
            torch.testing.assert_close(seen.photo[2 * i + t], batch.turned.photo[i, t])
            torch.testing.assert_close(seen.real[2 * i + t], batch.real[i, t])
            torch.testing.assert_close(seen.sound[2 * i + t], batch.sound[i, t])
            assert seen.person[2 * i + t] == batch.people[i]


@pytest.mark.parametrize("name", BASELINES)
def test_speech_begins_as_the_shipped_one(make, name):
    speech = make(name).players["main"].module.speech.state_dict()
    for part, values in load_speech().state_dict().items():
        torch.testing.assert_close(speech[part], values)


def test_the_sample_shows_photo_truth_and_drawing(make):
    stage = make()
    picture = stage.sample(stage.players["main"].module)
    assert picture.shape == (3, 3 * 128, 2 * 128) and 0 <= picture.min() and picture.max() <= 1
    assert stage.players["main"].module.training


@pytest.mark.parametrize("name", BASELINES)
def test_a_run_writes_weights_that_draw(tiny_pack, tmp_path, name):
    small = SMALL_NET | {"batch": "2", "frames": "2", "steps": "2"}
    terms = train(name, tiny_pack, tmp_path / COMPARED, overrides=small)
    assert all(np.isfinite(value) for value in terms.values())
    net = load_baseline(name, tmp_path)
    frames = np.concatenate(list(net.stream(np.zeros((128, 128, 3), np.uint8), np.zeros((40, 20), np.float32))))
    assert frames.shape == (4, 128, 128, 3)


def test_a_run_goes_on(tiny_pack, tmp_path):
    small = SMALL_NET | {"batch": "2", "frames": "2", "steps": "4", "warmup": "1"}
    whole = train("wiles", tiny_pack, tmp_path / "whole", overrides=small)
    train("wiles", tiny_pack, tmp_path / "parts", overrides=small | {"steps": "4"}, minutes=1e-6)
    parts = train("wiles", tiny_pack, tmp_path / "parts", overrides=small, resume=True)
    assert parts.keys() == whole.keys()


def test_photos_must_be_turned(tiny_pack, tmp_path, refuses):
    with refuses(BadSettingError, "turn=false"):
        train("zhou", tiny_pack, tmp_path / "run", overrides={"turn": "false"})
