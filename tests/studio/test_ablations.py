"""One thing changes at a time, and is measured."""

import json

import pytest
from PIL import Image

from tests.marks import quick
from tests.studio.files import path_of, size_of


@pytest.mark.parametrize(("sweep", "tiles"), quick([("noise", 8), ("pose", 6)], ("pose", 6)))
def test_one_thing_changes_at_a_time(client, photo, syllable, sweep, tiles):
    strip, curves, video = client.predict(photo, syllable, sweep, api_name="/ablate")
    assert Image.open(path_of(strip)).width > 500 and video is None
    assert len(json.loads(curves["plot"])["data"][0]["x"]) == tiles
    assert "AI-generated" in Image.open(path_of(strip)).info["Comment"]


@pytest.mark.long
def test_beta_is_also_a_video(client, photo, syllable):
    _, curves, video = client.predict(photo, syllable, "beta", api_name="/ablate")
    assert size_of(path_of(video))[0] > 300
    assert curves["type"] == "plotly"
