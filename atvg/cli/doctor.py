"""``atvg doctor``: does everything work on this machine? One screen, for a bug report too."""

import argparse
import os


def add_doctor(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "doctor",
        help="does everything work here? for bug reports",
        description="Tries every part on this machine, offline, and says what to do about what does not work. Exit "
        "status 1: something needed does not.",
    )
    command.add_argument(
        "--weights", metavar="DIR", help="folder of the weights (default: $ATVG_WEIGHTS, or the shipped)"
    )
    command.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from atvg.doctor.run import examine, to_line

    failed = False
    for finding in examine(options.weights or os.environ.get("ATVG_WEIGHTS")):
        print(to_line(finding), flush=True)
        failed |= finding.state == "fail"
    return int(failed)
