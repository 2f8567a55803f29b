"""The layer sizes of the authors' released networks, for timing beside ours; nothing is trained with them.

Written from their published description. Chen et al., "Hierarchical Cross-Modal Talking Face Generation with Dynamic
Pixel-Wise Loss", CVPR 2019: AT-net has 30.1 M parameters, VG-net 58.4 M; VG-net takes 8.0 GFLOP a frame and 1.2 once.
"""

import torch
from torch import Tensor, nn


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _up(inputs: int, outputs: int) -> nn.Sequential:
    layer = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class AuthorsATNet(nn.Module):
    """MFCC windows (T, 28, 12) and an example's 6 codes (1, 6) → codes (T, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = nn.Sequential(
            _conv(1, 64), _conv(64, 128), nn.MaxPool2d(3, (1, 2)),
            _conv(128, 256), _conv(256, 256), _conv(256, 512), nn.MaxPool2d(3, (2, 2)),
            nn.Flatten(), nn.Linear(512 * 12 * 2, 2048), nn.ReLU(), nn.Linear(2048, 256), nn.ReLU(),
        )  # fmt: skip
        self.example = nn.Sequential(nn.Linear(6, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU())
        self.lstm = nn.LSTM(768, 256, 3, batch_first=True)
        self.head = nn.Linear(256, 6)

    def forward(self, windows: Tensor, example: Tensor) -> Tensor:
        heard = self.audio(windows[:, None])
        hidden, _ = self.lstm(torch.cat([heard, self.example(example).expand(len(heard), -1)], dim=1)[None])
        return self.head(hidden[0])


class AuthorsVGNet(nn.Module):
    """One photo (1, 3, 128, 128), its landmarks (1, 136) and those of T frames (T, 136) → frames (T, 3, 128, 128).

    All that can be is computed for the T frames at once, which is kinder than the released code.
    """

    def __init__(self) -> None:
        super().__init__()
        self.photo_32 = nn.Sequential(_conv(3, 64, 7), _conv(64, 64, stride=2), _conv(64, 128, stride=2))
        self.photo_8 = nn.Sequential(_conv(128, 256, stride=2), _conv(256, 512, stride=2))
        self.landmarks = nn.Sequential(nn.Linear(136, 64), nn.ReLU(), nn.Unflatten(1, (1, 8, 8)))
        self.landmarks_8 = nn.Sequential(_conv(1, 256), _conv(256, 512))
        self.where = nn.Sequential(
            _up(512, 256), _up(256, 128), nn.Conv2d(128, 1, 3, padding=1, bias=False), nn.Sigmoid()
        )
        self.bottleneck = _conv(1024, 128)
        self.gates = nn.Conv2d(128 + 512, 1024, 3, padding=2, dilation=2)
        self.candidate = nn.Conv2d(128 + 512, 512, 3, padding=2, dilation=2)
        self.blocks = nn.ModuleList(nn.Sequential(_conv(512, 512), *list(_conv(512, 512))[:2]) for _ in range(9))
        self.up_32 = nn.Sequential(_up(512, 256), _up(256, 128))
        self.up_128 = nn.Sequential(_up(128, 64), _up(64, 32))
        self.colour = nn.Sequential(nn.Conv2d(32, 3, 7, padding=3), nn.Tanh())
        self.attention = nn.Sequential(nn.Conv2d(32, 1, 7, padding=3), nn.Sigmoid())

    def encode(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """What is computed once per photo: features at 32² and at 8²."""
        at_32 = self.photo_32(photo)
        return at_32, self.photo_8(at_32)

    def forward(self, photo: Tensor, features: tuple[Tensor, Tensor], example: Tensor, landmarks: Tensor) -> Tensor:
        at_32, at_8 = features
        steps = len(landmarks)
        known, asked = self.landmarks_8(self.landmarks(example)), self.landmarks_8(self.landmarks(landmarks))
        where = self.where(asked - known)
        inputs = self.bottleneck(torch.cat([at_8.expand(steps, -1, -1, -1), asked], dim=1))
        state, states = torch.zeros_like(at_8), []
        for t in range(steps):
            both = torch.cat([inputs[t : t + 1], state], dim=1)
            update, reset = torch.sigmoid(self.gates(both)).chunk(2, dim=1)
            proposal = torch.tanh(self.candidate(torch.cat([inputs[t : t + 1], reset * state], dim=1)))
            state = (1 - update) * state + update * proposal
            states.append(state)
        x = torch.cat(states)
        for block in self.blocks:
            x = x + block(x)
        x = self.up_32(x)
        x = self.up_128(where * x + (1 - where) * at_32)
        attention = self.attention(x)
        return attention * self.colour(x) + (1 - attention) * photo
