"""How a visitor is told what went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from atvg.errors import ATVGError, DiskFullError, LiveBusyError, LiveOverError
from atvg.studio.settings import LIVE_AT_ONCE, LIVE_PATIENCE, LIVE_SECONDS, LONGEST, PAGE


@contextmanager
def explaining() -> Iterator[None]:
    """What a user did wrong is said in a line; anything else is a bug and stays one."""
    try:
        yield
    except DiskFullError:
        raise sorry(PAGE["disk_full"]) from None
    except LiveBusyError:
        raise sorry(PAGE["live_busy"].format(LIVE_AT_ONCE)) from None
    except LiveOverError:
        raise sorry(PAGE["live_over"].format(LIVE_SECONDS, LIVE_PATIENCE)) from None
    except ATVGError as error:
        said = str(error)
        if len(said) > LONGEST:  # it repeats what somebody sent
            said = f"{said[: LONGEST // 2]} … {said[-LONGEST // 2 :]}"
        raise sorry(said) from None


def sorry(text: str) -> gr.Error:
    """The error that Gradio shows as a message on the page, and a client gets as its text."""
    return gr.Error(text, title=PAGE["sorry"], print_exception=False)
