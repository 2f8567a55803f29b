"""The only file that reads or writes tensors: safetensors, with JSON for everything else, never pickle.

A network is a pair ``NAME.safetensors`` + ``NAME.json``. The header of the former carries the JSON too, so a network
which is only compared with does without the latter. A training state is one safetensors file whose header carries its
JSON. Every file is written beside the old one and swapped in, so a killed run never leaves half a file.
"""

import contextlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from atvg.errors import CheckpointError
from atvg.sums import check_sum, drop_sums

_MAX_JSON = 1_000_000  # bytes; the shipped ones have 1000


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


def save_pair(folder: Path, name: str, config: dict, notes: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
    """Writes a pair. Both files are finished before either takes its place, the JSON first: weights never lack theirs.

    A kill between the two leaves weights with the notes of the save that follows them, which changes nothing in what
    they do; the weights' own header tells. Where it would, as they are of another size or β, the old weights go first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"config": config, "notes": dict(notes)}, indent=1) + "\n"
    about, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    drop_sums(folder, about.name, weights.name)  # first: a kill then leaves files that nothing is known of
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


def half(tensor: Tensor) -> Tensor:
    """Half precision, which ends at 65504: a running variance may lie a little beyond."""
    if not tensor.is_floating_point():
        return tensor
    most = torch.finfo(torch.float16).max
    return torch.where(tensor.isfinite(), tensor.clamp(-most, most), tensor).half()


def load_about(path: Path) -> dict[str, Any]:
    """Reads the JSON beside a network: its ``config``, and the ``notes`` on its training.

    Raises:
        CheckpointError: missing or damaged, or another one than `atvg.sums` knows; so is said of all weights.
    """
    try:
        _check_file(path)
        if path.stat().st_size > _MAX_JSON:
            raise ValueError("too long")
        check_sum(path)
        return _about(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged; copy the weights' folder again") from None


def check_tensors(path: Path) -> None:
    """Looks at the header alone.

    Raises:
        CheckpointError: missing, truncated or not safetensors.
    """
    _read_tensors(path, header_only=True)


def load_header(path: Path) -> dict[str, Any]:
    """What the header of a network's weights says of it, as `load_about` of a JSON; no tensor is read.

    Raises:
        CheckpointError: missing, truncated, not safetensors, or nothing of the kind in it.
    """
    return _header_about(path, _read_tensors(path, header_only=True)[1])


def _header_about(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    try:
        if len(header["meta"]) > _MAX_JSON:
            raise ValueError("too long")
        return _about(header["meta"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} does not say what network it is; copy it again") from None


def _about(text: str) -> dict[str, Any]:
    meta = json.loads(text)
    return {"config": dict(meta["config"]), "notes": dict(meta["notes"])}


def _check_file(path: Path) -> None:
    """Only regular files are opened: a pipe or a device in place of one could be read for ever."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        regular = False
    if not regular:
        raise CheckpointError(f"{path} is missing; copy the weights' folder whole")


def load_pair(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads what `save_pair` wrote: what `load_about` gives, and the tensors in single precision.

    Raises:
        CheckpointError: one of the two files is missing or damaged; also complex numbers.
    """
    tensors, _ = _read_network(folder / f"{name}.safetensors")
    return load_about(folder / f"{name}.json"), tensors


def load_single(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads a network of one file: what `load_pair` gives, with the header in place of the JSON.

    Raises:
        CheckpointError: as `load_header`; also complex numbers.
    """
    tensors, header = _read_network(path)
    return _header_about(path, header), tensors


def _read_network(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors in single precision, and the header."""
    tensors, header = _read_tensors(path)
    if any(value.is_complex() for value in tensors.values()):
        raise CheckpointError(f"{path} holds complex numbers; copy it again")
    # Copies, as what safetensors gives is the file itself, which may be replaced while the network is at work.
    single = {k: v.to(torch.float32 if v.is_floating_point() else v.dtype, copy=True) for k, v in tensors.items()}
    return single, header


def _read_tensors(path: Path, header_only: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    _check_file(path)
    try:
        if not header_only:
            check_sum(path)
        with safe_open(path, framework="pt") as file:
            keys = [] if header_only else file.keys()
            return {key: file.get_tensor(key) for key in keys}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, AttributeError, RuntimeError):  # also types torch does not have
        raise CheckpointError(f"{path} is truncated or not safetensors; copy it again") from None
