"""The MMCRNN recurs over time: its state matters and can be handed from one stretch to the next."""

import pytest
import torch

from atvg.nets.conv_gru import ConvGRU


@pytest.fixture(scope="module")
def gru() -> ConvGRU:
    torch.manual_seed(0)
    return ConvGRU(channels=3, hidden=4).eval()


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    return torch.randn(2, 6, 3, 5, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def zeros() -> torch.Tensor:
    return torch.zeros(2, 4, 5, 5)


@torch.no_grad()
def test_shapes(gru, inputs, zeros):
    outputs, state = gru(inputs, zeros)
    assert outputs.shape == (2, 6, 4, 5, 5)
    torch.testing.assert_close(outputs[:, -1], state)


@torch.no_grad()
def test_the_state_before_matters(gru, inputs, zeros):
    from_zero, _ = gru(inputs, zeros)
    from_one, _ = gru(inputs, zeros + 1)
    assert (from_zero[:, 0] - from_one[:, 0]).abs().max() > 0.1


@torch.no_grad()
def test_an_earlier_frame_reaches_every_later_one(gru, inputs, zeros):
    changed = inputs.clone()
    changed[:, 0] += 1
    before, after = gru(inputs, zeros)[0], gru(changed, zeros)[0]
    assert (before - after).abs().amax(dim=(0, 2, 3, 4)).min() > 1e-4


@torch.no_grad()
def test_later_frames_do_not_reach_earlier_ones(gru, inputs, zeros):
    changed = inputs.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(gru(changed, zeros)[0][:, :4], gru(inputs, zeros)[0][:, :4])


@torch.no_grad()
def test_the_order_of_frames_matters(gru, inputs, zeros):
    forwards, backwards = gru(inputs, zeros)[1], gru(inputs.flip(1), zeros)[1]
    assert (forwards - backwards).abs().max() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 2, 5])
def test_two_stretches_give_what_one_gives(gru, inputs, zeros, cut):
    whole, end = gru(inputs, zeros)
    first, state = gru(inputs[:, :cut], zeros)
    second, state = gru(inputs[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state, end)


@torch.no_grad()
def test_samples_of_a_batch_do_not_meet(gru, inputs, zeros):
    """The authors' loop ran over the batch axis, so that neighbours in a batch served as the past."""
    whole, _ = gru(inputs, zeros)
    alone, _ = gru(inputs[1:], zeros[1:])
    torch.testing.assert_close(whole[1:], alone)


@torch.no_grad()
def test_one_step_by_hand():
    """With all weights 0 the gates are ½ and the candidate tanh(bias): h' = ½h + ½ tanh(2)."""
    gru = ConvGRU(channels=1, hidden=1)
    for parameter in gru.parameters():
        parameter.zero_()
    gru.from_input.bias.copy_(torch.tensor([0.0, 0.0, 2.0]))
    outputs, _ = gru(torch.zeros(1, 1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.6))
    assert outputs.item() == pytest.approx(0.3 + 0.5 * 0.9640276)
