"""``atvg paper``: the paper's table and figures, measured again."""

import argparse
from pathlib import Path

from atvg.cli.weights import add_weights
from atvg.data.storage import as_path


def add_paper(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("paper", help="measure and draw the paper's table and figures again, on a pack")
    command.add_argument("-p", "--pack", metavar="PACK_DIR", type=as_path, required=True)
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    command.add_argument("--split", default="val", metavar="NAME")
    command.add_argument("--frames", type=int, metavar="N", help="of each clip, the first N only: a quick look")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes that measure (default 1)")
    command.add_argument(
        "--parts", metavar="A,B,…", help="some of: table, ablations, fig1, fig5a, fig5b, fig6, fig7, dub"
    )
    command.add_argument(
        "--clips", metavar="CLIPS_DIR", type=as_path, help="films that the part dub gives other voices"
    )
    add_weights(command)
    command.set_defaults(run=_paper)


def _paper(options: argparse.Namespace) -> None:
    from atvg.paper.run import PAGE, PARTS, paper

    parts = tuple(PARTS) if options.parts is None else [part.strip() for part in options.parts.split(",")]
    written = paper(
        options.pack, options.output, options.split, options.frames, options.workers, parts, options.weights,
        options.engine, clips=options.clips,
    )  # fmt: skip
    print(f"{options.output / PAGE}: {', '.join(parts)}; {len(written)} files")
