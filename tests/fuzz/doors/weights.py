"""A folder of weights: the pairs of the networks and of the idle motion, one of whose files is foreign."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch

from atvg import checkpoint
from atvg.config import ATNetConfig, VGNetConfig
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel
from atvg.nets.at_net import ATNet
from atvg.nets.vg_net import VGNet
from atvg.tensors import load_single, load_state
from tests.fuzz.harness import laid, own

SECONDS, EXAMPLES = 15, 50
VG_SMALL = VGNetConfig(photo_widths=(4, 4, 4, 4), landmark_widths=(4, 4, 4), decoder_widths=(4, 4, 4), hidden=4)
AT_SMALL = ATNetConfig(ear="none", identity_codes=2, motion_codes=2, widths=(4, 4, 4), hidden=4)
LOADERS = {"at_net": checkpoint.load_at_nets, "vg_net": checkpoint.load_vg_nets, "idle": checkpoint.load_idle}
FILES = [f"{name}.{ending}" for name in LOADERS for ending in ("json", "safetensors")]


def save_small(folder: Path) -> None:
    """Tiny networks and idle motion."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shape = ShapeModel(
        rng.normal(0, 30, (68, 3)), rng.normal(size=(2, 204)), np.ones(2), rng.normal(size=(2, 204)),
        rng.normal(size=(204, 2)),
    )  # fmt: skip
    checkpoint.save_at_net(folder, ATNet(AT_SMALL), shape, {})
    checkpoint.save_net(folder, "vg_net", VGNet(VG_SMALL), {"beta": 0.5})
    idle = IdleModel(
        np.zeros((50, 3), np.float32), np.array([25, 25]), np.zeros(8, np.float32), np.array([8]),
        np.ones(3, np.float32),
    )  # fmt: skip
    checkpoint.save_idle(folder, idle, {})


@cache
def _whole() -> Path:
    folder = own() / "weights"
    save_small(folder)
    (own() / "foreign").mkdir()
    return folder


def seeds() -> list[bytes]:
    """Every file, behind its number."""
    return [bytes([number]) + (_whole() / name).read_bytes() for number, name in enumerate(FILES)]


def one(data: bytes) -> None:
    """Puts it in the place of the file whose number comes first, and loads what that belongs to."""
    name = FILES[data[0] % len(FILES)] if data else FILES[0]
    _whole()
    folder = own() / "foreign"
    for other in FILES:
        (folder / other).unlink(missing_ok=True)
        if other != name:
            os.link(_whole() / other, folder / other)
    path = laid(f"foreign/{name}", data[1:])
    if name.endswith("safetensors"):
        for load in (load_state, load_single):
            try:
                load(path)
            except checkpoint.CheckpointError:
                continue
    loaded = LOADERS[name.partition(".")[0]](folder)
    if name.startswith("vg_net"):
        assert all(type(beta) is float and 0 <= beta for beta in loaded)
        assert all(torch.isfinite(p).all() for net in loaded.values() for p in net.parameters())
