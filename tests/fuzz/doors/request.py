"""Requests to the app, of any route, method and content: what stands before Gradio, and what Gradio makes of them.

Nothing is drawn, and no job that waits is begun; see `tests.fuzz.doors.api` for what those are given.
"""

import asyncio
import gc
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.routes import App
from hypothesis import strategies as st

from atvg.studio.settings import COOKIE, PAGE
from tests.fuzz.doors.api import FILES, TEXTS, page
from tests.fuzz.harness import own
from tests.fuzz.structured import JSONS, noise, reading
from tests.server import launched

SECONDS, EXAMPLES = 30, 30
MOMENT = 0.01  # seconds until somebody leaves
KINDS = ("application/json", "multipart/form-data; boundary=x", "text/plain", "", "\xff")
QUERIES = ("session_hash", "upload_id", "deep_link", "fn_index", "url", "page", "\0")
SESSIONS = ("", "mine", "another's")


@cache
def _app() -> App:
    """As it is served; only that its queue begins nothing."""
    os.environ["GRADIO_HEARTBEAT_INTERVAL"] = str(MOMENT)
    with launched(page()):
        pass
    page()._queue.stopped = False  # or nobody would be let in
    return page().app


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _routes() -> list[str]:
    """Of all routers, with the names of their parts in braces."""
    return sorted({*_paths(_app().routes), "/nothing", ""})


def _paths(routes: list[Any], before: str = "") -> Iterator[str]:
    for route in routes:
        if inner := getattr(route, "original_router", None):
            yield from _paths(inner.routes, before + inner.prefix)
        elif path := getattr(route, "path", None):
            yield path if path.startswith(before) else before + path


def _uploaded(data: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + data + b"\r\n--x--\r\n"


def ready() -> None:
    """Starts what later requests find running: the app, its loop and their threads."""
    _app()
    for number in range(len(_routes())):
        _take((number, "GET", [], {}, KINDS[0], b"", None))
    gc.freeze()  # the studio collects garbage when somebody leaves: a quarter of a second, of all that is loaded


NAMES = st.one_of(TEXTS, st.sampled_from(("animate", "check_face", "live", "..%2f..%2fetc%2fpasswd", "\0", "0")))
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "data": st.one_of(st.lists(st.one_of(FILES, TEXTS, JSONS), max_size=8), JSONS),
        "session_hash": st.one_of(st.sampled_from(SESSIONS), JSONS),
        "fn_index": st.one_of(st.integers(0, 120), JSONS),
        "event_id": JSONS, "trigger_id": JSONS, "event_data": JSONS, "batched": JSONS,
        "component_id": st.one_of(st.integers(0, 300), JSONS),
        "fn_name": st.one_of(st.sampled_from(("live_piece", "preprocess", "__init__")), JSONS),
        "component": JSONS, "start": JSONS, "text": JSONS,
    },
)  # fmt: skip
CONTENTS = st.one_of(ASKED, JSONS, st.binary(max_size=200), st.binary(max_size=200).map(_uploaded))


def _take(value: tuple[Any, ...]) -> None:
    page()
    number, method, names, query, kind, content, cookie = value
    rest = list(names)
    path = re.sub(r"\{[^}]*\}", lambda _: rest.pop() if rest else "x", _routes()[number % len(_routes())])
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = [(b"host", b"x"), (b"content-type", kind.encode("latin-1")), (b"content-length", b"%d" % len(body))]
    if cookie is not None:
        headers.append((b"cookie", f"{COOKIE}={cookie}".encode(errors="replace")))
    asked = "&".join(f"{quote(name)}={quote(said)}" for name, said in query.items())
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": quote(path).encode(), "root_path": "", "headers": headers,
        "query_string": asked.encode(), "server": ("x", 80), "client": ("x", 1), "state": {},
    }  # fmt: skip
    try:
        status, said = _loop().run_until_complete(_ask(scope, body))
        assert PAGE["failed"] not in said and '"error":null' not in said, (status, said)
    finally:
        _forget()


async def _ask(scope: dict[str, Any], body: bytes) -> tuple[int, str]:
    """Status and text of the answer, by somebody who leaves soon after they have asked."""
    sent: list[dict[str, Any]] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await asyncio.sleep(MOMENT)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await _app()(scope, receive, send)
    said = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"] if sent else 0, said.decode(errors="replace")


def _forget() -> None:
    """Who has come, and what they brought."""
    queue, states = page()._queue, page().state_holder
    for waiting in queue.event_queue_per_concurrency_id.values():
        waiting.queue.clear()
    for known in (queue.event_ids_to_events, queue.pending_messages_per_session, queue.pending_event_ids_session):
        known.clear()
    states.session_data.clear()
    for folder in Path(own() / "gradio").iterdir():
        if folder.name != "0" * 64:  # what the door of endpoints brings
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


one = reading(
    st.tuples(
        st.integers(0, 200),
        st.sampled_from(("GET", "POST", "GET", "POST", "HEAD", "PUT", "x")),
        st.lists(NAMES, max_size=3),
        st.dictionaries(st.sampled_from(QUERIES), NAMES, max_size=2),
        st.sampled_from(KINDS),
        CONTENTS,
        st.one_of(st.none(), st.text(max_size=40)),
    ),
    _take,
)
seeds = noise
