"""Starts a training run: devices, settings, stage, loop."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from atvg.checkpoint import load_vg_net
from atvg.config import ATNetConfig, BaselineConfig, SyncNetConfig, VGNetConfig, with_overrides
from atvg.data.heard import has_bf16
from atvg.data.pack import shard_paths
from atvg.data.storage import AnyPath
from atvg.errors import BadSettingError, CheckpointError, OutputError
from atvg.evaluation.baselines import BASELINES
from atvg.train.loop import Loop
from atvg.train.settings import ATSettings, BaselineSettings, RunSettings, SyncSettings, VGSettings
from atvg.train.stage import Stage
from atvg.train.state import STATE_FILE

Precision = Literal[
    "64-true", "32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed", "64", "32", "16", "bf16",
    "transformer-engine", "transformer-engine-float16",
]  # fmt: skip
"""What Fabric knows; it says itself which of them a device cannot do."""


def _at(*arguments: Any) -> Stage:
    from atvg.train.at_stage import ATStage

    return ATStage(*arguments)


def _vg(*arguments: Any) -> Stage:
    from atvg.train.vg_stage import VGStage

    return VGStage(*arguments)


def _sync(*arguments: Any) -> Stage:
    from atvg.train.sync_stage import SyncStage

    return SyncStage(*arguments)


def _baseline(name: str) -> Callable[..., Stage]:
    def make(fabric: Fabric, pack_dir: str | AnyPath, settings: BaselineSettings, config: BaselineConfig) -> Stage:
        from atvg.train.baseline_stage import BaselineStage

        return BaselineStage(fabric, pack_dir, settings, config, name)

    return make


@dataclass(frozen=True)
class Kind:
    """What can be trained: its usual settings and sizes, and how its stage is made of (fabric, pack, these two)."""

    settings: RunSettings
    config: Any
    make: Callable[..., Stage]
    pictures: bool  # mostly convolutions over pictures, for which mixed precision is faster


KINDS = {
    "at": Kind(ATSettings(), ATNetConfig(), _at, pictures=False),
    "vg": Kind(VGSettings(), VGNetConfig(), _vg, pictures=True),
    "sync": Kind(SyncSettings(), SyncNetConfig(), _sync, pictures=True),
    **{
        name: Kind(BaselineSettings(), system.sizes, _baseline(name), pictures=True)
        for name, system in BASELINES.items()
    },
}


def train(
    stage_name: str,
    pack_dir: str | AnyPath,
    run_dir: Path,
    minutes: float | None = None,
    resume: bool = False,
    overrides: dict[str, str] | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: Precision | None = None,
    init: Path | None = None,
) -> dict[str, float]:
    """Trains one of `KINDS`; weights, state and logs go to `run_dir`. Returns the last mean losses.

    ``overrides`` are texts for fields of the stage's settings, or of its network as ``net.FIELD``. On a CPU with
    bfloat16 arithmetic, and on every recent GPU, what works on pictures trains in mixed precision unless told
    otherwise.

    ``init`` is a folder of weights that a new VG-net run begins with, to fine-tune them.

    With several ``devices`` this process starts the others of its node by running its own command again; on several
    ``nodes`` torchrun or SLURM starts all of them.

    Raises:
        BadSettingError: unknown or impossible settings, devices or precision.
        PackError: an unreadable pack.
        CheckpointError: `resume` without a state that fits, a new run where one already lies, or unusable `init`.
        OutputError: `run_dir` cannot be written, or its disk is full.
        Stopped: Ctrl-C or SIGTERM; the run is saved and can be resumed.
    """
    overrides = overrides or {}
    if init is not None and (resume or stage_name != "vg"):
        raise BadSettingError("--init begins a new run of VG-net; leave it out with --resume and for other networks")
    kind = KINDS[stage_name]
    of_net = {key[4:]: text for key, text in overrides.items() if key.startswith("net.")}
    settings = with_overrides(kind.settings, {k: t for k, t in overrides.items() if not k.startswith("net.")})
    config = with_overrides(kind.config, of_net)
    if minutes is not None and not minutes > 0:
        raise BadSettingError(f"--minutes is {minutes}; give a positive number")
    if precision is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        precision = "bf16-mixed" if kind.pictures and has_bf16(device) else "32-true"
    fabric = _make_fabric(devices, nodes, precision)
    # Before there are other processes: each of them would fail, and say so, by itself.
    shard_paths(pack_dir, "train")
    if not resume and (run_dir / STATE_FILE).exists():
        raise CheckpointError(f"{run_dir} already holds a run; add --resume, or choose another folder")
    if resume and not (run_dir / STATE_FILE).exists():
        raise CheckpointError(f"{run_dir / STATE_FILE} is missing: nothing was saved yet; begin without --resume")
    fabric.launch()
    torch.manual_seed(settings.seed)
    stage = kind.make(fabric, pack_dir, settings, config)
    if init is not None:
        begin_with(stage.players["main"].module, init)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {run_dir} ({error.strerror}); choose another for -o") from None
    return Loop(fabric, stage, run_dir).run(minutes, resume)


def begin_with(net: nn.Module, folder: Path) -> None:
    """Fills a network with the weights of another run.

    Raises:
        CheckpointError: no such weights, or of another size.
    """
    weights = load_vg_net(folder).state_dict()
    try:
        net.load_state_dict(weights)
    except RuntimeError:
        raise CheckpointError(
            f"the weights in {folder} have other sizes than this run; same net.… as theirs?"
        ) from None


def _make_fabric(devices: int, nodes: int, precision: Precision) -> Fabric:
    if min(devices, nodes) < 1:
        raise BadSettingError(f"--devices is {devices} and --nodes {nodes}; give at least 1 of each")
    try:
        return Fabric(devices=devices, num_nodes=nodes, precision=precision, accelerator="auto")
    except (ValueError, MisconfigurationException) as error:
        raise BadSettingError(f"--devices {devices}, --precision {precision}: {error}") from None


def setting_names(stage_name: str) -> list[str]:
    """The names ``--set`` understands."""
    kind = KINDS[stage_name]
    return [f.name for f in fields(kind.settings)] + [f"net.{f.name}" for f in fields(kind.config)]
