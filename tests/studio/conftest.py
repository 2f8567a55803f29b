"""The app that these tests share, in their own process on a free port: it takes seconds to start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atvg.animator import Animator
from tests.server import free_port


@pytest.fixture(scope="package")
def cache(tmp_path_factory) -> Iterator[Path]:
    """Gradio's folder of uploads and results, of these tests alone."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.5")  # only at the next beat it is seen that somebody has left
        yield folder


@pytest.fixture(scope="package")
def page(cache, animator) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:  # importing the app builds a page, which would load weights of its own
        patch.setattr(Animator, "from_pretrained", lambda *_, **__: animator)
        import app

    page = app.build(animator)
    # Gradio writes into this one, and what it writes serves one page only.
    launch = app.LAUNCH | {"app_kwargs": {"middleware": app.LAUNCH["app_kwargs"]["middleware"]}}
    page.launch(**launch, prevent_thread_lock=True, quiet=True, server_port=free_port())
    yield page
    page.close(verbose=False)
