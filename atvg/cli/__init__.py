"""The command line. Bad input prints one line, ``error: …``, leaves no output file and exits with 2."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from atvg.cli.animate import add_animate
from atvg.cli.app import add_app
from atvg.cli.bench import add_bench
from atvg.cli.completion import add_completion
from atvg.cli.doctor import add_doctor
from atvg.cli.evaluate import add_evaluate
from atvg.cli.paper import add_paper
from atvg.cli.prepare import add_prepare
from atvg.cli.teeth import add_teeth
from atvg.cli.train import add_train
from atvg.config import VERSION
from atvg.errors import ATVGError, BadSettingError


class _Parser(argparse.ArgumentParser):
    """Usage errors in the same form as every other: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise BadSettingError(f"{message}; see {self.prog} --help")


def program() -> int:
    """What the shell runs: `main`, without what native libraries write to the terminal."""
    # Before NumPy is there: as in the app, its OpenBLAS may wait for ever where two threads compute.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from atvg.face.silence import silence_native_logs

    silence_native_logs()
    signal.signal(signal.SIGTERM, _terminated)
    return main()


def _terminated(*_: object) -> NoReturn:
    """As Ctrl-C does: whatever is being made is undone on the way out."""
    raise SystemExit(128 + signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        return options.run(options) or 0
    except ATVGError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed; run: pip install -e '.[train]'", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `atvg … | head` is no error, but Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("error: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="atvg", description="One face photo + speech → a video of that face saying it.")
    parser.add_argument("--version", action="version", version=f"atvg {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for add in (
        add_animate,
        add_prepare,
        add_train,
        add_evaluate,
        add_paper,
        add_teeth,
        add_bench,
        add_app,
        add_doctor,
    ):
        add(commands)
    add_completion(commands, parser)
    return parser
