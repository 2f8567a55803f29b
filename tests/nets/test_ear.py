"""The ear is the encoder of Whisper base, to the rounding of the reference that was computed with the original."""

from pathlib import Path

import numpy as np
import pytest
import torch

from atvg.animate.ear_engine import CompiledEar, make_ear
from atvg.checkpoint import load_ear
from atvg.config import EarConfig
from atvg.nets.ear import Ear
from atvg.voice.mel import log_mel, mfcc80_rows

SMALL = EarConfig(width=32, heads=4, layers=3, positions=60)


@pytest.fixture(scope="module")
def ear() -> Ear:
    return load_ear()


@pytest.fixture(scope="module")
def small() -> Ear:
    torch.manual_seed(0)
    net = Ear(SMALL).eval().requires_grad_(False)
    net.positions.copy_(torch.randn(60, 32))
    return net


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("ear_reference.npz")) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


@pytest.fixture(scope="module")
def sweep() -> np.ndarray:
    """A tone that rises, as the reference heard it."""
    t = np.arange(32_000) / 16_000
    return (0.08 * np.sqrt(2) * np.sin(2 * np.pi * (200 * t + 150 * t**2))).astype(np.float32)


def test_log_mel_is_whispers(sweep, reference):
    assert np.abs(log_mel(sweep, 0, 200, top=None).T - reference["log_mel"]).max() < 0.01


def test_features_are_whispers(ear, sweep, reference):
    rows = torch.from_numpy(mfcc80_rows(sweep, 0, 200, top=None))[None]
    features = ear(rows)[0].numpy()
    rounding = np.spacing(np.abs(reference["features"]).astype(np.float16)).astype(np.float32)
    assert features.shape == (100, 512)
    assert (np.abs(features - reference["features"]) <= 0.05 + rounding).all()


def test_the_compiled_ear_hears_the_same(ear, sweep):
    rows = torch.from_numpy(mfcc80_rows(sweep, 0, 200))[None]
    compiled = make_ear("auto", ear, (4,))
    if not isinstance(compiled, CompiledEar):
        pytest.skip("nothing compiles here")
    for length, start in ((200, 0), (120, 700)):
        heard, true = compiled(rows[:, :length], (4,), start), ear(rows[:, :length], (4,), start)
        assert heard.shape == true.shape and (heard - true).abs().max() < 1e-4 * true.abs().max()
    with pytest.raises(ValueError, match="layers"):
        compiled(rows, (2,))
    assert make_ear("torch", ear, (4,)) is ear


def test_layers_lie_side_by_side(small):
    rows = torch.randn(1, 20, 80)
    both = small(rows, (0, 3))
    assert both.shape == (1, 10, 64)
    torch.testing.assert_close(both[..., 32:], small(rows))
    torch.testing.assert_close(both[..., :32], small.embed(rows) + small.positions[:10])


def test_a_sound_begins_at_the_place_it_is_told(small):
    rows = torch.randn(1, 20, 80)
    assert not torch.allclose(small(rows, start=0), small(rows, start=30))
    moved = Ear(SMALL).eval()
    moved.load_state_dict(small.state_dict() | {"positions": small.positions.roll(-30, 0)})
    torch.testing.assert_close(moved(rows), small(rows, start=30))


def test_it_looks_both_ways(small):
    rows = torch.randn(1, 20, 80)
    changed = rows.clone()
    changed[:, 10] += 1
    assert (small(rows) != small(changed)).any(dim=-1).all()
