"""A film and a voice become a film that says something else, and nothing of it stays behind."""

import hashlib
import json
import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import imageio_ffmpeg
import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError, ValidationError

from atvg.dub.footage import frames, open_footage
from atvg.errors import TooLongError
from atvg.film.label import label
from atvg.studio.files import check_frames
from atvg.voice.audio import load_audio
from tests.dub.test_footage import film as pattern
from tests.marks import quick
from tests.server import Traces, leave, until, visitor, write_wav
from tests.studio.files import bring, listed, path_of, size_of
from tests.studio.films import SIDE, film, pictures

AWAY = range(12, 15)  # frames that show nobody


@pytest.fixture(scope="module")
def filmed(astronaut, tmp_path_factory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "holidays.mp4", pictures(astronaut, 20, AWAY))


@pytest.fixture(scope="module")
def job(page, filmed, voice) -> Any:
    """Film and voice alone, of a visitor who makes nothing else."""
    client = visitor(page.local_url)
    job = client.submit(handle_file(filmed), voice, api_name="/dub")
    job.result()
    yield job
    client.close()


@pytest.fixture(scope="module")
def dubbed(job) -> tuple:
    return job.result()


def shown(video: Path) -> np.ndarray:
    """Its frames, (T, H, W, 3) of whole numbers."""
    return np.stack(list(frames(open_footage(video)))).astype(int)


def test_only_the_mouth_is_drawn_anew(dubbed, filmed):
    before, after = shown(filmed), shown(path_of(dubbed[0]))
    assert after.shape == before.shape == (20, SIDE, SIDE, 3)
    there = [t for t in range(20) if t not in AWAY]
    away = np.abs(after - before)
    assert away[there, :110].mean() < 4 and away[there, :, :50].mean() < 4, "hair, eyes or ground have changed"
    assert max(away[t, 140:190, 120:180].mean() for t in there) > 8, "the mouth is as it was"
    assert away[list(AWAY), : SIDE - 40].mean() < 6, "frames without the person are left alone; noise is hard to encode"


def test_it_is_at_the_films_rate_and_speaks(dubbed):
    assert open_footage(path_of(dubbed[0])).fps == 25
    assert np.abs(load_audio(path_of(dubbed[0]))).max() > 0.05


def test_every_frame_is_labelled(dubbed, filmed):
    before, after = shown(filmed).astype(np.uint8), shown(path_of(dubbed[0]))
    signed = label(before).astype(int)
    spot = (signed != before).any(axis=-1)
    for t in range(len(after)):
        assert np.abs(after[t] - signed[t])[spot[t]].mean() < 0.4 * np.abs(after[t] - before[t])[spot[t]].mean()
    said = b"".join(path_of(dubbed[i]).read_bytes() for i in (0, 6))
    assert said.count(b"AI-generated") >= 2, "it is not in the files"


def test_no_option_switches_the_label_off(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {value["parameter_name"] for endpoint in endpoints.values() for value in endpoint["parameters"]}
    assert "hold" in names and not [name for name in names if any(word in name for word in ("label", "mark", "sign"))]


def test_the_settings_name_the_film_by_its_hash(dubbed, filmed):
    made = json.loads(path_of(dubbed[3]).read_text(encoding="utf-8"))
    box = made["film"]["face"].pop("box")
    assert made["film"] == {
        "sha256": hashlib.sha256(filmed.read_bytes()).hexdigest(), "size": [SIDE, SIDE], "fps": "25", "frames": 20,
        "face": {"frame": 0}, "left_alone": len(AWAY),
    }  # fmt: skip
    assert box[0] < 150 < box[0] + box[2] and box[1] < 150 < box[1] + box[3]
    assert made["settings"]["hold"] is False and "seed" not in made["settings"] and "photo" not in made
    assert made["command"].startswith("atvg animate FILM AUDIO ") and "holidays" not in json.dumps(made)


def test_it_tells_how_far_it_is_and_what_was_left_alone(job):
    said = [outputs[5] for outputs in job.outputs()]
    assert any("Looking through the film: frame" in html and "<progress" in html for html in said)
    drawn = [html for html in said if "Drawing: frame" in html]
    assert "frame 20 of 20" in drawn[-1] and "s left" in drawn[-1] and "data:image/jpeg" in drawn[-1]
    assert "3 of 20 frames do not show this person" in said[-1]


def test_all_that_animate_gives_comes_in_its_order(dubbed):
    video, panels, arrays, _, run, _, close_up, whole, posters, captions = dubbed
    assert arrays is None and captions is None and len(run) == 48 and len(posters) == 2
    assert path_of(whole) == path_of(video) and size_of(path_of(panels))[0] > 4 * 256
    assert size_of(path_of(close_up))[0] == size_of(path_of(close_up))[1] < SIDE


def test_it_can_be_looked_into(client, dubbed):
    for frame in (6, AWAY[1]):
        *found, said, wide, tall = client.predict(dubbed[4], frame, api_name="/look_inside")
        assert len(found) == 6 and said == f"Frame {frame} of 19, at {frame / 25:.2f} s."
        assert path_of(wide).is_file() and path_of(tall).is_file()
    assert len(client.predict(dubbed[4], api_name="/trajectory")) == 2


def test_further_formats_are_made_of_it(client, dubbed):
    made = Path(client.predict(dubbed[4], "webm", api_name="/convert")["path"])
    assert imageio_ffmpeg.count_frames_and_secs(str(made))[0] == 20


def test_one_of_several_people_is_chosen_and_the_film_held(client, astronaut, voice, tmp_path):
    """With everything else that can be turned."""
    one = pictures(astronaut, 6)
    both = film(tmp_path / "both.mp4", np.concatenate([one, one[:, :, ::-1]], axis=2))
    with pytest.raises(AppError, match="faces") as caught:
        client.predict(handle_file(both), voice, api_name="/dub")
    assert "\n" not in str(caught.value)
    made = client.predict(
        handle_file(both), voice, beta=0.2, mouth_gain=1.5, smoothing=0, hold=True, arrays=True, teeth=0.5,
        box=listed([SIDE + 50, 80, 110, 130]), start=0.2, end=0.6, api_name="/dub",
    )  # fmt: skip
    before, after = shown(both), shown(path_of(made[0]))
    assert len(before) == 6 and len(after) == 10
    last = np.abs(after[5:] - before[5])
    assert last[:, :120].mean() < 4, "it does not stay at its last frame"
    assert last[:, :, :SIDE].mean() < 4, "the other person speaks too"
    with np.load(path_of(made[2])) as arrays:
        assert arrays["frames"].shape == (10, 128, 128, 3)
    settings = json.loads(path_of(made[3]).read_text(encoding="utf-8"))["settings"]
    assert settings["hold"] is True and settings["box"] == [SIDE + 50, 80, 110, 130]


@pytest.mark.parametrize(
    "wrong",
    quick(
        ["nothing", "text", "sound", "picture", "long", "large", "nobody", "frame", "box"],
        "nothing", "text", "picture", "nobody", "box",
    ),
)  # fmt: skip
def test_a_mistake_is_explained_in_one_line(client, cache, filmed, voice, voice_path, astronaut, tmp_path, wrong):
    text = tmp_path / "notes.txt"
    text.write_text("no film")
    given: Any = {
        "text": lambda: text, "sound": lambda: voice_path,
        "long": lambda: pattern(tmp_path / "long.mp4", rate=1, seconds=125),
        "large": lambda: pattern(tmp_path / "large.mp4", size="1924x64", seconds=0.1),
        "nobody": lambda: film(tmp_path / "nobody.mp4", pictures(astronaut, 3, away=range(3))),
    }.get(wrong, lambda: filmed)()  # fmt: skip
    given = {"nothing": None, "picture": bring(astronaut, tmp_path / "photo.png")}.get(wrong, handle_file(given))
    words = {
        "nothing": "no film", "text": "notes.txt cannot be decoded", "sound": "as the voice", "picture": "photo.png",
        "long": "at most 120 s", "large": "1924x64", "nobody": "no face", "frame": "full, face, crop", "box": "pixels",
    }[wrong]  # fmt: skip
    more = {"frame": {"frame": "half"}, "box": {"box": "there"}}.get(wrong, {})
    before = set(cache.glob("atvg-*/*"))
    with pytest.raises((AppError, ValidationError)) as caught:
        client.predict(given, voice, **more, api_name="/dub")
    message = str(caught.value)
    assert words in message and "\n" not in message and "Traceback" not in message
    assert set(cache.glob("atvg-*/*")) <= before, "a folder was left behind"


def test_fast_films_are_shorter():
    wave = np.zeros(61 * 16_000, np.float32)
    check_frames(SimpleNamespace(fps=Fraction(30)), wave)
    with pytest.raises(TooLongError, match="60 frames a second at most 60 s"):
        check_frames(SimpleNamespace(fps=Fraction(60)), wave)


def test_files_of_the_server_cannot_be_named(client, filmed, voice):
    with pytest.raises(
        httpx.HTTPStatusError, match="400"
    ):  # before it gets here: Gradio asks for the mark of an upload
        client.predict({"path": str(filmed)}, voice, api_name="/dub")


def test_a_film_is_still_a_voice(client, astronaut, voice_path, tmp_path):
    from tests.synthetic import write_video

    speaking = write_video(tmp_path / "talk.mp4", pictures(astronaut, 20), load_audio(voice_path)[:12_800])
    assert client.predict(handle_file(speaking), api_name="/check_voice").startswith("✓ 0.8 s")


def test_a_cancelled_one_leaves_nothing(page, cache, astronaut, voice_path, tmp_path):
    """Neither of what was made nor, when its visitor has left, of what was brought."""
    slow, traces = visitor(page.local_url), Traces(cache, os.getpid())
    files, runs = set(traces.files()), set(traces.runs())
    own = pictures(astronaut, 31)  # nobody else brings this one
    voice = handle_file(write_wav(tmp_path / "slow.wav", np.tile(load_audio(voice_path), 5)))
    job = slow.submit(handle_file(film(tmp_path / "own.mp4", own)), voice, api_name="/dub")
    until(lambda: any("Drawing" in outputs[5] for outputs in job.outputs()), "for a frame")
    (folder,) = set(traces.runs()) - runs
    assert (folder / "film").is_file()
    job.cancel()
    until(lambda: not folder.exists(), "for the job to end")
    until(lambda: not traces.encoders(), "for ffmpeg to end")
    leave(slow)
    until(lambda: set(traces.files()) <= files, "for nothing to be left")
