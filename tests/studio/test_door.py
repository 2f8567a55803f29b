"""What Gradio would do for one visitor at the cost of all others, and what reaches it at all."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from gradio.utils import SyncToAsyncIterator

from atvg.studio.mending import mend


class TestAJobThatIsClosed:
    """In the middle, as its visitor has left or canceled it."""

    @pytest.fixture(autouse=True)
    def mended(self):
        mend()

    def test_it_cleans_up_while_the_loop_goes_on(self):
        goes_on, ended = threading.Event(), []

        def job() -> Iterator[int]:
            try:
                yield 0
            finally:
                ended.append(goes_on.wait(2))

        async def leave() -> None:
            steps = SyncToAsyncIterator(job(), None)
            await anext(steps)
            asyncio.get_running_loop().call_later(0.05, goes_on.set)
            await steps.aclose()

        asyncio.run(leave())
        assert ended == [True]

    def test_it_ends_after_its_step(self):
        """Which cannot be broken off: the visitor leaves in the middle of it."""
        begun, may_end, ended = threading.Event(), threading.Event(), []

        def job() -> Iterator[int]:
            try:
                begun.set()
                may_end.wait(2)
                yield 0
            finally:
                ended.append(time.monotonic())

        async def leave() -> None:
            steps = SyncToAsyncIterator(job(), None)
            step = asyncio.ensure_future(anext(steps))
            await asyncio.to_thread(begun.wait)
            with pytest.raises(ValueError, match="already executing"):
                await steps.aclose(timeout=0)
            assert not ended
            asyncio.get_running_loop().call_later(0.05, may_end.set)
            await steps.aclose()
            assert len(ended) == 1 and await step == 0

        asyncio.run(leave())
