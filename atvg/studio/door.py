"""What stands between visitors and Gradio: whose file is asked for, what nobody needs, and whether there is room."""

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse

from atvg.scratch import ROOM, has_room
from atvg.studio.guests import Guests
from atvg.studio.limit import UPLOAD
from atvg.studio.mending import mend
from atvg.studio.owners import browser_of
from atvg.studio.presence import stamp
from atvg.studio.settings import COOKIE, PAGE

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_BEAT = re.compile(r"(?:/gradio_api)?/heartbeat/([^/]+)/?")
_FILE = re.compile(r"(?:/gradio_api)?/file[=/](.*)", re.DOTALL)
# Gradio's, and of no use to this page. The first three fetch addresses, open films outside of the box and write what is
# never deleted; the others are shut by Gradio's own settings too.
_SHUT = re.compile(
    r"(?:/gradio_api)?/(?:proxy=.*|process_recording|deep_link|stream/.*|monitoring.*|vibe-.*"
    r"|undo-vibe-edit|runs|run-history/.*|dev/.*)/?",
    re.DOTALL,
)

mend()


class Doorkeeper:
    """Shows every file to the browser that brought or got it only, and gives browsers a cookie to be known by.

    Also turns uploads away that the disk has no room for: Gradio would keep the half of each that it has.
    """

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        stamp(scope)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        connection = HTTPConnection(scope)
        guests, browser = _guests(scope), browser_of(connection)
        if asked := _FILE.fullmatch(path):
            if not _is_open(guests, asked[1], browser):
                # As Gradio answers for what does not exist: nobody learns which it is.
                refused = JSONResponse({"detail": f"File not allowed: {asked[1]}."}, 403)
                return await refused(scope, receive, send)
            send = _for_one_only(send)
        elif _SHUT.fullmatch(path) or not _may_follow(guests, connection, path, browser):
            return await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
        elif UPLOAD.fullmatch(path):
            size = connection.headers.get("content-length", "")
            if not has_room(Guests.root(), ROOM + (int(size) if size.isdigit() else 0)):
                return await PlainTextResponse(PAGE["disk_full"], 507)(scope, receive, send)
            send = _noting(send, guests, browser)
        elif beat := _BEAT.fullmatch(path):
            return await self._accompany(beat[1], scope, receive, send)
        elif browser is None and scope["method"] == "GET":
            send = _with_cookie(send, connection)
        await self._app(scope, receive, send)

    async def _accompany(self, session: str, scope: dict[str, Any], receive: Callable, send: Send) -> None:
        """A visitor is here for as long as this connection lasts; Gradio misses some who leave while it writes."""
        page, visitor = scope["app"].get_blocks(), gr.Request(Request(scope), session_hash=session)
        page.guests.come(visitor)
        try:
            await self._app(scope, receive, send)
        finally:
            if page.guests.go(visitor):
                asyncio.get_running_loop().run_in_executor(None, page.leave, visitor)
                page.undelivered.forget(session, scope["app"].state_holder)


def _guests(scope: dict[str, Any]) -> Guests:
    return scope["app"].get_blocks().guests


def _may_follow(guests: Guests, connection: HTTPConnection, path: str, browser: str | None) -> bool:
    """Not if a session's messages are asked for, or its heart that stops with the connection, which is another's."""
    beat = _BEAT.fullmatch(path)
    heard = path.rstrip("/").endswith("/queue/data") and connection.query_params.get("session_hash")
    session = beat[1] if beat else heard
    return not session or guests.may_follow(session, browser)


def _is_open(guests: Guests, asked: str, browser: str | None) -> bool:
    if re.match(r"\s*[a-z]+:/", asked, re.IGNORECASE) and not re.match(r"[a-z]:", asked, re.IGNORECASE):
        return False  # an address: Gradio would fetch it
    try:
        return guests.may_read(Path(asked), browser)
    except (OSError, RuntimeError, ValueError):  # a name that no file can have, or a link to itself
        return False


def _for_one_only(send: Send) -> Send:
    """What stands between the server and the browser may not keep it, nor may the page's address be told to others."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["cache-control"], headers["referrer-policy"] = "private, no-cache", "no-referrer"
        await send(message)

    return with_headers


def _noting(send: Send, guests: Guests, browser: str | None) -> Send:
    """Notes whose the uploads are before anybody learns their names."""
    held: list[Message] = []

    async def noting(message: Message) -> None:
        held.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            if held[0].get("status") == 200:
                paths = json.loads(b"".join(part.get("body", b"") for part in held))
                guests.bring(map(Path, paths), browser)
            for each in held:
                await send(each)

    return noting


def _with_cookie(send: Send, connection: HTTPConnection) -> Send:
    """Names the browser, for as long as it is open, with the page itself."""
    secure = "https" in (connection.url.scheme, connection.headers.get("x-forwarded-proto", ""))
    end = "; Secure" if secure else ""

    async def naming(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                path = connection.scope.get("root_path") or "/"
                cookie = f"{COOKIE}={secrets.token_hex(16)}; Path={path}; HttpOnly; SameSite=Lax{end}"
                headers.append("set-cookie", cookie)
        await send(message)

    return naming
