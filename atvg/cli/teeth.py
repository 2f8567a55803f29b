"""``atvg teeth``: photos of people who smile → teeth for mouths that hide theirs."""

import argparse
from pathlib import Path


def add_teeth(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser("teeth", help="cut the teeth of smiling people out of their photos, for other mouths")
    command.add_argument("donors", metavar="DONORS_DIR", type=Path)
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    command.add_argument("--skip", metavar="A,B,…", default="", help="names of photos, without ending, to leave out")
    command.add_argument("--detector", default="auto", help="auto (default), mediapipe or face-alignment")
    command.set_defaults(run=_teeth)


def _teeth(options: argparse.Namespace) -> None:
    from atvg.data.donors import make_donors
    from atvg.face.detector import make_detector

    skip = tuple(name.strip() for name in options.skip.split(","))
    names = make_donors(options.donors, options.output, make_detector(options.detector), skip)
    print(f"{options.output}: {', '.join(names)}")
