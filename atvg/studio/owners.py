"""Which browser brought or got which file, and what a killed process leaves behind of theirs.

A browser is known by a cookie. Programs have none, and pages within pages of others (as on Hugging Face) get none: what
is theirs is open to whoever knows its name, of which 128 bits or more are random.
"""

import re
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from atvg.scratch import abandoned, found, under_way
from atvg.studio.mending import forget_gone
from atvg.studio.settings import COOKIE

HOUSES = "process-*"  # a folder for each process that is at work
SESSIONS = 10_000  # that are remembered, two megabytes: many more than are ever open
_LIST = "list.txt"  # in it: one path below the root a line
_RUN, _UPLOAD = re.compile(r"atvg-[0-9a-f]{16}"), re.compile(r"[0-9a-f]{64}")


class Owners:
    """Of each upload and of each folder of results under `root` the browser that may read it; None is any."""

    def __init__(self) -> None:
        self._of: dict[Path, str | None] = {}
        self._sessions: OrderedDict[str, str] = OrderedDict()  # of browsers with a name
        self._lock = threading.Lock()
        self._list: Path | None = None
        self._shown: list[set[str]] = []
        self._alive = ExitStack()

    def settle(self, root: Path, shown: list[set[str]]) -> None:
        """Keeps a list on the disk from now on, which the next process clears away if this one is killed.

        Args:
            root: the folder of all uploads and results.
            shown: sets of paths that Gradio adds to whenever it takes or shows a file.

        Raises:
            OSError: nothing can be written there.
        """
        self._shown = shown
        house = root / HOUSES.replace("*", secrets.token_hex(8))
        house.mkdir(parents=True)
        self._alive.enter_context(under_way(house))
        self._list = house / _LIST
        self._alive.callback(shutil.rmtree, house, ignore_errors=True)

    def close(self) -> None:
        """Deletes what is left, used or not: this process has nothing on the disk any more."""
        with self._lock:
            left, self._of, self._list = self._of, {}, None
        for key in left:
            remove(key)
        self._alive.close()

    def add(self, root: Path, paths: Iterable[Path], browser: str | None) -> None:
        """Notes whose uploads or folders of results those under `root` are."""
        with self._lock:
            keys = [key for path in paths if (key := _key(root, path))]
            self._of |= dict.fromkeys(keys, browser)
            with suppress(OSError):  # a full disk: then what a kill leaves here stays until it is old
                if self._list:
                    with self._list.open("a", encoding="utf-8") as file:
                        file.writelines(f"{key.relative_to(root).as_posix()}\n" for key in keys)

    def may_read(self, root: Path, path: Path, browser: str | None) -> bool:
        """Whether a browser may be sent a file; what lies outside of `root` is the business of others."""
        path = path.resolve()
        if not path.is_relative_to(root):
            return True
        key = _key(root, path)
        return key in self._of and self._of[key] in (None, browser)

    def may_use(self, root: Path, path: Path, browser: str | None) -> bool:
        """Whether it may be worked with: not if it is another's; nor if it is gone, so that nobody learns which."""
        key = _key(root, path.resolve())
        nobodys = key is not None and key not in self._of and path.exists()
        return nobodys or self.may_read(root, path, browser)

    def may_follow(self, session: str, browser: str | None) -> bool:
        """Whether a browser may hear what a session is told, and end it: not if another began it."""
        with self._lock:
            if browser and session not in self._sessions:
                self._sessions[session] = browser
                if len(self._sessions) > SESSIONS:
                    self._sessions.popitem(last=False)
            return self._sessions.get(session, browser) == browser

    def leave(self, session: str, browser: str | None) -> set[Path]:
        """A session has ended. If its browser has no other: what that brought, used or not."""
        with self._lock:
            self._sessions.pop(session, None)
            if browser is None or browser in self._sessions.values():
                return set()
            return {key for key, owner in self._of.items() if owner == browser and _UPLOAD.fullmatch(key.parent.name)}

    def known(self) -> list[Path]:
        """All uploads and runs that have an owner."""
        return list(self._of)

    def prune(self, root: Path) -> None:
        """Forgets what is gone, in memory and on the list; and has Gradio forget it."""
        forget_gone(self._shown)
        with self._lock:
            self._of = {key: owner for key, owner in self._of.items() if key.exists()}
            with suppress(OSError):
                if self._list:
                    fresh = self._list.with_suffix(".new")
                    lines = [f"{key.relative_to(root).as_posix()}\n" for key in self._of if key.is_relative_to(root)]
                    fresh.write_text("".join(lines), encoding="utf-8")
                    fresh.replace(self._list)


def browser_of(request: Any) -> str | None:
    """The name that a browser was given, by its request of whatever kind; None if it has none, or one nobody gave."""
    cookies = getattr(request, "cookies", None) or {}
    known = re.fullmatch("[0-9a-f]{32}", str(cookies.get(COOKIE, "")))
    return known[0] if known else None


def clear_away(root: Path) -> None:
    """Deletes whatever the lists of dead processes name, and the lists."""
    for house in found(root, HOUSES):
        if not abandoned(house):
            continue
        with suppress(OSError, UnicodeDecodeError):
            for line in (house / _LIST).read_text(encoding="utf-8").splitlines():
                if key := _key(root, root / line):
                    remove(key)
        shutil.rmtree(house, ignore_errors=True)


def remove(key: Path) -> None:
    """An upload or a run, and the folder that it lies in unless there are others; what cannot be deleted stays."""
    with suppress(OSError):
        shutil.rmtree(key, ignore_errors=True) if key.is_dir() else key.unlink(missing_ok=True)
        key.parent.rmdir()


def _key(root: Path, path: Path) -> Path | None:
    """What has an owner: the file of an upload, the folder of a run; None for anything else."""
    if not path.is_relative_to(root) or ".." in path.parts:
        return None
    parts = path.relative_to(root).parts
    known = len(parts) >= 2 and (_RUN.fullmatch(parts[0]) or _UPLOAD.fullmatch(parts[0]) and len(parts) == 2)
    return root.joinpath(*parts[:2]) if known else None
