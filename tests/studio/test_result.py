"""What can be taken home of a video, besides the video."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import imageio_ffmpeg
import pytest
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.studio.guests import Guests
from atvg.studio.result import Result
from atvg.studio.settings import PAGE, RECORDING
from tests.marks import quick
from tests.server import visitor
from tests.studio.files import path_of, size_of


@pytest.mark.parametrize("format", quick(("gif", "webp", "webm"), "gif"))
def test_further_formats_are_made_of_a_video_that_is_there(client, cache, first, format):
    made = Path(client.predict(first[4], format, api_name="/convert")["path"])
    assert made.suffix == f".{format}" and made.is_relative_to(cache)
    if format == "webm":
        assert imageio_ffmpeg.count_frames_and_secs(str(made))[0] == 20
    else:
        with Image.open(made) as animation:
            assert animation.n_frames == 10


@pytest.mark.parametrize(("run", "format", "words"), [("0" * 48, "gif", "no such video"), (None, "bmp", "gif, webp")])
def test_what_cannot_be_made_is_explained(client, cache, first, run, format, words):
    before = set(cache.glob("atvg-*/*"))
    with pytest.raises(AppError, match=words):
        client.predict(run or first[4], format, api_name="/convert")
    assert set(cache.glob("atvg-*/*")) <= before


@pytest.mark.parametrize("when", ["while it is made", "while it is handed over"])
def test_who_leaves_gets_no_other_format(first, cache, monkeypatch, when):
    """But what Gradio looks at in that moment is still there: it would write its path to the log."""
    guests, visitor = Guests(), SimpleNamespace(session_hash=when)
    key, folder = guests.new_run(visitor)
    shutil.copytree(path_of(first[0]).parent / RECORDING, folder / RECORDING)

    def render(face, chunks, voice, wanted, fps) -> None:
        wanted.gif.write_text("film")
        if when == "while it is made":
            guests.leave(visitor)

    monkeypatch.setattr("atvg.studio.result.render", render)
    steps = Result(SimpleNamespace(guests=guests, busy=False)).convert(key, "gif", visitor)
    made = Path(next(steps))
    guests.leave(visitor)
    assert made.is_file()
    with pytest.raises(gr.Error, match=PAGE["no_run"]):
        next(steps)
    assert not folder.parent.exists()


def test_a_typed_voice_brings_captions(page, photo, voice):
    """And no other voice does."""
    client = visitor(page.local_url)
    try:
        spoken = client.predict("Hello there.", api_name="/say")
        made = client.predict(photo, spoken, frame="face", natural=False, api_name="/animate")
        video, close_up, whole, captions = made[0], made[6], made[7], made[9]
        assert path_of(video) == path_of(close_up) and size_of(path_of(close_up)) == (156, 156)
        assert size_of(path_of(whole)) == (512, 512)
        srt, vtt = (Path(file["path"]).read_text(encoding="utf-8") for file in captions)
        assert "Hello there." in srt and srt.startswith("1\n00:00:00,200 --> ") and vtt.startswith("WEBVTT\n")
    finally:
        client.close()
