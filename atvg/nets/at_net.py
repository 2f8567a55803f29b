"""AT-net: MFCC windows + the identity's shape code → shape codes of the landmarks that match the audio."""

import torch
from torch import Tensor, nn

from atvg.config import WINDOW_ROWS, ATNetConfig


class ATNet(nn.Module):
    """Causal and stateful over frames; a window looks 140 ms ahead, the recurrence only back.

    z_t = head(GRU(audio_{≤t}, e)) + own(e), where own(e) undoes the expression the photo itself shows: z is an
    offset from the photo's shape, and a photo with an open mouth must be able to close it in silence.

    Attributes:
        mfcc_mean, mfcc_std: (n_mfcc,) statistics of the training features, stored with the weights.
    """

    def __init__(self, config: ATNetConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mfcc_mean", torch.zeros(config.n_mfcc))
        self.register_buffer("mfcc_std", torch.ones(config.n_mfcc))
        self.audio = nn.Sequential(
            nn.Conv1d(config.n_mfcc, 64, 5, stride=2, padding=2),  # 28 rows → 14
            nn.ReLU(),
            nn.Conv1d(64, 96, 3, stride=2, padding=1),  # → 7
            nn.ReLU(),
            nn.Conv1d(96, 128, 3, stride=2, padding=1),  # → 4
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(128 * (WINDOW_ROWS // 7), config.hidden),
            nn.ReLU(),
        )
        self.identity = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.identity_codes, 64), nn.ReLU())
        self.rnn = nn.GRU(config.hidden + 64, config.hidden, config.layers, batch_first=True, dropout=config.dropout)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden, config.motion_codes))
        self.own = nn.Linear(config.identity_codes, config.motion_codes)

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state before the first frame, zeros (layers, batch, hidden)."""
        return self.mfcc_mean.new_zeros(self.config.layers, batch, self.config.hidden)

    def forward(self, windows: Tensor, identity: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts a stretch of frames.

        Args:
            windows: (B, T, 28, n_mfcc) raw MFCC windows.
            identity: (B, identity_codes), the code e of the photo's shape.
            state: from `initial_state` or from the stretch before.

        Returns:
            codes (B, T, motion_codes) and the state after the last frame.
        """
        batch, steps = windows.shape[:2]
        features = ((windows - self.mfcc_mean) / self.mfcc_std).flatten(0, 1).transpose(1, 2)  # (B·T, n_mfcc, 28)
        heard = self.audio(features).unflatten(0, (batch, steps))  # (B, T, hidden)
        who = self.identity(identity)[:, None].expand(-1, steps, -1)
        hidden, state = self.rnn(torch.cat([heard, who], dim=-1), state)
        return self.head(hidden) + self.own(identity)[:, None], state
