"""What holds at every door, whatever comes in: a result or one line, in time, and nothing is left behind."""

import gc
import importlib
import os
import pkgutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from atvg.errors import ATVGError
from tests.fuzz import doors

WARMING = 2  # inputs
NAMES = sorted(info.name for info in pkgutil.iter_modules(doors.__path__))


class Finding(AssertionError):
    """Something came out of a door that must not."""


def door(name: str) -> ModuleType:
    """A file of `doors`."""
    return importlib.import_module(f"{doors.__name__}.{name}")


@cache
def _rooms() -> tuple[Path, Path]:
    """Where doors put their own files, and the folder for temporary ones, in which nothing may be left."""
    _rooms.kept = kept = tempfile.TemporaryDirectory(prefix="atvg-fuzz-")  # type: ignore[attr-defined]
    rooms = Path(kept.name) / "own", Path(kept.name) / "temporary"
    for room in rooms:
        room.mkdir()
    return rooms


def own() -> Path:
    """A folder for what a door itself has to lay down; it goes with the process."""
    return _rooms()[0]


def laid(name: str, data: bytes) -> Path:
    """A file of that folder; one that is there is replaced, not overwritten, for it may be a link."""
    path = own() / name
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


@contextmanager
def as_file(data: bytes) -> Iterator[BinaryIO]:
    """An open file without a name, as the box hands one to a decoder."""
    with tempfile.TemporaryFile(dir=own()) as file:
        file.write(data)
        file.seek(0)
        yield file


def warm(name: str) -> None:
    """Brings a door some of what is whole, unwatched: what is loaded and opened once for all is nothing left behind."""
    here = door(name)
    if start := getattr(here, "ready", None):
        start()
    for seed in here.seeds()[:WARMING]:
        with suppress(ATVGError):
            here.one(seed)
    gc.collect()  # or files of what was done in this process before would be closed in the midst of a check


def check(name: str, data: bytes) -> None:
    """Brings `data` to a door.

    Raises:
        Finding: it raises anything but an `ATVGError` of one printable line, takes too long, or leaves files,
            descriptors or processes behind.
    """
    here, temporary = door(name), _rooms()[1]
    before, usual = _left_behind(temporary), tempfile.tempdir
    tempfile.tempdir = str(temporary)
    began = time.monotonic()
    try:
        here.one(data)
    except ATVGError as error:
        if not str(error) or not str(error).isprintable():
            raise Finding(f"{name}: not one printable line: {str(error)!r}") from None
    except Exception as error:
        raise Finding(f"{name}: {type(error).__name__}: {error}") from error
    finally:
        tempfile.tempdir = usual
    took, left = time.monotonic() - began, _left_behind(temporary)
    if took > here.SECONDS:
        raise Finding(f"{name}: took {took:.1f} s, {here.SECONDS} is the limit")
    if left != before:
        raise Finding(f"{name}: left behind {left - before or before - left}")


def check_apart(name: str, data: bytes) -> None:
    """`check` in a process that is forked off, where the system can: one that its decoder kills is no finding.

    Raises:
        Finding: as `check`.
    """
    if not hasattr(os, "fork"):
        return check(name, data)
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            check(name, data)
        except BaseException as error:
            os.write(tells, str(error).encode()[:1000] or b"?")
        finally:
            os._exit(0)
    os.close(tells)
    with open(told, "rb") as said:
        finding = said.read().decode(errors="replace")
    os.waitpid(child, 0)
    if finding:
        raise Finding(finding)


def _left_behind(temporary: Path) -> set[str]:
    """Files in the temporary folder, open files and children of this process, where the system tells."""
    found = {str(path) for path in temporary.rglob("*")}
    tasks, descriptors = Path("/proc/self/task"), Path("/proc/self/fd")
    if descriptors.is_dir():
        found |= {f"file {_target(path)}" for path in descriptors.iterdir()}
    for task in tasks.iterdir() if tasks.is_dir() else ():
        try:
            found |= {f"process {child}" for child in (task / "children").read_text().split()}
        except OSError:  # the thread has just ended, or this kernel does not tell
            continue
    return found


def _target(path: Path) -> str:
    try:
        return f"{path.name} {os.readlink(path)}"
    except OSError:
        return ""
