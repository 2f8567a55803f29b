"""``atvg bench``: speed and memory of every stage."""

import argparse
import json

from atvg.cli.weights import add_weights


def add_bench(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("bench", help="speed and memory of every stage")
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.add_argument("--runs", type=int, default=5, metavar="N", help="timed runs of each stage (default 5)")
    command.add_argument("--seconds", type=float, default=8.0, metavar="S", help="of audio (default 8)")
    command.add_argument("--against", metavar="authors", help="also time networks of the authors' sizes, in turns")
    command.add_argument("--curve", action="store_true", help="also render 5 s to 10 min of audio (6 minutes of work)")
    command.add_argument("--app", action="store_true", help="also start the app: its page, and memory over ten videos")
    command.add_argument("--box", action="store_true", help="only what it costs to decode foreign files in a box")
    add_weights(command)
    command.set_defaults(run=_bench)


def _bench(options: argparse.Namespace) -> None:
    if options.box:
        from atvg.bench.boxed import time_box
        from atvg.bench.samples import sample_photo
        from atvg.bench.table import box_table

        prices = time_box(sample_photo())
        print(json.dumps(prices, indent=1) if options.json else box_table(prices))
        return
    from atvg.bench.run import bench
    from atvg.bench.table import to_table

    result = bench(
        options.weights, options.runs, options.seconds, options.engine, options.against, options.curve, options.app
    )
    print(json.dumps(result, indent=1) if options.json else to_table(result))
