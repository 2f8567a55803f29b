"""The only file that reads or writes weights: safetensors for tensors, JSON for everything else, never pickle.

A network is a pair ``NAME.safetensors`` + ``NAME.json``. A training state is one safetensors file whose header
carries the JSON. Every file is written beside the old one and swapped in, so a killed run never leaves half a file.
"""

import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from atvg.config import (
    EARS,
    N_LANDMARKS,
    N_MFCC_STORED,
    ATNetConfig,
    EarConfig,
    SyncNetConfig,
    VGNetConfig,
    from_dict,
    is_list,
    to_dict,
)
from atvg.errors import BadSettingError, CheckpointError, OutputError
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.nets.sync_net import SyncNet
from atvg.nets.vg_net import VGNet

AT_NET, VG_NET, DIRECT_NET, SYNC_NET, EAR, IDLE = "at_net", "vg_net", "direct_net", "sync_net", "ear", "idle"
_SHAPE = "shape."
_MAX_JSON = 1_000_000  # bytes; the shipped ones have 1000
_WIDEST = 4096  # channels, codes or layers in a network; the shipped ones have 224
_SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"

_ALIKE = 1e-3  # pixels, and units of codes, by which shape models may differ and still be one
_UNSAID = {VGNetConfig: {"layers": False}, ATNetConfig: {"ear": "none"}}  # what older weights do not say of themselves

N = TypeVar("N", bound=nn.Module)


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

        return Path(snapshot_download(text, allow_patterns=["*.safetensors", "*.json"]))
    except Exception as error:  # the hub client and its transport raise many kinds
        raise CheckpointError(
            f"could not download weights from {text} ({type(error).__name__}); check the id"
        ) from None


def save_at_net(folder: Path, net: ATNet, shape: ShapeModel, notes: Mapping[str, Any]) -> None:
    """Writes AT-net and its shape model, half precision for the layers, single for the shapes.

    Raises:
        OSError: as `save_state`.
    """
    extra = {_SHAPE + name: torch.from_numpy(array) for name, array in shape.arrays().items()}
    _save_net(folder, AT_NET, net, to_dict(net.config), notes, extra)


def save_net(folder: Path, name: str, net: nn.Module, notes: Mapping[str, Any]) -> None:
    """Writes a network that has a `config`, in half precision.

    Raises:
        OSError: as `save_state`.
    """
    _save_net(folder, name, net, to_dict(net.config), notes, {})


def save_vg_net(folder: Path, net: VGNet, notes: Mapping[str, Any]) -> None:
    """Writes VG-net in half precision.

    Raises:
        OSError: as `save_state`.
    """
    save_net(folder, VG_NET, net, notes)


def save_idle(folder: Path, model: IdleModel, notes: Mapping[str, Any]) -> None:
    """Writes the idle motion; half precision is a 250th of a degree or finer.

    Raises:
        OutputError: it cannot be written, for instance because the disk is full.
    """
    tensors = {name: _half(torch.from_numpy(array)) for name, array in model.arrays().items()}
    try:
        _save_tensors(folder, IDLE, {}, notes, tensors)
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
    nets = {ear: net for ear in EARS for net, _ in found if net.config.ear == ear}
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
    meta, tensors = _read_net(folder, name)
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
    meta, tensors = _read_net(folder, name)
    return _fill(net_class, config_class, meta, tensors, folder / name)


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
    _, tensors = _read_net(folder, IDLE)
    path = folder / f"{IDLE}.safetensors"
    try:
        return IdleModel(**{name: tensors[name].numpy() for name in IdleModel.__dataclass_fields__})
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}; copy it again") from None
    except (ValueError, TypeError) as error:
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
    return _read_json(folder / f"{name}.json")["notes"]


def save_state(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Writes a training state, whole or not at all.

    Raises:
        OSError: it cannot be written, for instance because the disk is full; what was there before still is.
    """
    with _swapping(path) as (half,):
        _write_tensors(half, tensors, meta)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_state` wrote.

    Raises:
        CheckpointError: missing or damaged.
    """
    tensors, header = _read_tensors(path)
    try:
        return tensors, dict(json.loads(header["meta"]))
    except (KeyError, ValueError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is not a training state; start a new run or give the right folder") from None


def _save_net(
    folder: Path, name: str, net: nn.Module, config: dict, notes: Mapping[str, Any], extra: dict[str, Tensor]
) -> None:
    tensors = {key: _half(value) for key, value in net.state_dict().items()} | extra
    _save_tensors(folder, name, config, notes, tensors)


def _save_tensors(folder: Path, name: str, config: dict, notes: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
    """Writes a pair. Both files are finished before either takes its place, the JSON first: weights never lack theirs.

    A kill between the two leaves weights with the notes of the save that follows them, which changes nothing in what
    they do; the weights' own header tells. Where it would, as they are of another size or β, the old weights go first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"config": config, "notes": dict(notes)}, indent=1) + "\n"
    about, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    with _swapping(about, weights) as (about_half, weights_half):
        about_half.write_text(text)
        _write_tensors(weights_half, tensors, {"name": name, **json.loads(text)})
        if _decisive(about.read_text(errors="replace") if about.is_file() else "") != _decisive(text):
            weights.unlink(missing_ok=True)


def _decisive(text: str) -> Any:
    """What of a network's JSON decides which weights may stand beside it."""
    try:
        meta = json.loads(text)
        return meta["config"], meta["notes"].get("beta")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    # Tensors of one storage may appear under two names (EMA starts as a copy): contiguous clones are independent.
    data = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        save_file(data, path, metadata={"meta": json.dumps(dict(meta))})
    except SafetensorError as error:  # a full disk, among others, as the number of the system's error in a text
        number = re.search(r"os error (\d+)", str(error))
        if not number:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None


@contextlib.contextmanager
def _swapping(*paths: Path) -> Iterator[list[Path]]:
    """Names to write files under, which then take the places of `paths` in their order, at once and for good.

    Each lies in a folder of its own: safetensors adds a temporary file of another name every time, which a killed run
    leaves behind and the next save could not find.
    """
    folders = [path.with_name(f"{path.name}.half") for path in paths]
    halves = [folder / path.name for folder, path in zip(folders, paths, strict=True)]
    try:
        for folder in folders:
            _remove(folder)
            folder.mkdir()
        yield halves
        # Without this a power cut may leave the new name with none of the new bytes.
        for half in halves:
            _to_disk(half, os.O_RDWR)
        for half, path in zip(halves, paths, strict=True):
            os.replace(half, path)
        with contextlib.suppress(OSError):  # Windows and some network disks cannot do this with a folder
            _to_disk(paths[0].parent, os.O_RDONLY)
    finally:
        for folder in folders:
            _remove(folder)


def _to_disk(path: Path, mode: int) -> None:
    number = os.open(path, mode)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(path: Path) -> None:
    """Takes away what an interrupted save has left, if it can be."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _half(tensor: Tensor) -> Tensor:
    """Half precision, which ends at 65504: a running variance may lie a little beyond."""
    if not tensor.is_floating_point():
        return tensor
    most = torch.finfo(torch.float16).max
    return torch.where(tensor.isfinite(), tensor.clamp(-most, most), tensor).half()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        _check_file(path)
        if path.stat().st_size > _MAX_JSON:
            raise ValueError("too long")
        meta = json.loads(path.read_text(encoding="utf-8"))
        return {"config": dict(meta["config"]), "notes": dict(meta["notes"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged; copy the weights' folder again") from None


def _check_file(path: Path) -> None:
    """Only regular files are opened: a pipe or a device in place of one could be read for ever."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        regular = False
    if not regular:
        raise CheckpointError(f"{path} is missing; copy the weights' folder whole")


def _read_net(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    tensors, _ = _read_tensors(folder / f"{name}.safetensors")
    if any(value.is_complex() for value in tensors.values()):
        raise CheckpointError(f"{folder / name}.safetensors holds complex numbers; copy it again")
    return _read_json(folder / f"{name}.json"), {
        k: v.float() if v.is_floating_point() else v for k, v in tensors.items()
    }


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, AttributeError, RuntimeError):  # also types torch does not have
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
    if not (shape.identity_std > 0).all():
        raise CheckpointError(f"{path}.safetensors has people that do not differ (identity_std); copy it again")


def _fill(net_class: type, config_class: type, meta: dict, tensors: dict[str, Tensor], path: Path) -> Any:
    try:
        known = _UNSAID.get(config_class, {})
        config = _checked_config(from_dict(config_class, known | meta["config"]))
        with torch.device("meta"):  # first without memory: a text file may claim any width
            net_class(config).load_state_dict(tensors, assign=True)
        net = net_class(config)
        net.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError, BadSettingError):
        raise CheckpointError(
            f"the weights in {path}.safetensors do not fit {path}.json; use files of one training"
        ) from None
    for value in net.state_dict().values():
        if value.is_floating_point() and not bool(np.isfinite(value.sum().item())):
            raise CheckpointError(f"{path}.safetensors holds NaN or infinite weights; copy it again")
    return net.eval().requires_grad_(False)


def _checked_config(config: Any) -> Any:
    """`config`, if each of its values has the type of the default and a size that a network can have.

    Raises:
        ValueError: it has not.
    """
    fits = all(_fits(getattr(config, item.name), _example(config, item), _least(item)) for item in fields(config))
    if fits and isinstance(config, ATNetConfig):
        fits = config.first_mfcc + config.n_mfcc <= N_MFCC_STORED
        fits &= config.squeezed <= EarConfig().width * len(config.ear_layers)
    if fits and isinstance(config, VGNetConfig):
        fits = config.heat_sigma > 0
    if not fits:
        raise ValueError("no such sizes")
    return config


def _example(config: Any, item: Field) -> Any:
    """The default of a field; of a tuple of any length one that is as long as the value."""
    value = getattr(config, item.name)
    return item.default[:1] * len(value) if is_list(item) and isinstance(value, tuple) else item.default


def _least(item: Field) -> int:
    return 0 if item.name in ("first_mfcc", "ear_layers") else 1


def _fits(value: Any, default: Any, least: int) -> bool:
    if isinstance(default, tuple):
        same = isinstance(value, tuple) and len(value) == len(default)
        return same and all(_fits(part, usual, least) for part, usual in zip(value, default, strict=True))
    if isinstance(default, (bool, str)):  # of words a config itself knows which it may have
        return isinstance(value, type(default))
    if isinstance(default, float):
        return type(value) in (int, float) and 0 <= value <= _WIDEST  # which no NaN is
    return type(value) is int and least <= value <= _WIDEST
