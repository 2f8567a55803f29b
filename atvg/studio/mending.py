"""What Gradio does for one visitor at the cost of all others, done otherwise."""

import asyncio
import secrets
import time

import anyio
from gradio import processing_utils, utils


def mend() -> None:
    """In this process, for every page of it; doing so again changes nothing but the seed."""
    # Uploads lie in folders named after a seed and their content. Gradio keeps the seed in its own folder, so all who
    # run the same image would have the same one, and know the names.
    processing_utils.hash_seed = secrets.token_bytes(32)
    utils.SyncToAsyncIterator.aclose = _close  # type: ignore[method-assign]


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
