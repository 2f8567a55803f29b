"""``atvg evaluate``: how good weights are on a split of a pack, or of films that are dubbed."""

import argparse
from pathlib import Path

from atvg.cli.weights import add_weights
from atvg.data.storage import as_path


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("evaluate", help="measure the weights on a split of a pack, or of films")
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path)
    command.add_argument(
        "--dub", metavar="CLIPS_DIR", type=as_path,
        help="in place of a pack: a folder of talking clips, which are dubbed, each with its own sound and with that "
        "of somebody else, and measured before they are encoded",
    )  # fmt: skip
    command.add_argument("--split", default="val", metavar="NAME")
    command.add_argument("-o", "--output", metavar="REPORT.json", type=Path, required=True)
    command.add_argument("--frames", type=int, metavar="N", help="of each clip, the first N only: a quick comparison")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes that measure (default 1)")
    command.add_argument(
        "--photos", metavar="DIR", help="also animate the photographs in DIR, and measure detail at their resolution"
    )
    command.add_argument(
        "--closures", action="store_true",
        help="measure only whether lips close on p, b and m and in silence; it draws nothing, so a whole split takes "
        "seconds. Needs clips of the GRID corpus, whose names spell their sentences; without this flag the report has "
        "it too, where the split has such clips",
    )  # fmt: skip
    command.add_argument(
        "--motion", action="store_true",
        help="measure only whether natural motion follows the voice as real heads and eyes do; it draws nothing",
    )  # fmt: skip
    add_weights(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    from atvg.evaluation.run import evaluate_weights

    print(
        evaluate_weights(
            options.pack, options.output, options.split, options.frames, options.workers, options.photos,
            options.closures, options.weights, options.engine, options.motion, options.dub,
        )
    )  # fmt: skip
