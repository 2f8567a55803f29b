"""The training loop of both stages: time, learning rate, EMA, logs, checkpoints, exact resume."""

import copy
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from atvg.checkpoint import load_state, save_state
from atvg.errors import CheckpointError
from atvg.train.settings import RunSettings
from atvg.train.stage import Player, Stage

STATE_FILE = "state.safetensors"
_ANNEAL = 0.2  # share of `steps` over which the learning rate falls to 0


def learning_rate(settings: RunSettings, step: int) -> float:
    """Linear warm-up, constant, linear fall over the last fifth."""
    rise = (step + 1) / max(1, settings.warmup)
    fall = (settings.steps - step) / (_ANNEAL * settings.steps)
    return settings.lr * max(0.0, min(1.0, rise, fall))


class Loop:
    """Runs a stage until its steps or its minutes are over.

    Every random number of a step follows from (seed, rank, step), so a resumed run goes on as if never stopped. In a
    distributed run each process draws batches of its own, weights and statistics agree after every step, and the first
    process alone logs and writes.
    """

    def __init__(self, fabric: Fabric, stage: Stage, run_dir: Path):
        self.fabric, self.stage, self.run_dir = fabric, stage, run_dir
        self.ema = copy.deepcopy(stage.players["main"].module).requires_grad_(False)
        self.step, self.seconds = 0, 0.0
        self._logger: Any = None

    def run(self, minutes: float | None, resume: bool) -> dict[str, float]:
        """Trains, then writes state and weights; returns the mean losses of the last stretch.

        Raises:
            CheckpointError: `resume` without a state that fits.
        """
        state_path = self.run_dir / STATE_FILE
        if resume:
            self._load(state_path)
        settings, began = self.stage.settings, time.monotonic()
        base, saved_at, latest = self.seconds, began, {}
        window: list[dict[str, Tensor]] = []
        while self.step < settings.steps:
            if minutes is not None and self._agree(time.monotonic() - began >= 60 * minutes):
                break
            rate = learning_rate(settings, self.step)
            for player in self.stage.players.values():
                for group in player.optimizer.param_groups:
                    group["lr"] = rate
            torch.manual_seed(hash((settings.seed, self.fabric.global_rank, self.step)) % 2**63)
            window.append(self.stage.step(self.step))
            self._share_statistics()
            self._update_ema()
            self.step += 1
            self.seconds = base + time.monotonic() - began
            if self.step % settings.log_every == 0 or self.step == settings.steps:
                latest, window = _means(window), []
                self._log(latest, rate)
            if self.step % settings.sample_every == 0:
                self._log_picture()
            if time.monotonic() - saved_at > 60 * settings.save_minutes:
                self._save(state_path)
                saved_at = time.monotonic()
        self._save(state_path)
        self.fabric.barrier()  # nobody leaves before the files are whole
        return _means(window) if window else latest

    def _agree(self, stop: bool) -> bool:
        """What the first process decides: clocks differ, and one that went on alone would wait for the others."""
        return self.fabric.broadcast(stop) if self.fabric.world_size > 1 else stop

    def _share_statistics(self) -> None:
        """Gives every process the mean of all processes' running statistics.

        DDP shares gradients only, and SyncBatchNorm exists on CUDA only; so batches are normalised one process at a
        time, and what inference will use rests on all of them.
        """
        if self.fabric.world_size == 1:
            return
        norms = [m for p in self.stage.players.values() for m in p.module.modules() if isinstance(m, _BatchNorm)]
        statistics = [buffer for norm in norms for buffer in (norm.running_mean, norm.running_var)]
        if statistics:
            mean = self.fabric.all_reduce(torch.cat(statistics), reduce_op="mean")
            for own, shared in zip(statistics, mean.split([len(own) for own in statistics]), strict=True):
                own.copy_(shared)

    def _update_ema(self) -> None:
        # Early on the average must forget its random start.
        keep = min(self.stage.settings.ema, (1 + self.step) / (10 + self.step))
        live = self.stage.players["main"].module.state_dict()
        with torch.no_grad():
            for name, value in self.ema.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(live[name].to(value.dtype), 1 - keep)
                else:
                    value.copy_(live[name])

    def _log(self, means: dict[str, float], rate: float) -> None:
        if not self.fabric.is_global_zero:
            return
        line = {"step": self.step, "minutes": round(self.seconds / 60, 2), "lr": rate, **means}
        with (self.run_dir / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.fabric.print("  ".join(f"{k} {v:.4g}" for k, v in line.items()))
        for name, value in means.items():
            self._board().add_scalar(f"loss/{name}", value, self.step)
        self._board().add_scalar("lr", rate, self.step)

    def _log_picture(self) -> None:
        if not self.fabric.is_global_zero:
            return
        picture = self.stage.sample(self.ema)
        if picture is not None:
            self._board().add_image("sample", picture.cpu(), self.step)

    def _board(self) -> Any:
        if self._logger is None:
            from torch.utils.tensorboard import SummaryWriter

            self._logger = SummaryWriter(str(self.run_dir / "tensorboard"))
        return self._logger

    def _save(self, path: Path) -> None:
        """Writes state and weights; other processes go on and wait in their next step."""
        if self.fabric.is_global_zero:
            tensors = {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
            groups = {}
            for name, player in self.stage.players.items():
                tensors |= {f"net.{name}.{k}": v for k, v in player.module.state_dict().items()}
                moments, groups[name] = _optimizer_tensors(player)
                tensors |= {f"opt.{name}.{k}": v for k, v in moments.items()}
            save_state(path, tensors, {"step": self.step, "seconds": self.seconds, "groups": groups})
            notes = {
                "step": self.step,
                "minutes": round(self.seconds / 60, 1),
                "device": str(self.fabric.device.type),
                "settings": asdict(self.stage.settings),
            }
            self.stage.ship(self.ema, self.run_dir, notes)

    def _load(self, path: Path) -> None:
        tensors, meta = load_state(path)
        try:
            self.ema.load_state_dict(_under(tensors, "ema."))
            for name, player in self.stage.players.items():
                weights = _under(tensors, f"net.{name}.")
                if not weights and name != "main":
                    continue  # a player that joins later starts fresh, the discriminator for instance
                player.module.load_state_dict(weights)
                _fill_optimizer(player, _under(tensors, f"opt.{name}."), meta["groups"][name])
            self.step, self.seconds = int(meta["step"]), float(meta["seconds"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not fit this run ({type(error).__name__}); same --set as before?"
            ) from None


def _means(window: list[dict[str, Tensor]]) -> dict[str, float]:
    return {name: float(torch.stack([terms[name] for terms in window]).mean()) for name in window[0]}


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
