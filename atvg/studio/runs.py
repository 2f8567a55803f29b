"""Folders of results: who asked for each and is here or has left, and in which this process is working."""

import hashlib
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from atvg.scratch import found, has_room, is_full, under_way
from atvg.studio.explaining import sorry
from atvg.studio.memory import give_back
from atvg.studio.owners import remove
from atvg.studio.presence import Presence
from atvg.studio.settings import KEPT_RECORDINGS, PAGE, RECORDING
from atvg.studio.tidying import age


class Runs:
    """Of all sessions. A run goes with its visitor: at once, or when the work in it is done."""

    def __init__(self) -> None:
        self._runs: dict[Path, tuple[float, set[Path]]] = {}  # when each was asked for, and its uploads
        self._presence = Presence()
        self._lock = threading.Lock()
        self.unfinished: Counter[Path] = Counter()  # folders of runs in which this process is working

    @staticmethod
    def root() -> Path:
        return Path(get_upload_folder()).resolve()

    @staticmethod
    def name(request: gr.Request | None) -> str:
        """Of a session; the browser chose its hash, so it is hashed again before it becomes a folder's name."""
        session = getattr(request, "session_hash", None) or secrets.token_hex()
        return hashlib.sha256(session.encode()).hexdigest()[:16]

    def come(self, request: gr.Request) -> None:
        """A session begins, or goes on after its connection broke."""
        self._presence.come(self.name(request))

    def go(self, request: gr.Request) -> bool:
        """A connection of a session ends, maybe long after it broke; returns whether it was the last."""
        return self._presence.go(self.name(request))

    def is_here(self, request: gr.Request) -> bool:
        """Whether a session has a connection that is open."""
        return self._presence.is_here(self.name(request))

    @contextmanager
    def removed_on_error(self, folder: Path) -> Iterator[None]:
        """No half-made results stay behind: not if the visitor leaves in the middle, nor if this process is killed.

        Raises:
            gr.Error: the disk is full, or the visitor has left meanwhile.
        """
        with self.in_use(folder, new=True), under_way(folder):
            yield

    @contextmanager
    def in_use(self, folder: Path, new: bool = False) -> Iterator[None]:
        """Nothing in a run is deleted meanwhile; afterwards all of it if its visitor has left, or if a `new` one fails.

        Raises:
            gr.Error: as `removed_on_error`.
        """
        with self._lock:
            self.unfinished[folder] += 1
        try:
            yield
        except BaseException as error:
            left = not folder.is_dir() or self._has_left(folder)
            full = is_full(error) or not has_room(folder)
            if new:
                remove(folder)
            if left and isinstance(error, OSError):
                raise sorry(PAGE["no_run"]) from None
            if full and isinstance(error, Exception):  # which shows itself in many ways, also as ffmpeg's errors
                raise sorry(PAGE["disk_full"]) from None
            raise
        finally:
            with self._lock:
                self.unfinished[folder] -= 1
                if last := not self.unfinished[folder]:
                    del self.unfinished[folder]
            left = self._has_left(folder)
            if left and last:
                remove(folder)
            if new:
                give_back()
        if left:  # nobody waits for it, and Gradio would write the path of what is gone to the log
            raise sorry(PAGE["no_run"])

    def _has_left(self, folder: Path) -> bool:
        """Whose run this is, since they asked for it."""
        asked, _ = self._runs.get(folder, (0.0, set()))
        return self._presence.has_left(folder.parent.name.removeprefix("atvg-"), asked)

    def _at_work(self) -> set[Path]:
        """Runs in which this process is working, and their uploads."""
        working = list(self.unfinished)
        return set(working).union(*(self._runs[folder][1] for folder in working if folder in self._runs))

    def _forget_runs(self) -> None:
        """Those that are gone."""
        for folder in list(self._runs):
            if not folder.exists():
                self._runs.pop(folder, None)

    def forget_recordings(self, folder: Path) -> None:
        """Deletes the large recordings of a session's older runs; `folder` is the newest."""
        recordings = [each for each in found(folder.parent, f"*/{RECORDING}") if each.parent != folder]
        for recording in sorted(recordings, key=age)[KEPT_RECORDINGS - 1 :]:
            shutil.rmtree(recording, ignore_errors=True)
