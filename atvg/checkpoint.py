"""The only file that reads or writes weights: safetensors for tensors, JSON for everything else, never pickle.

A network is a pair ``NAME.safetensors`` + ``NAME.json``. A training state is one safetensors file whose header
carries the JSON; it is written beside the old one and swapped in, so a killed run never leaves half a file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from atvg.config import N_LANDMARKS, ATNetConfig, VGNetConfig, from_dict, to_dict
from atvg.errors import CheckpointError
from atvg.idle import IdleModel
from atvg.nets.at_net import ATNet
from atvg.nets.vg_net import VGNet
from atvg.shape import ShapeModel

AT_NET, VG_NET, IDLE = "at_net", "vg_net", "idle"
_SHAPE = "shape."
_SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"


def locate(source: str | os.PathLike | None = None) -> Path:
    """The folder of a set of weights: the shipped one, another folder, or a Hub repository (downloaded).

    Raises:
        CheckpointError: no such folder, and not a repository that can be downloaded.
    """
    if source is None:
        return _SHIPPED
    folder = Path(source)
    if folder.is_dir():
        return folder
    text = str(source)
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise CheckpointError(f"no such folder of weights: {text}; give a folder or a Hub id like owner/name")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(text, allow_patterns=["*.safetensors", "*.json"]))
    except Exception as error:  # the hub client and its transport raise many kinds
        raise CheckpointError(
            f"could not download weights from {text} ({type(error).__name__}); check the id"
        ) from None


def save_at_net(folder: Path, net: ATNet, shape: ShapeModel, notes: Mapping[str, Any]) -> None:
    """Writes AT-net and its shape model, half precision for the layers, single for the shapes."""
    extra = {_SHAPE + name: torch.from_numpy(array) for name, array in shape.arrays().items()}
    _save_net(folder, AT_NET, net, to_dict(net.config), notes, extra)


def save_vg_net(folder: Path, net: VGNet, notes: Mapping[str, Any]) -> None:
    """Writes VG-net in half precision."""
    _save_net(folder, VG_NET, net, to_dict(net.config), notes, {})


def save_idle(folder: Path, model: IdleModel, notes: Mapping[str, Any]) -> None:
    """Writes the idle motion; half precision is a 250th of a degree or finer."""
    tensors = {name: _half(torch.from_numpy(array)) for name, array in model.arrays().items()}
    _save_tensors(folder, IDLE, {}, notes, tensors)


def load_at_net(folder: Path) -> tuple[ATNet, ShapeModel]:
    """Reads AT-net, ready for inference, and its shape model.

    Raises:
        CheckpointError: missing, truncated, not safetensors, or of another shape.
    """
    meta, tensors = _read_net(folder, AT_NET)
    try:
        shape = ShapeModel(**{n: tensors.pop(_SHAPE + n).numpy() for n in ShapeModel.__dataclass_fields__})
    except KeyError as error:
        raise CheckpointError(f"{folder / AT_NET}.safetensors lacks {error}; use the files of one training") from None
    net = _fill(ATNet, ATNetConfig, meta, tensors, folder / AT_NET)
    _check_shape(shape, net.config, folder / AT_NET)
    return net, shape


def load_vg_net(folder: Path, name: str = VG_NET) -> VGNet:
    """Reads one VG-net, ready for inference.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    meta, tensors = _read_net(folder, name)
    return _fill(VGNet, VGNetConfig, meta, tensors, folder / name)


def load_idle(folder: Path) -> IdleModel:
    """Reads the idle motion.

    Raises:
        CheckpointError: missing, truncated, not safetensors, or arrays that do not belong together.
    """
    _, tensors = _read_net(folder, IDLE)
    path = folder / f"{IDLE}.safetensors"
    try:
        return IdleModel(**{name: tensors[name].numpy() for name in IdleModel.__dataclass_fields__})
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}; copy it again") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy it again") from None


def load_vg_nets(folder: Path) -> dict[float, VGNet]:
    """Reads the β family: ``vg_net`` and every ``vg_net_*`` beside it, by the β each was trained with.

    Raises:
        CheckpointError: as `load_at_net`; also when the members differ in their sizes.
    """
    names = [VG_NET, *sorted(path.stem for path in folder.glob(f"{VG_NET}_*.safetensors"))]
    nets = {_beta(folder, name): load_vg_net(folder, name) for name in names}
    if len(nets) < len(names):
        raise CheckpointError(f"two VG-nets in {folder} were trained with the same β; keep one of them")
    if len({net.config for net in nets.values()}) > 1:
        raise CheckpointError(f"the VG-nets in {folder} differ in size; keep the files of one family together")
    return nets


def _beta(folder: Path, name: str) -> float:
    beta = notes(folder, name).get("beta", 0.5)
    if not isinstance(beta, (int, float)):
        raise CheckpointError(
            f"{folder / name}.json has β {beta!r}, which is no number; copy the weights' folder again"
        )
    return float(beta)


def notes(folder: Path, name: str) -> dict[str, Any]:
    """What was written beside a network about its training."""
    return _read_json(folder / f"{name}.json")["notes"]


def save_state(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Writes a training state atomically."""
    half = path.with_suffix(".half")
    # Tensors of one storage may appear under two names (EMA starts as a copy): contiguous clones are independent.
    data = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(data, half, metadata={"meta": json.dumps(dict(meta))})
    os.replace(half, path)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_state` wrote.

    Raises:
        CheckpointError: missing or damaged.
    """
    tensors, header = _read_tensors(path)
    try:
        return tensors, json.loads(header["meta"])
    except (KeyError, ValueError):
        raise CheckpointError(f"{path} is not a training state; start a new run or give the right folder") from None


def _save_net(
    folder: Path, name: str, net: nn.Module, config: dict, notes: Mapping[str, Any], extra: dict[str, Tensor]
) -> None:
    tensors = {key: _half(value) for key, value in net.state_dict().items()} | extra
    _save_tensors(folder, name, config, notes, tensors)


def _save_tensors(folder: Path, name: str, config: dict, notes: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_state(folder / f"{name}.safetensors", tensors, {"name": name})
    text = json.dumps({"config": config, "notes": dict(notes)}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n")


def _half(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _read_json(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text())
        return {"config": dict(meta["config"]), "notes": dict(meta["notes"])}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; copy the weights' folder whole") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path} is damaged; copy the weights' folder again") from None


def _read_net(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    tensors, _ = _read_tensors(folder / f"{name}.safetensors")
    return _read_json(folder / f"{name}.json"), {
        k: v.float() if v.is_floating_point() else v for k, v in tensors.items()
    }


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy the weights' folder whole")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        raise CheckpointError(f"{path} is truncated or not safetensors; copy it again") from None


def _check_shape(shape: ShapeModel, config: ATNetConfig, path: Path) -> None:
    points, e, z = 3 * N_LANDMARKS, config.identity_codes, config.motion_codes
    sizes = {
        "mean": (N_LANDMARKS, 3), "identity_basis": (e, points), "identity_std": (e,), "motion_basis": (z, points),
        "motion_encoder": (points, z),
    }  # fmt: skip
    for name, array in shape.arrays().items():
        if array.shape != sizes[name]:
            raise CheckpointError(f"{path}.safetensors has {name} of size {array.shape}; use files of one training")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}.safetensors holds NaN or infinite shapes; copy it again")


def _fill(net_class: type, config_class: type, meta: dict, tensors: dict[str, Tensor], path: Path) -> Any:
    try:
        net = net_class(from_dict(config_class, meta["config"]))
        net.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError):
        raise CheckpointError(
            f"the weights in {path}.safetensors do not fit {path}.json; use files of one training"
        ) from None
    for value in net.state_dict().values():
        if value.is_floating_point() and not bool(np.isfinite(value.sum().item())):
            raise CheckpointError(f"{path}.safetensors holds NaN or infinite weights; copy it again")
    return net.eval().requires_grad_(False)
