"""``atvg prepare``: clips and photographs → a training pack."""

import argparse
import json

from atvg.data.storage import as_path
from atvg.errors import BadSettingError


def add_prepare(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "prepare",
        help="talking clips → training pack",
        description="Talking clips → training pack. Each folder may be a URL that fsspec knows, such as s3://bucket/clips.",
    )
    command.add_argument("clips", metavar="CLIPS_DIR", type=as_path, nargs="?")
    command.add_argument("-o", "--output", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("--layout", default="folder", help="of CLIPS_DIR: folder (default), lrw, grid or voxceleb")
    command.add_argument("--stills", metavar="STILLS_DIR", type=as_path, help="photographs, several of a person")
    command.add_argument("--workers", type=int, metavar="N", help="clips at a time (default: one per core)")
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on a Ray cluster: HOST:PORT, 'auto' (the one that this machine belongs to) or 'local' (of this "
        "machine alone, while it is needed); its machines must share the folders, or find them by URL",
    )
    command.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace) -> None:
    from atvg.data.prepare import prepare

    if options.workers is not None and options.workers < 1:
        raise BadSettingError(f"--workers is {options.workers}; give at least 1")
    if options.clips is None and options.stills is None:
        raise BadSettingError("nothing to prepare; give CLIPS_DIR, --stills STILLS_DIR or both")
    report = prepare(
        options.clips, options.output, options.workers,
        layout=options.layout, stills_dir=options.stills, ray=options.ray,
    )  # fmt: skip
    print(json.dumps(report, indent=1))
