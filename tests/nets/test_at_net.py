"""AT-net: hears 28 rows a frame, is causal over frames, stateful, and aware of whose face it moves."""

import pytest
import torch

from atvg.config import ATNetConfig
from atvg.nets.at_net import ATNet, RecurrentLayer

CONFIG = ATNetConfig(ear="none", first_mfcc=1, n_mfcc=12)  # the paper's windows, 28×12
FRAMES = 12


@pytest.fixture(scope="module")
def net() -> ATNet:
    torch.manual_seed(0)
    return ATNet(CONFIG).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def rows() -> torch.Tensor:
    return torch.randn(2, 4 * FRAMES + 24, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def identity() -> torch.Tensor:
    return torch.randn(2, 16, generator=torch.Generator().manual_seed(2))


def test_shapes(net, rows, identity):
    codes, state = net(rows, identity, net.initial_state(2))
    assert codes.shape == (2, FRAMES, 10)
    assert state.shape == net.initial_state(2).shape == (2, 2, 192)


@pytest.mark.parametrize("row", [0, 27, 40, 71])
def test_a_row_is_heard_by_the_windows_it_is_in_and_remembered(net, rows, identity, row):
    """The first frame that hears row j is the one whose window ends with it: 4·t + 27 ≥ j."""
    changed = rows.clone()
    changed[:, row] += 2
    before, after = (net(r, identity, net.initial_state(2))[0] for r in (rows, changed))
    first = max(0, -(-(row - 27) // 4))
    torch.testing.assert_close(before[:, :first], after[:, :first])
    assert (before[:, first:] - after[:, first:]).abs().amax(dim=(0, 2)).min() > 1e-6


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_two_stretches_give_what_one_gives(net, rows, identity, cut):
    whole, end = net(rows, identity, net.initial_state(2))
    first, state = net(rows[:, : 4 * cut + 24], identity, net.initial_state(2))
    second, state = net(rows[:, 4 * cut :], identity, state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, end)


def test_identity_matters(net, rows, identity):
    same_sound = rows[:1].expand(2, -1, -1)
    codes, _ = net(same_sound, identity, net.initial_state(2))
    assert (codes[0] - codes[1]).abs().max() > 0.01


def test_samples_of_a_batch_do_not_meet(net, rows, identity):
    whole, _ = net(rows, identity, net.initial_state(2))
    alone, _ = net(rows[1:], identity[1:], net.initial_state(1))
    torch.testing.assert_close(whole[1:], alone)


def test_features_are_standardised_by_the_stored_statistics(net, rows, identity):
    mean, std = torch.linspace(-5, 5, 12), torch.linspace(1, 9, 12)
    other = ATNet(CONFIG).eval().requires_grad_(False)
    other.load_state_dict({**net.state_dict(), "mfcc_mean": mean, "mfcc_std": std})
    before, _ = net(rows, identity, net.initial_state(2))
    after, _ = other(rows * std + mean, identity, other.initial_state(2))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)


def test_the_sizes_are_those_of_the_config():
    net = ATNet(ATNetConfig(ear="none", n_mfcc=20, identity_codes=7, motion_codes=5, hidden=32, layers=3)).eval()
    codes, state = net(torch.zeros(1, 4 * 3 + 24, 20), torch.zeros(1, 7), net.initial_state())
    assert codes.shape == (1, 3, 5) and state.shape == (3, 1, 32)


def test_it_is_a_small_network(net):
    assert sum(p.numel() for p in net.parameters()) < 2e6  # the authors' had 30.1 M


def test_the_state_of_the_recurrence_stays_within_what_it_is_fed():
    """A running mean of its candidates: it can neither explode nor swing on a minute of loud sound."""
    torch.manual_seed(0)
    layer = RecurrentLayer(8, dropout=0.5).eval()
    loud = 100 * torch.randn(1, 1500, 8)
    _, state = layer(loud, torch.zeros(1, 8))
    candidates = layer.linear(layer.norm(loud)).chunk(2, dim=-1)[1]
    assert (state <= candidates.amax(dim=1).clamp(min=0)).all() and (state >= candidates.amin(dim=1).clamp(max=0)).all()


def test_a_layer_is_residual():
    layer = RecurrentLayer(8, dropout=1.0)  # nothing of the recurrence comes through
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(layer(x, torch.zeros(2, 8))[0], x)


class TestThroughTheEar:
    """It hears features, two a frame, instead of rows."""

    @pytest.mark.parametrize("around", [1, 2, 3, 7, 13])
    def test_a_feature_is_heard_by_the_frames_around_it(self, around):
        torch.manual_seed(0)
        net = ATNet(ATNetConfig(squeezed=8, around=around)).eval()
        heard, identity = torch.randn(1, net.length(FRAMES), 8), torch.randn(1, 16)
        assert net(heard, identity, net.initial_state())[0].shape == (1, FRAMES, 10)
        for number in (0, 2 * (around // 2), len(heard[0]) - 1):  # of an even place, as one frame alone hears
            changed = heard.clone()
            changed[:, number] += 1
            before, after = (net(x, identity, net.initial_state())[0][0] for x in (heard, changed))
            first = max(0, -(-(number - around + 1) // 2))  # the first frame t with number in 2·t … 2·t + around − 1
            assert (before[:first] == after[:first]).all() and (before[first] != after[first]).any()

    def test_stretches_give_what_the_whole_gives(self):
        torch.manual_seed(0)
        net = ATNet(ATNetConfig(squeezed=8, around=5)).eval()
        heard, identity = torch.randn(1, net.length(FRAMES), 8), torch.randn(1, 16)
        whole, _ = net(heard, identity, net.initial_state())
        first, state = net(heard[:, : net.length(4)], identity, net.initial_state())
        second, _ = net(heard[:, 8:], identity, state)
        torch.testing.assert_close(torch.cat([first, second], dim=1), whole)

    def test_features_become_principal_components(self):
        net = ATNet(ATNetConfig(squeezed=2, ear_layers=(0, 4)))
        net.ear_mean.fill_(1.0)
        net.ear_basis.zero_()
        net.ear_basis[0, 0], net.ear_basis[1, 1023] = 2.0, 3.0
        features = torch.ones(1, 3, 1024)
        features[0, :, 0], features[0, :, 1023] = 1.5, 0.0
        assert net.squeeze(features)[0].tolist() == [[1.0, -3.0]] * 3
