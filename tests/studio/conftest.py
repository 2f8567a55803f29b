"""The page that these tests share: used as other programs use it, through `gradio_client`, in this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from atvg.studio.page import build
from atvg.voice.audio import load_audio
from tests.server import launched, visitor, write_wav
from tests.studio.files import SECONDS


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Iterator[Path]:
    """Gradio's folder of uploads and results; the same for all who use the page."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.5")  # only at the next beat it is seen that somebody has left
        yield folder


@pytest.fixture(scope="session")
def page(cache, animator) -> Iterator[Any]:
    with launched(build(animator)) as page:
        yield page


@pytest.fixture(scope="session")
def client(page) -> Iterator[Client]:
    """Gives files as the server names them instead of downloading copies."""
    client = visitor(page.local_url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def photo(astronaut_path) -> Any:
    return handle_file(astronaut_path)


@pytest.fixture(scope="session")
def voice(voice_path, tmp_path_factory) -> Any:
    samples = load_audio(voice_path)[: round(SECONDS * 16_000)]
    return handle_file(write_wav(tmp_path_factory.mktemp("voice") / "short.wav", samples))


@pytest.fixture(scope="session")
def syllable(voice_path, tmp_path_factory) -> Any:
    """A voice of ten frames, for what draws each of them many times."""
    samples = load_audio(voice_path)[12_000:18_400]
    return handle_file(write_wav(tmp_path_factory.mktemp("voice") / "syllable.wav", samples))


@pytest.fixture(scope="session")
def job(page, photo, voice) -> Iterator[Any]:
    """Photo and audio alone, of a visitor who makes nothing else: so its recording is kept."""
    client = visitor(page.local_url)
    job = client.submit(photo, voice, api_name="/animate")
    job.result()
    yield job
    client.close()


@pytest.fixture(scope="session")
def first(job) -> tuple:
    """What photo and audio alone give."""
    return job.result()
