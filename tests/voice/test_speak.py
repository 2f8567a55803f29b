"""Typed text becomes 16 kHz speech, offline and always the same."""

import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from atvg.config import MIN_SECONDS, SAMPLE_RATE
from atvg.errors import BadSettingError, BadTextError, SpeechUnavailableError
from atvg.voice import audio, speak
from atvg.voice.speak import MAX_CHARACTERS, VOICES, say
from tests.marks import quick

HELLO = "Good morning. Shall we begin?"
GREETINGS = {
    "en": HELLO, "en-us": HELLO, "es": "Buenos días. ¿Empezamos?", "fr": "Bonjour. On commence ?",
    "de": "Guten Morgen. Fangen wir an?", "it": "Buongiorno. Cominciamo?", "pt-br": "Bom dia. Vamos começar?",
    "pl": "Dzień dobry. Zaczynamy?", "ru": "Доброе утро. Начнём?", "ar": "صباح الخير. هل نبدأ؟",
    "hi": "सुप्रभात। क्या हम शुरू करें?", "cmn": "早上好。我们开始吧？",
}  # fmt: skip


def greeting(voice: str) -> str:
    return GREETINGS[VOICES[voice].split("+")[0]]


def voice_pitch(wave: np.ndarray) -> float:
    """Hz: the median over the loud half of its 64 ms pieces of where their autocorrelation peaks, 60..400 Hz."""
    pieces = wave[: len(wave) // 1024 * 1024].reshape(-1, 1024)
    loudness = (pieces**2).sum(axis=1)
    spectra = np.abs(np.fft.rfft(pieces[loudness > np.median(loudness)], 2048)) ** 2
    lags = slice(SAMPLE_RATE // 400, SAMPLE_RATE // 60)
    return float(np.median(SAMPLE_RATE / (lags.start + np.fft.irfft(spectra)[:, lags].argmax(axis=1))))


class TestSpeech:
    @pytest.mark.parametrize("voice", quick(VOICES, *list(VOICES)[:3]))
    def test_every_voice_speaks_at_a_normal_level(self, voice):
        wave = say(greeting(voice), voice)
        assert wave.dtype == np.float32 and wave.ndim == 1
        assert 1 < len(wave) / SAMPLE_RATE < 5
        assert np.abs(wave).max() == pytest.approx(0.7, abs=1e-3)
        assert 0.05 < audio.speech_level(wave) < 0.3
        assert audio.silence(wave, audio.n_video_frames(wave)).mean() < 0.5

    def test_it_begins_and_ends_in_silence(self):
        silent = audio.silence(wave := say(HELLO), audio.n_video_frames(wave))
        assert silent[:4].all() and silent[-4:].all() and not silent[5:8].any()

    def test_a_woman_speaks_higher_than_a_man(self):
        woman, man = (voice_pitch(say(HELLO, f"English (UK), {who}")) for who in ("woman", "man"))
        assert woman > 150 > 120 > man

    def test_speed_is_in_words_a_minute(self):
        slow, normal, fast = (len(say(HELLO * 3, speed=speed)) for speed in (80, 160, 300))
        assert slow > 1.6 * normal and normal > 1.5 * fast
        assert len(say(HELLO * 3, speed=160.0)) == normal  # a slider's number

    @pytest.mark.parametrize("text", ["I", "a", "7"])
    def test_the_shortest_text_is_long_enough_to_be_animated(self, text):
        assert len(audio.load_audio(say(text, speed=300))) > 2 * MIN_SECONDS * SAMPLE_RATE

    def test_longer_text_takes_longer(self):
        assert len(say(HELLO * 10)) > 6 * len(say(HELLO))

    def test_the_engine_is_at_hand(self):
        assert speak.available()


class TestTheSameTextSoundsTheSame:
    def test_at_another_second_and_from_another_folder(self, monkeypatch, tmp_path):
        first = say(HELLO)
        second = int(time.time())
        while int(time.time()) == second:
            time.sleep(0.1)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("PYTHONPATH", raising=False)
        np.testing.assert_array_equal(say(HELLO), first)

    @pytest.mark.long
    def test_in_four_threads_at_once(self):
        jobs = [(greeting(voice), voice, 200) for voice in VOICES]
        alone = [say(*job) for job in jobs]
        start = threading.Barrier(4)

        def work(_):
            start.wait()
            return [say(*job) for job in jobs]

        with ThreadPoolExecutor(4) as pool:
            for waves in pool.map(work, range(4)):
                for wave, expected in zip(waves, alone, strict=True):
                    np.testing.assert_array_equal(wave, expected)


class TestAnyText:
    @pytest.mark.parametrize(
        "text",
        [
            "a.a." * 250, "s'" * 500, "un" * 500, "1." * 500, "n't" * 300, "supercalifragilistic" * 50, "9" * 1000,
            "ß" * 1000, "क्" * 500, "ﷺ" * 100, "的" * 40, "a\u0301" * 500, "- " * 499 + "a", "x\n" * 200,
            "«" * 999 + "a", "WXY" * 333, "WXYZ " * 200, "A.B-" * 250,
        ],
        ids=lambda text: ascii(text[:4]),
    )  # fmt: skip
    @pytest.mark.parametrize(
        "voice", quick(["Español, mujer", "Deutsch, Mann", "हिन्दी, महिला", "中文，女声"], "Deutsch, Mann")
    )
    def test_nothing_overruns_the_engine(self, text, voice, capfd):
        try:
            assert np.isfinite(say(text, voice, 300)).all()
        except BadTextError as error:
            assert "choose another" in str(error)  # script than the voice's
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("odd", "plain"),
        [
            ("Good\x00morning", "Good morning"),
            ("Good\tmorning\r", "Good morning"),
            ("Good 🙂 morning ⮞", "Good   morning"),
            ("Good \ud800 morning", "Good   morning"),
            ("Good \u202emorning\u200b", "Good morning"),
            ("\x01300S Good morning", "300S Good morning"),
            ("Cafe\u0301", "Café"),
            ("[[h@l'oU]]", "h@l'oU".replace("@", " ")),
            ("<break time='9s'/> Good morning", "break time='9s'/  Good morning"),
        ],
    )
    def test_it_is_data_and_no_command(self, odd, plain):
        np.testing.assert_array_equal(say(odd), say(plain))

    def test_a_voice_says_words_in_its_own_script_and_in_latin(self, refuses):
        arabic, english = "العربية، رجل", "English (US), man"
        assert len(say("صباح Good الخير", arabic)) > len(say("صباح الخير", arabic))
        np.testing.assert_array_equal(say("Good صباح morning", english), say("Good      morning", english))
        with refuses(BadTextError, "choose another"):
            say("صباح الخير", english)

    def test_a_long_text_is_cut_where_it_pauses_and_nothing_is_lost(self):
        text = "One short sentence, said at once. " + "and on it goes, " * 20 + "word " * 80
        pieces = speak._pieces(text)
        assert "".join(pieces) == text
        assert max(map(len, pieces)) <= 120 and len(pieces) < 12
        assert pieces[0].endswith("at once. ") and all(piece.endswith("goes, ") for piece in pieces[1:3])

    def test_a_path_is_only_a_text(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("word " * 100)
        assert len(say(str(path))) < len(say("word " * 100))


class TestRefusals:
    @pytest.mark.parametrize(
        "text", ["", " ", "\n\t ", "...", "?!", "\x00", "🙂", "— “”", "\ud800", "⮞⮞", "あ", "\u200b"]
    )
    def test_text_without_a_word(self, text, refuses):
        with refuses(BadTextError, "no letter or number"):
            say(text)

    def test_sounds_that_nobody_hears(self, refuses, monkeypatch):
        monkeypatch.setattr(speak, "_synthesise", lambda *_: (np.full(9999, 50, np.float32), 22050, []))
        with refuses(BadTextError, "no"):
            say(HELLO)

    def test_too_long(self, refuses):
        with refuses(BadTextError, f"at most {MAX_CHARACTERS}"):
            say("a" * (MAX_CHARACTERS + 1))

    @pytest.mark.parametrize("text", [None, 5, b"hello", ["hello"]])
    def test_no_text(self, text, refuses):
        with refuses(BadTextError, type(text).__name__):
            say(text)

    @pytest.mark.parametrize("voice", ["", "en", "../../etc/passwd", None, ["x"], "x\ny" * 99])
    def test_unknown_voices(self, voice, refuses):
        with refuses(BadSettingError, "voice"):
            say(HELLO, voice)

    @pytest.mark.parametrize("speed", [79, 301, -1, True, None, "fast", float("nan"), float("inf")])
    def test_speeds(self, speed, refuses):
        with refuses(BadSettingError, "80 to 300"):
            say(HELLO, speed=speed)


class TestABrokenEngine:
    """Whatever becomes of its process, this one lives and prints nothing."""

    @pytest.fixture(autouse=True)
    def quiet(self, capfd):
        yield
        assert capfd.readouterr() == ("", "")

    def becomes(self, monkeypatch, program: str) -> None:
        monkeypatch.setattr(speak, "_COMMAND", [sys.executable, "-I", "-S", "-c", program])

    @pytest.mark.parametrize(
        "program",
        [
            "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
            "import ctypes; print('half a speech', flush=True); ctypes.string_at(0)",
            "import os; os.abort()",
        ],
        ids=["killed", "overrun", "aborted"],
    )
    def test_it_dies(self, program, refuses, monkeypatch):
        self.becomes(monkeypatch, program)
        with refuses(BadTextError, "breaks down over this text"):
            say(HELLO)

    def test_it_hangs(self, refuses, monkeypatch):
        self.becomes(monkeypatch, "import time; time.sleep(99)")
        monkeypatch.setattr(speak, "_PATIENCE", 0.5)
        start = time.monotonic()
        with refuses(BadTextError, "breaks down over this text"):
            say(HELLO)
        assert time.monotonic() - start < 20

    def test_it_stops_at_the_limit(self, refuses, monkeypatch):
        made, real = [], speak._asked
        monkeypatch.setattr(speak, "_asked", lambda job: made.append(real(job)) or made[0])
        monkeypatch.setattr(speak, "MAX_SECONDS", 1)
        with refuses(BadTextError, "longer than 1 s"):
            say("word " * 200, speed=80)
        assert len(made[0][1]) < 2 * 22050 * 5

    def test_it_says_more_than_anybody_can(self, refuses, monkeypatch):
        """A text that has taken it over has it answer without end: what is more than the longest speech is not read."""
        self.becomes(monkeypatch, "import os\nwhile True: os.write(1, bytes(1 << 16))")
        monkeypatch.setattr(speak, "MAX_SECONDS", 5)
        monkeypatch.setattr(speak, "_PATIENCE", 20)
        start = time.monotonic()
        tracemalloc.start()
        with refuses(BadTextError, "breaks down over this text"):
            say(HELLO)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 8 << 20 and time.monotonic() - start < 10

    def test_it_cannot_be_started(self, refuses, monkeypatch, tmp_path):
        monkeypatch.setattr(speak, "_COMMAND", [str(tmp_path / "python")])
        with refuses(SpeechUnavailableError, "cannot be started"):
            say(HELLO)


class TestWithoutTheEngine:
    def test_it_is_not_installed(self, refuses, monkeypatch):
        monkeypatch.setitem(sys.modules, "espeakng_loader", None)
        assert not speak.available()
        with refuses(SpeechUnavailableError, "pip install"):
            say(HELLO)

    def test_its_files_are_gone(self, refuses, monkeypatch, tmp_path):
        import espeakng_loader

        monkeypatch.setattr(espeakng_loader, "__file__", str(tmp_path / "__init__.py"))
        for _ in range(2):
            assert not speak.available()
            with refuses(SpeechUnavailableError, "pip install"):
                say(HELLO)
            (tmp_path / "espeak-ng-data").mkdir(exist_ok=True)  # then the library alone is missing

    def test_it_is_for_another_machine(self, refuses, monkeypatch, tmp_path):
        import espeakng_loader

        library = tmp_path / "library.so"
        library.write_bytes(b"MZ")
        monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(library))
        with refuses(SpeechUnavailableError, "pip install"):
            say(HELLO)

    def test_its_data_cannot_be_read(self, refuses, monkeypatch, tmp_path, capfd):
        import espeakng_loader

        monkeypatch.delenv("ESPEAK_DATA_PATH", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path / "nowhere"))
        with refuses(SpeechUnavailableError, "cannot read its data"):
            say(HELLO)
        assert capfd.readouterr() == ("", "")

    def test_a_voice_is_missing(self, refuses, monkeypatch):
        monkeypatch.setitem(VOICES, "Klingon", "nonsense")
        with refuses(SpeechUnavailableError, "nonsense"):
            say(HELLO, "Klingon")

    def test_no_process_is_started_in_vain(self, monkeypatch):
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
        assert speak.available()
        with pytest.raises(BadTextError):
            say("")
