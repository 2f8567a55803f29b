"""What becomes of a request that Gradio, or what stands before it, fails at."""

import errno
import sys
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import gradio
import httpx
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from atvg.studio.settings import PAGE

_ROUTES = str(Path(gradio.__file__).with_name("routes.py"))  # look up what a request names
_LOOKED_UP_IN = ("get_fn", "construct_args")  # functions of Gradio too
# FastAPI's, which says what is wrong with inputs by repeating them: it fails at what is no text and no number.
_REPEATED_BY = "request_validation_exception_handler"


class Failing:
    """Answers such a request with a line, and tells the log where it failed, not what was asked.

    Without it the server would write the error itself, which repeats names and texts that somebody sent; and who asks
    for an endpoint that there is none of would hear of an internal error.
    """

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:  # in the middle of an upload: that is no failure, and nobody is there to be told
            return
        except Exception as error:
            status, text = _answer(error)
            told = begun and isinstance(error.__cause__, HTTPException)
            if (begun or status == 500) and not told:
                print(_places(error), file=sys.stderr, flush=True)
            if not begun:
                await JSONResponse({"detail": text}, status)(scope, receive, send)
            elif told:  # messages of a session that is not there any more: Gradio has said so, as their last
                await send({"type": "http.response.body", "body": b""})


def _answer(error: Exception) -> tuple[int, str]:
    """Status and text; 500 unless it is the request's own fault."""
    *before, place = traceback.extract_tb(error.__traceback__)
    missing = isinstance(error, LookupError) and place.filename == _ROUTES
    too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG  # a path
    if missing or too_long or place.name in _LOOKED_UP_IN:
        return 404, PAGE["unknown"]
    if isinstance(error, httpx.InvalidURL) or _REPEATED_BY in [place.name for place in before]:
        return 400, PAGE["unreadable"]
    return 500, PAGE["failed"]


def _places(error: Exception) -> str:
    """As Python tells of an error, without its own words."""
    places = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{places}{type(error).__name__}"
