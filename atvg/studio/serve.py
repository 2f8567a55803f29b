"""The page as a server, from the launch until the process is told to end."""

import os
import signal
import sys
import threading
import time
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from atvg.errors import ATVGError
from atvg.studio.door import Doorkeeper
from atvg.studio.failing import Failing
from atvg.studio.limit import Limit
from atvg.studio.page import Page, build
from atvg.studio.settings import ASSETS, MAX_SESSIONS, MAX_UPLOAD, PATIENCE

LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Base.load(str(ASSETS / "theme.json")), "css_paths": ASSETS / "style.css",
    "max_file_size": MAX_UPLOAD, "footer_links": ["api", "settings"], "enable_monitoring": False, "run_history": False,
    "num_workers": 0,  # they would serve files past the doorkeeper
    "mcp_server": True, "state_session_capacity": MAX_SESSIONS,
    "app_kwargs": {"middleware": [Middleware(Failing), Middleware(Limit), Middleware(Doorkeeper)]},
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
