"""The MMCRNN: a convolutional GRU that recurs over time and hands its state out and in."""

import torch
from torch import Tensor, nn


class ConvGRU(nn.Module):
    """Convolutional GRU (3×3 gates) over (B, T, C, H, W).

    The authors' code looped over the first axis of a (batch, …) tensor, so it had no memory in time; this one loops
    over T. Running a sequence in pieces, each with the state the last one returned, gives what one run gives.
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        # What depends on the input alone is computed for all T at once; only the state's part is in the loop.
        self.from_input = nn.Conv2d(channels, 3 * hidden, 3, padding=1)
        self.gates_from_state = nn.Conv2d(hidden, 2 * hidden, 3, padding=1, bias=False)
        self.candidate_from_state = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C, H, W) and the state before it (B, hidden, H, W) → (B, T, hidden, H, W) and the state after it."""
        batch, steps = inputs.shape[:2]
        parts = self.from_input(inputs.flatten(0, 1)).unflatten(0, (batch, steps))
        outputs = []
        for t in range(steps):
            gates, candidate = parts[:, t].split([2 * self.hidden, self.hidden], dim=1)
            update, reset = torch.sigmoid(gates + self.gates_from_state(state)).chunk(2, dim=1)
            proposal = torch.tanh(candidate + self.candidate_from_state(reset * state))
            state = (1 - update) * state + update * proposal
            outputs.append(state)
        return torch.stack(outputs, dim=1), state
