"""Typed text → speech, by eSpeak NG: offline, without a file.

The engine is a C library whose buffers odd texts overrun: long rows of ``a.a.a.`` or of symbols, for instance. So it is
given short pieces of plain words, and each text has a process of its own, with few rights (`atvg.box`), which may end
without harm to this one.
"""

import inspect
import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
from contextlib import suppress
from typing import Any

import numpy as np

from atvg.box import command, rights
from atvg.config import MAX_SECONDS, SAMPLE_RATE
from atvg.errors import BadSettingError, BadTextError, SpeechUnavailableError
from atvg.voice.captions import Cue
from atvg.voice.spectrum import resample

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
_LONGEST_CUE, _MOST_CUE_BYTES = 80, 120  # two lines of captions; letters that take three bytes are twice as wide
_ENDS = (r"[.!?…।؟]\s|[。！？\n]", r"[,;:،؛–—]\s|[，、；：]", r"\s")  # where a text is best cut: sentence, clause, word
# How the Unicode names of what a voice may be given begin. Of another script it would at best spell the letters.
_ANY_VOICE = ("LATIN", "COMBINING", "DIGIT", "SUPERSCRIPT", "VULGAR")
_SCRIPTS = {"ru": "CYRILLIC", "ar": "ARABIC", "hi": "DEVANAGARI", "cmn": "CJK UNIFIED"}
_PUNCTUATION = " \n.,;:!?¡¿…'’\"“”«»„()-–—%&+=/$€£¥°،؟؛।。，、；：！？"

_BOX = os.path.dirname(rights.__file__)
_PATIENCE = 60  # seconds; ten minutes of speech take 1
_HIGHEST_RATE = 48_000  # samples a second; the engine's own is 22050
_ROOM = 1 << 20  # bytes that an answer may have beside its sound
_INSTALL = "pip install --force-reinstall espeakng-loader"


def say(text: str, voice: str = _FIRST, speed: float = 160) -> np.ndarray:
    """Speaks a text; the same text, voice and speed always give the same samples.

    Args:
        text: at most `MAX_CHARACTERS`; words only, mark-up is read out.
        voice: one of `VOICES`.
        speed: words a minute, 80..300.

    Returns:
        float32 (N,), mono, 16 kHz, in [−1, 1].

    Raises:
        BadTextError: empty, too long, without a sound, or too much for the engine.
        BadSettingError: an unknown voice, or a speed out of range.
        SpeechUnavailableError: the engine is not installed or does not work.
    """
    return say_with_cues(text, voice, speed)[0]


def say_with_cues(text: str, voice: str = _FIRST, speed: float = 160) -> tuple[np.ndarray, list[Cue]]:
    """`say`, and captions of what is heard, in step with it; together they hold all words that are spoken."""
    if not isinstance(voice, str) or voice not in VOICES:
        raise BadSettingError(f"voice is {str(voice)[:80]!r}; choose from: {'; '.join(VOICES)}")
    number = isinstance(speed, (int, float, np.number)) and not isinstance(speed, bool)
    if not number or not _SLOWEST <= speed <= _FASTEST:
        raise BadSettingError(f"speed is {speed!r}; give words a minute from {_SLOWEST} to {_FASTEST}")
    pieces = _pieces(_words(text, VOICES[voice].partition("+")[0]))
    samples, rate, times = _synthesise(pieces, VOICES[voice], round(speed))
    if not len(samples) or np.abs(samples).max() < _SILENT:
        raise BadTextError("nothing in the text has a sound in this voice; write words, or choose another voice")
    wave = resample(samples, rate)
    cues = [cue for piece, heard in zip(pieces, times, strict=True) for cue in _cues(piece, *heard)]
    return np.pad(wave * (_PEAK / np.abs(wave).max()), round(_REST * SAMPLE_RATE)), cues


def available() -> bool:
    """Whether the engine is installed."""
    try:
        _installed()
    except SpeechUnavailableError:
        return False
    return True


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
    """What the engine is given at once; pieces with nothing but punctuation are left out."""
    return [piece for piece in _cut(words, _LONGEST_PIECE, _MOST_BYTES) if any(map(_in_words, piece))]


def _cut(words: str, longest: int, most_bytes: int) -> list[str]:
    """Cuts text where it hurts least, into parts of so many characters and bytes at most; joined, they are the text."""
    parts = []
    while words:
        part = words[:longest].encode()[:most_bytes].decode(errors="ignore")
        if len(part) < len(words):
            ends = ([found.end() for found in re.finditer(end, part)] for end in _ENDS)
            part = part[: next((found[-1] for found in ends if found), len(part))]
        words = words[len(part) :]
        parts.append(part)
    return parts


def _cues(piece: str, begin: float, end: float, starts: list[tuple[int, float]]) -> list[Cue]:
    """Captions of a piece that is heard from `begin` to `end`, seconds.

    Args:
        starts: of each word, with which character of the piece it begins, and when it is heard.
    """
    first, found = 0, []
    for part in _cut(piece, _LONGEST_CUE, _MOST_CUE_BYTES):
        if any(map(_in_words, part)):
            heard = next((when for where, when in starts if where >= first), end) if first else begin
            found.append((heard, " ".join(part.split())))
        first += len(part)
    ends = [*(heard for heard, _ in found[1:]), end]
    return [Cue(heard + _REST, until + _REST, text) for (heard, text), until in zip(found, ends, strict=True)]


def _installed() -> tuple[str, str]:
    """The paths of the engine's library and of its data."""
    try:
        import espeakng_loader

        library, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    except (ImportError, RuntimeError):  # RuntimeError: without its data
        library = data = ""
    if not os.path.isfile(library):
        raise SpeechUnavailableError(f"text cannot be spoken here; run: {_INSTALL}")
    return library, data


def _synthesise(pieces: list[str], voice: str, speed: int) -> tuple[np.ndarray, int, list[Any]]:
    """Samples float32 (N,) in 16-bit units, their rate, and of each piece when it is heard, as `_cues` takes it."""
    job = json.dumps([_BOX if command.HERE else "", *_installed(), voice, speed, pieces, MAX_SECONDS]).encode()
    try:
        code, answer = _asked(job)
    except OSError as error:
        raise SpeechUnavailableError(f"the speech engine cannot be started ({error}); start the app again") from None
    if code == 1:
        why = answer.decode(errors="replace").strip().rpartition("\n")[2]
        raise SpeechUnavailableError(f"the speech engine fails: {why[:200]}; run: {_INSTALL}")
    if code != 0:
        raise BadTextError("the speech engine breaks down over this text; change it")
    said, _, samples = answer.partition(b"\n")
    rate, times = json.loads(said)
    if len(samples) > 2 * rate * MAX_SECONDS:
        raise BadTextError(f"the text takes longer than {MAX_SECONDS:g} s to speak; shorten it or speak faster")
    return np.frombuffer(samples, np.int16).astype(np.float32), rate, times


def _asked(job: bytes) -> tuple[int | None, bytes]:
    """The exit status of the engine's process, and its answer.

    It is killed, and has no status, if it takes too long, or if its answer is longer than any speech may be.
    """
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        engine.kill()

    most = round(2 * _HIGHEST_RATE * MAX_SECONDS) + _ROOM
    with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as engine:
        assert engine.stdin and engine.stdout  # pipes, as asked for
        timer = threading.Timer(_PATIENCE, kill)
        timer.daemon = True
        timer.start()
        try:
            with suppress(OSError), engine.stdin:  # it died before it read all
                engine.stdin.write(job)
            answer = engine.stdout.read(most + 1)
            if len(answer) > most:
                kill()
            code = engine.wait()
            return None if killed.is_set() else code, answer
        finally:
            timer.cancel()
            engine.kill()


def _speak() -> None:
    """The engine's whole process: a job from stdin, rate, times and samples to stdout, or why not.

    It is run as text, so it can use nothing else of this module.
    """
    import ctypes
    import importlib
    import json
    import os
    import sys

    # What Python says of an error is the answer then. What the engine says meanwhile is nobody's business.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stderr = sys.stdout

    # From espeak-ng's speak_lib.h.
    synchronous, return_errors, words_a_minute, utf8, end_pause = 2, 0x8000, 1, 1, 0x1000
    end_of_list, word = 0, 1

    class Event(ctypes.Structure):
        whole = ("kind", "message", "character", "length", "milliseconds", "sample")
        _fields_ = [*((name, ctypes.c_int) for name in whole), ("user", ctypes.c_void_p), ("id", ctypes.c_char * 8)]

    kinds = ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
    callback = ctypes.CFUNCTYPE(ctypes.c_int, *kinds)

    box, library, data, voice, speed, pieces, seconds = json.load(sys.stdin)
    engine = ctypes.CDLL(library)
    if box:  # from here on it reads nothing but its own data: what is typed is foreign
        sys.path.append(box)
        importlib.import_module("rights").give_up(1 << 30, 60, 0, 64, [data] if os.path.isdir(data) else [])
    rate = engine.espeak_Initialize(synchronous, 0, os.fsencode(data), return_errors)
    if rate <= 0:
        sys.exit("it cannot read its data, perhaps because their path is too long")
    if engine.espeak_SetVoiceByName(voice.encode()) or engine.espeak_SetParameter(words_a_minute, speed, 0):
        sys.exit(f"it lacks the voice {voice}")
    engine.espeak_ng_SetRandSeed(ctypes.c_long(1))  # it is the time of day otherwise
    made = bytearray()
    times: list = []

    @callback
    def collect(samples, count, events):
        i = 0
        while events and events[i].kind != end_of_list:
            if events[i].kind == word:  # it counts characters from 1, and time from the piece's begin
                times[-1][2].append((events[i].character - 1, times[-1][0] + events[i].milliseconds / 1000))
            i += 1
        if samples:
            made.extend(ctypes.string_at(samples, 2 * count))
        return len(made) > 2 * rate * seconds  # whether to stop

    engine.espeak_SetSynthCallback(collect)
    engine.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *[ctypes.c_uint] * 4, *[ctypes.c_void_p] * 2]
    for piece in pieces:
        text = piece.encode() + b"\0"
        times.append([len(made) / 2 / rate, 0, []])
        if engine.espeak_Synth(text, len(text), 0, 0, 0, utf8 | end_pause, None, None):
            sys.exit("it broke off")
        times[-1][1] = len(made) / 2 / rate
    sys.stdout.buffer.write(json.dumps([rate, times]).encode() + b"\n" + made)


# As text, and without site-packages, it starts in 0.03 s; importing this module would take ten times as long.
_COMMAND = [sys.executable, "-I", "-S", "-c", inspect.getsource(_speak) + "_speak()"]
