"""The β family: networks are loaded when they are asked for, once for all who use them, and let go again."""

import gc

import pytest
import torch

from atvg.animate.family import Family, blend
from atvg.config import VGNetConfig
from atvg.nets.vg_net import VGNet

SMALL = VGNetConfig(photo_widths=(4, 4, 4, 4), landmark_widths=(4, 4, 4), decoder_widths=(4, 4, 4), hidden=4)


@pytest.fixture
def loads() -> list[float]:
    """Every β that was loaded."""
    return []


@pytest.fixture
def family(loads) -> Family:
    def loader(beta: float):
        def load() -> VGNet:
            loads.append(beta)
            torch.manual_seed(round(10 * beta))
            return VGNet(SMALL).eval()

        return load

    return Family({0.5: VGNet(SMALL).eval(), 0.0: loader(0.0), 2.0: loader(2.0)})


def test_what_is_there_needs_no_loading(family, loads):
    assert set(family) == {0.0, 0.5, 2.0} and len(family) == 3
    assert family[0.5] is family.loaded[0] and blend(family, 0.5) is family[0.5]
    assert not loads


def test_who_asks_while_it_is_used_gets_the_same(family, loads):
    net = family[2.0]
    assert family[2.0] is net and Family(family)[0.5] is family[0.5]
    assert loads == [2.0]


def test_what_nobody_uses_is_let_go_and_loaded_again(family, loads):
    weights = family[2.0].start.weight.clone()
    gc.collect()
    assert torch.equal(family[2.0].start.weight, weights)
    assert loads == [2.0, 2.0]


def test_between_two_both_are_loaded_and_neither_is_kept(family, loads):
    middle = blend(family, 0.25).start.weight
    assert loads == [0.0]
    expected = (family[0.0].start.weight + family[0.5].start.weight) / 2
    assert torch.allclose(middle, expected, atol=1e-6)


def test_the_shipped_app_loads_one(animator):
    assert len(animator.vg_nets.loaded) == 1 < len(animator.vg_nets)
