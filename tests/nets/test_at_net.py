"""AT-net: causal over frames, stateful, and aware of whose face it moves."""

import pytest
import torch

from atvg.config import ATNetConfig
from atvg.nets.at_net import ATNet

CONFIG = ATNetConfig(first_mfcc=1, n_mfcc=12)  # the paper's windows, 28×12


@pytest.fixture(scope="module")
def net() -> ATNet:
    torch.manual_seed(0)
    return ATNet(CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    return torch.randn(2, 12, 28, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def identity() -> torch.Tensor:
    return torch.randn(2, 16, generator=torch.Generator().manual_seed(2))


def test_shapes(net, windows, identity):
    codes, state = net(windows, identity, net.initial_state(2))
    assert codes.shape == (2, 12, 10)
    assert state.shape == net.initial_state(2).shape == (2, 2, 256)


def test_later_windows_do_not_change_earlier_codes(net, windows, identity):
    changed = windows.clone()
    changed[:, 7:] += 1
    before, after = (net(w, identity, net.initial_state(2))[0] for w in (windows, changed))
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert (before[:, 7:] - after[:, 7:]).abs().amax(dim=(0, 2)).min() > 1e-4


def test_earlier_windows_change_all_later_codes(net, windows, identity):
    changed = windows.clone()
    changed[:, 0] += 2
    before, after = (net(w, identity, net.initial_state(2))[0] for w in (windows, changed))
    assert (before - after).abs().amax(dim=(0, 2)).min() > 1e-5


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_two_stretches_give_what_one_gives(net, windows, identity, cut):
    whole, end = net(windows, identity, net.initial_state(2))
    first, state = net(windows[:, :cut], identity, net.initial_state(2))
    second, state = net(windows[:, cut:], identity, state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, end)


def test_identity_matters(net, windows, identity):
    same_sound = windows[:1].expand(2, -1, -1, -1)
    codes, _ = net(same_sound, identity, net.initial_state(2))
    assert (codes[0] - codes[1]).abs().max() > 0.01


def test_samples_of_a_batch_do_not_meet(net, windows, identity):
    whole, _ = net(windows, identity, net.initial_state(2))
    alone, _ = net(windows[1:], identity[1:], net.initial_state(1))
    torch.testing.assert_close(whole[1:], alone)


def test_features_are_standardised_by_the_stored_statistics(net, windows, identity):
    mean, std = torch.linspace(-5, 5, 12), torch.linspace(1, 9, 12)
    other = ATNet(CONFIG).eval().requires_grad_(False)
    other.load_state_dict({**net.state_dict(), "mfcc_mean": mean, "mfcc_std": std})
    before, _ = net(windows, identity, net.initial_state(2))
    after, _ = other(windows * std + mean, identity, other.initial_state(2))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)


def test_the_sizes_are_those_of_the_config():
    net = ATNet(ATNetConfig(n_mfcc=20, identity_codes=7, motion_codes=5, hidden=32, layers=3)).eval()
    codes, state = net(torch.zeros(1, 3, 28, 20), torch.zeros(1, 7), net.initial_state())
    assert codes.shape == (1, 3, 5) and state.shape == (3, 1, 32)


def test_it_is_a_small_network(net):
    assert sum(p.numel() for p in net.parameters()) < 2e6  # the authors' had 30.1 M
