"""AT-net: what is heard + the identity's shape code → shape codes of the landmarks that match the audio."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from atvg.config import EXTRA_ROWS, FEATURES_PER_FRAME, ROWS_PER_FRAME, ATNetConfig, EarConfig
from atvg.nets import ear


class ATNet(nn.Module):
    """Causal and stateful over frames: a frame hears what lies around it, the recurrence only looks back.

    It hears features of the ear (`atvg.nets.ear`), which are MFCC understood; or, as in the paper, MFCC rows as they
    are. The convolutions have no padding and together reach over just what a frame hears, so the windows of a stretch,
    which overlap, are convolved at once.

    z_t = head(recurrence(audio_{≤t}, e)) + own(e), where own(e) undoes the expression the photo itself shows: z is an
    offset from the photo's shape, and a photo with an open mouth must be able to close it in silence.

    Attributes:
        mfcc_mean, mfcc_std: (n_mfcc,) statistics of the training features, stored with the weights; without an ear.
        ear_mean, ear_basis: (C,) and (squeezed, C), principal components of the ear's features, whitened; with one.
    """

    mfcc_mean: Tensor
    mfcc_std: Tensor
    ear_mean: Tensor
    ear_basis: Tensor

    def __init__(self, config: ATNetConfig):
        super().__init__()
        self.config = config
        self.audio = self._windows_of_mfcc() if config.ear == "none" else self._features_of_the_ear()
        self.identity = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.identity_codes, config.hidden))
        self.layers = nn.ModuleList(RecurrentLayer(config.hidden, config.dropout) for _ in range(config.layers))
        self.head = nn.Sequential(
            nn.LayerNorm(config.hidden), nn.Dropout(config.dropout), nn.Linear(config.hidden, config.motion_codes)
        )
        self.own = nn.Linear(config.identity_codes, config.motion_codes)

    def _windows_of_mfcc(self) -> nn.Module:
        config = self.config
        self.register_buffer("mfcc_mean", torch.zeros(config.n_mfcc))
        self.register_buffer("mfcc_std", torch.ones(config.n_mfcc))
        first, second, third = config.widths
        return nn.Sequential(
            nn.Conv1d(config.n_mfcc, first, 4, stride=2),  # 4·T + 24 rows → 2·T + 11
            nn.ReLU(),
            nn.Conv1d(first, second, 3, stride=2),  # → T + 5
            nn.ReLU(),
            nn.Conv1d(second, third, 6),  # → T
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(third, config.hidden, 1),
        )

    def _features_of_the_ear(self) -> nn.Module:
        config = self.config
        width = EarConfig().width * len(config.ear_layers)
        self.register_buffer("ear_mean", torch.zeros(width))
        # Not torch.eye, which on the meta device imports TorchDynamo: a second of every start.
        self.register_buffer("ear_basis", torch.zeros(config.squeezed, width).fill_diagonal_(1))
        return nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Conv1d(config.squeezed, config.hidden, config.around, stride=FEATURES_PER_FRAME),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.hidden, config.hidden, 1),
        )

    @property
    def lead(self) -> int:
        """How many rows, or features, before the first that lies in it a frame hears."""
        if self.config.ear == "none":
            return EXTRA_ROWS // 2
        return ear.lead(self.config.around)

    def length(self, frames: int) -> int:
        """How many rows, or features, make up what so many frames hear."""
        if self.config.ear == "none":
            return ROWS_PER_FRAME * frames + EXTRA_ROWS
        return ear.length(frames, self.config.around)

    def squeeze(self, features: Tensor) -> Tensor:
        """The ear's features (..., C) → their principal components, (..., squeezed) of unit variance."""
        return (features - self.ear_mean) @ self.ear_basis.T

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state before the first frame, zeros (layers, batch, hidden)."""
        return self.own.weight.new_zeros(self.config.layers, batch, self.config.hidden)

    def forward(self, heard: Tensor, identity: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts a stretch of frames.

        Args:
            heard: (B, `length`, squeezed) features, of which frame t hears 2·t to 2·t + around − 1; without an ear
                (B, 4·T + 24, n_mfcc) raw MFCC rows, of which it hears 4·t to 4·t + 27.
            identity: (B, identity_codes), the code e of the photo's shape.
            state: from `initial_state` or from the stretch before.

        Returns:
            codes (B, T, motion_codes) and the state after the last frame.
        """
        if self.config.ear == "none":
            heard = (heard - self.mfcc_mean) / self.mfcc_std
        heard = self.audio(heard.transpose(1, 2)).transpose(1, 2)  # (B, T, hidden)
        hidden = F.relu(heard + self.identity(identity)[:, None])
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            hidden, after = layer(hidden, before)
            states.append(after)
        return self.head(hidden) + self.own(identity)[:, None], torch.stack(states)


class RecurrentLayer(nn.Module):
    """Residual minimal gated recurrence: y = x + dropout(h), h_t = (1 − g_t) ⊙ h_{t−1} + g_t ⊙ c_t.

    Gate g and candidate c are linear in the normalised x_t alone (the minGRU of Feng et al. 2024), so h is a running
    mean that can neither explode nor swing, and all matrix products of a stretch are one.
    """

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, width), state (B, width) → y (B, T, width), the state after the last frame."""
        gate, candidate = self.linear(self.norm(x)).chunk(2, dim=-1)
        gate = torch.sigmoid(gate)
        keep, add = (1 - gate).unbind(1), (gate * candidate).unbind(1)
        states = []
        for kept, added in zip(keep, add, strict=True):
            state = torch.addcmul(added, kept, state)
            states.append(state)
        return x + self.dropout(torch.stack(states, dim=1)), state
