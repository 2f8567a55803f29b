"""What is kept of each network, of the shapes and of the idle motion: saved, found and loaded, checked on the way."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from atvg.config import (
    EARS,
    N_LANDMARKS,
    ATNetConfig,
    Config,
    EarConfig,
    SyncNetConfig,
    VGNetConfig,
    checked_config,
    from_dict,
    to_dict,
)
from atvg.errors import BadSettingError, CheckpointError, OutputError
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.nets.sync_net import SyncNet
from atvg.nets.vg_net import VGNet
from atvg.shipped import shipped
from atvg.sums import SUMS
from atvg.tensors import check_tensors, half, load_about, load_header, load_pair, load_single, save_pair

AT_NET, VG_NET, DIRECT_NET, SYNC_NET, EAR, IDLE = "at_net", "vg_net", "direct_net", "sync_net", "ear", "idle"
COMPARED = "compared"  # folder beside the weights that run, of networks that these are only compared with
_SHAPE = "shape."
_SHIPPED = shipped("checkpoints")

_ALIKE = 1e-3  # pixels, and units of codes, by which shape models may differ and still be one
_UNSAID = {VGNetConfig: {"layers": False}, ATNetConfig: {"ear": "none"}}  # what older weights do not say of themselves

N = TypeVar("N", bound=nn.Module)


class Net(Protocol):
    """A network that has a `config`."""

    @property
    def config(self) -> Config: ...

    def state_dict(self) -> dict[str, Any]: ...


def locate(source: str | os.PathLike | None = None) -> Path:
    """The folder of a set of weights: the shipped one, another folder, or a Hub repository (downloaded).

    Raises:
        CheckpointError: no such folder, and not a repository that can be downloaded.
    """
    if source is None:
        return _SHIPPED
    if not isinstance(source, (str, os.PathLike)):
        raise CheckpointError(f"weights are named by a folder or a Hub id like owner/name, not {type(source).__name__}")
    text = os.fsdecode(source)
    if os.path.isdir(text):
        return Path(text)
    if text.count("/") != 1 or text.startswith((".", "/", "~")):
        raise CheckpointError(f"no such folder of weights: {text}; give a folder or a Hub id like owner/name")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(text, allow_patterns=["*.safetensors", "*.json", SUMS]))
    except Exception as error:  # the hub client and its transport raise many kinds
        raise CheckpointError(
            f"could not download weights from {text} ({type(error).__name__}); check the id"
        ) from None


def save_at_net(folder: Path, net: ATNet, shape: ShapeModel, notes: Mapping[str, Any]) -> None:
    """Writes AT-net and its shape model, half precision for the layers, single for the shapes.

    Raises:
        OSError: as `save_state`.
    """
    save_net(folder, AT_NET, net, notes, {_SHAPE + n: torch.from_numpy(a) for n, a in shape.arrays().items()})


def save_net(folder: Path, name: str, net: Net, notes: Mapping[str, Any], extra: dict | None = None) -> None:
    """Writes a network in half precision, and extra tensors as they are.

    Raises:
        OSError: as `save_state`.
    """
    tensors = {key: half(value) for key, value in net.state_dict().items()} | (extra or {})
    save_pair(folder, name, to_dict(net.config), notes, tensors)


def save_idle(folder: Path, model: IdleModel, notes: Mapping[str, Any]) -> None:
    """Writes the idle motion; half precision is a 250th of a degree or finer.

    Raises:
        OutputError: it cannot be written, for instance because the disk is full.
    """
    tensors = {name: half(torch.from_numpy(array)) for name, array in model.arrays().items()}
    try:
        save_pair(folder, IDLE, {}, notes, tensors)
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or folder} ({error.strerror}); make room and try again"
        ) from None


def load_at_nets(folder: Path) -> tuple[dict[str, ATNet], ShapeModel]:
    """Reads ``at_net`` and every ``at_net_*`` beside it, by what they hear through, and the shape model of all.

    Raises:
        CheckpointError: as `load_at_net`; also when two hear alike, or their codes mean different shapes.
    """
    names = [AT_NET, *sorted(path.stem for path in folder.glob(f"{AT_NET}_*.safetensors"))]
    found = [load_at_net(folder, name) for name in names]
    nets: dict[str, ATNet] = {ear: net for ear in EARS for net, _ in found if net.config.ear == ear}
    if len(nets) < len(names):
        raise CheckpointError(f"two AT-nets in {folder} hear through the same ear; keep one of them")
    first, *others = (shape.arrays() for _, shape in found)
    if any(not np.allclose(first[key], other[key], atol=_ALIKE) for other in others for key in first):
        raise CheckpointError(f"the AT-nets in {folder} know different shapes; keep those of one pack together")
    return nets, found[0][1]


def load_at_net(folder: Path, name: str = AT_NET) -> tuple[ATNet, ShapeModel]:
    """Reads one AT-net, ready for inference, and its shape model.

    Raises:
        CheckpointError: missing, truncated, not safetensors, or of another shape.
    """
    meta, tensors = load_pair(folder, name)
    try:
        shape = ShapeModel(**{n: tensors.pop(_SHAPE + n).numpy() for n in ShapeModel.__dataclass_fields__})
    except KeyError as error:
        raise CheckpointError(f"{folder / name}.safetensors lacks {error}; use the files of one training") from None
    net = _fill(ATNet, ATNetConfig, meta, tensors, folder / name)
    _check_shape(shape, net.config, folder / name)
    return net, shape


def load_net(folder: Path, name: str, net_class: type[N], config_class: type) -> N:
    """Reads what `save_net` wrote, ready for inference.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    meta, tensors = load_pair(folder, name)
    return _fill(net_class, config_class, meta, tensors, folder / name)


def load_compared(folder: Path, name: str, net_class: type[N], config_class: type) -> N:
    """Reads a network that is only compared with, ready for inference: one file, see `compared_file`.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    meta, tensors = load_single(compared_file(folder, name))
    return _fill(net_class, config_class, meta, tensors, folder / COMPARED / name, single=True)


def compared_notes(folder: Path, name: str) -> dict[str, Any]:
    """What was written into such a file about the network's training.

    Raises:
        CheckpointError: missing or damaged.
    """
    return load_header(compared_file(folder, name))["notes"]


def compared_file(folder: Path, name: str) -> Path:
    """Where it lies in a folder of weights. ``NAME.safetensors`` of any run will do: its header says what it is."""
    return folder / COMPARED / f"{name}.safetensors"


def load_vg_net(folder: Path, name: str = VG_NET) -> VGNet:
    """Reads one VG-net, ready for inference.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    return load_net(folder, name, VGNet, VGNetConfig)


def load_sync_net(folder: Path) -> SyncNet:
    """Reads the sync expert, ready for inference.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    return load_net(folder, SYNC_NET, SyncNet, SyncNetConfig)


def load_ear(folder: Path = _SHIPPED) -> Ear:
    """Reads the ear; where a folder has none, it is the shipped one, as nobody trains it.

    Raises:
        CheckpointError: as `load_at_net`.
    """
    there = (folder / f"{EAR}.safetensors").is_file()
    return load_net(folder if there else _SHIPPED, EAR, Ear, EarConfig)


def load_idle(folder: Path) -> IdleModel:
    """Reads the idle motion.

    Raises:
        CheckpointError: missing, truncated, not safetensors, or arrays that do not belong together.
    """
    _, tensors = load_pair(folder, IDLE)
    path = folder / f"{IDLE}.safetensors"
    try:
        names = IdleModel.required() | set(tensors)
        return IdleModel(**{name: tensors[name].numpy() for name in names})
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}; copy it again") from None
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy it again") from None


def load_vg_nets(folder: Path) -> dict[float, VGNet]:
    """Reads what `find_vg_nets` finds, all of it; raises what that and `load_at_net` raise."""
    return {beta: load() for beta, load in find_vg_nets(folder).items()}


def find_vg_nets(folder: Path) -> dict[float, Callable[[], VGNet]]:
    """The β family: what reads ``vg_net``, then every ``vg_net_*`` beside it, by the β each was trained with.

    Raises:
        CheckpointError: a file is missing or cut off, or the members differ in their sizes.
    """
    names = [VG_NET, *sorted(path.stem for path in folder.glob(f"{VG_NET}_*.safetensors"))]
    found = {_beta(folder, name): partial(load_vg_net, folder, name) for name in names}
    if len(found) < len(names):
        raise CheckpointError(f"two VG-nets in {folder} were trained with the same β; keep one of them")
    configs = [_UNSAID[VGNetConfig] | load_about(folder / f"{name}.json")["config"] for name in names]
    if any(config != configs[0] for config in configs):
        load_vg_net(folder)  # which may not have that size at all
        raise CheckpointError(f"the VG-nets in {folder} differ in size; keep the files of one family together")
    for name in names:
        check_tensors(folder / f"{name}.safetensors")
    return dict(found)


def _beta(folder: Path, name: str) -> float:
    beta = notes(folder, name).get("beta", 0.5)
    if isinstance(beta, bool) or not isinstance(beta, (int, float)) or not 0 <= beta < 1e6:  # which no NaN is
        raise CheckpointError(
            f"{folder / name}.json has β {str(beta)[:40]!r}, which is no number; copy the weights' folder again"
        )
    return float(beta)


def notes(folder: Path, name: str) -> dict[str, Any]:
    """What was written beside a network about its training.

    Raises:
        CheckpointError: missing or damaged.
    """
    return load_about(folder / f"{name}.json")["notes"]


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
    if not (shape.identity_std > 0).all():
        raise CheckpointError(f"{path}.safetensors has people that do not differ (identity_std); copy it again")


def _fill(
    net_class: type, config_class: type, meta: dict, tensors: dict[str, Tensor], path: Path, single: bool = False
) -> Any:
    try:
        known = _UNSAID.get(config_class, {})
        config = checked_config(from_dict(config_class, known | meta["config"]))
        with torch.device("meta"):  # without memory: a text file may claim any width, and what is read is enough
            net = net_class(config)
        kinds = {name: value.dtype for name, value in net.state_dict().items()}
        net.load_state_dict({k: v.to(kinds.get(k, v.dtype)) for k, v in tensors.items()}, assign=True)
    except (TypeError, ValueError, RuntimeError, BadSettingError):
        about = "their own header; copy it again" if single else f"{path}.json; use files of one training"
        raise CheckpointError(f"the weights in {path}.safetensors do not fit {about}") from None
    for value in net.state_dict().values():
        if value.is_floating_point() and not bool(np.isfinite(value.sum().item())):
            raise CheckpointError(f"{path}.safetensors holds NaN or infinite weights; copy it again")
    return net.eval().requires_grad_(False)
