"""Who is let in: on the page nobody without consent."""

import contextlib

import gradio as gr
import pytest

from atvg.studio.examples import PORTRAITS, VOICES_AT_HAND
from atvg.studio.studio import Studio


def test_another_persons_photo_needs_consent_too(tmp_path):
    free = [{"path": str(path)} for path in (PORTRAITS[0], VOICES_AT_HAND[0])]
    with pytest.raises(gr.Error, match="tick the box"):
        Studio(None).admit(False, *free, {"path": str(tmp_path / "stranger.png")})


@pytest.mark.parametrize(
    ("consent", "own", "allowed"), [(False, True, False), (True, True, True), (False, False, True)]
)
def test_on_the_page_a_person_must_say_that_they_may(consent, own, allowed, tmp_path):
    photo = {"path": str(tmp_path / "own.png" if own else PORTRAITS[0])}
    studio = Studio(None)
    with contextlib.nullcontext() if allowed else pytest.raises(gr.Error, match="tick the box"):
        studio.admit(consent, photo, {"path": str(VOICES_AT_HAND[0])})
