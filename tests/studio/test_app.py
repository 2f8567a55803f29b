"""The app, used as other programs use it: through `gradio_client`, on a free port of this machine."""

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import gradio as gr
import httpx
import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError
from PIL import Image

from atvg.errors import RecordingError
from atvg.voice.audio import load_audio
from tests.synthetic import Robot

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 1.2


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


def test_everything_else_comes_in_its_order(first, voice):
    video, panels, arrays, settings, run, progress = first
    assert _size(_path(video)) == (512, 512)
    assert _size(_path(panels))[0] > 4 * 256
    assert arrays is None and progress == ""
    assert len(run) == 48
    made = json.loads(_path(settings).read_text(encoding="utf-8"))
    assert made["settings"]["beta"] == 0.5 and made["settings"]["natural"] is True
    assert made["versions"]["torch"] and made["weights"] and "atvg animate" in made["command"]


def test_frames_are_shown_while_they_are_drawn(client, photo, voice):
    """And the last of the results a client sees is the finished one."""
    job = client.submit(photo, voice, api_name="/animate")
    job.result()
    shown = [outputs[5] for outputs in job.outputs()]
    pictures = [html for html in shown if "data:image/jpeg;base64," in html]
    assert len(pictures) == 3, "one for every ten frames"
    assert "Frame 10 of 30<" in pictures[0] and "<progress" in pictures[0]
    assert re.search(r"Frame 20 of 30, about \d+ s left", pictures[1])
    assert _path(job.outputs()[-1][0]).is_file() and shown[-1] == ""


def test_every_setting_can_be_turned(client, first, photo, voice):
    result = client.predict(
        photo, voice, beta=0.2, yaw=12, pitch=-4, roll=3, mouth_gain=1.5, smoothing=0, frame="crop", seed=7,
        arrays=True, teeth=0.5, api_name="/animate",
    )  # fmt: skip
    assert _size(_path(result[0])) == (128, 128)
    with np.load(_path(result[2])) as arrays:
        assert arrays["frames"].shape == (round(25 * SECONDS), 128, 128, 3)
    assert _path(result[0]) != _path(first[0])
    settings = json.loads(_path(result[3]).read_text(encoding="utf-8"))["settings"]
    asked = {
        "beta": 0.2,
        "yaw": 12,
        "pitch": -4,
        "roll": 3,
        "mouth_gain": 1.5,
        "smoothing": 0,
        "frame": "crop",
        "seed": 7,
        "teeth": 0.5,
        "ear": "whisper",
    }
    assert settings | asked == settings


def test_all_outputs_lie_in_a_folder_of_the_run(page, cache, first):
    (folder,) = {_path(output).parent for output in (first[0], first[1], first[3])}
    assert folder == cache / f"atvg-{first[4][:16]}" / first[4][16:]
    assert page.delete_cache == (600, 3600)


ENDPOINTS = {
    "/check_face", "/check_voice", "/say", "/animate", "/look_inside", "/trajectory", "/ablate", "/compare",
    "/break_it", "/show_failures", "/live_start", "/live", "/live_stop",
}  # fmt: skip


def test_every_action_is_an_endpoint_that_explains_itself(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == ENDPOINTS
    for name, endpoint in endpoints.items():
        assert len(endpoint["description"]) > 40, name
        for value in endpoint["parameters"] + endpoint["returns"]:
            assert value["label"] and not re.fullmatch(r"(value|parameter)_\d+", value["label"]), name
    for name in ("/animate", "/ablate", "/compare", "/break_it", "/show_failures", "/live_start"):
        assert "may use this face" in endpoints[name]["description"], f"{name} does not speak of consent"


def test_only_photo_and_audio_must_be_given(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/animate"]["parameters"]]
    assert names[:2] == [("photo", False), ("audio", False)]
    assert all(default for _, default in names[2:])
    assert [name for name, _ in names[-5:]] == ["box", "points", "natural", "teeth", "ear"], "new ones come last"
    checked = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoints["/check_face"]["parameters"]]
    assert checked == [("photo", False), ("box", True), ("points", True)]


def test_a_face_is_shown_before_any_work(client, photo):
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert Image.open(_path(picture)).size == (512, 512)
    assert message.startswith("✓") and report["found"] and report["warnings"] == []
    ((x, y, width, height),) = report["faces"]
    assert x < 224 < x + width and y < 110 < y + height


def test_what_would_spoil_the_result_is_said_before_any_work(client, astronaut, tmp_path):
    blurred = cv2.GaussianBlur(astronaut, (0, 0), 6)
    _, message, report = client.predict(_save(blurred, tmp_path / "blurred.png"), api_name="/check_face")
    assert report["found"] and [warning["kind"] for warning in report["warnings"]] == ["blurred"]
    assert report["warnings"][0]["message"] in message


def test_a_face_can_be_placed_by_hand(client, voice, tmp_path):
    robot = Robot()
    photo = _save(robot.picture, tmp_path / "robot.png")
    places = {name: ", ".join(map(str, np.ravel(getattr(robot, name)))) for name in ("box", "points")}
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert (
        Image.open(_path(picture)).size == (360, 300) and "click it in the picture" in message and not report["found"]
    )
    for place in places.items():
        picture, message, _ = client.predict(photo, **dict([place]), api_name="/check_face")
        assert Image.open(_path(picture)).size == (512, 512) and "found" in message
    result = client.predict(photo, voice, box=places["box"], api_name="/animate")
    assert _size(_path(result[0])) == (360, 300)


def test_a_place_is_in_pixels_of_the_photo_even_if_it_is_shrunk(client, tmp_path):
    robot = Robot()
    large = np.asarray(Image.fromarray(robot.picture).resize((3600, 3000)))
    place = ",".join(map(str, 10 * robot.points.ravel()))
    (small, *_), (shrunk, *_) = (
        client.predict(_save(picture, tmp_path / f"{len(points)}.png"), points=points, api_name="/check_face")
        for picture, points in ((robot.picture, ",".join(map(str, robot.points.ravel()))), (large, place))
    )
    small, shrunk = (np.asarray(Image.open(_path(picture)).convert("L"), float) for picture in (small, shrunk))
    assert np.abs(small - shrunk).mean() < 12


@pytest.mark.parametrize("place", [{"box": "here"}, {"box": "1,2,3"}, {"points": "1,2"}, {"box": "9000,0,50,50"}])
def test_a_bad_place_is_explained(client, photo, voice, place):
    _, message, report = client.predict(photo, **place, api_name="/check_face")
    assert not report["found"] and "in pixels of the photo" in message and "\n" not in message
    with pytest.raises(AppError, match="in pixels of the photo"):
        client.predict(photo, voice, **place, api_name="/animate")


def test_a_photo_without_a_face_gets_advice(client, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    _, message, report = client.predict(_save(noise, tmp_path / "noise.png"), api_name="/check_face")
    assert report == {"found": False, "faces": [], "warnings": []}
    assert "no face" in message and "use one where" in message and "\n" not in message


def test_several_faces_are_shown(client, astronaut, tmp_path):
    both = np.concatenate([astronaut, astronaut], axis=1)
    photo = _save(both, tmp_path / "both.png")
    picture, message, report = client.predict(photo, api_name="/check_face")
    assert Image.open(_path(picture)).size == (1024, 512)
    assert "2 faces" in message and not report["found"] and len(report["faces"]) == 2
    for box in report["faces"]:
        _, _, chosen = client.predict(photo, box=", ".join(map(str, box)), api_name="/check_face")
        assert chosen["found"]
        np.testing.assert_allclose(chosen["faces"][0], box, atol=12)


def test_a_large_photo_is_shrunk(client, astronaut, tmp_path):
    large = np.asarray(Image.fromarray(astronaut).resize((2000, 1500)))
    silence = _write_wav(tmp_path / "silence.wav", np.zeros(6_400))
    result = client.predict(_save(large, tmp_path / "large.jpg"), handle_file(silence), api_name="/animate")
    assert _size(_path(result[0])) == (1280, 960)


@pytest.mark.parametrize(
    "wrong", ["photo", "audio", "length", "beta", "seed", "teeth", "ear", "frame", "nothing", "silence"]
)
def test_a_mistake_is_explained_in_one_line(client, cache, photo, voice, tmp_path, wrong, capfd):
    text = tmp_path / "notes.txt"
    text.write_text("neither a picture nor a sound")
    arguments, words = {
        "photo": ((handle_file(text), voice), "notes.txt is not an image"),
        "audio": ((photo, handle_file(text)), "notes.txt holds no audio"),
        "length": ((photo, handle_file(_write_wav(tmp_path / "long.wav", np.zeros(16_000 * 121)))), "120 s"),
        "beta": ((photo, voice, 9), "beta is 9"),
        "seed": ((photo, voice, 0.5, 0, 0, 0, 1, 0.8, "full", 1.5), "seed is 1.5"),
        "teeth": ((photo, voice, 0.5, 0, 0, 0, 1, 0.8, "full", 0, False, "", "", True, 2), "teeth is 2"),
        "ear": ((photo, voice, 0.5, 0, 0, 0, 1, 0.8, "full", 0, False, "", "", True, 1, "nose"), "ear is 'nose'"),
        "frame": ((photo, voice, 0.5, 0, 0, 0, 1, 0.8, "half"), "full, face, crop"),
        "nothing": ((None, voice), "no photo"),
        "silence": ((photo, None), "no voice"),
    }[wrong]
    before = set(cache.glob("atvg-*/*"))
    with pytest.raises((AppError, ValidationError)) as caught:
        client.predict(*arguments, api_name="/animate")
    message = str(caught.value).removeprefix("1 parameter(s) failed validation:\n")  # the client's own words
    assert words in message
    assert "\n" not in message and "Traceback" not in message
    assert "Traceback" not in "".join(capfd.readouterr()), "a user's mistake is no bug"
    assert set(cache.glob("atvg-*/*")) == before, "a folder was left behind"


def test_files_of_the_server_cannot_be_named(client, astronaut_path, voice):
    own = {"path": str(astronaut_path)}  # without the mark of an upload, which Gradio asks for only with audio
    for arguments, name in (((own,), "/check_face"), ((own, voice), "/animate"), ((own, voice), "/ablate")):
        with pytest.raises((AppError, ValidationError), match="cannot be accessed"):
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


def test_the_calls_in_the_readme_run_as_printed(page, astronaut, voice_path, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "gradio_client" in block)
    code = code.replace("http://127.0.0.1:7860", page.local_url)
    Image.fromarray(astronaut).save(tmp_path / "photo.jpg")
    _write_wav(tmp_path / "speech.wav", load_audio(voice_path)[:16_000])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=300)


class TestTheVoice:
    def test_it_is_listened_to_before_any_work(self, client, voice, tmp_path):
        assert client.predict(voice, api_name="/check_voice").startswith("✓ 1.2 s")
        silence = handle_file(_write_wav(tmp_path / "silence.wav", np.zeros(16_000)))
        assert "silence" in client.predict(silence, api_name="/check_voice")
        text = tmp_path / "notes.txt"
        text.write_text("no sound")
        assert "notes.txt holds no audio" in client.predict(handle_file(text), api_name="/check_voice")

    def test_typed_text_is_spoken(self, client):
        spoken = load_audio(_path(client.predict("Hello, I am only a photograph.", api_name="/say")))
        assert 1 < len(spoken) / 16_000 < 5 and np.abs(spoken).max() > 0.3

    @pytest.mark.parametrize("arguments", [("",), ("   ",), ("a" * 1001,), ("hello", "Klingon"), ("hello", None, 9000)])
    def test_what_cannot_be_spoken_is_explained(self, client, arguments):
        with pytest.raises(AppError) as caught:
            client.predict(*arguments, api_name="/say")
        assert "\n" not in str(caught.value)


class TestLookingInside:
    @pytest.fixture(scope="class")
    def run(self, client, photo, voice) -> str:
        """The key of the newest video."""
        return client.predict(photo, voice, api_name="/animate")[4]

    @pytest.fixture(scope="class")
    def inside(self, client, run) -> tuple:
        return client.predict(run, 12, 2, api_name="/look_inside")

    def test_a_frame_is_taken_apart(self, inside):
        pictures, said, layers = inside[:6], inside[6], inside[7:]
        assert said == "Frame 12 of 29, at 0.48 s."
        assert len(layers) == 2 and all(min(Image.open(_path(picture)).size) > 600 for picture in layers)
        assert all(min(Image.open(_path(picture)).size) > 250 for picture in pictures)
        assert len({_path(picture).read_bytes() for picture in pictures}) == 6

    def test_beta_changes_the_loss_weight_alone(self, client, run, inside):
        other = client.predict(run, 12, 0, api_name="/look_inside")
        same = [_path(a).read_bytes() == _path(b).read_bytes() for a, b in zip(inside[:6], other[:6], strict=True)]
        assert same == [True, True, False, True, True, True]

    @pytest.mark.parametrize("beta", [0.123, 1.9999])
    def test_any_beta_can_be_shown(self, client, run, beta):
        assert client.predict(run, 3, beta, api_name="/look_inside")

    @pytest.mark.parametrize("beta", [-1, 1e308, "a/../b", None, []])
    def test_a_beta_that_makes_no_sense_is_explained(self, client, run, beta):
        with pytest.raises(AppError, match="beta is"):
            client.predict(run, 3, beta, api_name="/look_inside")

    @pytest.mark.parametrize("frame", [-1, 30, 1.5, "first", None])
    def test_a_frame_that_is_not_there_is_explained(self, client, run, frame):
        with pytest.raises(AppError, match="frame"):
            client.predict(run, frame, api_name="/look_inside")

    def test_a_video_becomes_curves(self, client, run):
        codes, points = client.predict(run, api_name="/trajectory")
        assert codes["type"] == points["type"] == "plotly"
        assert {"face", "mouth"} <= {line["name"] for line in json.loads(points["plot"])["data"]}

    @pytest.mark.parametrize("run", ["", "../../etc", "0" * 48, None])
    def test_a_key_that_opens_nothing_is_explained(self, client, run):
        for name in ("/look_inside", "/trajectory"):
            with pytest.raises(AppError, match="generate it again"):
                client.predict(run, api_name=name)


class TestTheLab:
    @pytest.mark.parametrize(("sweep", "tiles"), [("noise", 8), ("pose", 6)])
    def test_one_thing_changes_at_a_time(self, client, photo, voice, sweep, tiles):
        strip, curves, video = client.predict(photo, voice, sweep, api_name="/ablate")
        assert Image.open(_path(strip)).width > 500 and video is None
        assert len(json.loads(curves["plot"])["data"][0]["x"]) == tiles
        assert "AI-generated" in Image.open(_path(strip)).info["Comment"]

    def test_beta_is_also_a_video(self, client, photo, voice):
        _, curves, video = client.predict(photo, voice, "beta", api_name="/ablate")
        assert _size(_path(video))[0] > 300
        assert curves["type"] == "plotly"

    def test_systems_are_compared_in_step_and_measured(self, client, photo, voice):
        job = client.submit(photo, voice, yaw=10, beta=1, api_name="/compare")
        video, table, curves = job.result()
        assert _size(_path(video))[0] > 5 * 200
        assert imageio_ffmpeg.count_frames_and_secs(_path(video))[0] == round(25 * SECONDS)
        assert np.abs(load_audio(_path(video))).max() > 0.05, "the video is silent"
        assert table["headers"][:3] == ["Measure", "Photo", "ATVG"] and len(table["headers"]) == 6
        assert all(len(row) == 6 and "nan" not in row and "…" not in row for row in table["data"])
        assert "ATVG" in {line.get("name") for line in json.loads(curves["plot"])["data"]}
        growing = [outputs[1]["data"][0].count("…") for outputs in job.outputs()]
        assert growing[0] == 3 and growing == sorted(growing, reverse=True)

    @pytest.mark.parametrize("wrong", [{"beta": 9}, {"yaw": 80}, {"mouth_gain": "much"}, {"box": "here"}])
    def test_a_comparison_that_makes_no_sense_is_explained(self, client, cache, photo, voice, wrong):
        before = set(cache.glob("atvg-*/*"))
        with pytest.raises(AppError) as caught:
            client.predict(photo, voice, **wrong, api_name="/compare")
        assert "\n" not in str(caught.value) and next(iter(wrong)).replace("_", " ") in str(caught.value)
        assert set(cache.glob("atvg-*/*")) == before, "a folder was left behind"

    def test_a_stage_is_broken_and_measured(self, client, photo, voice):
        video, finding, table = client.predict(photo, voice, "silence", api_name="/break_it")
        assert _path(video).suffix == ".mp4" and len(finding) > 20
        assert len(table["headers"]) == 3 and len(table["data"]) > 3

    def test_another_persons_landmarks_need_no_second_upload(self, client, photo, voice):
        _, finding, _ = client.predict(photo, voice, "other_landmarks", api_name="/break_it")
        assert finding

    @pytest.mark.parametrize(
        ("name", "wrong"), [("/ablate", "colour"), ("/break_it", "gravity"), ("/ablate", []), ("/break_it", {})]
    )
    def test_what_is_unknown_is_explained(self, client, photo, voice, name, wrong):
        with pytest.raises(AppError, match=f"{re.escape(str(wrong))}.*choose from"):
            client.predict(photo, voice, wrong, api_name=name)

    def test_known_failures_come_with_their_causes(self, client, photo, voice):
        gallery = client.predict(photo, voice, api_name="/show_failures")
        assert len(gallery) >= 6
        assert all(len(entry["caption"]) > 40 and _path(entry["image"]).is_file() for entry in gallery)


class TestVisitors:
    def test_they_never_see_each_others_results(self, page, photo, voice, hopper, tmp_path):
        """Two at once, with different faces: each gets its own, and no key opens another's folder."""
        clients = [Client(page.local_url, download_files=False, verbose=False) for _ in range(2)]
        photos = [photo, _save(hopper, tmp_path / "hopper.png")]
        jobs = [c.submit(p, voice, api_name="/animate") for c, p in zip(clients, photos, strict=True)]
        (one, other) = (job.result() for job in jobs)
        assert _size(_path(one[0])) == (512, 512) and _size(_path(other[0])) == (512, 600)
        assert one[4][:16] != other[4][:16] and _path(one[0]).parents[1] != _path(other[0]).parents[1]
        with pytest.raises(AppError, match="generate it again"):
            clients[0].predict(one[4][:16] + other[4][16:], api_name="/look_inside")

    def test_nothing_of_theirs_outlives_the_session(self, cache, photo, voice, first):
        import app

        one, other = (SimpleNamespace(session_hash=name) for name in ("one", "other"))
        upload = _upload(cache, "shared"), _upload(cache, "own")
        guests = app.Guests()
        key, folder = guests.new_run(one, *({"path": str(path)} for path in upload))
        (folder / "talking-face.mp4").write_bytes(b"film")
        guests.new_run(other, {"path": str(upload[0])})
        guests.leave(one)
        assert not folder.exists() and not folder.parent.exists()
        assert upload[0].exists() and not upload[1].exists(), "an equal upload of somebody else shares its file"
        with pytest.raises(RecordingError):
            guests.run(key)
        guests.leave(other)
        assert not upload[0].exists()

    def test_old_results_go_even_if_nobody_leaves(self, cache):
        import app

        guests, visitor = app.Guests(), SimpleNamespace(session_hash="asleep")
        (_, old), (_, new) = (guests.new_run(visitor) for _ in range(2))
        (old / "recording").mkdir()
        os.utime(old, (0, 0))
        guests.tidy()
        assert not old.exists() and new.exists()
        os.utime(new, (0, 0))
        guests.tidy()
        assert not new.parent.exists()

    def test_old_uploads_go_whichever_process_they_are_from(self, cache):
        import app

        old, new, foreign = (_upload(cache, name) for name in ("a" * 64, "b" * 64, "somebody elses"))
        for path in (old, foreign):
            os.utime(path, (0, 0))
        app.Guests().tidy()
        assert not old.parent.exists() and new.exists() and foreign.exists()

    def test_uploads_that_were_broken_off_go(self, cache):
        import app

        old, new = cache / "tmpa1b2c3d4", cache / "tmpe5f6g7h8"
        for path in (old, new):
            path.write_text("the beginning of a film")
        os.utime(old, (time.time() - app.STALLED - 1,) * 2)
        app.Guests().tidy()
        assert not old.exists() and new.exists()
        new.unlink()

    def test_uploads_of_a_job_that_never_ran_go_with_their_visitor(self, cache):
        import app

        guests, visitor = app.Guests(), SimpleNamespace(session_hash="turned away")
        path = _upload(cache, "d" * 64)
        guests.remember(visitor, {"path": str(path)})
        guests.tidy()
        assert path.exists()
        guests.leave(visitor)
        assert not path.exists()

    def test_who_never_leaves_is_not_remembered(self, cache):
        import app

        guests = app.Guests()
        guests.new_run(SimpleNamespace(session_hash=None), {"path": str(_upload(cache, "c" * 64))})
        assert not guests._uploads

    def test_only_the_newest_recordings_are_kept(self, cache):
        import app

        guests, visitor = app.Guests(), SimpleNamespace(session_hash="collector")
        folders = [guests.new_run(visitor)[1] for _ in range(5)]
        for age, folder in enumerate(reversed(folders)):
            (folder / app.RECORDING).mkdir()
            os.utime(folder / app.RECORDING, (time.time() - age, time.time() - age))
        guests.forget_recordings(folders[-1])
        assert [(folder / app.RECORDING).is_dir() for folder in folders] == [False, False, True, True, True]

    def test_nobody_gets_past_the_queue(self, page):
        answer = httpx.post(f"{page.local_url}gradio_api/run/animate", json={"data": [None, None]})
        assert answer.status_code == 404

    def test_files_outside_the_upload_folder_are_never_deleted(self, cache, tmp_path):
        import app

        example = tmp_path / "example.png"
        example.write_bytes(b"picture")
        guests, visitor = app.Guests(), SimpleNamespace(session_hash="one")
        guests.new_run(visitor, {"path": str(example)})
        guests.leave(visitor)
        assert example.exists()

    def test_a_closed_page_takes_its_files_with_it(self, page, cache, photo, voice):
        client = Client(page.local_url, download_files=False, verbose=False)
        video = _path(client.predict(photo, voice, api_name="/animate")[0])
        assert video.is_file()
        client.close()
        _until(lambda: not video.parent.parent.exists())

    def test_too_many_are_told_that_it_is_busy(self, page, client, photo, voice, monkeypatch):
        import app

        monkeypatch.setattr(app, "MAX_WAITING", 0)
        with pytest.raises(ValidationError, match="busy"):
            client.predict(photo, voice, api_name="/animate")

    def test_another_persons_photo_needs_consent_too(self, tmp_path):
        import app

        free = [{"path": str(path)} for path in (app.PORTRAITS[0], app.VOICES_AT_HAND[0])]
        with pytest.raises(gr.Error, match="tick the box"):
            app.Studio(None).admit(False, *free, {"path": str(tmp_path / "stranger.png")})

    @pytest.mark.parametrize(
        ("consent", "own", "allowed"), [(False, True, False), (True, True, True), (False, False, True)]
    )
    def test_on_the_page_a_person_must_say_that_they_may(self, consent, own, allowed, tmp_path):
        import app

        photo = {"path": str(tmp_path / "own.png" if own else app.PORTRAITS[0])}
        studio = app.Studio(None)
        with contextlib.nullcontext() if allowed else pytest.raises(gr.Error, match="tick the box"):
            studio.admit(consent, photo, {"path": str(app.VOICES_AT_HAND[0])})


def _upload(cache: Path, name: str) -> Path:
    path = cache / name / "photo.png"
    path.parent.mkdir()
    path.write_text(name)
    return path


def _until(done: Callable[[], bool], patience: float = 20) -> None:
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end, f"waited {patience} s in vain"
        time.sleep(0.1)


class TestMCP:
    """The same actions as tools for language models."""

    def test_every_action_is_a_tool_with_described_parameters(self, page):
        for tool in _mcp(page, lambda session: session.list_tools()).tools:
            assert f"/{tool.name}" in ENDPOINTS and len(tool.description) > 40
            undescribed = [n for n, p in tool.inputSchema["properties"].items() if not p.get("description")]
            assert not undescribed, f"{tool.name}: {undescribed}"

    def test_a_tool_works(self, page, astronaut_path):
        photo = f"data:image/png;base64,{base64.b64encode(astronaut_path.read_bytes()).decode()}"
        result = _mcp(page, lambda session: session.call_tool("check_face", {"photo": photo}))
        assert not result.isError and "Face found" in result.content[0].text


def _mcp(page: Any, ask: Callable[[Any], Any]) -> Any:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk() -> Any:
        async with (
            streamablehttp_client(f"{page.local_url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(talk())


def test_on_zero_gpu_only_what_can_be_sent_to_another_process_crosses(photo, voice, tmp_path):
    """`spaces.GPU` runs the work elsewhere: here its stand-in pickles whatever goes in and comes out."""
    (tmp_path / "spaces.py").write_text(
        "import pickle\n"
        "crossed = []\n"
        "def GPU(work):\n"
        "    def elsewhere(*arguments):\n"
        "        crossed.append(len(arguments))\n"
        "        for result in work(*pickle.loads(pickle.dumps(arguments))):\n"
        "            yield pickle.loads(pickle.dumps(result))\n"
        "    return elsewhere\n"
    )
    code = (
        "import app, spaces, gradio as gr\n"
        "from gradio.utils import set_static_paths\n"
        "studio = app.Studio(app.Animator.from_pretrained())\n"
        "gr.set_static_paths(app.FREE)\n"
        "photo, voice = ({'path': str(p), 'meta': {'_type': 'gradio.FileData'}} for p in (app.FREE[0], app.FREE[-1]))\n"
        "*_, last = studio.animate(photo, voice)\n"
        "assert spaces.crossed == [7] and app.Path(last[0]).is_file()\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "GRADIO_TEMP_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT, timeout=300)
