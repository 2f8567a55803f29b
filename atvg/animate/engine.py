"""Which way VG-net is drawn with: PyTorch, or OpenVINO, compiled, in 8-bit integers where the processor has them."""

import torch

from atvg.animate.openvino_engine import OpenVINOEngine, on_openvino
from atvg.animate.torch_engine import TorchEngine
from atvg.errors import BadSettingError
from atvg.nets.vg_net import VGNet

ENGINES = ("auto", "torch", "openvino", "openvino-int8")

Engine = TorchEngine | OpenVINOEngine


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


def make_engine(name: str, net: VGNet) -> Engine:
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
