"""``atvg completion``: a script by which a shell completes commands, options, files and words."""

import argparse
from functools import partial

SHELLS = ("bash", "zsh", "fish", "powershell")
# How what is a file or a folder is called in the help.
_FOLDERS, _FILES = ("DIR",), ("PHOTO", "AUDIO", ".mp4", ".npz", ".json")


def add_completion(commands: argparse._SubParsersAction, program: argparse.ArgumentParser) -> None:
    """Adds the command, which describes `program` as it is when the command runs."""
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Prints a script. bash: atvg completion bash > ~/.local/share/bash-completion/completions/atvg; "
        "zsh: atvg completion zsh > a file _atvg in a folder of $fpath; "
        "fish: atvg completion fish > ~/.config/fish/completions/atvg.fish; "
        "powershell: atvg completion powershell >> $PROFILE",
    )
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=partial(_completion, program))


def _completion(program: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    import shtab

    for action in _actions(program):
        called = str(action.metavar)
        if called.endswith(_FOLDERS):
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # which shtab reads
        elif called.endswith(_FILES):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif words := _words(action.dest):
            action.choices = words
    print(shtab.complete(program, options.shell))


def _words(name: str) -> tuple[str, ...]:
    """What an option takes that the program itself checks, so that its error can say more."""
    from atvg.animate.engine import ENGINES
    from atvg.config import EARS
    from atvg.face.detector import DETECTORS
    from atvg.film.output import FRAMES

    return {"engine": ENGINES, "ear": EARS, "detector": DETECTORS, "frame": FRAMES}.get(name, ())


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Of a parser and of those of its commands."""
    own = list(parser._actions)
    below = [action.choices.values() for action in own if isinstance(action, argparse._SubParsersAction)]
    return own + [action for parsers in below for command in parsers for action in _actions(command)]
