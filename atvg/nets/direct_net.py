"""Ablation: photo + sound → frames in one network, without landmarks between; what the cascade has to beat.

All but the encoder of what drives a frame is VG-net's: encoder of the photo, MMCRNN, decoder, attention.
"""

import torch
from torch import Tensor, nn

from atvg.config import N_MFCC_STORED, VGNetConfig
from atvg.motion.teeth import Teeth
from atvg.nets.vg_net import Encoded, PhotoCode, VGNet

_WIDTHS = (64, 128, 192)  # channels of the convolutions over a window, as AT-net has them
_VECTOR_WIDTH = 256


def _normalised(layer: nn.Conv1d) -> tuple[nn.Module, ...]:
    """As in VG-net: without, so deep an encoder would begin hardly heard beside the photo."""
    return layer, nn.BatchNorm1d(layer.out_channels), nn.ReLU()


class DirectNet(VGNet):
    """VG-net whose signal is sound: the MFCC window of each frame, (B, T, 28, 20) raw rows from c0 on.

    There are no landmarks to warp by: motion is drawn from nothing.

    Attributes:
        mfcc_mean, mfcc_std: (20,) statistics of the training features, stored with the weights.

    Raises:
        ValueError: a config that is driven by landmarks.
    """

    mfcc_mean: Tensor
    mfcc_std: Tensor

    def __init__(self, config: VGNetConfig):
        if config.driver != "audio":
            raise ValueError("a direct network is driven by audio")
        super().__init__(config)
        self.register_buffer("mfcc_mean", torch.zeros(N_MFCC_STORED))
        self.register_buffer("mfcc_std", torch.ones(N_MFCC_STORED))

    def _add_encoder(self, config: VGNetConfig) -> tuple[int, int]:
        (first, second, third), width = _WIDTHS, config.landmark_widths[-1]
        self.sound_encoder = nn.Sequential(
            *_normalised(nn.Conv1d(N_MFCC_STORED, first, 4, stride=2, bias=False)),  # 28 rows → 13
            *_normalised(nn.Conv1d(first, second, 3, stride=2, bias=False)),  # → 6
            *_normalised(nn.Conv1d(second, third, 6, bias=False)),  # → 1
            nn.Flatten(),
            nn.Linear(third, _VECTOR_WIDTH),
            nn.ReLU(),
            nn.Linear(_VECTOR_WIDTH, width * 64),
            nn.Unflatten(1, (width, 8, 8)),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        return 0, 0

    def encode_photo(self, photo: Tensor, example: Tensor | None = None, teeth: Teeth | None = None) -> PhotoCode:
        """photo (B, 3, 128, 128) in [−1, 1] → what every frame shares; landmarks and teeth are not read."""
        nothing = photo.new_zeros(len(photo), 0)
        return PhotoCode(photo, nothing, nothing, *self._photo_features(photo))

    def _encode(self, signal: Tensor, example: Tensor) -> Encoded:
        features = (signal - self.mfcc_mean) / self.mfcc_std
        return Encoded(self.sound_encoder(features.transpose(1, 2)))


def make_net(config: VGNetConfig) -> VGNet:
    """A new network of the kind that `config` asks for."""
    return DirectNet(config) if config.driver == "audio" else VGNet(config)
