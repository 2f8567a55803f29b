"""VG-net compiled by OpenVINO for the CPU, in floats or 8-bit integers.

A network is compiled from its weights, as they are then, when it is first drawn with; that takes a second or two. It
draws `BLOCK` frames at a time; what is drawn of one frame does not depend on how many are asked for at once.
"""

import sys
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from atvg.animate.int8 import folded, quantised
from atvg.animate.torch_engine import Drawn, as_arrays
from atvg.motion.layers import Layers
from atvg.nets.ground import Ground
from atvg.nets.vg_net import PhotoCode, VGNet

BLOCK = 5  # frames that compiled networks draw at once


@lru_cache(maxsize=1)
def on_openvino() -> Any:
    """The library, or None where it cannot be imported. Its converter reports every use to its makers, unless their
    messenger cannot be found."""
    messenger = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python is told that there is none
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


class OpenVINOEngine:
    """VG-net compiled for the CPU: fused, in the layout that suits the processor, rounded to pixels in one go."""

    def __init__(self, net: VGNet, int8: bool):
        self.net = net
        self.name = "openvino-int8" if int8 else "openvino"
        self._compiled = _compile(quantised(net) if int8 else folded(net))

    @torch.inference_mode()
    def draw(self, code: PhotoCode, landmarks: Tensor, ground: Ground, state: Tensor) -> Drawn:
        """As `TorchEngine.draw`. Threads may draw at the same time."""
        request = self._compiled.create_infer_request()
        parts = []
        over = ground.layers
        assert over is not None  # of a network that draws from nothing none is made
        masks = torch.cat([over.unknown, over.lids, over.changed], dim=1)
        for first in range(0, len(landmarks), BLOCK):
            inputs = [_block(values, first) for values in (landmarks, ground.photo, over.base, masks)]
            count = min(BLOCK, len(landmarks) - first)
            inputs += [code.example, *code.skips, state]
            request.infer([value.contiguous().numpy() for value in inputs], share_inputs=True)
            *arrays, states = (request.get_output_tensor(i).data[:count].copy() for i in range(4))
            frames, attention, motion = arrays
            parts.append(Drawn(frames, attention, motion, torch.from_numpy(states)))
            state = parts[-1].states[-1:]
        frames, attention, motion = (np.concatenate(some) for some in list(zip(*parts, strict=True))[:3])
        return Drawn(frames, attention, motion, torch.cat([part.states for part in parts]))


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
        unknown, lids, changed = masks.split(1, dim=1)
        ground = Ground(photo, Layers(base, unknown, lids, changed, landmarks))  # the shift is not read
        made, states = self.net.paint(code, landmarks[None], ground, state)
        return *as_arrays(made), states[0]


def _block(values: Tensor, first: int) -> Tensor:
    """`BLOCK` rows from `first`; beyond the end the last one is repeated."""
    rows = values[first : first + BLOCK]
    return rows if len(rows) == BLOCK else torch.cat([rows, rows[-1:].expand(BLOCK - len(rows), *rows.shape[1:])])


@torch.inference_mode()
def _compile(net: VGNet) -> Any:
    openvino = on_openvino()
    photo, landmarks = torch.zeros(1, 3, 128, 128), torch.full((1, 68, 2), 64.0)
    code = net.encode_photo(photo, landmarks)
    pictures = photo.expand(BLOCK, -1, -1, -1).contiguous()
    marks = landmarks.expand(BLOCK, -1, -1).contiguous()
    example = (marks, pictures, pictures, pictures, code.example, *code.skips, code.start)
    traced = torch.jit.trace(_Export(net), example, check_trace=False)
    model = openvino.convert_model(traced, example_input=example)
    model.reshape({place: list(value.shape) for place, value in zip(model.inputs, example, strict=True)})
    # bfloat16, where a processor has it, is no faster than 8-bit integers and ten times less exact.
    wishes = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(model, "CPU", wishes | {"INFERENCE_NUM_THREADS": torch.get_num_threads()})
