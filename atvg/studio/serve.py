"""The page as a server, from the launch until the process is told to end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from atvg.errors import ATVGError
from atvg.scratch import ROOM, has_room
from atvg.studio.guests import Guests
from atvg.studio.page import Page, build
from atvg.studio.settings import ASSETS, MAX_SESSIONS, MAX_UPLOAD, PAGE, PATIENCE


class Doorkeeper:
    """Turns uploads away that the disk has no room for: Gradio would keep the half of each that it has."""

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/upload"):
            size = dict(scope["headers"]).get(b"content-length", b"")
            if not has_room(Guests.root(), ROOM + (int(size) if size.isdigit() else 0)):
                return await PlainTextResponse(PAGE["disk_full"], 507)(scope, receive, send)
        await self._app(scope, receive, send)


LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Base.load(str(ASSETS / "theme.json")), "css_paths": ASSETS / "style.css",
    "max_file_size": MAX_UPLOAD, "footer_links": ["api", "settings"], "enable_monitoring": False, "run_history": False,
    "mcp_server": True, "state_session_capacity": MAX_SESSIONS, "app_kwargs": {"middleware": [Middleware(Doorkeeper)]},
}  # fmt: skip


def built() -> Page:
    """The page of the weights that the environment names; without them one line says why, and the program ends."""
    try:
        return build()
    except ATVGError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _warm_up(page: Page) -> None:
    try:
        page.warm_up()
    except ATVGError as error:  # whoever asks for a video will read it too
        print(f"error: {error}", file=sys.stderr)


def serve(page: Page) -> None:
    """Until the process is told to end; then running jobs end in the middle, and no file of theirs stays."""
    told = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: told.set())
    page.launch(**LAUNCH, prevent_thread_lock=True)
    # Meanwhile the page can be seen; who makes a video before it is done, waits for the rest of it.
    threading.Thread(target=_warm_up, args=(page,), daemon=True, name="warm-up").start()
    while not told.wait(0.5):  # not for ever, which no signal interrupts on Windows
        pass
    threading.Thread(target=page.close, kwargs={"verbose": False}, daemon=True).start()
    end = time.monotonic() + PATIENCE
    while page.guests.unfinished and time.monotonic() < end:
        time.sleep(0.05)
    page.guests.close()
    sys.stdout.flush()
    os._exit(0)  # and not wait for threads: a job without steps would go on; its ffmpeg ends with us
