"""The training loop of all networks: time, learning rate, EMA, when to log and to save, exact resume, clean stops."""

import contextlib
import copy
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from atvg.train.log import RunLog, quiet_threads
from atvg.train.settings import RunSettings
from atvg.train.signals import noting_signals
from atvg.train.stage import Stage
from atvg.train.state import STATE_FILE, load_run, save_run, writing

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
        self._log = RunLog(run_dir)

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
        with noting_signals() as signals, quiet_threads(), contextlib.closing(self._log):
            if resume:
                self.step, self.seconds = load_run(state_path, self.ema, self.stage.players)
            if self.fabric.is_global_zero:
                with writing(self.run_dir):
                    self._log.begin(self.step)
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
                self._tell(latest, rate)
            if self.step % settings.sample_every == 0:
                self._show()
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
        return int(self._reduced(torch.tensor(own, device=self.fabric.device), "max"))

    def _reduced(self, values: Tensor, operation: str) -> Tensor:
        """What all processes' values come to."""
        found = self.fabric.all_reduce(values, reduce_op=operation)
        assert isinstance(found, Tensor)  # as what was given
        return found

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
        statistics = [
            buffer for norm in norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None
        ]
        if statistics:
            mean = self._reduced(torch.cat(statistics), "mean")
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

    def _tell(self, means: dict[str, float], rate: float) -> None:
        if not self.fabric.is_global_zero:
            return
        line = {"step": self.step, "minutes": round(self.seconds / 60, 2), "lr": rate, **means}
        self.fabric.print("  ".join(f"{k} {v:.4g}" for k, v in line.items()))
        with writing(self.run_dir):
            self._log.add(self.step, line, means)

    def _show(self) -> None:
        if not self.fabric.is_global_zero:
            return
        picture = self.stage.sample(self.ema)
        if picture is not None:
            with writing(self.run_dir):
                self._log.add_picture(picture, self.step)

    def _save(self, path: Path) -> None:
        """Writes state and weights; other processes go on and wait in their next step."""
        if self.fabric.is_global_zero:
            with writing(self.run_dir):
                self._log.flush()
                save_run(path, self.ema, self.stage.players, self.step, self.seconds)
            self._ship()

    def _ship(self) -> None:
        notes = {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "device": str(self.fabric.device.type),
            "settings": asdict(self.stage.settings),
        }
        with writing(self.run_dir):
            self.stage.ship(self.ema, self.run_dir, notes)


def _means(window: list[dict[str, Tensor]]) -> dict[str, float]:
    return {name: float(torch.stack([terms[name] for terms in window]).mean()) for name in window[0]}
