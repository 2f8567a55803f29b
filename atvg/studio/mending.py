"""What Gradio does for one visitor at the cost of all others, done otherwise."""

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import anyio
from gradio import processing_utils, route_utils, utils

from atvg.studio.explaining import sorry
from atvg.studio.settings import PAGE

_take = route_utils.GradioUploadFile.__init__
NOWHERE = "https://"  # in place of every address; not it, as Gradio remembers what inputs are called


def mend() -> None:
    """In this process, for every page of it; doing so again changes nothing but the seed."""
    # Gradio names the folder of an upload after its content: equal ones of several visitors would share a file, and it
    # would go with the first who leaves. It adds a seed, which it keeps in its own folder, so that all who run the same
    # image would have the same one, and know the names.
    route_utils.GradioUploadFile.__init__ = _take_upload  # type: ignore[method-assign]
    processing_utils.hash_seed = secrets.token_bytes(32)
    # What fetches addresses: for inputs, for outputs, and below both.
    processing_utils.async_ssrf_protected_download = _uploaded
    processing_utils.ssrf_protected_download = processing_utils.save_url_to_cache = _save_nothing
    processing_utils.async_ssrf_protected_get = _fetch_nothing
    utils.SyncToAsyncIterator.aclose = _close  # type: ignore[method-assign]


def forget_gone(shown: list[set[str]]) -> None:
    """Of all that it ever took and showed Gradio keeps the paths, 5 KB a video: it need not, of what is gone.

    Meanwhile others may add to these sets.
    """
    for paths in shown:
        paths.difference_update([path for path in paths.copy() if not os.path.exists(path)])


def _take_upload(self: route_utils.GradioUploadFile, *given: Any, **named: Any) -> None:
    """As Gradio does; in a folder with a name of its own."""
    _take(self, *given, **named)
    self.sha.update(secrets.token_bytes(32))


async def _uploaded(url: str, cache_dir: str) -> str:
    """The path of an upload that is named by its address at this server, as tools for language models do.

    It is not fetched, and may be another's: that is seen later, as of every path. Of all else Gradio would fetch the
    whole into the memory, whatever its size; what comes in its place is said to be no file by whoever is to open it.
    """
    path = unquote(url.partition("/gradio_api/file=")[2])
    with suppress(OSError, RuntimeError, ValueError):  # a name that no file can have
        if Path(path).is_absolute() and utils.is_in_or_equal(path, cache_dir):
            return path
    return NOWHERE


def _save_nothing(url: str, cache_dir: str) -> NoReturn:
    raise sorry(PAGE["no_address"])


async def _fetch_nothing(url: str) -> NoReturn:
    raise sorry(PAGE["no_address"])


async def _close(self: utils.SyncToAsyncIterator, timeout: float = 60.0, retry_interval: float = 0.05) -> None:
    """Ends a job whose visitor has left, in a thread: Gradio would do so in the event loop, where all have to wait.

    What a job has to finish first and to clean up takes seconds: its step, ffmpeg, the recording.

    Raises:
        ValueError: its step has not come to an end within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            return await anyio.to_thread.run_sync(self.iterator.close, limiter=self.limiter)
        except ValueError as error:
            if "already executing" not in str(error) or time.monotonic() > end:
                raise
            await asyncio.sleep(retry_interval)
