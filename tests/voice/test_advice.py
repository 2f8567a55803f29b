"""What lies under a voice is said before any work; of a clean voice nothing is."""

import numpy as np
import pytest

from atvg.config import SAMPLE_RATE
from atvg.lab.sound import music
from atvg.voice.advice import KINDS, advise
from atvg.voice.audio import load_audio, speech_level
from atvg.voice.speak import VOICES, say
from tests.marks import quick


@pytest.fixture(scope="module")
def voice(voice_path) -> np.ndarray:
    return load_audio(voice_path)


def under(voice: np.ndarray, kind: str, decibels: float) -> np.ndarray:
    seconds = np.arange(len(voice)) / SAMPLE_RATE
    level = speech_level(voice) * 10 ** (decibels / 20)
    if kind == "music":
        return voice + music(len(voice), level)
    if kind == "noise":
        return voice + level * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    return (voice + level * sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in (1, 2, 3, 4))).astype(np.float32)


@pytest.mark.parametrize(
    "name", quick(["cate_blanch_2.mp3", "audio_sample.wav", "heath_ledger.mp3"], "heath_ledger.mp3")
)
def test_a_clean_voice_needs_no_advice(name, voices):
    assert advise(load_audio(voices / name)) == []


@pytest.mark.parametrize("speaker", quick(list(VOICES)[:6], next(iter(VOICES))))
def test_nor_does_a_synthetic_one(speaker):
    assert advise(say("Hello there. I am only a photograph, and yet I speak!", speaker)) == []


@pytest.mark.parametrize("gain", [1, 0.003])
@pytest.mark.parametrize(("kind", "decibels"), [("hum", -20), ("music", -10), ("noise", -15)])
def test_what_lies_under_it_is_named(voice, kind, decibels, gain):
    found = advise((under(voice, kind, decibels) * gain).astype(np.float32))
    assert kind in [advice.kind for advice in found]
    assert all("; " in advice.message and "\n" not in advice.message for advice in found)


def test_where_nobody_speaks_there_is_nothing_to_say():
    assert advise(np.zeros(2 * SAMPLE_RATE, np.float32)) == [] == advise(np.zeros(99, np.float32))
    assert set(KINDS) == {"hum", "music", "noise"}
