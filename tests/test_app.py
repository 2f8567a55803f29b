"""The app, used as other programs use it: through `gradio_client`, on a free port of this machine."""

import json
import os
import re
import socket
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.audio import load_audio
from tests.synthetic import Robot

SECONDS = 1.2


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Iterator[Path]:
    """Gradio's temporary folder, of these tests alone."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def page(cache) -> Iterator[Any]:
    import app

    page = app.build()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page.launch(**app.LAUNCH, prevent_thread_lock=True, quiet=True, server_port=port)
    yield page
    page.close(verbose=False)


@pytest.fixture(scope="module")
def client(page) -> Client:
    """Gives files as the server names them instead of downloading copies."""
    return Client(page.local_url, download_files=False, verbose=False)


@pytest.fixture(scope="module")
def photo(astronaut_path) -> Any:
    return handle_file(astronaut_path)


@pytest.fixture(scope="module")
def voice(voice_path, tmp_path_factory) -> Any:
    samples = load_audio(voice_path)[: round(SECONDS * 16_000)]
    return handle_file(_write_wav(tmp_path_factory.mktemp("voice") / "short.wav", samples))


@pytest.fixture(scope="module")
def first(client, photo, voice) -> tuple:
    """What photo and audio alone give."""
    return client.predict(photo, voice, api_name="/animate")


def _write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype(np.int16).tobytes())
    return path


def _save(array: np.ndarray, path: Path) -> Any:
    Image.fromarray(array).save(path)
    return handle_file(path)


def _path(output: Any) -> Path:
    """Where an output lies on the server."""
    return Path(output["video"]["path"] if "video" in output else output["path"])


def _size(video: Path) -> tuple[int, int]:
    reader = imageio_ffmpeg.read_frames(video)
    size = next(reader)["size"]
    reader.close()
    return size


def test_photo_and_audio_alone_give_a_finished_video(page, photo, voice, tmp_path):
    client = Client(page.local_url, download_files=tmp_path, verbose=False)
    result = client.predict(photo, voice, api_name="/animate")
    video = result[0] if isinstance(result[0], str) else result[0]["video"]
    assert video.endswith(".mp4")
    frames, _ = imageio_ffmpeg.count_frames_and_secs(video)
    assert abs(frames - round(25 * SECONDS)) <= 1
    assert np.abs(load_audio(video)).max() > 0.05, "the video is silent"


def test_everything_else_comes_in_its_order(first):
    video, panels, trajectory, attention, motion, arrays = first
    assert _size(_path(video)) == (512, 512)
    assert _size(_path(panels))[0] > 4 * 256
    assert trajectory["type"] == "matplotlib"
    assert Image.open(_path(attention)).width > Image.open(_path(motion)).width > 8 * 128
    assert arrays is None


def test_every_setting_can_be_turned(client, first, photo, voice):
    result = client.predict(
        photo, voice, beta=0.2, yaw=12, pitch=-4, roll=3, mouth_gain=1.5, smoothing=0, frame="crop", seed=7,
        arrays=True, api_name="/animate",
    )  # fmt: skip
    assert _size(_path(result[0])) == (128, 128)
    with np.load(_path(result[5])) as arrays:
        assert arrays["frames"].shape == (round(25 * SECONDS), 128, 128, 3)
    assert _path(result[0]) != _path(first[0])


def test_outputs_lie_where_gradio_clears_up(page, cache, first):
    watched = set().union(*page.temp_file_sets)
    for output in (first[0], first[1], first[3], first[4]):
        assert _path(output).is_relative_to(cache)
        assert str(_path(output)) in watched, "delete_cache would not delete it"
    assert page.delete_cache == (600, 3600)


def test_only_photo_and_audio_must_be_given(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/check_face", "/animate"}
    names = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/animate"]["parameters"]]
    assert names[:2] == [("photo", False), ("audio", False)]
    assert all(default for _, default in names[2:])
    assert [name for name, _ in names[-3:]] == ["box", "points", "natural"]
    checked = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/check_face"]["parameters"]]
    assert checked == [("photo", False), ("box", True), ("points", True)]
    assert endpoints["/animate"]["description"]


def test_a_face_is_shown_before_any_work(client, photo):
    picture, message = client.predict(photo, api_name="/check_face")
    assert Image.open(_path(picture)).size == (512, 512)
    assert "found" in message and "\n" not in message


def test_a_face_can_be_placed_by_hand(client, voice, tmp_path):
    robot = Robot()
    photo = _save(robot.picture, tmp_path / "robot.png")
    places = {name: ", ".join(map(str, np.ravel(getattr(robot, name)))) for name in ("box", "points")}
    picture, message = client.predict(photo, api_name="/check_face")
    assert picture is None and "Place the face by hand" in message and "\n" not in message
    for place in places.items():
        picture, message = client.predict(photo, **dict([place]), api_name="/check_face")
        assert Image.open(_path(picture)).size == (512, 512) and "found" in message
    result = client.predict(photo, voice, box=places["box"], api_name="/animate")
    assert _size(_path(result[0])) == (360, 300)


def test_a_place_is_in_pixels_of_the_photo_even_if_it_is_shrunk(client, tmp_path):
    robot = Robot()
    large = np.asarray(Image.fromarray(robot.picture).resize((3600, 3000)))
    place = ",".join(map(str, 10 * robot.points.ravel()))
    (small, _), (shrunk, _) = (
        client.predict(_save(picture, tmp_path / f"{len(points)}.png"), points=points, api_name="/check_face")
        for picture, points in ((robot.picture, ",".join(map(str, robot.points.ravel()))), (large, place))
    )
    small, shrunk = (np.asarray(Image.open(_path(picture)).convert("L"), float) for picture in (small, shrunk))
    assert np.abs(small - shrunk).mean() < 12


@pytest.mark.parametrize("place", [{"box": "here"}, {"box": "1,2,3"}, {"points": "1,2"}, {"box": "9000,0,50,50"}])
def test_a_bad_place_is_explained(client, photo, voice, place):
    picture, message = client.predict(photo, **place, api_name="/check_face")
    assert picture is None and "in pixels of the photo" in message and "\n" not in message
    with pytest.raises(AppError, match="in pixels of the photo"):
        client.predict(photo, voice, **place, api_name="/animate")


def test_a_photo_without_a_face_gets_advice(client, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    picture, message = client.predict(_save(noise, tmp_path / "noise.png"), api_name="/check_face")
    assert picture is None
    assert "no face" in message and "use one where" in message and "\n" not in message


def test_several_faces_are_shown(client, astronaut, tmp_path):
    both = np.concatenate([astronaut, astronaut], axis=1)
    picture, message = client.predict(_save(both, tmp_path / "both.png"), api_name="/check_face")
    assert Image.open(_path(picture)).size == (1024, 512)
    assert "2 faces" in message


def test_a_large_photo_is_shrunk(client, astronaut, tmp_path):
    large = np.asarray(Image.fromarray(astronaut).resize((2000, 1500)))
    silence = _write_wav(tmp_path / "silence.wav", np.zeros(6_400))
    result = client.predict(_save(large, tmp_path / "large.jpg"), handle_file(silence), api_name="/animate")
    assert _size(_path(result[0])) == (1280, 960)


@pytest.mark.parametrize("wrong", ["photo", "audio", "length", "beta", "nothing"])
def test_a_mistake_is_explained_in_one_line(client, cache, photo, voice, tmp_path, wrong, capfd):
    text = tmp_path / "notes.txt"
    text.write_text("neither a picture nor a sound")
    arguments, words = {
        "photo": ((handle_file(text), voice), "notes.txt is not an image"),
        "audio": ((photo, handle_file(text)), "notes.txt holds no audio"),
        "length": ((photo, handle_file(_write_wav(tmp_path / "long.wav", np.zeros(16_000 * 121)))), "120 s"),
        "beta": ((photo, voice, 9), "beta is 9"),
        "nothing": ((None, voice), "no photo"),
    }[wrong]
    before = set(cache.glob("atvg-*"))
    with pytest.raises(AppError) as caught:
        client.predict(*arguments, api_name="/animate")
    message = str(caught.value)
    assert words in message
    assert "\n" not in message and "Traceback" not in message
    assert "Traceback" not in "".join(capfd.readouterr()), "a user's mistake is no bug"
    assert set(cache.glob("atvg-*")) == before, "a folder was left behind"


def test_files_of_the_server_cannot_be_named(client, astronaut_path, voice):
    own = {"path": str(astronaut_path)}  # without the mark of an upload, which Gradio asks for only with audio
    for arguments, name in (((own,), "/check_face"), ((own, voice), "/animate")):
        with pytest.raises(AppError, match="cannot be accessed"):
            client.predict(*arguments, api_name=name)


def test_the_page_needs_no_network_and_sends_nothing(page):
    import app

    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and page.analytics_enabled is False
    addresses = re.findall(r"url\(['\"]?([^'\")]{5})", page.theme_css + (app.ASSETS / "style.css").read_text())
    assert not page.theme._stylesheets and set(addresses) <= {"data:"}


def test_examples_outlive_the_cache(page, cache):
    """`delete_cache` deletes what lies in Gradio's folder, also copies of examples: they must not be copies."""
    datasets = [c["props"] for c in page.config["components"] if c["type"] == "dataset"]
    assert len(datasets) == 2
    assert str(cache) not in json.dumps([props["samples"] for props in datasets])


def test_beta_says_what_it_does(page):
    import app

    info = next(c["props"]["info"] for c in page.config["components"] if "β" in str(c["props"].get("label")))
    assert "no effect" in info or "interpolated" in info
    assert "{" not in info
    assert "0.1, 0.5" in app.PAGE["beta_family"].format("0.1, 0.5")


def test_importing_the_app_does_not_launch_it():
    import app

    assert not app.demo.is_running
