"""A run's state on disk, from which it goes on exactly: networks, optimisers, EMA, step and time."""

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from atvg.errors import CheckpointError, OutputError
from atvg.tensors import load_state, save_state
from atvg.train.stage import Player

STATE_FILE = "state.safetensors"


def save_run(path: Path, ema: nn.Module, players: Mapping[str, Player], step: int, seconds: float) -> None:
    """Writes a state, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors = {f"ema.{k}": v for k, v in ema.state_dict().items()}
    groups = {}
    for name, player in players.items():
        tensors |= {f"net.{name}.{k}": v for k, v in player.module.state_dict().items()}
        moments, groups[name] = _optimizer_tensors(player)
        tensors |= {f"opt.{name}.{k}": v for k, v in moments.items()}
    save_state(path, tensors, {"step": step, "seconds": seconds, "groups": groups, "checksum": _checksum(tensors)})


def load_run(path: Path, ema: nn.Module, players: Mapping[str, Player]) -> tuple[int, float]:
    """Fills networks and optimisers with a state; returns its step and its seconds.

    Raises:
        CheckpointError: it is missing or damaged, or does not fit.
    """
    advice = "put a copy of it back, or begin a new run in another folder"
    try:
        tensors, meta = load_state(path)
    except CheckpointError as error:
        raise CheckpointError(f"{str(error).split(';')[0]}; {advice}") from None
    if meta.get("checksum", _checksum(tensors)) != _checksum(tensors):  # states had none before
        raise CheckpointError(f"{path} is damaged (its checksum differs); {advice}")
    try:
        ema.load_state_dict(_under(tensors, "ema."))
        for name, player in players.items():
            weights = _under(tensors, f"net.{name}.")
            if not weights and name != "main":
                continue  # a player that joins later starts fresh, the discriminator for instance
            player.module.load_state_dict(weights)
            _fill_optimizer(player, _under(tensors, f"opt.{name}."), meta["groups"][name])
        return int(meta["step"]), float(meta["seconds"])
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} does not fit this run ({type(error).__name__}); same --set as before?") from None


@contextlib.contextmanager
def writing(run_dir: Path) -> Iterator[None]:
    """A full disk is told in one line.

    Raises:
        OutputError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or run_dir} ({error.strerror or error}); what was saved last is "
            "whole: make room and go on with --resume"
        ) from None


def _checksum(tensors: dict[str, Tensor]) -> int:
    """Of names, sizes and bytes: safetensors itself does not notice a flipped bit."""
    found = 0
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _optimizer_tensors(player: Player) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """AdamW's moments as flat names ``INDEX.MOMENT``, and its groups without the parameters, fit for JSON."""
    state = player.optimizer.state_dict()
    moments = {f"{i}.{name}": value for i, slot in state["state"].items() for name, value in slot.items()}
    return moments, state["param_groups"]


def _fill_optimizer(player: Player, moments: dict[str, Tensor], groups: list[dict[str, Any]]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, _, name = key.partition(".")
        slots.setdefault(int(index), {})[name] = value
    player.optimizer.load_state_dict({"state": slots, "param_groups": groups})
