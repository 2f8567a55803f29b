"""Weights in a file: the same numbers, also after they have left memory."""

import errno
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from atvg.animate import ear_engine
from atvg.animate.cold import Cold
from atvg.config import EarConfig
from atvg.nets.ear import Ear


def resident_mb() -> float:
    rows = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", rows, re.M)[1]) / 1024


def test_a_network_computes_what_it_did():
    torch.manual_seed(0)
    net, given = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3)), torch.randn(4, 7)
    expected = net(given)
    cold = Cold(net)
    assert torch.equal(net(given), expected)
    cold.forget()
    assert torch.equal(net(given), expected)


@pytest.mark.skipif(sys.platform != "linux", reason="only there is it known how to forget, and what is resident")
def test_what_is_forgotten_is_not_in_memory():
    net = nn.Linear(4096, 2048)  # 32 MB
    cold = Cold(net)
    total = net.weight.sum()
    before = resident_mb()
    cold.forget()
    assert before - resident_mb() > 24
    assert net.weight.sum() == total


def test_without_room_for_the_file_the_ear_stays_in_memory(monkeypatch):
    def full(net):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ear_engine, "Cold", full)
    torch.manual_seed(0)
    ear = Ear(EarConfig(n_mels=80, width=16, heads=2, layers=2, positions=400)).eval()
    heard, layers = torch.randn(1, 40, 80), (1, 2)
    with torch.inference_mode():
        expected = ear(heard, layers)
        found = ear_engine.make_ear("auto", ear, layers)(heard, layers)
    assert torch.allclose(found, expected, atol=1e-4)
