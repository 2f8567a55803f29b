"""A photo is looked at before any work: what is found in it, what would spoil it, and a face placed by hand."""

import errno
from types import SimpleNamespace

import cv2
import gradio as gr
import numpy as np
import pytest
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.studio.guests import Guests
from atvg.studio.photo import Photo
from atvg.studio.settings import PAGE
from tests.marks import quick
from tests.studio.files import bring, listed, path_of
from tests.synthetic import Robot


def test_a_face_is_shown_before_any_work(client, photo):
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert Image.open(path_of(picture)).size == (512, 512)
    assert message.startswith("✓") and report["found"] and report["warnings"] == []
    ((x, y, width, height),) = report["faces"]
    assert x < 224 < x + width and y < 110 < y + height


def test_what_would_spoil_the_result_is_said_before_any_work(client, astronaut, tmp_path):
    blurred = cv2.GaussianBlur(astronaut, (0, 0), 6)
    _, message, report = client.predict(bring(blurred, tmp_path / "blurred.png"), api_name="/check_face")
    assert report["found"] and [warning["kind"] for warning in report["warnings"]] == ["blurred"]
    assert report["warnings"][0]["message"] in message


def test_a_face_can_be_placed_by_hand(client, tmp_path):
    robot = Robot()
    photo = bring(robot.picture, tmp_path / "robot.png")
    places = {name: listed(getattr(robot, name)) for name in ("box", "points")}
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert (
        Image.open(path_of(picture)).size == (360, 300) and "click it in the picture" in message and not report["found"]
    )
    for place in places.items():
        picture, message, _ = client.predict(photo, **dict([place]), api_name="/check_face")
        assert Image.open(path_of(picture)).size == (512, 512) and "found" in message


def test_a_place_is_in_pixels_of_the_photo_even_if_it_is_shrunk(client, tmp_path):
    robot = Robot()
    large = np.asarray(Image.fromarray(robot.picture).resize((1800, 1500)))
    (small, *_), (shrunk, *_) = (
        client.predict(bring(picture, tmp_path / f"{times}.png"), points=listed(points), api_name="/check_face")
        for times, picture, points in ((1, robot.picture, robot.points), (5, large, 5 * robot.points))
    )
    small, shrunk = (np.asarray(Image.open(path_of(picture)).convert("L"), float) for picture in (small, shrunk))
    assert np.abs(small - shrunk).mean() < 12


@pytest.mark.parametrize(
    "place", quick([{"box": "here"}, {"points": "1,2"}, {"box": "9000,0,50,50"}], {"points": "1,2"})
)
def test_a_bad_place_is_explained(client, photo, voice, place):
    _, message, report = client.predict(photo, **place, api_name="/check_face")
    assert not report["found"] and "in pixels of the photo" in message and "\n" not in message
    with pytest.raises(AppError, match="in pixels of the photo"):
        client.predict(photo, voice, **place, api_name="/animate")


def test_a_photo_without_a_face_gets_advice(client, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    _, message, report = client.predict(bring(noise, tmp_path / "noise.png"), api_name="/check_face")
    assert report == {"found": False, "faces": [], "warnings": [], "turned": 0}
    assert "no face" in message and "use one where" in message and "\n" not in message


def test_a_photo_that_lies_on_its_side_says_how_to_turn_it(client, astronaut, voice, tmp_path):
    lying = bring(np.ascontiguousarray(np.rot90(astronaut, -1)), tmp_path / "lying.png")
    _, message, report = client.predict(lying, api_name="/check_face")
    assert "turn it a quarter to the left" in message and report["turned"] == 90 and not report["found"]
    with pytest.raises(AppError, match="turn it a quarter to the left"):
        client.predict(lying, voice, api_name="/animate")


def test_several_faces_are_shown(client, astronaut, tmp_path):
    both = np.concatenate([astronaut, astronaut], axis=1)
    photo = bring(both, tmp_path / "both.png")
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert Image.open(path_of(picture)).size == (1024, 512)
    assert "2 faces" in message and not report["found"] and len(report["faces"]) == 2
    for box in report["faces"]:
        _, _, chosen = client.predict(photo, box=listed(box), api_name="/check_face")
        assert chosen["found"]
        np.testing.assert_allclose(chosen["faces"][0], box, atol=12)


def test_a_point_for_which_there_is_no_room_leaves_nothing_and_is_explained(cache, monkeypatch):
    guests, visitor = Guests(), SimpleNamespace(session_hash="marking")

    def full(picture, path, made):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("atvg.studio.photo.save_png", full)
    monkeypatch.setattr("atvg.studio.photo.open_photo", lambda photo: (np.zeros((9, 9, 3), np.uint8), 1.0))
    photo, nothing = Photo(SimpleNamespace(animator=None, guests=guests)), {"found": False, "faces": []}
    with pytest.raises(gr.Error, match=PAGE["disk_full"]):
        photo.mark({"path": "a.png"}, nothing, "", SimpleNamespace(index=(3, 4)), visitor)
    assert not list(cache.glob(f"atvg-{guests.name(visitor)}"))
