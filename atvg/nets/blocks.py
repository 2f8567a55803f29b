"""What several networks are built of."""

from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def channels_last(module: M) -> M:
    """The same module with the weights of its convolutions in that order, with which most devices are faster."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented, but not annotated


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3×3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
