"""Whose files are whose: of each visitor the uploads, and a folder for every run with what was made in it."""

import re
import secrets
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import gradio as gr

from atvg.errors import RecordingError
from atvg.scratch import found, is_full
from atvg.studio.explaining import sorry
from atvg.studio.files import Upload, path_of
from atvg.studio.memory import give_back
from atvg.studio.owners import Owners, browser_of, remove
from atvg.studio.presence import asked_at
from atvg.studio.runs import Runs
from atvg.studio.settings import PAGE, TIDY_EVERY
from atvg.studio.tidying import remove_old, renew

_JUMP = 60  # seconds by which the clock must have been set for all ages to count anew


class Guests(Runs):
    """Whose files are whose. All of a visitor's go when the page is closed, or `MAX_AGE` after their last use.

    Clients that keep no connection open never say that they have left: `tidy` finds what they leave behind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._uploads: defaultdict[tuple[str, str | None], set[Path]] = defaultdict(set)  # by session and browser
        self._owners = Owners()
        self._clock = _since_when()

    def keep_tidy(self, shown: list[set[str]], *others: Callable[[], None]) -> None:
        """Looks for old files now and then, for ever, in a thread of its own.

        Args:
            shown: Gradio's, of all paths.
            others: tidy as often.
        """
        with suppress(OSError):  # whoever cannot write there, is told when a file is to be kept
            self._owners.settle(self.root(), shown)

        def watch() -> None:
            while True:
                with suppress(OSError):  # the next time it may go better; nobody would look again
                    self.tidy()
                for tidy in others:
                    tidy()
                time.sleep(TIDY_EVERY)

        threading.Thread(target=watch, daemon=True, name="tidy").start()

    def tidy(self) -> None:
        """Deletes what killed processes left half-made, and what is too old, whichever process it is from."""
        root = self.root()
        if abs(_since_when() - self._clock) > _JUMP:
            self._clock = _since_when()
            for path in self._owners.known():
                renew(root, path)
        remove_old(root, self._at_work())
        with self._lock:
            for (name, browser), uploads in list(self._uploads.items()):
                if not (root / f"atvg-{name}").is_dir() and not any(upload.exists() for upload in uploads):
                    del self._uploads[name, browser]
        self._forget_runs()
        self._owners.prune(root)

    def new_run(self, request: gr.Request | None, *uploads: Upload) -> tuple[str, Path]:
        """A new folder for results, with the key to it, which nobody can guess. Remembers whose the uploads are.

        Raises:
            gr.Error: an upload is another's, the disk is full, or the visitor has left while the job waited.
        """
        if self._presence.has_left(self.name(request), asked_at(request)):
            raise sorry(PAGE["no_run"])
        if not self.may_use(request, *uploads):
            raise sorry(PAGE["not_yours"])
        own = self.remember(request, *uploads)  # first, or they would stay when there is no room for the folder
        name, key = self.name(request), secrets.token_hex(16)
        folder = self.root() / f"atvg-{name}" / key
        self._runs[folder] = asked_at(request), own
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise (sorry(PAGE["disk_full"]) if is_full(error) else error) from None
        self._owners.add(self.root(), [folder], browser_of(request))
        return name + key, folder

    def bring(self, paths: Iterable[Path], browser: str | None) -> None:
        """Notes which browser has just brought these uploads; None has no name."""
        brought = [path.resolve() for path in paths]
        self._owners.add(self.root(), brought, browser)
        for path in brought:
            renew(self.root(), path)

    def may_read(self, path: Path, browser: str | None) -> bool:
        """Whether a browser may be sent a file: not if it is another's.

        Raises:
            OSError, RuntimeError, ValueError: no file can have that name.
        """
        return self._owners.may_read(self.root(), path, browser)

    def may_follow(self, session: str, browser: str | None) -> bool:
        """Whether a browser may hear what a session is told, and end it: not if another began it."""
        return self._owners.may_follow(session, browser)

    def may_use(self, request: gr.Request | None, *uploads: Upload) -> bool:
        """Whether none of the uploads is another's; that they are none at all, is said by whoever opens them."""
        return all(self._is_free(path, browser_of(request)) for path in map(path_of, uploads) if path)

    def _is_free(self, path: str, browser: str | None) -> bool:
        with suppress(OSError, RuntimeError, ValueError):  # a name that no file can have, or a link to itself
            return self._owners.may_use(self.root(), Path(path), browser)
        return True

    def remember(self, request: gr.Request | None, *uploads: Upload) -> set[Path]:
        """Notes whose the uploads are, and that they are used now; returns those that this visitor may use."""
        browser = browser_of(request)
        own = set()
        for path in map(path_of, uploads):
            with suppress(OSError, RuntimeError, ValueError):  # as in `_is_free`: whoever opens it says so
                if path and self._is_free(path, browser):
                    own.add(Path(path).resolve())
        for upload in own:
            renew(self.root(), upload)
        if getattr(request, "session_hash", None):  # others never leave
            with self._lock:
                self._uploads[self.name(request), browser] |= own
        return own

    def run(self, key: str, request: gr.Request | None = None) -> Path:
        """The folder of a run.

        Raises:
            RecordingError: there is none, or it is another browser's.
        """
        known = re.fullmatch(r"([0-9a-f]{16})([0-9a-f]{32})", str(key or ""))
        folder = self.root() / f"atvg-{known[1]}" / known[2] if known else None
        if folder is None or not folder.is_dir() or not self.may_read(folder, browser_of(request)):
            raise RecordingError(PAGE["no_run"])
        return folder

    def leave(self, request: gr.Request) -> None:
        """Deletes results and uploads of a session."""
        browser = browser_of(request)
        self._presence.leave(self.name(request))
        self._leave(self.name(request), browser, self._owners.leave(request.session_hash or "", browser))

    def close(self) -> None:
        """Everybody leaves, for this process ends: nobody would delete their files."""
        for (name, browser), uploads in list(self._uploads.items()):
            self._presence.leave(name)
            self._leave(name, browser, set(uploads))
        for folder in list(self.unfinished):
            shutil.rmtree(folder, ignore_errors=True)
        self._owners.close()

    def _leave(self, name: str, browser: str | None, orphans: set[Path]) -> None:
        """`orphans` are uploads that it has not used. A program may have used its own in several sessions."""
        with self._lock:
            orphans |= self._uploads.pop((name, browser), set())
            needed = set().union(*self._uploads.values())
        for upload in orphans - needed:
            if upload.is_relative_to(self.root()) and upload.is_file():
                remove(upload)
        session = self.root() / f"atvg-{name}"
        for folder in found(session, "*"):
            # The others go when their jobs see that nobody is there, or are of somebody who has just come back.
            if folder not in self.unfinished and self._has_left(folder):
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            session.rmdir()
        self._owners.prune(self.root())
        give_back()


def _since_when() -> float:
    """The time at which the monotonic clock began; it changes when the clock is set."""
    return time.time() - time.monotonic()
