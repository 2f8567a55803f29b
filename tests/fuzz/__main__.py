"""Coverage-guided fuzzing of every front door, by atheris (libFuzzer).

::

    python -m tests.fuzz image --minutes 60     # one door, or several; without any all, one after the other
    python -m tests.fuzz image --replay FILE    # once, with its traceback

The corpus, ``runs/fuzz/DOOR/corpus``, is kept, so that the next call goes on where this one stopped; what was found
lies in ``runs/fuzz/DOOR/findings``.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.harness import NAMES, check, warm

MISSING = "fuzzing is skipped: atheris is not installed (Linux, Python 3.11 or later: pip install 'atheris>=3,<4')"
MOST_FINDINGS = 20  # of a door in one call, each of which ends a process; then it is probably the same again and again
LEAST = 3  # seconds that are worth a start


class Unable(Exception):
    """Fuzzing of a door does not even begin."""


class Tally(NamedTuple):
    """What was done at a door: executions, edges covered at first and at last, and by file what was found."""

    executions: int
    first: int
    last: int
    findings: dict[Path, str]


def fuzz(name: str, seconds: float, root: Path) -> Tally:
    """Fuzzes a door for so long, and goes on after what it finds."""
    corpus, findings = root / name / "corpus", root / name / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    executions, edges, ended = 0, [], 0
    found: dict[Path, str] = {}
    log = root / name / "log.txt"
    # libFuzzer ends a process without a word: whatever that was working in goes with this folder.
    with log.open("w") as told, tempfile.TemporaryDirectory() as temporary:
        settings = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": temporary}
        while (left := end - time.monotonic()) >= LEAST and ended < MOST_FINDINGS:
            command = [sys.executable, "-m", "tests.fuzz.drive", name, str(corpus), str(findings), str(round(left))]
            at = told.tell()
            done = subprocess.run(command, stdout=told, stderr=subprocess.STDOUT, env=settings)
            said = log.read_bytes()[at:].decode(errors="replace")
            told.seek(0, os.SEEK_END)
            executions += sum(map(int, re.findall(r"number_of_executed_units: (\d+)", said)))
            edges += map(int, re.findall(r"cov: (\d+)", said))
            ended += bool(done.returncode)
            written = [Path(path) for path in re.findall(r"Test unit written to (\S+)", said)]
            found |= dict.fromkeys(written, _why(said))
            if done.returncode and not written:
                raise Unable(f"{name} cannot be fuzzed; see {log}")
    return Tally(executions, edges[0] if edges else 0, max(edges, default=0), found)


def _why(said: str) -> str:
    """What libFuzzer, or Python, tells of how a process ended."""
    told = re.search(r"Finding: (.*)", said) or re.search(r"ERROR: (libFuzzer: .*)", said)
    return told[1][:200] if told else "it died"


def main() -> None:
    """Reads the command line; exits with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=f"of: {', '.join(NAMES)}; all by default")
    parser.add_argument("--minutes", type=float, default=60, help="for each door (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, default=Path("runs/fuzz"), help="a folder (default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="bring this file to the door, once")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.doors) - set(NAMES)):
        parser.error(f"no such door: {unknown[0]}; choose from: {', '.join(NAMES)}")
    if arguments.replay:
        if len(arguments.doors) != 1:
            parser.error("at which door? name one before --replay")
        warm(arguments.doors[0])
        check(arguments.doors[0], arguments.replay.read_bytes())
        print("nothing found")
        return
    if importlib.util.find_spec("atheris") is None:
        print(MISSING)
        return
    anything = False
    for name in arguments.doors or NAMES:
        try:
            tally = fuzz(name, 60 * arguments.minutes, arguments.corpus)
        except Unable as error:
            print(error, flush=True)
            anything = True
            continue
        print(
            f"{name}: {tally.executions} executions, edges {tally.first} → {tally.last}, "
            f"{len(tally.findings)} findings", flush=True,
        )  # fmt: skip
        for path, why in tally.findings.items():
            print(f"  {why}\n    python -m tests.fuzz {name} --replay {path}")
        anything |= bool(tally.findings)
    sys.exit(int(anything))


if __name__ == "__main__":
    main()
