"""``atvg app``: the Gradio app."""

import argparse
import os
import sys


def add_app(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("app", help="open the Gradio app")
    command.add_argument("--port", type=int, metavar="N", help="default: the first free one from 7860")
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> None:
    # A process of its own: the app uses the package, never the other way round.
    environment = dict(os.environ)
    if options.port is not None:
        environment["GRADIO_SERVER_PORT"] = str(options.port)
    os.execve(sys.executable, [sys.executable, "-m", "atvg.studio"], environment)
