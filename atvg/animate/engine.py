"""VG-net at work: PyTorch, the reference, or OpenVINO, compiled, in 8-bit integers where the processor has them.

A network is compiled from its weights, as they are then, when it is first drawn with; that takes a second or two. It
draws `BLOCK` frames at a time; what is drawn of one frame does not depend on how many are asked for at once.
"""

import copy
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from atvg.config import ROWS_PER_FRAME, WINDOW_ROWS
from atvg.errors import BadSettingError
from atvg.motion.carry import Carried
from atvg.motion.layers import Layers
from atvg.nets.direct_net import DirectNet
from atvg.nets.ground import Ground, turn
from atvg.nets.vg_net import Frames, PhotoCode, VGNet

ENGINES = ("auto", "torch", "openvino", "openvino-int8")
BLOCK = 5  # frames that compiled networks draw at once

_STRETCH = 10  # frames that `draw_direct` draws at once
_TAIL = 1e-4  # share of a layer's inputs, on either side, that may lie outside its 8-bit range
_SAMPLED = 7  # every so many values of a layer's inputs are looked at


class Drawn(NamedTuple):
    """T frames, and the MMCRNN's state after each."""

    frames: np.ndarray  # (T, 128, 128, 3) uint8
    attention: np.ndarray  # (T, 128, 128) float32
    motion: np.ndarray  # (T, 128, 128, 3) uint8
    states: Tensor  # (T, hidden, 8, 8)


def check_engine(name: str, net: VGNet) -> str:
    """The engine that ``name`` stands for: ``"auto"`` is the fastest that this machine has for `net`.

    Raises:
        BadSettingError: an unknown engine, or one that cannot be had for this network on this machine.
    """
    if name not in ENGINES:
        raise BadSettingError(f"engine is {name!r}; choose from: {', '.join(ENGINES)}")
    if name == "torch":
        return name
    compiled, int8 = _why_not_compiled(net), _why_not_int8(net)
    if name == "auto":
        return "torch" if compiled else "openvino" if int8 else "openvino-int8"
    reason = compiled or (int8 if name == "openvino-int8" else "")
    if reason:
        raise _refused(name, reason)
    return name


def make_engine(name: str, net: VGNet) -> "Engine":
    """Something that draws with `net`, compiled where that is what ``name`` says.

    Raises:
        BadSettingError: as `check_engine`, or it cannot be compiled on this machine.
    """
    chosen = check_engine(name, net)
    if chosen == "torch":
        return TorchEngine(net)
    try:
        return OpenVINOEngine(net, int8=chosen == "openvino-int8")
    except RuntimeError as error:  # what a compiler raises that does not know this machine
        if name == "auto":
            return TorchEngine(net)
        raise _refused(name, str(error).strip().splitlines()[0][:200]) from None


def _refused(name: str, reason: str) -> BadSettingError:
    return BadSettingError(f"engine {name!r} cannot be used here: {reason}; choose auto or torch")


class TorchEngine:
    """VG-net as it is."""

    name = "torch"

    def __init__(self, net: VGNet):
        self.net = net

    @torch.inference_mode()
    def draw(self, code: PhotoCode, landmarks: Tensor, ground: Ground, state: Tensor) -> Drawn:
        """Draws T frames of one photo.

        Args:
            code: of the photo.
            landmarks: (T, 68, 2) crop pixels.
            ground: `VGNet.ground`.
            state: (1, hidden, 8, 8), the MMCRNN's state before the first frame.
        """
        made, states = self.net.paint(code, landmarks[None], ground, state)
        frames, attention, motion = (part.cpu().contiguous().numpy() for part in _as_arrays(made))
        return Drawn(frames, attention, motion, states[0])


@torch.inference_mode()
def draw_direct(net: DirectNet, photo: np.ndarray, rows: np.ndarray, moved: Carried | None = None) -> np.ndarray:
    """Draws what is heard with the ablation that knows no landmarks, by PyTorch.

    Args:
        photo: (128, 128, 3) uint8, the face's crop.
        rows: (4·T + 24, 20) MFCC rows from c0 on.
        moved: how the head moves in T frames; it stays as in the photo if None.

    Returns:
        (T, 128, 128, 3) uint8.
    """
    device = net.mfcc_mean.device
    picture = torch.tensor(photo, device=device).permute(2, 0, 1)[None] / 127.5 - 1
    heard = torch.tensor(rows, dtype=torch.float32, device=device)
    heard = heard.unfold(0, WINDOW_ROWS, ROWS_PER_FRAME).mT  # (T, 28, 20)
    code, state, parts = net.encode_photo(picture), None, []
    for first in range(0, len(heard), _STRETCH):
        part = slice(first, first + _STRETCH)
        turned = moved and turn(picture, *(torch.tensor(points[part], device=device)[None] for points in moved))
        made, state = net(code, heard[None, part], state, turned)
        parts.append(_as_arrays(made)[0].cpu().numpy())
    return np.concatenate(parts)


class OpenVINOEngine:
    """VG-net compiled for the CPU: fused, in the layout that suits the processor, rounded to pixels in one go."""

    def __init__(self, net: VGNet, int8: bool):
        self.net = net
        self.name = "openvino-int8" if int8 else "openvino"
        self._compiled = _compile(_quantised(net) if int8 else _folded(net))

    @torch.inference_mode()
    def draw(self, code: PhotoCode, landmarks: Tensor, ground: Ground, state: Tensor) -> Drawn:
        """As `TorchEngine.draw`. Threads may draw at the same time."""
        request = self._compiled.create_infer_request()
        parts = []
        over = ground.layers
        masks = torch.cat([over.unknown, over.lids, over.changed], dim=1)
        for first in range(0, len(landmarks), BLOCK):
            inputs = [_block(values, first) for values in (landmarks, ground.photo, over.base, masks)]
            count = min(BLOCK, len(landmarks) - first)
            inputs += [code.example, *code.skips, state]
            request.infer([value.contiguous().numpy() for value in inputs], share_inputs=True)
            outputs = (request.get_output_tensor(i).data[:count].copy() for i in range(4))
            *arrays, states = outputs
            parts.append(Drawn(*arrays, torch.from_numpy(states)))
            state = parts[-1].states[-1:]
        frames, attention, motion, states = zip(*parts, strict=True)
        return Drawn(*map(np.concatenate, (frames, attention, motion)), torch.cat(states))


Engine = TorchEngine | OpenVINOEngine


class _Export(nn.Module):
    """What is compiled: `VGNet.paint` of one photo, a block of frames, down to the pixels."""

    def __init__(self, net: VGNet):
        super().__init__()
        self.net = net

    def forward(
        self, landmarks: Tensor, photo: Tensor, base: Tensor, masks: Tensor, example: Tensor,
        skip_64: Tensor, skip_32: Tensor, skip_16: Tensor, skip_8: Tensor, state: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        code = PhotoCode(photo, landmarks, example, (skip_64, skip_32, skip_16, skip_8), state)
        ground = Ground(photo, Layers(base, *masks.split(1, dim=1), landmarks))  # the shift is not read
        made, states = self.net.paint(code, landmarks[None], ground, state)
        return *_as_arrays(made), states[0]


def _as_arrays(made: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """The frames of one clip as pictures have to be: pixels and motion (T, H, W, 3) uint8, attention (T, H, W)."""

    return as_pixels(made.frame[0]), made.attention[0, :, 0], as_pixels(made.motion[0])


def as_pixels(images: Tensor) -> Tensor:
    """(T, 3, H, W) in [−1, 1] → (T, H, W, 3) uint8."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _block(values: Tensor, first: int) -> Tensor:
    """`BLOCK` rows from `first`; beyond the end the last one is repeated."""
    rows = values[first : first + BLOCK]
    return rows if len(rows) == BLOCK else torch.cat([rows, rows[-1:].expand(BLOCK - len(rows), *rows.shape[1:])])


# -- 8-bit integers ----------------------------------------------------------------------------------------------


@torch.no_grad()
def calibrate(net: VGNet, passes: Iterable[tuple[Tensor, ...]]) -> None:
    """Notes in `net` in which range the inputs of its layers lie, so that it can be drawn with in 8-bit integers.

    Args:
        passes: typical arguments, at least one set: photos (B, 3, 128, 128), example landmarks (B, 68, 2), signals
            (B, T, …), how the head is `Turned` or None, and the `Teeth` or None.
    """
    layers = net.frame_layers()
    ranges = torch.zeros_like(net.input_ranges)

    def watch(index: int) -> Any:
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


def _quantised(net: VGNet) -> VGNet:
    ranges = net.input_ranges.tolist()
    net = _folded(net)
    for (name, layer), limits in zip(net.frame_layers().items(), ranges, strict=True):
        net.set_submodule(name, _Quantised(layer, *limits))
    return net


def _folded(net: VGNet) -> VGNet:
    """A copy in which batch norms are part of the convolutions before them."""
    net = copy.deepcopy(net).float().eval()
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(block) - 1):
            if isinstance(block[i], nn.Conv2d) and isinstance(block[i + 1], nn.BatchNorm2d):
                block[i], block[i + 1] = fuse_conv_bn_eval(block[i], block[i + 1]), nn.Identity()
    return net


# -- OpenVINO ----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def on_openvino() -> Any:
    """The library, or None where it cannot be imported. Its converter reports every use to its makers, unless their
    messenger cannot be found."""
    messenger = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None
    try:
        import openvino
        from openvino.tools.ovc import convert_impl, telemetry_stub, telemetry_utils

        for module in (convert_impl, telemetry_utils):  # somebody may have imported them before
            module.tm = telemetry_stub
        return openvino
    except Exception:  # missing, or broken in any way that a native library can be
        return None
    finally:
        if messenger is not None:  # whoever brought it may keep it
            sys.modules["openvino_telemetry"] = messenger


def _why_not_compiled(net: VGNet) -> str:
    if next(net.parameters()).device.type != "cpu":
        return "it computes on the CPU only"
    config = net.config
    if not (config.recurrence == "time" and config.warp and config.attention == "dynamic"):
        return "this network is an ablation"
    return "" if on_openvino() else "the package openvino is not installed, or does not load"


def _why_not_int8(net: VGNet) -> str:
    if not (net.input_ranges[:, 1] > 0).all():
        return "the ranges of these weights' layers are not known"
    # Without such instructions sums of 8-bit products overflow, or are slower than floats; others that have them are
    # not known to torch.
    return "" if torch.cpu._is_vnni_supported() else "this processor has no AVX-512 VNNI"


@torch.inference_mode()
def _compile(net: VGNet) -> Any:
    openvino = on_openvino()
    photo, landmarks = torch.zeros(1, 3, 128, 128), torch.full((1, 68, 2), 64.0)
    code = net.encode_photo(photo, landmarks)
    pictures = photo.expand(BLOCK, -1, -1, -1).contiguous()
    example = (landmarks.expand(BLOCK, -1, -1).contiguous(), pictures, pictures, pictures)
    example = (*example, code.example, *code.skips, code.start)
    traced = torch.jit.trace(_Export(net), example, check_trace=False)
    model = openvino.convert_model(traced, example_input=example)
    model.reshape({place: list(value.shape) for place, value in zip(model.inputs, example, strict=True)})
    # bfloat16, where a processor has it, is no faster than 8-bit integers and ten times less exact.
    wishes = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", wishes | {"INFERENCE_NUM_THREADS": torch.get_num_threads()})
