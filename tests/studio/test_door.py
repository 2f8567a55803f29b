"""What Gradio would do for one visitor at the cost of all others, and what reaches it at all."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import pytest
import safehttpx
from gradio import processing_utils
from gradio.utils import SyncToAsyncIterator
from gradio_client.exceptions import AppError
from starlette.responses import PlainTextResponse, Response

from atvg.studio.door import Doorkeeper
from atvg.studio.failing import Failing
from atvg.studio.limit import Limit
from atvg.studio.mending import mend
from atvg.studio.settings import MAX_REQUEST, MAX_TOOL_REQUEST, PAGE

ADDRESS = "https://example.org/ten-gigabytes.bin"
JSON = {"content-type": "application/json"}


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


class TestHowMuchARequestHolds:
    """Gradio would read any amount into the memory."""

    @pytest.mark.parametrize("says", ["the truth", "nothing", "less"])
    @pytest.mark.parametrize("path", ["/gradio_api/call/live", "/gradio_api/mcp/", "/call/x/upload", "/file=a"])
    def test_too_much_is_refused_before_anything_reads_it(self, path, says):
        limit = (MAX_TOOL_REQUEST if "mcp" in path else MAX_REQUEST) * 2**20
        status, told, heard, taken = _send(path, [2**20] * (limit // 2**20) + [1], says)
        assert status == 413 and PAGE["too_much"].format(limit // 2**20) == told and heard is None
        assert taken == (0 if says == "the truth" else limit // 2**20 + 1)

    @pytest.mark.parametrize("says", ["the truth", "nothing"])
    def test_all_else_arrives_whole_and_in_order(self, says):
        assert _send("/gradio_api/call/live", [0, 3, 0, MAX_REQUEST * 2**20 - 4, 1], says)[2] == MAX_REQUEST * 2**20
        assert _send("/gradio_api/upload", [2**20] * (MAX_REQUEST + 1), says)[2] == (MAX_REQUEST + 1) * 2**20
        assert _send("/", [0], "nothing", chunked=False)[2] == 0

    def test_whoever_is_gone_in_the_middle_is_so_for_whoever_reads_on(self):
        assert _send("/gradio_api/call/live", [3, None], "nothing")[2] is None

    def test_at_a_server(self, page):
        """Two seconds of the best sound get there."""
        for size, status in ((2 * 192_000 * 2 * 4 // 3, 200), (MAX_REQUEST * 2**20, 413)):
            content = json.dumps({"data": ["no such face", 192_000, "A" * size]}).encode()
            for sent in (content, (content[at : at + 10**5] for at in range(0, len(content), 10**5))):
                answer = httpx.post(f"{page.local_url}gradio_api/call/live", content=sent, headers=JSON)
                assert answer.status_code == status

    def test_what_reads_files_into_the_memory_reads_no_large_ones(self, page):
        """The live face sends its sound that way, as JSON; Gradio would take a thousand files of 200 MB too."""
        (stage,) = (number for number, block in page.blocks.items() if hasattr(block, "live_piece"))
        asked = {
            "data": ["no such face", 48_000, ""],
            "component_id": stage,
            "session_hash": "a",
            "fn_name": "live_piece",
        }
        address = f"{page.local_url}gradio_api/component_server"
        assert "Start again" in httpx.post(address, json=asked).json()["said"]
        large = {"files": bytes(MAX_REQUEST * 2**20)}
        assert httpx.post(address, files=large, data={"session_hash": "a"}).status_code == 413


def _send(path: str, sizes: list[int | None], says: str, chunked: bool = True) -> tuple[int, str, int | None, int]:
    """A request in pieces of so many bytes, None if it breaks off; it `says` how long it is.

    Returns:
        The status and the text of the answer, how many bytes whoever reads it got, if it got all, and how many pieces
        were taken.
    """
    total = sum(size or 0 for size in sizes)
    length = {"the truth": total, "less": 1}.get(says)
    headers = [(b"content-length", b"%d" % length)] if length else [(b"transfer-encoding", b"chunked")] * chunked
    pieces = [
        {"type": "http.request", "body": bytes(size or 0), "more_body": True} for size in sizes if size is not None
    ]
    if None in sizes:
        pieces.append({"type": "http.disconnect"})
    else:
        pieces[-1]["more_body"] = False
    heard, answer, number = [], [], len(pieces)

    async def read(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                heard.append(len(body))
                return await Response()(scope, receive, send)

    async def receive() -> dict[str, Any]:
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    asyncio.run(Limit(read)({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send))
    status, text = (answer[0]["status"], answer[1]["body"].decode()) if answer else (0, "")
    return status, text, heard[0] if heard else None, number - len(pieces)


class TestWhatGradioFailsAt:
    @pytest.mark.parametrize(
        ("route", "asked"),
        [
            ("call/secret", {"data": []}),
            ("call/v2/secret", {}),
            ("call/v2/animate", {"secret": 1}),
            ("run/secret", {"data": []}),
            ("queue/join", {"data": [], "fn_index": 999, "session_hash": "secret"}),
            ("component_server", {"data": [], "session_hash": "secret", "component_id": 10**6, "fn_name": "secret"}),
            ("../static/" + 300 * "x", None),
        ],
        ids=lambda value: value[:20] if isinstance(value, str) else "",
    )
    def test_what_there_is_none_of_is_said(self, page, route, asked, capfd):
        address = f"{page.local_url}gradio_api/{route}"
        answer = httpx.post(address, json=asked) if asked is not None else httpx.get(address)
        assert (answer.status_code, answer.json()["detail"]) == (404, PAGE["unknown"])
        assert not "".join(capfd.readouterr())

    @pytest.mark.parametrize(("content", "kind"), [(b"\xff", "text/plain"), (b"[NaN]", "application/json")])
    def test_what_is_no_text_is_said(self, page, content, kind, capfd):
        answer = httpx.post(f"{page.local_url}gradio_api/call/animate", content=content, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["detail"]) == (400, PAGE["unreadable"])
        assert not "".join(capfd.readouterr())

    def test_messages_of_a_session_that_has_gone_end(self, page, capfd):
        answer = httpx.get(f"{page.local_url}gradio_api/queue/data", params={"session_hash": "secret"})
        assert '"session_not_found":true' in answer.text
        assert not "".join(capfd.readouterr())

    @staticmethod
    def _fail(error: Exception, *first: dict[str, Any]) -> list[dict[str, Any]]:
        """What is sent by an app that fails after these messages."""

        def lost() -> None:
            raise error

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            for message in first:
                await send(message)
            lost()

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        said: list[dict[str, Any]] = []
        asyncio.run(Failing(app)({"type": "http"}, None, send))
        return said

    def test_anything_else_is_told_by_its_places(self, capfd):
        said = self._fail(ZeroDivisionError("secret"))
        assert said[0]["status"] == 500 and json.loads(said[1]["body"]) == {"detail": PAGE["failed"]}
        log = capfd.readouterr().err
        assert log.startswith("Traceback") and "in lost" in log and log.endswith("\nZeroDivisionError\n")
        assert "secret" not in log

    @pytest.mark.parametrize("error", [ZeroDivisionError(), UnicodeError()], ids=repr)
    def test_an_answer_that_breaks_off_is_told_whatever_it_was(self, error, capfd):
        """Nobody else hears of it: the status has been sent."""
        first = {"type": "http.response.start", "status": 200, "headers": []}
        assert self._fail(error, first) == [first]
        assert capfd.readouterr().err.endswith(f"\n{type(error).__name__}\n")

    def test_of_whom_leaves_in_the_middle_of_an_upload_nothing_is_told(self, page, capfd):
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        with socket.create_connection((page.server_name, page.server_port)) as leaving:
            leaving.sendall(head.encode() + b"--x\r\n")
            time.sleep(0.3)  # until it is being read
        time.sleep(0.3)
        assert not "".join(capfd.readouterr())


@pytest.mark.parametrize("path", ["/gradio_api/call/animate/upload", "/gradio_api/upload"])
def test_an_upload_is_what_goes_to_its_route_only(path, cache):
    """What an endpoint of that name answers is no list of files."""
    brought, page = [], SimpleNamespace(guests=SimpleNamespace(bring=lambda paths, browser: brought.extend(paths)))
    page.guests.may_follow = lambda session, browser: True
    answer = PlainTextResponse('["/a"]' if path == "/gradio_api/upload" else "no JSON")
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [],
        "app": SimpleNamespace(get_blocks=lambda: page),
    }  # fmt: skip

    async def send(message: Any) -> None:
        pass

    asyncio.run(Doorkeeper(answer)(scope, None, send))
    assert brought == [Path("/a")] * path.endswith("api/upload")


def _named(address: str) -> dict[str, Any]:
    return {"path": address, "meta": {"_type": "gradio.FileData"}}
