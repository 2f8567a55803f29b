"""A program such as ffmpeg, started with few rights: one file to read, at most one folder to write, no network."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atvg.box import rights

HERE = sys.platform == "linux"  # elsewhere a process of its own is all that there is


@dataclass(frozen=True)
class Limits:
    """How much a process may take.

    Attributes:
        memory: bytes; threads may take `rights.THREAD` a core of addresses beside them.
        cpu: seconds of all its threads together.
        written: bytes of the largest file it writes, its standard output among them if that is a file.
        files: that are open at once.
    """

    memory: int = 2 << 30
    cpu: int = 240
    written: int = 0
    files: int = 64

    def arguments(self) -> dict[str, int]:
        """As `rights.give_up` takes them."""
        return {"memory": self.memory, "cpu": self.cpu, "written": self.written, "files": self.files}


def limited(
    command: Sequence[str | os.PathLike],
    reads: Sequence[str | os.PathLike] = (),
    writes: Sequence[str | os.PathLike] = (),
    limits: Limits | None = None,
) -> list[str]:
    """The same command with few rights, for `subprocess.run` or `Popen`; its process ID is the command's own.

    It has no network, starts no processes, inherits no environment, and opens nothing but libraries of the system and
    what is named here. Where the kernel cannot hold it to all that (see `layers`), it is held to the rest.

    Args:
        command: begins with the path of the program.
        reads: files it may read, the very ones that have these names when it starts, or folders.
        writes: folders it may make files in.
    """
    if not HERE:
        return [os.fsdecode(word) for word in command]
    options = [f"{name}={value}" for name, value in (limits or Limits()).arguments().items()]
    options += [f"read={os.fsdecode(path)}" for path in reads]
    options += [f"write={os.fsdecode(path)}" for path in writes]
    return [
        sys.executable, "-I", "-S", str(Path(rights.__file__)), *options, "--", *(os.fsdecode(word) for word in command)
    ]  # fmt: skip
