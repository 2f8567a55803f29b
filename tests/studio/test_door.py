"""What Gradio would do for one visitor at the cost of all others, and what reaches it at all."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import pytest
import safehttpx
from gradio import processing_utils
from gradio.utils import SyncToAsyncIterator
from gradio_client.exceptions import AppError

from atvg.studio.mending import mend
from atvg.studio.settings import PAGE

ADDRESS = "https://example.org/ten-gigabytes.bin"


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


class TestAnAddressInPlaceOfAFile:
    """Gradio would fetch it, and hold all of it in memory."""

    @pytest.fixture(autouse=True)
    def fetched(self, monkeypatch) -> Iterator[None]:
        """Nothing may be."""
        fetched = []

        async def get(url: str, **_: Any) -> httpx.Response:
            fetched.append(url)
            return httpx.Response(404, request=httpx.Request("GET", url))

        monkeypatch.setattr(safehttpx, "get", get)
        yield
        assert fetched == []

    @pytest.mark.parametrize(
        "address", [ADDRESS, "http://127.0.0.1/gradio_api/file=/etc/passwd", "http://[", "https://"]
    )
    def test_whoever_brings_it_is_told_to_upload_the_file(self, client, cache, photo, address, capfd):
        """By what checks files, by what is asked before a job waits for its turn, and by jobs themselves."""
        before = {path.relative_to(cache) for path in cache.glob("[!a]*")}
        assert PAGE["no_address"] in client.predict(_named(address), api_name="/check_face")[1]
        assert PAGE["no_address"] in client.predict(_named(address), api_name="/check_voice")
        for endpoint, inputs in (("/animate", (photo, _named(address))), ("/live_start", (_named(address),))):
            with pytest.raises(AppError) as caught:
                client.predict(*inputs, api_name=endpoint)
            assert str(caught.value) == PAGE["no_address"]
        logged = "".join(capfd.readouterr())
        assert "Traceback" not in logged and "http" not in logged
        new = {path.relative_to(cache) for path in cache.glob("[!a]*")} - before
        assert len(new) <= 1, "the photo's folder only"

    def test_so_is_whoever_calls_without_a_client(self, page):
        """The address is not kept either."""
        call = f"{page.local_url}gradio_api/call/check_face"
        event = httpx.post(call, json={"data": [_named(ADDRESS), "", ""]}).json()["event_id"]
        assert PAGE["no_address"] in httpx.get(f"{call}/{event}").text
        assert not any(ADDRESS in files for files in page.temp_file_sets)

    def test_nor_is_it_fetched_for_what_is_shown(self, cache):
        with pytest.raises(gr.Error, match=PAGE["no_address"]):
            processing_utils.save_url_to_cache(ADDRESS, str(cache))
        with pytest.raises(gr.Error, match=PAGE["no_address"]):
            asyncio.run(processing_utils.async_ssrf_protected_get(ADDRESS))

    def test_the_address_of_an_upload_is_the_upload(self, page, client, astronaut_path):
        """So tools for language models name what they have uploaded."""
        files = {"files": ("ä ?#%.png", astronaut_path.read_bytes())}
        path = httpx.post(f"{page.local_url}gradio_api/upload", files=files).json()[0]
        address = f"https://somewhere.hf.space/gradio_api/file={quote(path)}"
        assert client.predict(_named(address), api_name="/check_face")[2]["found"]


def _named(address: str) -> dict[str, Any]:
    return {"path": address, "meta": {"_type": "gradio.FileData"}}
