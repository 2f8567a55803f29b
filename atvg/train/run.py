"""Starts a training run: devices, settings, stage, loop."""

from dataclasses import fields
from pathlib import Path

import torch
from lightning.fabric import Fabric

from atvg.config import ATNetConfig, VGNetConfig, with_overrides
from atvg.errors import BadSettingError
from atvg.train.loop import Loop
from atvg.train.settings import ATSettings, VGSettings

_CLASSES = {"at": (ATSettings, ATNetConfig), "vg": (VGSettings, VGNetConfig)}


def train(
    stage_name: str,
    pack_dir: Path,
    run_dir: Path,
    minutes: float | None = None,
    resume: bool = False,
    overrides: dict[str, str] | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
) -> dict[str, float]:
    """Trains ``"at"`` or ``"vg"``; weights, state and logs go to `run_dir`. Returns the last mean losses.

    ``overrides`` are texts for fields of the stage's settings, or of its network as ``net.FIELD``. On a CPU with
    bfloat16 arithmetic, and on every recent GPU, VG-net trains in mixed precision unless told otherwise.
    """
    overrides = overrides or {}
    settings_class, config_class = _CLASSES[stage_name]
    of_net = {key[4:]: text for key, text in overrides.items() if key.startswith("net.")}
    settings = with_overrides(settings_class(), {k: t for k, t in overrides.items() if not k.startswith("net.")})
    config = with_overrides(config_class(), of_net)
    if minutes is not None and not minutes > 0:
        raise BadSettingError(f"--minutes is {minutes}; give a positive number")
    if precision is None:
        precision = "bf16-mixed" if stage_name == "vg" and _has_bf16() else "32-true"
    fabric = Fabric(devices=devices, num_nodes=nodes, precision=precision, accelerator="auto")
    fabric.launch()
    torch.manual_seed(settings.seed)
    if stage_name == "at":
        from atvg.train.at_stage import ATStage as StageClass
    else:
        from atvg.train.vg_stage import VGStage as StageClass
    stage = StageClass(fabric, pack_dir, settings, config)
    run_dir.mkdir(parents=True, exist_ok=True)
    return Loop(fabric, stage, run_dir).run(minutes, resume)


def setting_names(stage_name: str) -> list[str]:
    """The names ``--set`` understands."""
    settings_class, config_class = _CLASSES[stage_name]
    return [f.name for f in fields(settings_class)] + [f"net.{f.name}" for f in fields(config_class)]


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()
