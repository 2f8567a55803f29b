"""A video is taken apart, frame by frame and as curves."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.studio.guests import Guests
from atvg.studio.inside import Inside
from atvg.studio.settings import PAGE, RECORDING
from tests.studio.files import path_of


@pytest.fixture(scope="module")
def run(first) -> str:
    """The key of the video."""
    return first[4]


@pytest.fixture(scope="module")
def inside(client, run) -> tuple:
    return client.predict(run, 12, 2, api_name="/look_inside")


def test_a_frame_is_taken_apart(inside):
    pictures, said, layers = inside[:6], inside[6], inside[7:]
    assert said == "Frame 12 of 19, at 0.48 s."
    assert len(layers) == 2 and all(min(Image.open(path_of(picture)).size) > 600 for picture in layers)
    assert all(min(Image.open(path_of(picture)).size) > 250 for picture in pictures)
    assert len({path_of(picture).read_bytes() for picture in pictures}) == 6


def test_beta_changes_the_loss_weight_alone(client, run, inside):
    other = client.predict(run, 12, 0, api_name="/look_inside")
    same = [path_of(a).read_bytes() == path_of(b).read_bytes() for a, b in zip(inside[:6], other[:6], strict=True)]
    assert same == [True, True, False, True, True, True]


def test_any_beta_can_be_shown(client, run):
    assert client.predict(run, 3, 0.1234, api_name="/look_inside")


@pytest.mark.parametrize("beta", [-1, "a/../b", None, []])
def test_a_beta_that_makes_no_sense_is_explained(client, run, beta):
    with pytest.raises(AppError, match="beta is"):
        client.predict(run, 3, beta, api_name="/look_inside")


@pytest.mark.parametrize("frame", [-1, 20, 1.5, "first", None])
def test_a_frame_that_is_not_there_is_explained(client, run, frame):
    with pytest.raises(AppError, match="frame"):
        client.predict(run, frame, api_name="/look_inside")


def test_a_video_becomes_curves(client, run):
    codes, points = client.predict(run, api_name="/trajectory")
    assert codes["type"] == points["type"] == "plotly"
    assert {"face", "mouth"} <= {line["name"] for line in json.loads(points["plot"])["data"]}


@pytest.mark.parametrize("run", ["../../etc", "0" * 48, None])
def test_a_key_that_opens_nothing_is_explained(client, run):
    for name in ("/look_inside", "/trajectory"):
        with pytest.raises(AppError, match="generate it again"):
            client.predict(run, api_name=name)


def test_who_leaves_while_pictures_are_written_gets_a_line_and_leaves_none(first, cache, monkeypatch):
    guests, visitor = Guests(), SimpleNamespace(session_hash="looking inside")
    key, folder = guests.new_run(visitor)
    shutil.copytree(path_of(first[0]).parent / RECORDING, folder / RECORDING)

    def save(picture, path: Path) -> str:
        guests.leave(visitor)
        path.write_text("picture")
        return str(path)

    monkeypatch.setattr("atvg.studio.inside.save_png", save)
    with pytest.raises(gr.Error, match=PAGE["no_run"]):
        Inside(SimpleNamespace(guests=guests)).look_inside(key, 3, request=visitor)
    assert not folder.parent.exists()
