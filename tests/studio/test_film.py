"""A film takes the photo's place on the page, and says what will be made of it."""

from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from atvg.studio.film import Film
from atvg.studio.guests import Guests
from atvg.studio.settings import PAGE
from tests.studio.films import film, pictures

NAMES = ("field", "picture", "about", "hold", "consent", "generate", "dub", "note", "other_note")


@pytest.fixture
def field(animator, cache, monkeypatch) -> Film:
    """As it is wired on a page with two notes."""
    monkeypatch.setattr("atvg.studio.files._allowed", lambda upload, _: upload["path"])
    made = Film(SimpleNamespace(animator=animator, guests=Guests()))
    with gr.Blocks():
        made.show()
        photo, consent, notes = gr.Image(), gr.Checkbox(), [gr.Markdown(), gr.Markdown()]
        made.wire(photo, consent, gr.Button(), gr.Button(), notes)
    return made


def brought(field: Film, path) -> tuple:
    photo, *changed = field.bring({"path": str(path)})
    return photo, dict(zip(NAMES, changed, strict=True))


def skipped(said) -> bool:
    return isinstance(said, dict) and set(said) == {"__type__"}


def test_its_first_picture_with_a_face_is_the_photo(field, astronaut, tmp_path):
    photo, changed = brought(field, film(tmp_path / "a.mp4", pictures(astronaut, 20, away=range(5))))
    assert changed["picture"] == photo
    seen, meant = np.asarray(Image.open(photo), int), pictures(astronaut, 20)[5].astype(int)
    assert np.abs(seen - meant).mean() < 3
    about = changed["about"]["value"]
    assert "1 s, 25 frames a second, 256 × 256" in about and "only the mouth" in about and "at 0.2 s" in about
    assert "natural motion and the seed are left to the film" in about and "own sound gives way" in about


def test_more_is_asked_for_and_nothing_is_agreed_to_yet(field, astronaut, tmp_path):
    _, changed = brought(field, film(tmp_path / "a.mp4", pictures(astronaut, 5)))
    assert changed["consent"]["value"] is False and "has agreed to be shown saying" in changed["consent"]["label"]
    assert changed["dub"]["visible"] and changed["hold"]["visible"] and not changed["generate"]["visible"]
    assert changed["note"]["visible"] and changed["other_note"]["visible"] and skipped(changed["field"])


def test_another_photo_and_the_film_is_forgotten(field):
    stays = dict(zip(NAMES, field.forget({"path": "/a/picture.png"}, "/a/picture.png"), strict=True))
    assert all(map(skipped, stays.values()))
    for photo in ({"path": "/a/photo.png"}, None):
        changed = dict(zip(NAMES, field.forget(photo, "/a/picture.png"), strict=True))
        assert changed["field"] is None and changed["picture"] == "" and not changed["about"]["visible"]
        assert changed["consent"]["label"] == PAGE["consent"]["label"] and changed["consent"]["value"] is False
        assert changed["generate"]["visible"] and not changed["dub"]["visible"] and not changed["note"]["visible"]


def test_without_a_film_photos_come_and_go_as_ever(field):
    changed = dict(zip(NAMES, field.forget({"path": "/a/photo.png"}, ""), strict=True))
    assert all(skipped(said) for name, said in changed.items() if name != "about")


@pytest.mark.parametrize("wrong", ["text", "nobody"])
def test_what_is_none_is_said_and_the_photo_stays(field, astronaut, tmp_path, wrong):
    path = tmp_path / "a.mp4"
    if wrong == "text":
        path.write_text("a text")
    else:
        film(path, pictures(astronaut, 3, away=range(3)))
    photo, changed = brought(field, path)
    assert skipped(photo) and changed["about"]["value"].startswith("✗ ") and "\n" not in changed["about"]["value"]
    assert changed["picture"] == "" and changed["field"] is None and changed["generate"]["visible"]
