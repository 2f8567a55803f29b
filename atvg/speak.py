"""Typed text → speech, by eSpeak NG: offline, inside this process, without a file.

The engine is a C library with one global state, so texts are spoken one at a time. Odd ones overrun its buffers, which
would end this process: long rows of ``a.a.a.`` or of symbols, for instance. So it is given short pieces of plain words.
"""

import _ctypes
import ctypes
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from atvg.config import MAX_SECONDS, SAMPLE_RATE
from atvg.errors import BadSettingError, BadTextError, SpeechUnavailableError

MAX_CHARACTERS = 1000

_WOMAN, _MAN = "+f2", ""
VOICES = {  # what people choose → the engine's language and timbre
    "English (UK), woman": "en" + _WOMAN,
    "English (UK), man": "en" + _MAN,
    "English (US), woman": "en-us" + _WOMAN,
    "English (US), man": "en-us" + _MAN,
    "Español, mujer": "es" + _WOMAN,
    "Français, femme": "fr" + _WOMAN,
    "Deutsch, Mann": "de" + _MAN,
    "Italiano, donna": "it" + _WOMAN,
    "Português (Brasil), homem": "pt-br" + _MAN,
    "Polski, kobieta": "pl" + _WOMAN,
    "Русский, мужчина": "ru" + _MAN,
    "العربية، رجل": "ar" + _MAN,
    "हिन्दी, महिला": "hi" + _WOMAN,
    "中文，女声": "cmn" + _WOMAN,
}
_FIRST = next(iter(VOICES))

_SLOWEST, _FASTEST = 80, 300  # words a minute
_PEAK = 0.7
_SILENT = 300  # of 32767; a single vowel is 40 times as loud
_REST = 0.2  # seconds of silence before and after, so that the mouth opens from rest and comes back to it
_LONGEST_WORD = 40  # characters; 160 were enough to crash the engine
_LONGEST_PIECE, _MOST_BYTES = 120, 240  # characters, and bytes; less than twice as much crashed it
_ENDS = (r"[.!?…।؟]\s|[。！？\n]", r"[,;:،؛–—]\s|[，、；：]", r"\s")  # where a text is best cut: sentence, clause, word
# How the Unicode names of what a voice may be given begin. Of another script it would at best spell the letters.
_ANY_VOICE = ("LATIN", "COMBINING", "DIGIT", "SUPERSCRIPT", "VULGAR")
_SCRIPTS = {"ru": "CYRILLIC", "ar": "ARABIC", "hi": "DEVANAGARI", "cmn": "CJK UNIFIED"}
_PUNCTUATION = " \n.,;:!?¡¿…'’\"“”«»„()-–—%&+=/$€£¥°،؟؛।。，、；：！？"

# From espeak-ng's speak_lib.h and espeak_ng.h.
_SYNCHRONOUS, _RATE, _UTF8, _END_PAUSE = 1, 1, 1, 0x1000
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_unload = getattr(_ctypes, "dlclose", None) or _ctypes.FreeLibrary  # ctypes loads libraries, but never unloads one
_LOCK = threading.Lock()


def say(text: str, voice: str = _FIRST, speed: int = 160) -> np.ndarray:
    """Speaks a text; the same text, voice and speed always give the same samples.

    Args:
        text: at most `MAX_CHARACTERS`; words only, mark-up is read out.
        voice: one of `VOICES`.
        speed: words a minute, 80..300.

    Returns:
        float32 (N,), mono, 16 kHz, in [−1, 1].

    Raises:
        BadTextError: empty, too long, or nothing in it has a sound.
        BadSettingError: an unknown voice, or a speed out of range.
        SpeechUnavailableError: the engine cannot be loaded.
    """
    if not isinstance(voice, str) or voice not in VOICES:
        raise BadSettingError(f"voice is {str(voice)[:80]!r}; choose from: {'; '.join(VOICES)}")
    number = isinstance(speed, (int, float, np.number)) and not isinstance(speed, bool)
    if not number or not _SLOWEST <= speed <= _FASTEST:
        raise BadSettingError(f"speed is {speed!r}; give words a minute from {_SLOWEST} to {_FASTEST}")
    pieces = _pieces(_words(text, VOICES[voice].partition("+")[0]))
    with _engine() as engine:
        samples, rate = _synthesise(engine, pieces, VOICES[voice], round(speed))
    if not len(samples) or np.abs(samples).max() < _SILENT:
        raise BadTextError("nothing in the text has a sound in this voice; write words, or choose another voice")
    import librosa

    wave = librosa.resample(samples, orig_sr=rate, target_sr=SAMPLE_RATE)
    return np.pad(wave * (_PEAK / np.abs(wave).max()), round(_REST * SAMPLE_RATE))


def available() -> bool:
    """Whether the engine is installed and can be loaded."""
    try:
        with _engine():
            return True
    except SpeechUnavailableError:
        return False


def _words(text: str, voice: str) -> str:
    """Text as the engine can take it: words that this voice can say, none of them endless, and their punctuation."""
    if not isinstance(text, str):
        raise BadTextError(f"the text is {type(text).__name__}, not text; type what is to be said")
    if len(text) > MAX_CHARACTERS:
        raise BadTextError(f"the text has {len(text)} characters; give at most {MAX_CHARACTERS}")
    scripts = (*_ANY_VOICE, _SCRIPTS.get(voice, "LATIN"))
    words = "".join(
        c if c in _PUNCTUATION or _in_words(c) and unicodedata.name(c, "").startswith(scripts) else " "
        for c in unicodedata.normalize("NFC", text)
    )
    if not any(map(_in_words, words)):
        raise BadTextError("the text holds no letter or number that this voice knows; type words, or choose another")
    return re.sub(rf"\S{{{_LONGEST_WORD}}}", r"\g<0> ", words)


def _in_words(character: str) -> bool:
    """A letter, a mark on one, or a number."""
    return unicodedata.category(character)[0] in "LMN"


def _pieces(words: str) -> list[str]:
    """Cuts text where it hurts least; pieces with nothing but punctuation are left out."""
    pieces = []
    while words:
        piece = words[:_LONGEST_PIECE].encode()[:_MOST_BYTES].decode(errors="ignore")
        if len(piece) < len(words):
            ends = ([found.end() for found in re.finditer(end, piece)] for end in _ENDS)
            piece = piece[: next(found[-1] for found in ends if found)]
        words = words[len(piece) :]
        pieces.append(piece)
    return [piece for piece in pieces if any(map(_in_words, piece))]


@contextmanager
def _engine() -> Iterator[ctypes.CDLL]:
    """The engine, alone and newly loaded (5 ms): it would go on with the flutter and the trills of the text before."""
    with _LOCK:
        data, engine = _load()
        try:
            # Not espeak_Initialize, which prints its errors.
            engine.espeak_ng_InitializePath(data)
            if engine.espeak_ng_Initialize(None) or engine.espeak_ng_InitializeOutput(_SYNCHRONOUS, 0, None):
                raise SpeechUnavailableError("espeakng-loader cannot be read; install it again, in a shorter path")
            engine.espeak_ng_SetRandSeed(ctypes.c_long(1))
            yield engine
        finally:
            engine.espeak_Terminate()
            _unload(engine._handle)


def _load() -> tuple[bytes, ctypes.CDLL]:
    """The path of the engine's data, and its library."""
    try:
        import espeakng_loader

        return os.fsencode(espeakng_loader.get_data_path()), ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError, RuntimeError):  # not installed, not for this machine, or without its data
        raise SpeechUnavailableError("text cannot be spoken here; run: pip install espeakng-loader") from None


def _synthesise(engine: ctypes.CDLL, pieces: list[str], voice: str, speed: int) -> tuple[np.ndarray, int]:
    """Samples float32 (N,) in 16-bit units, and their rate."""
    rate = engine.espeak_ng_GetSampleRate()
    engine.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.c_uint] * 4, *[ctypes.c_void_p] * 2]
    made = bytearray()

    @_CALLBACK
    def collect(samples, count, _events):
        if samples and count:
            made.extend(ctypes.string_at(samples, 2 * count))
        return 0  # go on

    engine.espeak_SetSynthCallback(collect)
    if engine.espeak_ng_SetVoiceByName(voice.encode()) or engine.espeak_SetParameter(_RATE, speed, 0):
        raise SpeechUnavailableError(f"the engine lacks the voice {voice}; run: pip install --upgrade espeakng-loader")
    for piece in pieces:
        data = piece.encode() + b"\0"
        if engine.espeak_Synth(data, len(data), 0, 0, 0, _UTF8 | _END_PAUSE, None, None):
            raise SpeechUnavailableError("the speech engine failed; run: pip install --upgrade espeakng-loader")
        if len(made) > 2 * rate * MAX_SECONDS:
            raise BadTextError(f"the text takes longer than {MAX_SECONDS:g} s to speak; shorten it or speak faster")
    return np.frombuffer(made, np.int16).astype(np.float32), rate
