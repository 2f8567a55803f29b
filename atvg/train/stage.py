"""What a training stage is: its players, one step, and what it ships."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from atvg.train.settings import RunSettings

N = TypeVar("N", bound=nn.Module)
S = TypeVar("S", bound=RunSettings)


@dataclass
class Player:
    """A network with its optimiser; `net` is what Fabric wrapped, `module` the plain network inside."""

    module: nn.Module
    net: Any
    optimizer: Any


class Stage(ABC, Generic[N, S]):
    """One of the trainings, of a network `N` with settings `S`. The loop calls `step` and never looks inside.

    Attributes:
        name: file name of the weights it makes.
        players: networks that learn, by name; ``"main"`` is the one that ships and has an EMA copy.
    """

    name: str
    settings: S
    players: dict[str, Player]

    @abstractmethod
    def step(self, step: int) -> dict[str, Tensor]:
        """Draws a batch from (seed, rank, step), updates every player once and returns the losses by name."""

    @abstractmethod
    def sample(self, net: N) -> Tensor | None:
        """A picture (3, H, W) in [0, 1] of what `net` does now, or None."""

    @abstractmethod
    def ship(self, net: N, folder: Path, notes: dict[str, Any]) -> None:
        """Writes `net` as the weights that inference loads."""


def make_player(
    fabric: Fabric,
    module: nn.Module,
    settings: RunSettings,
    betas: tuple[float, float] = (0.9, 0.999),
    callee: nn.Module | None = None,
) -> Player:
    """Sets a network and a fresh AdamW up for the devices of `fabric`; `callee` is what is called around it, if any."""
    optimizer = torch.optim.AdamW(module.parameters(), settings.lr, betas, weight_decay=settings.weight_decay)
    net, optimizer = fabric.setup(callee or module, optimizer)
    return Player(module, net, optimizer)


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """The sum of losses."""
    return reduce(torch.add, terms.values())


def update(fabric: Fabric, player: Player, loss: Tensor, clip_norm: float) -> None:
    """One optimiser step; gradients of the other players are left alone."""
    player.optimizer.zero_grad(set_to_none=True)
    fabric.backward(loss)
    fabric.clip_gradients(player.net, player.optimizer, max_norm=clip_norm, error_if_nonfinite=False)
    player.optimizer.step()
