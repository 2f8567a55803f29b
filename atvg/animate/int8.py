"""VG-net in 8-bit integers: in which range its layers' inputs lie, and what is rounded to 8 bits by it."""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from atvg.motion.teeth import Teeth
from atvg.nets.ground import Turned
from atvg.nets.vg_net import VGNet

Pass = tuple[Tensor, Tensor, Tensor, Turned | None, Teeth | None]

_TAIL = 1e-4  # share of a layer's inputs, on either side, that may lie outside its 8-bit range
_SAMPLED = 7  # every so many values of a layer's inputs are looked at


@torch.no_grad()
def calibrate(net: VGNet, passes: Iterable[Pass]) -> None:
    """Notes in `net` in which range the inputs of its layers lie, so that it can be drawn with in 8-bit integers.

    Args:
        passes: typical arguments, at least one set: photos (B, 3, 128, 128), example landmarks (B, 68, 2), signals
            (B, T, …), how the head is `Turned` or None, and the `Teeth` or None.
    """
    layers = net.frame_layers()
    ranges = torch.zeros_like(net.input_ranges)

    def watch(index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].flatten()[::_SAMPLED].float().sort().values
            low, high = values[round(_TAIL * (len(values) - 1))], values[round((1 - _TAIL) * (len(values) - 1))]
            ranges[index, 0] = torch.minimum(ranges[index, 0], low)
            ranges[index, 1] = torch.maximum(ranges[index, 1], high)

        return look

    training = net.training
    hooks = [layer.register_forward_pre_hook(watch(i)) for i, layer in enumerate(layers.values())]
    try:
        net.eval()
        for photo, example, signal, turned, teeth in passes:
            net(net.encode_photo(photo, example, teeth), signal, None, turned)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    net.input_ranges.copy_(ranges)


class _Quantised(nn.Module):
    """A convolution whose weights and inputs are rounded to 8 bits; compilers turn this into one of integers."""

    steps: Tensor
    zeros: Tensor

    def __init__(self, layer: nn.Conv2d, low: float, high: float):
        super().__init__()
        self.layer = layer
        # Inputs behind a ReLU use all of 0..255; others are symmetric, which spares the sums a correction.
        self.limits = (0, 255) if low >= 0 else (-128, 127)
        self.step = max(-low, high, 1e-6) / self.limits[1]
        self.register_buffer("steps", layer.weight.detach().abs().amax(dim=(1, 2, 3)).clamp(min=1e-9) / 127)
        self.register_buffer("zeros", torch.zeros(len(layer.weight), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, self.step, 0, *self.limits)
        weight = torch.fake_quantize_per_channel_affine(self.layer.weight, self.steps, self.zeros, 0, -127, 127)
        return F.conv2d(x, weight, self.layer.bias, self.layer.stride, self.layer.padding)


def quantised(net: VGNet) -> VGNet:
    """A copy whose layers of every frame compute with 8 bits, in the ranges that `calibrate` has noted."""
    ranges = net.input_ranges.tolist()
    net = folded(net)
    for (name, layer), limits in zip(net.frame_layers().items(), ranges, strict=True):
        net.set_submodule(name, _Quantised(layer, *limits))
    return net


def folded(net: VGNet) -> VGNet:
    """A copy in which batch norms are part of the convolutions before them."""
    net = copy.deepcopy(net).float().eval()
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(block) - 1):
            conv, norm = block[i], block[i + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[i], block[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return net
