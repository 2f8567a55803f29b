"""A text that is to be spoken. The engine speaks in a process apart, which no coverage is measured in."""

import numpy as np

from atvg.voice.speak import VOICES, say_with_cues

SECONDS, EXAMPLES = 30, 10


def seeds() -> list[bytes]:
    """Sentences in several scripts, marks, numbers and the engine's own mark-up, behind the number of a voice."""
    texts = (
        "Hello there. This is a test!", "Größe, 3,14 und »mehr«…", "Привет, мир", "你好 世界", "مرحبا", "हाय",
        "[[h@l'oU]] <speak>x</speak>", "1e99 1,000,000 €5", "a\u0301\u200d\ufeff\0b", "👋🏽 ok", "a" * 300, "½ ² Ⅳ ͏",
    )  # fmt: skip
    return [bytes([number]) + text.encode() for number, text in enumerate(texts)]


def one(data: bytes) -> None:
    """Has it spoken."""
    voice = list(VOICES)[data[0] % len(VOICES)] if data else next(iter(VOICES))
    wave, cues = say_with_cues(data[1:].decode("utf-8", errors="replace"), voice, 300)
    assert wave.dtype == np.float32 and wave.ndim == 1 and np.abs(wave).max() <= 1
    assert all(0 <= cue.start <= cue.end <= len(wave) / 16_000 + 1e-3 and cue.text for cue in cues), cues
    assert all(one.end <= other.start + 1e-6 for one, other in zip(cues, cues[1:], strict=False)), cues
