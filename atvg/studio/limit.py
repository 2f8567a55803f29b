"""How much a request may hold."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from atvg.studio.settings import MAX_REQUEST, MAX_TOOL_REQUEST, PAGE

Receive = Callable[[], Awaitable[dict[str, Any]]]

UPLOAD = re.compile(r"(?:/gradio_api)?/upload/?")
_TOOLS = re.compile(r"/gradio_api/mcp(?:/.*)?", re.DOTALL)


class Limit:
    """Turns requests away that hold more than the page ever sends: Gradio would read any amount into the memory.

    Uploads go to the disk, and have a limit of their own.
    """

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Callable) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or UPLOAD.fullmatch(path):
            return await self._app(scope, receive, send)
        megabytes = MAX_TOOL_REQUEST if _TOOLS.fullmatch(path) else MAX_REQUEST
        held = await _read(HTTPConnection(scope), receive, megabytes * 2**20)
        if held is None:
            return await PlainTextResponse(PAGE["too_much"].format(megabytes), 413)(scope, receive, send)
        await self._app(scope, held, send)


async def _read(connection: HTTPConnection, receive: Receive, limit: int) -> Receive | None:
    """Reads all that a request holds, counting it, for its length need not be told, and need not be true.

    Returns:
        What gives it again as one piece, and then what `receive` gives; None if it is longer than `limit`, bytes.
    """
    length = connection.headers.get("content-length", "")
    if not length and "transfer-encoding" not in connection.headers:
        return receive  # it holds nothing
    if length.isdecimal() and int(length) > limit:
        return None
    held, goes_on = bytearray(), True
    while goes_on:
        message = await receive()
        if message["type"] != "http.request":
            return receive  # whoever sent it is gone
        held += message.get("body", b"")
        if len(held) > limit:
            return None
        goes_on = message.get("more_body", False)
    whole = [{"type": "http.request", "body": bytes(held), "more_body": False}]

    async def again() -> dict[str, Any]:
        return whole.pop() if whole else await receive()

    return again
