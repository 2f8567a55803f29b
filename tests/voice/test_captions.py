"""Captions are in step with the speech, and no player misreads them."""

import numpy as np
import pytest

from atvg.config import SAMPLE_RATE
from atvg.voice.captions import Cue, to_srt, to_vtt, within
from atvg.voice.speak import VOICES, say_with_cues
from tests.marks import quick

TEXTS = {
    "en": "Hello there, my friend! I am only a photograph. " * 5, "en-us": "One, two, three. And so on? Yes! " * 8,
    "es": "Buenos días, ¿empezamos ya? " * 9, "fr": "Bonjour, on commence ? " * 9,
    "de": "Guten Morgen, fangen wir an? " * 9, "it": "Buongiorno, cominciamo? " * 9,
    "pt-br": "Bom dia, vamos começar? " * 9, "pl": "Dzień dobry, zaczynamy? " * 9,
    "ru": "Доброе утро. Начнём? " * 9, "ar": "صباح الخير، هل نبدأ؟ " * 9,
    "hi": "सुप्रभात। क्या हम शुरू करें? " * 9, "cmn": "早上好。我们开始吧？" * 9,
}  # fmt: skip


@pytest.mark.parametrize("voice", quick(VOICES, *list(VOICES)[:1]))
def test_cues_hold_every_word_and_begin_when_it_is_heard(voice):
    text = TEXTS[VOICES[voice].split("+")[0]]
    wave, cues = say_with_cues(text, voice)
    assert "".join("".join(cue.text for cue in cues).split()) == "".join(text.split())
    assert len(cues) >= 3 and all(len(cue.text) <= 80 for cue in cues)
    assert 0 < cues[0].start and cues[-1].end <= len(wave) / SAMPLE_RATE
    loud = np.abs(wave).max()
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        assert cue.start < cue.end and (following is None or cue.end == following.start)
        heard = wave[round(cue.start * SAMPLE_RATE) : round((cue.start + 0.2) * SAMPLE_RATE)]
        assert np.abs(heard).max() > 0.1 * loud, f"silence where {cue.text!r} begins"


def test_a_word_is_said_while_its_caption_is_shown():
    """The pause between two sentences lies at the end of the first one's cue."""
    wave, (first, second) = say_with_cues(
        "Good morning to all of you here. Shall we begin with the first chapter, or with the last?"
    )
    assert first.text.endswith("here.") and second.text.startswith("Shall")
    before = wave[round((second.start - 0.15) * SAMPLE_RATE) : round((second.start - 0.05) * SAMPLE_RATE)]
    after = wave[round(second.start * SAMPLE_RATE) : round((second.start + 0.2) * SAMPLE_RATE)]
    assert np.abs(before).max() < 0.05 < 0.2 < np.abs(after).max()


def test_they_are_written_as_players_read_them():
    cues = [Cue(0.2, 1.25, "R & D --> <b>"), Cue(3_599.9996, 3_661.5, "end")]
    assert to_srt(cues) == (
        "1\n00:00:00,200 --> 00:00:01,250\nR & D --> <b>\n\n2\n01:00:00,000 --> 01:01:01,500\nend\n"
    )
    assert to_vtt(cues) == (
        "WEBVTT\n\n00:00:00.200 --> 00:00:01.250\nR &amp; D --&gt; &lt;b&gt;\n\n01:00:00.000 --> 01:01:01.500\nend\n"
    )


def test_of_a_stretch_only_its_own_are_left():
    cues = [Cue(0, 1, "a"), Cue(1, 2, "b"), Cue(2, 3, "c")]
    assert within(cues, 1.5, 2.5) == [Cue(0, 0.5, "b"), Cue(0.5, 1, "c")]
    assert within(cues, 1, 2) == [Cue(0, 1, "b")]
