"""The ear at work: PyTorch, the reference, or OpenVINO, compiled as VG-net is, though never in 8 bits."""

from types import ModuleType

import torch
from torch import Tensor, nn

from atvg.animate.cold import Cold
from atvg.animate.openvino_engine import on_openvino
from atvg.nets.ear import Ear
from atvg.voice.hearing import Listens

_TRACED = 600  # rows, of any stretch


def make_ear(engine: str, ear: Ear, layers: tuple[int, ...]) -> Listens:
    """Something that computes the features of `ear` after these layers, compiled unless the engine is ``"torch"``.

    Where nothing can be compiled, it is the ear itself; what it says is the same to five digits.
    """
    if engine == "torch" or ear.positions.device.type != "cpu" or (openvino := on_openvino()) is None:
        return ear
    try:
        return CompiledEar(openvino, ear, layers)
    except RuntimeError:  # what a compiler raises that does not know this machine
        return ear


class CompiledEar:
    """The ear by OpenVINO, in single precision, for sounds of any length.

    8 bits would change what AT-net hears, and the ear costs a fiftieth of real time as it is.

    Attributes:
        positions: of the ear.
    """

    def __init__(self, openvino: ModuleType, ear: Ear, layers: tuple[int, ...]):
        self.positions, self._layers = ear.positions.clone(), layers
        self._weights = _cold(ear)
        example = (torch.zeros(1, _TRACED, ear.config.n_mels), ear.positions[: _TRACED // 2])
        with torch.inference_mode():
            traced = torch.jit.trace(_Placed(ear, layers), example, check_trace=False)
        model = openvino.convert_model(traced, example_input=example)
        model.reshape(
            {0: openvino.PartialShape([1, -1, ear.config.n_mels]), 1: openvino.PartialShape([-1, ear.config.width])}
        )
        wishes = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._model = openvino.Core().compile_model(
            model, "CPU", wishes | {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
        )

    def __call__(self, mfcc: Tensor, layers: tuple[int, ...] | None = None, start: int = 0) -> Tensor:
        """As `Ear.forward`, one sound at a time, for the layers it was compiled for.

        Raises:
            ValueError: for other layers.
        """
        if layers != self._layers:
            raise ValueError(f"compiled for layers {self._layers}, not {layers}")
        request = self._model.create_infer_request()  # one each: several threads may listen at once
        places = self.positions[start : start + mfcc.shape[1] // 2]
        request.infer((mfcc.numpy(), places.numpy()))
        if self._weights is not None:
            self._weights.forget()  # what it computes with are copies in another order
        return torch.from_numpy(request.get_output_tensor(0).data.copy())


def _cold(ear: Ear) -> Cold | None:
    try:
        return Cold(ear)
    except OSError:  # no room for the file; they stay in memory
        return None


class _Placed(nn.Module):
    def __init__(self, ear: Ear, layers: tuple[int, ...]):
        super().__init__()
        self.ear, self.layers = ear, layers

    def forward(self, mfcc: Tensor, places: Tensor) -> Tensor:
        return self.ear.after(self.ear.embed(mfcc) + places, self.layers)
