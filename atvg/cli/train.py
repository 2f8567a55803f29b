"""``atvg train``: a pack → trained weights, or natural motion."""

import argparse
from pathlib import Path

from atvg.data.storage import as_path
from atvg.errors import BadSettingError


def add_train(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("train", help="train a network on a pack, or collect idle motion from it")
    command.add_argument(
        "stage", choices=("at", "vg", "idle", "sync", "chung", "zhou", "wiles"),
        help="AT-net, VG-net, natural motion, the sync expert, or a system that ATVG is compared with",
    )  # fmt: skip
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("-o", "--output", metavar="RUN_DIR", type=Path, required=True)
    command.add_argument("--minutes", type=float, metavar="M", help="stop cleanly after M minutes")
    command.add_argument("--resume", action="store_true", help="go on from RUN_DIR's last state")
    command.add_argument("--init", metavar="DIR", type=Path, help="weights a new VG-net run begins with (fine-tuning)")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    command.add_argument("--devices", type=int, default=1, metavar="N")
    command.add_argument("--nodes", type=int, default=1, metavar="M")
    command.add_argument("--precision", metavar="P", help="as Lightning Fabric names them, for instance bf16-mixed")
    command.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> None:
    if options.stage == "idle":
        _fit_idle(options)
        return
    from atvg.train.run import train

    overrides = {}
    for text in options.overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadSettingError(f"--set {text!r} is not KEY=VALUE")
        overrides[key.strip()] = value.strip()
    train(
        options.stage, options.pack, options.output, options.minutes, options.resume, overrides,
        options.devices, options.nodes, options.precision, options.init,
    )  # fmt: skip


def _fit_idle(options: argparse.Namespace) -> None:
    # One pass over the pack: there is nothing to stop, to go on with, to set or to spread over devices.
    unused: dict[str, object] = {
        "minutes": None, "resume": False, "set": [], "devices": 1, "nodes": 1, "precision": None, "init": None,
    }  # fmt: skip
    for name, default in unused.items():
        if getattr(options, "overrides" if name == "set" else name) != default:
            raise BadSettingError(f"train idle has no --{name}: it reads the pack once; leave --{name} out")
    from atvg.checkpoint import save_idle
    from atvg.data.idle import fit_idle

    model = fit_idle(options.pack)
    found = {"sequences": len(model.pose_lengths), "frames": len(model.poses), "blinks": len(model.blink_lengths)}
    save_idle(options.output, model, found)
    print(f"{options.output}: " + ", ".join(f"{count} {name}" for name, count in found.items()))
