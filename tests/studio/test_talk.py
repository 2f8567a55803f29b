"""A photo and a voice become a video, and mistakes are explained."""

import json
import re

import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError, ValidationError
from PIL import Image

from atvg.voice.audio import load_audio
from tests.server import write_wav
from tests.studio.files import SECONDS, bring, listed, path_of, size_of
from tests.synthetic import Robot


def test_photo_and_audio_alone_give_a_finished_video(first):
    video = path_of(first[0])
    assert video.suffix == ".mp4"
    frames, _ = imageio_ffmpeg.count_frames_and_secs(video)
    assert frames == round(25 * SECONDS)
    assert np.abs(load_audio(video)).max() > 0.05, "the video is silent"


def test_everything_else_comes_in_its_order(first, voice):
    video, panels, arrays, settings, run, progress, close_up, whole, posters, captions = first
    assert size_of(path_of(video)) == (512, 512)
    assert size_of(path_of(panels))[0] > 4 * 256
    assert arrays is None and progress == ""
    assert path_of(whole) == path_of(video) and size_of(path_of(close_up)) == (156, 156)
    assert [Image.open(poster["path"]).size for poster in posters] == [(156, 156), (512, 512)]
    assert captions is None, "nobody typed what this voice says"
    assert len(run) == 48
    made = json.loads(path_of(settings).read_text(encoding="utf-8"))
    assert made["settings"]["beta"] == 0.5 and made["settings"]["natural"] is True
    assert made["versions"]["torch"] and made["weights"] and "atvg animate" in made["command"]


def test_frames_are_shown_while_they_are_drawn(job):
    """And the last of the results a client sees is the finished one."""
    shown = [outputs[5] for outputs in job.outputs()]
    pictures = [html for html in shown if "data:image/jpeg;base64," in html]
    assert len(pictures) == 2, "one for every ten frames"
    assert "Frame 10 of 20<" in pictures[0] and "<progress" in pictures[0]
    assert re.search(r"Frame 20 of 20, about \d+ s left", pictures[1])
    assert path_of(job.outputs()[-1][0]).is_file() and shown[-1] == ""


def test_every_setting_can_be_turned(client, first, voice, tmp_path):
    """Also of a face that only a person finds."""
    robot = Robot()
    result = client.predict(
        bring(robot.picture, tmp_path / "robot.png"), voice, beta=0.2, yaw=12, pitch=-4, roll=3, mouth_gain=1.5,
        smoothing=0, frame="crop", seed=7, arrays=True, box=listed(robot.box), teeth=0.5, start=0.2, end=0.6,
        liveliness=1.5,
        api_name="/animate",
    )  # fmt: skip
    assert size_of(path_of(result[0])) == (128, 128)
    with np.load(path_of(result[2])) as arrays:
        assert arrays["frames"].shape == (10, 128, 128, 3)
    assert path_of(result[0]) != path_of(first[0])
    settings = json.loads(path_of(result[3]).read_text(encoding="utf-8"))["settings"]
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
        "liveliness": 1.5,
        "ear": "whisper",
        "start": 0.2,
        "end": 0.6,
        "box": list(robot.box),
    }
    assert settings | asked == settings


def test_all_outputs_lie_in_a_folder_of_the_run(page, cache, first):
    (folder,) = {path_of(output).parent for output in (first[0], first[1], first[3])}
    assert folder == cache / f"atvg-{first[4][:16]}" / first[4][16:]


def test_a_large_photo_is_shrunk(client, astronaut, tmp_path):
    large = np.asarray(Image.fromarray(astronaut).resize((2000, 1500)))
    silence = write_wav(tmp_path / "silence.wav", np.zeros(3_200))
    result = client.predict(bring(large, tmp_path / "large.jpg"), handle_file(silence), api_name="/animate")
    assert size_of(path_of(result[0])) == (1280, 960)


@pytest.mark.parametrize("wrong", ["photo", "audio", "length", "beta", "frame", "nothing", "silence"])
def test_a_mistake_is_explained_in_one_line(client, cache, photo, voice, tmp_path, wrong, capfd):
    text = tmp_path / "notes.txt"
    text.write_text("neither a picture nor a sound")
    arguments, words = {
        "photo": ((handle_file(text), voice), "notes.txt is not an image"),
        "audio": ((photo, handle_file(text)), "notes.txt holds no audio"),
        "length": ((photo, handle_file(write_wav(tmp_path / "long.wav", np.zeros(16_000 * 121)))), "120 s"),
        "beta": ((photo, voice, 9), "beta is 9"),
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
    assert set(cache.glob("atvg-*/*")) <= before, "a folder was left behind"


def test_files_of_the_server_cannot_be_named(client, astronaut_path, voice):
    own = {"path": str(astronaut_path)}  # without the mark of an upload, which Gradio asks for only with audio
    for arguments, name in (((own,), "/check_face"), ((own, voice), "/animate"), ((own, voice), "/ablate")):
        with pytest.raises((AppError, ValidationError), match="cannot be accessed"):
            client.predict(*arguments, api_name=name)
