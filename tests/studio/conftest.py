"""The page of most of these tests: used as other programs use it, through `gradio_client`, in this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from atvg.studio.page import build
from atvg.voice.audio import load_audio
from tests.server import launched, write_wav
from tests.studio.files import SECONDS


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Iterator[Path]:
    """Gradio's folder of uploads and results; the same for all who use the page."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def page(cache) -> Iterator[Any]:
    with launched(build()) as page:
        yield page


@pytest.fixture(scope="session")
def client(page) -> Client:
    """Gives files as the server names them instead of downloading copies."""
    return Client(page.local_url, download_files=False, verbose=False)


@pytest.fixture(scope="session")
def photo(astronaut_path) -> Any:
    return handle_file(astronaut_path)


@pytest.fixture(scope="session")
def voice(voice_path, tmp_path_factory) -> Any:
    samples = load_audio(voice_path)[: round(SECONDS * 16_000)]
    return handle_file(write_wav(tmp_path_factory.mktemp("voice") / "short.wav", samples))


@pytest.fixture(scope="session")
def first(client, photo, voice) -> tuple:
    """What photo and audio alone give."""
    return client.predict(photo, voice, api_name="/animate")
