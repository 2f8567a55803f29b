"""Live faces: through `gradio_client` piece by piece, several at once, refused, forgotten; and their table itself."""

import base64
import gc
import io
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from atvg.animate.live import look_ahead
from atvg.errors import BadAudioError, BadSettingError, LiveBusyError, LiveOverError, LiveTurnError
from atvg.studio import broadcast
from atvg.studio.broadcast import Broadcasts, sound_of
from atvg.studio.live import Live
from atvg.studio.studio import Studio
from atvg.voice.audio import load_audio
from tests.server import PATIENCE, until, visitors
from tests.studio.files import bring

RATE, PIECE = 16_000, 3_200


@pytest.fixture
def visit(page) -> Iterator[Any]:
    """Visitors, who leave when the test ends."""
    with visitors(page.local_url) as come:
        yield come
    for key in list(page.broadcasts._on_air):
        page.broadcasts.close(key)


@pytest.fixture(scope="module")
def astronaut_file(astronaut_path) -> Any:
    return handle_file(astronaut_path)


@pytest.fixture(scope="module")
def hopper_file(hopper, tmp_path_factory) -> Any:
    return bring(hopper, tmp_path_factory.mktemp("hopper") / "hopper.png")


@pytest.fixture(scope="module")
def wave(voice_path) -> np.ndarray:
    return load_audio(voice_path)[:16_000]


def _sound(samples: np.ndarray) -> str:
    return base64.b64encode((32767 * samples).astype("<i2").tobytes()).decode()


def _pictures(answer: dict[str, Any]) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(frame)))) for frame in answer["frames"]]


def _speak(client: Client, key: str, wave: np.ndarray) -> list[dict[str, Any]]:
    pieces = (wave[first : first + PIECE] for first in range(0, len(wave), PIECE))
    return [client.predict(key, RATE, _sound(piece), api_name="/live") for piece in pieces]


def _start(client: Client, photo: Any, **settings: Any) -> str:
    return client.predict(photo, api_name="/live_start", **settings)


def test_frames_come_with_the_voice_and_the_mouth_moves_with_it(visit, astronaut, face, astronaut_file, wave):
    client = visit()
    key = _start(client, astronaut_file, natural=False)
    silent = np.zeros(12_800, np.float32)
    answers = _speak(client, key, np.concatenate([wave, silent]))
    shown = np.cumsum([len(answer["frames"]) for answer in answers])
    for i, count in enumerate(shown, 1):
        heard = min(0.2 * i, 1.8)
        assert answers[i - 1]["heard"] == pytest.approx(heard)
        assert count == max(0, int((heard - look_ahead()) * 25 + 1e-6))
    assert all(answers[i]["start"] == shown[i - 1] for i in range(2, len(answers)))
    assert all(0 < answer["computing"] < 10 and answer["left"] < 60 for answer in answers)
    rest = client.predict(key, api_name="/live_stop")
    answers.append(rest)
    pictures = np.stack(sum(map(_pictures, answers), [])).astype(float)
    assert pictures.shape == (round(25 * 1.8), 480, 480, 3)
    (left, top), (right, bottom) = (480 / 512 * face.landmarks[60:68, :2]).round().astype(int)[[0, 4]] + [
        [0, -3],
        [0, 9],
    ]
    light = pictures[:, top:bottom, left:right].mean(axis=(1, 2, 3))  # an open mouth is dark
    assert light[:25].std() > 10 * light[-10:].std()
    photo = np.asarray(Image.fromarray(astronaut).resize((480, 480)), float)
    away = np.abs(pictures[20] - photo).mean(axis=-1)
    assert away[250:440].mean() < 5 and away[-25:, -100:].mean() > 8, "it is not the photo, or not labelled"


def test_everybody_gets_their_own_face_and_the_third_is_told_to_wait(
    page, visit, astronaut, hopper, astronaut_file, hopper_file, wave
):
    clients, files, short = [visit(), visit()], [astronaut_file, hopper_file], wave[:9_600]
    keys = [_start(client, file) for client, file in zip(clients, files, strict=True)]
    made: list[list[np.ndarray]] = [[], []]

    def talk(i: int) -> None:
        for answer in _speak(clients[i], keys[i], short):
            made[i] += _pictures(answer)

    threads = [threading.Thread(target=talk, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    third = visit()
    with pytest.raises(AppError, match="2 faces are live already"):
        _start(third, astronaut_file)
    for thread in threads:
        thread.join()
    photos = []
    for picture in (astronaut, hopper):
        photo = Image.fromarray(picture)
        photo.thumbnail((480, 480))
        photos.append(np.asarray(photo, float))
    assert np.abs(photos[0][:400, :400] - photos[1][:400, :400]).mean() > 40
    for own, frames in zip(photos, made, strict=True):
        assert len(frames) == int((len(short) / RATE - look_ahead()) * 25)
        assert all(frame.shape == own.shape for frame in frames)
        assert max(np.abs(frame - own).mean() for frame in frames) < 15
    clients[0].close()
    until(lambda: len(page.broadcasts) == 1, "for the broadcast of who has left to end", 30)
    assert len(_start(third, astronaut_file)) == 48


def test_starting_again_takes_the_place_of_the_first(page, visit, astronaut_file):
    client = visit()
    keys = [_start(client, astronaut_file) for _ in range(3)]
    assert list(page.broadcasts._on_air) == keys[-1:]
    with pytest.raises(AppError, match="has ended"):
        client.predict(keys[0], RATE, _sound(np.zeros(9)), api_name="/live")


def test_a_photo_that_does_not_do_is_explained(visit, page, astronaut, tmp_path):
    client = visit()
    both = bring(np.concatenate([astronaut, astronaut], axis=1), tmp_path / "both.png")
    nobody = bring(np.full((300, 300, 3), 90, np.uint8), tmp_path / "nobody.png")
    for photo, settings, words in (
        (None, {}, "no photo"), (nobody, {}, "no face"), (both, {}, "2 faces"), (both, {"box": "here"}, "in pixels"),
        (handle_file(tmp_path / "both.png"), {"beta": 9}, "beta is 9"), (both, {"yaw": 99}, "yaw"),
    ):  # fmt: skip
        with pytest.raises(AppError) as caught:
            _start(
                client, photo, **({"box": "150,50,140,160"} | settings if words in ("beta is 9", "yaw") else settings)
            )
        assert words in str(caught.value) and "\n" not in str(caught.value)
    assert len(page.broadcasts) == 0


def test_a_bad_piece_is_explained_and_the_voice_goes_on(visit, astronaut_file, wave, capfd):
    client = visit()
    key = _start(client, astronaut_file)
    _speak(client, key, wave[:PIECE])
    good = _sound(wave[PIECE : 2 * PIECE])
    for rate, sound, words in (
        (RATE, "", "no sound"), (RATE, None, "base64"), (RATE, "?!", "base64"), (RATE, "AAAA", "base64"),
        (RATE, [1.0, float("nan")], "base64"), (48_000, good, "begin anew"), (0, good, "rate"), ("x", good, "rate"),
        (None, good, "rate"), (RATE, _sound(np.zeros(RATE * 3)), "may last 2 s"),
    ):  # fmt: skip
        with pytest.raises((AppError, ValueError)) as caught:
            client.predict(key, rate, sound, api_name="/live")
        assert words in str(caught.value) or isinstance(caught.value, ValueError), (rate, words, str(caught.value))
    (answer,) = _speak(client, key, wave[PIECE : 2 * PIECE])
    assert answer["heard"] == pytest.approx(0.4) and len(answer["frames"]) == 3
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("key", [None, "0" * 48, ["a"]])
def test_nobody_speaks_or_stops_without_a_start(visit, key):
    client = visit()
    for arguments, name in (((key, RATE, _sound(np.zeros(9))), "/live"), ((key,), "/live_stop")):
        with pytest.raises(AppError, match="has ended"):
            client.predict(*arguments, api_name=name)


def test_the_page_asks_for_consent_and_is_told_what_is_wrong(page):
    with pytest.raises(gr.Error, match="tick the box above Start"):
        Live(Studio(None)).admit_live(False)
    (stage,) = (block for block in page.blocks.values() if block.elem_id == "live-face")
    assert "has ended" in stage.live_piece(["nobody", RATE, ""])["said"]
    for wrong in (None, 7, [], ["nobody"], [["a"], RATE, ""], {"a": 1}):
        assert "has ended" in stage.live_piece(wrong)["said"]
        assert stage.live_end(wrong) is None


@pytest.mark.long
def test_it_goes_on_while_a_video_is_made(visit, astronaut_file, voice_path, wave, record_property):
    """And the video is made."""
    client, other = visit(), visit()
    key = _start(client, astronaut_file)
    job = other.submit(astronaut_file, handle_file(voice_path), api_name="/animate")
    computing = []
    while not job.done():
        began = time.monotonic()
        answer = client.predict(key, RATE, _sound(wave[:PIECE]), api_name="/live")
        computing.append(answer["computing"])
        time.sleep(max(0, 0.2 - (time.monotonic() - began)))
    assert Path(job.result()[0]["path"]).is_file()
    record_property("median seconds for a piece beside a video", float(np.median(computing)))
    print(f"live: {np.median(computing):.2f} s for a piece of 0.2 s beside a video")
    assert len(computing) > 3 and np.median(computing) < 3


class TestTable:
    def test_it_ends_when_so_much_has_been_said_however_quickly(self, animator, face, refuses):
        table = Broadcasts(animator, seconds=PATIENCE)
        key = table.open("a", face)
        table._on_air[key]._live.feed = lambda rate, samples: None
        for _ in range(PATIENCE // 2 - 1):
            assert table.feed(key, RATE, np.zeros(2 * RATE, np.int16)).left > 0
        assert table.feed(key, RATE, np.zeros(2 * RATE, np.int16)).left == 0
        with refuses(LiveOverError):
            table.feed(key, RATE, np.zeros(100, np.int16))
        assert len(table) == 0

    def test_it_ends_when_the_time_is_up(self, animator, face):
        table = Broadcasts(animator, seconds=0.2)
        table.open("a", face)
        until(lambda: len(table) == 0, patience=10)

    def test_it_ends_and_is_forgotten_when_nothing_is_heard(self, animator, face):
        table = Broadcasts(animator, patience=0.3)
        table.feed(table.open("a", face), RATE, np.zeros(RATE // 2, np.int16))
        memory = weakref.ref(next(iter(table._on_air.values()))._live)
        until(lambda: len(table) == 0 and not table._watching, patience=10)
        gc.collect()
        assert memory() is None
        assert len(table.open("a", face)) == 48

    def test_it_is_forgotten_when_its_owner_leaves_or_it_is_finished(self, animator, face, refuses):
        table = Broadcasts(animator)
        for end in (lambda key: table.leave("a"), table.finish, table.close):
            key = table.open("a", face)
            table.feed(key, RATE, np.zeros(PIECE, np.int16))
            memory = weakref.ref(table._on_air[key]._live)
            table.leave("b")
            assert len(table) == 1
            end(key)
            gc.collect()
            assert len(table) == 0 and memory() is None
            with refuses(LiveOverError):
                table.finish(key)

    def test_there_is_room_for_so_many(self, animator, face, refuses):
        table = Broadcasts(animator, at_once=1)
        table.open("a", face)
        table.open("a", face)
        with refuses(LiveBusyError, "1 faces"):
            table.open("b", face)
        with refuses(BadSettingError):
            table.open("a", face, mouth_gain=9)

    def test_pieces_at_once_hold_nobody_up(self, animator, face, refuses, monkeypatch):
        """Whoever sends many gets one drawn; the others take no thread from anybody, and the voice goes on."""
        monkeypatch.setattr(broadcast, "_LAST_PIECE", 0.1)
        table, drawing, drawn = Broadcasts(animator), threading.Event(), threading.Event()
        key = table.open("a", face)

        def draw(rate: float, samples: np.ndarray) -> None:
            drawing.set()
            assert drawn.wait(20)

        table._on_air[key]._live.feed = draw
        first = threading.Thread(target=table.feed, args=(key, RATE, np.zeros(PIECE, np.int16)))
        first.start()
        assert drawing.wait(20)
        began = time.monotonic()
        for _ in range(40):
            with refuses(LiveTurnError, "one piece at a time"):
                table.feed(key, RATE, np.zeros(PIECE, np.int16))
        with refuses(LiveTurnError):
            table.finish(key)
        assert time.monotonic() - began < 5
        drawn.set()
        first.join()
        assert table.feed(key, RATE, np.zeros(PIECE, np.int16)).heard == pytest.approx(0.4)
        table.finish(key)
        assert len(table) == 0

    def test_a_small_photo_stays_as_it_is(self, animator, face):
        table = Broadcasts(animator, side=4096)
        aired = table.feed(table.open("a", face), RATE, np.zeros(RATE // 2, np.int16))
        assert Image.open(io.BytesIO(aired.pictures[0])).size == face.photo.shape[1::-1]

    @pytest.mark.parametrize("text", [None, 7, "AAA", "A", "ä", "AAAA", b"\xff"])
    def test_sound_that_is_none(self, text, refuses):
        with refuses(BadAudioError, "base64"):
            sound_of(text)
