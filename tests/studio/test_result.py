"""What can be taken home of a video, besides the video."""

from pathlib import Path

import imageio_ffmpeg
import pytest
from gradio_client.exceptions import AppError
from PIL import Image

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
