"""``atvg app``: the Gradio app that stands beside the package."""

import argparse
import os
import sys
from pathlib import Path

from atvg.errors import OutputError


def add_app(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("app", help="open the Gradio app")
    command.add_argument("--port", type=int, metavar="N", help="default: the first free one from 7860")
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> None:
    # The app stands beside the package, as Hugging Face Spaces wants it, and uses it; never the other way round.
    path = Path(__file__).resolve().parents[2] / "app.py"
    if not path.is_file():
        raise OutputError("app.py is not beside the atvg package; run this from a clone of the repository")
    environment = dict(os.environ)
    if options.port is not None:
        environment["GRADIO_SERVER_PORT"] = str(options.port)
    os.execve(sys.executable, [sys.executable, str(path)], environment)
