"""Recordings as phones, browsers and editors make them are heard; what is none is refused by its name."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from atvg.config import SAMPLE_RATE
from atvg.errors import BadAudioError, BadSettingError, TooLongError
from atvg.film.video import VideoWriter
from atvg.voice.audio import Cut, load_audio
from tests.marks import quick

COVER = ["-i", "COVER", "-map", "0", "-map", "1"]
OPUS, AMR = ["-c:a", "libopus"], ["-ar", "8000", "-c:a", "libopencore_amrnb"]
SILENCE = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-f", "lavfi", "-i", "color=red:s=64x64"]
MADE = {  # name of the file → how ffmpeg makes it of a voice
    "memo with a cover.m4a": [*COVER, "-c:a", "aac", "-c:v", "mjpeg", "-disposition:v", "attached_pic"],
    "with a cover.mp3": [*COVER, "-c:v", "png"],
    "with a cover.flac": [*COVER, "-c:v", "png", "-disposition:v", "attached_pic"],
    "memo.amr": AMR,
    "memo.3gp": AMR,
    "alac.caf": ["-c:a", "alac"],
    "pcm.caf": [],
    "no length.webm": [*OPUS, "-f", "webm", "-live", "1"],
    "opus.ogg": OPUS,
    **{f"{codec}.wav": ["-c:a", codec] for codec in ("pcm_s24le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw")},
    "extensible.wav": ["-c:a", "pcm_s24le", "-ac", "6"],
    "rf64.wav": ["-rf64", "always"],
    "a.aiff": [],
    "a.wma": [],
    "two tracks, one silent.mp4": [*SILENCE, "-map", "2", "-map", "1", "-map", "0", "-t", "2", "-c:a", "aac"],
    "Голос ü 声 🎤.m4a": ["-c:a", "aac"],
}
SHOWN = ("memo with a cover.m4a", "no length.webm", "memo.amr", "two tracks, one silent.mp4", "Голос ü 声 🎤.m4a")


def sizes(riff: int | None, data: int) -> Callable[[bytes], bytes]:
    """A WAV with other sizes in its header."""

    def changed(wav: bytes) -> bytes:
        at = wav.index(b"data") + 4
        riffs = wav[4:8] if riff is None else struct.pack("<I", riff)
        return wav[:4] + riffs + wav[8:at] + struct.pack("<I", data) + wav[at + 4 :]

    return changed


BROKEN = {
    "data of length 0": sizes(None, 0),
    "unknown lengths": sizes(2**32 - 1, 2**32 - 1),
    "a wrong RIFF size": lambda wav: wav[:4] + bytes(4) + wav[8:],
    "the end missing": lambda wav: wav[:-3001],
    "junk before": lambda wav: b"HTTP/1.1 200 OK\r\n\r\n" + bytes(range(256)) * 3 + wav,
    "a JUNK chunk": lambda wav: wav[:12] + b"JUNK" + struct.pack("<I28x", 28) + wav[12:],
}

REFUSED = {  # name → content, and what the message says it is
    "a.mid": (b"MThd\0\0\0\6\0\0\0\1\0`MTrk" + bytes(30), "MIDI"),
    "a.rmi": (b"RIFF\1\1\0\0RMIDdata", "MIDI"),
    "a.m3u8": (b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", "playlist"),
    "a.pls": (b"[playlist]\nFile1=http://127.0.0.1:9/a.mp3\n", "playlist"),
    "a.xspf": (b'<?xml version="1.0"?>\n<playlist version="1"></playlist>', "playlist"),
    "notes.wav": (b"not a sound\n" * 50, "text"),
    "404.mp3": (b"<!DOCTYPE html><html>404</html>", "text"),
    "picture.wav": (b"\x89PNG\r\n\x1a\n" + bytes(50), "picture"),
    "letter.mp3": (b"%PDF-1.4\n" + bytes(50), "document"),
    "all.zip": (b"PK\3\4" + bytes(50), "archive"),
    "bought.m4p": (b"\0\0\0\x20ftypM4P " + bytes(99), "protected"),
    "noise.mp3": (np.random.default_rng(0).bytes(5000), "no audio"),
}


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True)


@pytest.fixture(scope="module")
def voice(voice_path) -> np.ndarray:
    return load_audio(voice_path)[: 2 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def wav(voice, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("brought") / "voice.wav"
    wavfile.write(path, SAMPLE_RATE, (32767 * voice).astype(np.int16))
    return path


def alike(found: np.ndarray, voice: np.ndarray) -> float:
    """The highest correlation, wherever the codec's delay has put the voice."""
    size = 2 * max(len(found), len(voice))
    product = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(voice, size)))
    return float(product.max() / np.sqrt((found**2).sum() * (voice**2).sum()))


@pytest.mark.parametrize("name", quick(MADE, *SHOWN))
def test_it_is_heard(name, wav, voice, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "cover.png")
    options = [tmp_path / "cover.png" if option == "COVER" else option for option in MADE[name]]
    ffmpeg("-i", wav, *options, tmp_path / name)
    found = load_audio(tmp_path / name)
    assert len(found) == pytest.approx(len(voice), abs=0.12 * SAMPLE_RATE)
    assert alike(found, voice) > (0.75 if name.startswith("memo.") else 0.95)


@pytest.mark.parametrize("fault", quick(BROKEN, "data of length 0", "junk before"))
def test_a_wav_with_a_fault_is_heard(fault, wav, voice, tmp_path):
    (tmp_path / "a.wav").write_bytes(BROKEN[fault](wav.read_bytes()))
    assert alike(load_audio(tmp_path / "a.wav"), voice) > 0.95


@pytest.mark.long
@pytest.mark.parametrize("name", ["noext", "wrong.wav", "wrong.txt"])
def test_a_name_says_nothing(name, voice_path, tmp_path):
    (tmp_path / name).write_bytes(voice_path.read_bytes()[700:])  # and its first frame is broken
    assert len(load_audio(tmp_path / name)) > 3 * SAMPLE_RATE


@pytest.mark.parametrize("name", quick(REFUSED, "a.mid", "picture.wav", "bought.m4p"))
def test_what_is_no_voice_is_refused_by_its_name(name, tmp_path, refuses):
    content, said = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with refuses(BadAudioError, said):
        load_audio(tmp_path / name)


class TestChannels:
    def stereo(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return load_audio((SAMPLE_RATE, np.stack([left, right], axis=1)))

    def test_out_of_phase_they_do_not_cancel(self, voice, tmp_path):
        np.testing.assert_allclose(self.stereo(voice, -voice), voice, atol=1e-6)
        wavfile.write(tmp_path / "a.wav", SAMPLE_RATE, np.stack([voice, -0.9 * voice], axis=1))
        np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), voice, atol=1e-4)

    def test_a_voice_on_one_side_is_not_drowned_by_noise_on_the_other(self, voice):
        noise = 0.1 * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
        np.testing.assert_allclose(self.stereo(noise, voice), voice, atol=1e-6)

    def test_of_two_speakers_both_are_heard(self, voice):
        other = voice[::-1].copy()
        np.testing.assert_allclose(self.stereo(voice, other), (voice + other) / 2, atol=1e-6)


class TestCut:
    """A part is what the whole holds there, and the film's sound is cut with it."""

    def test_of_samples_to_the_sample(self, voice):
        np.testing.assert_array_equal(load_audio(voice, start=0.5, end=1.25), voice[8000:20000])
        np.testing.assert_array_equal(load_audio((SAMPLE_RATE, voice), start=0.5), voice[8000:])

    @pytest.mark.parametrize("name", quick(["a.wav", "a.mp3", "a.ogg", "a.m4a", "a.webm", "a.flac"], "a.mp3"))
    def test_of_a_file(self, name, voice, wav, tmp_path):
        ffmpeg("-stream_loop", "4", "-i", wav, *(OPUS if name == "a.ogg" else []), tmp_path / name)
        whole, part = load_audio(tmp_path / name), load_audio(tmp_path / name, start=7.3, end=9.1)
        assert len(part) == pytest.approx(1.8 * SAMPLE_RATE, abs=320)
        assert alike(part, whole[116_800:145_600]) > 0.98
        with VideoWriter(tmp_path / "film.mp4", (64, 64), Cut(tmp_path / name, 7.3, 9.1)) as writer:
            writer.write(np.zeros((45, 64, 64, 3), np.uint8))
        heard = load_audio(tmp_path / "film.mp4")[: len(part)]
        lag = np.argmax(np.correlate(part[7000:17_000], heard[8000:16_000], "valid"))
        assert abs(int(lag) - 1000) < SAMPLE_RATE // 50

    def test_of_a_long_file_a_part_is_not_too_long(self, tmp_path, refuses):
        wavfile.write(tmp_path / "long.wav", 8_000, np.ones(8_000 * 30, np.uint8))
        with refuses(TooLongError, "30 s"):
            load_audio(tmp_path / "long.wav", 5)
        assert len(load_audio(tmp_path / "long.wav", 5, 26, 0)) == 4 * SAMPLE_RATE

    def test_parts_that_are_none(self, voice, wav, refuses):
        for source in (voice, wav):
            with refuses(BadAudioError, "2.00 s"):
                load_audio(source, start=9)
        for start, end in ((2, 1), (-1, 0), ("a", 0), (float("nan"), 0)):
            with refuses(BadSettingError, "start" if end == 0 else "end"):
                load_audio(voice, start=start, end=end)
