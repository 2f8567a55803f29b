"""The training loop of both stages: time, learning rate, EMA, logs, checkpoints, exact resume, clean stops."""

import contextlib
import copy
import json
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from atvg.errors import CheckpointError, OutputError
from atvg.tensors import load_state, save_state
from atvg.train.settings import RunSettings
from atvg.train.stage import Player, Stage

STATE_FILE, LOG_FILE = "state.safetensors", "log.jsonl"
_ANNEAL = 0.2  # share of `steps` over which the learning rate falls to 0
_GO_ON, _TIME_IS_UP = -1, 0  # beside the numbers of signals, which are positive


class Stopped(SystemExit):
    """Ctrl-C or SIGTERM ended a run, whose state is saved; a shell sees the status 128 + the signal's number."""


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
        self._began = 0  # the step from which it went on
        self._logger: Any = None

    def run(self, minutes: float | None, resume: bool) -> dict[str, float]:
        """Trains, then writes state and weights; returns the mean losses of the last stretch.

        Ctrl-C and SIGTERM, which batch systems and preempted machines send, end it after the step that is under way.
        A second one ends it at once.

        Raises:
            CheckpointError: `resume` without a state that fits.
            OutputError: the disk is full, or the run's folder cannot be written; the last save is still whole.
            Stopped: a signal has ended it, and the state is saved.
        """
        state_path = self.run_dir / STATE_FILE
        with _noting_signals() as signals, _quiet_threads():
            if resume:
                self._load(state_path)
            if self.fabric.is_global_zero:
                with self._writing():
                    self._forget_log()
                if resume:
                    self._ship()  # a run that was killed between the two has saved its state only
            latest, why = self._train(minutes, state_path, signals)
            self._save(state_path)
        self.fabric.barrier()  # nobody leaves before the files are whole
        if why > 0:
            self._stop(why)
        return latest

    def _train(self, minutes: float | None, state_path: Path, signals: list[int]) -> tuple[dict[str, float], int]:
        """Returns the mean losses of the last stretch, and why it is over."""
        settings, began = self.stage.settings, time.monotonic()
        base, saved_at, latest = self.seconds, began, {}
        window: list[dict[str, Tensor]] = []
        why = _GO_ON
        while self.step < settings.steps:
            why = self._agree(minutes is not None and time.monotonic() - began >= 60 * minutes, signals)
            if why != _GO_ON:
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
        return _means(window) if window else latest, why

    def _agree(self, time_is_up: bool, signals: list[int]) -> int:
        """Why all processes stop now, if they do: one that went on alone would wait for the others.

        Clocks differ, so that the first process's counts; a signal counts whoever received it.
        """
        own = signals[0] if signals else _TIME_IS_UP if time_is_up and self.fabric.is_global_zero else _GO_ON
        if self.fabric.world_size == 1:
            return own
        return int(self.fabric.all_reduce(torch.tensor(own, device=self.fabric.device), reduce_op="max"))

    def _stop(self, number: int) -> None:
        if not self.fabric.is_global_zero:
            raise Stopped(0)  # the first process speaks for all; a launcher would take another status for a crash
        name = signal.Signals(number).name
        print(f"stopped by {name} at step {self.step}; the run is saved, go on with --resume", file=sys.stderr)
        raise Stopped(128 + number)

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
        self.fabric.print("  ".join(f"{k} {v:.4g}" for k, v in line.items()))
        with self._writing():
            with (self.run_dir / LOG_FILE).open("a") as file:
                file.write(json.dumps(line) + "\n")
            for name, value in means.items():
                self._board().add_scalar(f"loss/{name}", value, self.step)
            self._board().add_scalar("lr", rate, self.step)

    def _log_picture(self) -> None:
        if not self.fabric.is_global_zero:
            return
        picture = self.stage.sample(self.ema)
        if picture is not None:
            with self._writing():
                self._board().add_image("sample", picture.cpu(), self.step)

    def _board(self) -> Any:
        if self._logger is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run had drawn beyond its last save is drawn again.
            self._logger = SummaryWriter(str(self.run_dir / "tensorboard"), purge_step=self._began + 1)
        return self._logger

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk is told in one line."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write {error.filename or self.run_dir} ({error.strerror or error}); what was saved last is "
                "whole: make room and go on with --resume"
            ) from None

    def _save(self, path: Path) -> None:
        """Writes state and weights; other processes go on and wait in their next step."""
        if self.fabric.is_global_zero:
            tensors = {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
            groups = {}
            for name, player in self.stage.players.items():
                tensors |= {f"net.{name}.{k}": v for k, v in player.module.state_dict().items()}
                moments, groups[name] = _optimizer_tensors(player)
                tensors |= {f"opt.{name}.{k}": v for k, v in moments.items()}
            meta = {"step": self.step, "seconds": self.seconds, "groups": groups, "checksum": _checksum(tensors)}
            with self._writing():
                if self._logger is not None:
                    self._logger.flush()
                save_state(path, tensors, meta)
            self._ship()

    def _ship(self) -> None:
        notes = {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "device": str(self.fabric.device.type),
            "settings": asdict(self.stage.settings),
        }
        with self._writing():
            self.stage.ship(self.ema, self.run_dir, notes)

    def _load(self, path: Path) -> None:
        advice = "put a copy of it back, or begin a new run in another folder"
        try:
            tensors, meta = load_state(path)
        except CheckpointError as error:
            raise CheckpointError(f"{str(error).split(';')[0]}; {advice}") from None
        if meta.get("checksum", _checksum(tensors)) != _checksum(tensors):  # states had none before
            raise CheckpointError(f"{path} is damaged (its checksum differs); {advice}")
        try:
            self.ema.load_state_dict(_under(tensors, "ema."))
            for name, player in self.stage.players.items():
                weights = _under(tensors, f"net.{name}.")
                if not weights and name != "main":
                    continue  # a player that joins later starts fresh, the discriminator for instance
                player.module.load_state_dict(weights)
                _fill_optimizer(player, _under(tensors, f"opt.{name}."), meta["groups"][name])
            self.step, self.seconds = int(meta["step"]), float(meta["seconds"])
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} does not fit this run ({type(error).__name__}); same --set as before?"
            ) from None
        self._began = self.step

    def _forget_log(self) -> None:
        """Takes out of the log what a killed run did after its last save, and the line in which it was killed."""
        path = self.run_dir / LOG_FILE
        if not path.is_file():
            return
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and 0 <= _step_of(line) <= self.step]
        if kept == lines:
            return
        half = path.with_name(f"{path.name}.half")
        half.write_text("".join(kept))
        os.replace(half, path)


@contextlib.contextmanager
def _noting_signals() -> Iterator[list[int]]:
    """The first Ctrl-C or SIGTERM goes into a list; from then on both do again what they did before."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python leaves signals to the main thread
        yield noted
        return

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        noted.append(number)
        restore()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        restore()


@contextlib.contextmanager
def _quiet_threads() -> Iterator[None]:
    """TensorBoard's thread hands a full disk to the next caller, who tells it in one line; a traceback is too much."""
    usual = threading.excepthook

    def quiet(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, OSError):
            usual(args)

    threading.excepthook = quiet
    try:
        yield
    finally:
        threading.excepthook = usual


def _checksum(tensors: dict[str, Tensor]) -> int:
    """Of names, sizes and bytes: safetensors itself does not notice a flipped bit."""
    found = 0
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy(), found)
    return found


def _step_of(line: str) -> int:
    """The step that a line of the log is about, −1 if it is no whole line."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1


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
