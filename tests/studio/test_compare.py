"""Systems are compared."""

import json

import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client.exceptions import AppError

from atvg.voice.audio import load_audio
from tests.marks import quick
from tests.studio.files import path_of, size_of


def test_systems_are_compared_in_step_and_measured(client, photo, syllable):
    job = client.submit(photo, syllable, yaw=10, beta=0.2, api_name="/compare")
    video, table, curves = job.result()
    assert size_of(path_of(video))[0] > 5 * 200
    assert imageio_ffmpeg.count_frames_and_secs(path_of(video))[0] == 10
    assert np.abs(load_audio(path_of(video))).max() > 0.05, "the video is silent"
    assert table["headers"][:3] == ["Measure", "Photo", "ATVG"] and len(table["headers"]) == 6
    assert all(len(row) == 6 and "nan" not in row and "…" not in row for row in table["data"])
    assert "ATVG" in {line.get("name") for line in json.loads(curves["plot"])["data"]}
    growing = [outputs[1]["data"][0].count("…") for outputs in job.outputs()]
    assert growing[0] == 3 and growing == sorted(growing, reverse=True)


@pytest.mark.parametrize("wrong", quick([{"yaw": 80}, {"mouth_gain": "much"}, {"box": "here"}], {"yaw": 80}))
def test_a_comparison_that_makes_no_sense_is_explained(client, cache, photo, voice, wrong):
    before = set(cache.glob("atvg-*/*"))
    with pytest.raises(AppError) as caught:
        client.predict(photo, voice, **wrong, api_name="/compare")
    assert "\n" not in str(caught.value) and next(iter(wrong)).replace("_", " ") in str(caught.value)
    assert set(cache.glob("atvg-*/*")) <= before, "a folder was left behind"
