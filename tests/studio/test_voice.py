"""A voice is listened to before any work, and a text is spoken."""

from pathlib import Path

import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from atvg.studio.voice import _cues_file, cues_of
from atvg.voice.audio import Cut, load_audio
from tests.server import write_wav
from tests.studio.files import path_of


def test_it_is_listened_to_before_any_work(client, voice, tmp_path):
    assert client.predict(voice, api_name="/check_voice").startswith("✓ 0.8 s")
    silence = handle_file(write_wav(tmp_path / "silence.wav", np.zeros(16_000)))
    assert "silence" in client.predict(silence, api_name="/check_voice")
    text = tmp_path / "notes.txt"
    text.write_text("no sound")
    assert "notes.txt holds no audio" in client.predict(handle_file(text), api_name="/check_voice")


def test_typed_text_is_spoken(client):
    spoken = load_audio(path_of(client.predict("Hello, I am only a photograph.", api_name="/say")))
    assert 1 < len(spoken) / 16_000 < 5 and np.abs(spoken).max() > 0.3


@pytest.mark.parametrize("arguments", [("",), ("   ",), ("a" * 1001,), ("hello", "Klingon"), ("hello", None, 9000)])
def test_what_cannot_be_spoken_is_explained(client, arguments):
    with pytest.raises(AppError) as caught:
        client.predict(*arguments, api_name="/say")
    assert "\n" not in str(caught.value)


def test_a_part_is_listened_to_and_one_that_is_none_explained(client, voice):
    assert client.predict(voice, 0.2, 0.6, api_name="/check_voice").startswith("✓ 0.4 s")
    assert "end is 1 s" in client.predict(voice, 2, 1, api_name="/check_voice")


def test_of_a_long_recording_the_beginning_is_chosen(tmp_path):
    """As on the page, where the fields are filled in."""
    from types import SimpleNamespace

    from atvg.studio.voice import Voice

    checked = Voice(SimpleNamespace(guests=SimpleNamespace(new_run=lambda *_: None)))
    path = tmp_path / "lecture.wav"
    write_wav(path, np.zeros(130 * 16_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atvg.studio.files._allowed", lambda upload, _: upload["path"])
        said, start, end = checked._choose_part({"path": str(path)}, 0, 0)
    assert (start, end) == (0, 120) and "130 s" in said and "120.0 s" in said


def test_a_voice_that_nobody_typed_is_not_read_again_for_captions(tmp_path, monkeypatch):
    """Nor any as a whole: it may be 200 MB. Of a typed one only the size and the sound count, not the name."""
    run, brought = tmp_path / "atvg-0" / "run", tmp_path / "upload.wav"
    run.mkdir(parents=True)
    brought.write_bytes(b"speech" * 500_000)
    (run / _cues_file(brought)).write_text('[[0.5, 1.5, "Hello."]]')
    monkeypatch.delattr(Path, "read_bytes")
    assert [cue.text for cue in cues_of(Cut(str(brought), 0, None), 2, run.parent)] == ["Hello."]
    brought.write_bytes(b"SPEECH" * 500_000)
    assert cues_of(Cut(str(brought), 0, None), 2, run.parent) == []
    brought.write_bytes(b"longer" * 600_000)
    monkeypatch.setattr("atvg.studio.voice._cues_file", None)
    assert cues_of(Cut(str(brought), 0, None), 2, run.parent) == []
