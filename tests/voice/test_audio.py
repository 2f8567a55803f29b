"""Speech becomes 16 kHz mono samples and one 28×12 MFCC window per video frame."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from scipy.io import wavfile

from atvg.box import program
from atvg.config import MAX_SECONDS, SAMPLE_RATE
from atvg.errors import BadAudioError, TooLongError
from atvg.voice import audio
from tests import synthetic


def sine(seconds: float, rate: int = SAMPLE_RATE, frequency: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def loudest_frequency(wave: np.ndarray) -> float:
    return np.abs(np.fft.rfft(wave)).argmax() * SAMPLE_RATE / len(wave)


@pytest.fixture(scope="module")
def speech(voice_path) -> np.ndarray:
    return audio.load_audio(voice_path)


class TestLoading:
    def test_recordings_of_every_kind_are_read(self, voices):
        seconds = {"audio_sample.wav": 1.0, "cate_blanch_2.mp3": 3.96, "heath_ledger.mp3": 3.02, "cantina.wav": 3.0}
        for name, expected in seconds.items():
            wave = audio.load_audio(voices / name)
            assert wave.dtype == np.float32 and wave.ndim == 1
            assert len(wave) / SAMPLE_RATE == pytest.approx(expected, abs=0.1)
            assert 0.05 < np.abs(wave).max() <= 1

    def test_a_wav_file_is_read_as_it_is(self, tmp_path):
        path = tmp_path / "tone.wav"
        wavfile.write(path, SAMPLE_RATE, sine(1.0))
        np.testing.assert_allclose(audio.load_audio(str(path)), sine(1.0), atol=1e-6)

    def test_the_sound_of_a_video_is_read(self, tiny_clips):
        wave = audio.load_audio(tiny_clips / "astronaut/a.mp4")
        assert len(wave) / SAMPLE_RATE == pytest.approx(30 / 25, abs=0.1)
        assert loudest_frequency(wave) == pytest.approx(140, abs=3)  # the pitch of the made voice

    def test_samples_at_16_khz_pass_through(self):
        np.testing.assert_array_equal(audio.load_audio(sine(1.0)), sine(1.0))
        np.testing.assert_array_equal(audio.load_audio((SAMPLE_RATE, sine(1.0))), sine(1.0))

    @pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
    def test_other_rates_are_resampled(self, rate):
        wave = audio.load_audio((rate, sine(1.0, rate)))
        assert abs(len(wave) - SAMPLE_RATE) <= 1
        assert loudest_frequency(wave) == pytest.approx(440, abs=2)
        np.testing.assert_allclose(wave[800:-800], sine(1.0)[: len(wave)][800:-800], atol=0.01)

    def test_frequencies_that_16_khz_cannot_hold_do_not_alias(self):
        wave = audio.load_audio((48_000, sine(1.0, 48_000, frequency=9_500)))  # would alias to 6 500 Hz
        assert np.abs(wave[800:-800]).max() < 0.02

    @pytest.mark.parametrize(
        ("samples", "expected"),
        [
            (np.array([-32768, -16384, 0, 16384, 32767] * 1000, np.int16), [-1, -0.5, 0, 0.5, 1]),
            (np.array([-(2**31), -(2**30), 0, 2**30, 2**31 - 1] * 1000, np.int32), [-1, -0.5, 0, 0.5, 1]),
            (np.array([0, 64, 128, 192, 255] * 1000, np.uint8), [-1, -0.5, 0, 0.5, 1]),
            (np.array([-1, -0.5, 0, 0.5, 1] * 1000, np.float64), [-1, -0.5, 0, 0.5, 1]),
            (np.array([-3, -0.5, 0, 0.5, 3] * 1000, np.float32), [-1, -0.5, 0, 0.5, 1]),  # clipped
        ],
        ids=["int16", "int32", "uint8", "float64", "too loud"],
    )
    def test_number_types_are_brought_to_minus_one_to_one(self, samples, expected):
        wave = audio.load_audio((SAMPLE_RATE, samples))
        assert wave.dtype == np.float32
        np.testing.assert_allclose(wave[:5], expected, atol=0.01)

    def test_channels_are_averaged_whichever_axis_they_are_on(self):
        left, right = sine(1.0), np.zeros(SAMPLE_RATE, np.float32)
        for stereo in (np.stack([left, right], axis=1), np.stack([left, right])):
            np.testing.assert_allclose(audio.load_audio((SAMPLE_RATE, stereo)), left / 2, atol=1e-6)

    def test_a_stereo_file_becomes_mono(self, tmp_path):
        path = tmp_path / "stereo.wav"
        wavfile.write(path, SAMPLE_RATE, np.stack([sine(1.0), sine(1.0)], axis=1))
        wave = audio.load_audio(path)
        assert wave.shape == (SAMPLE_RATE,)
        assert loudest_frequency(wave) == pytest.approx(440, abs=2)


class TestRefusals:
    def test_too_short(self, refuses, tmp_path):
        with refuses(BadAudioError, "0.10 s"):
            audio.load_audio(sine(0.1))
        path = tmp_path / "short.wav"
        wavfile.write(path, SAMPLE_RATE, sine(0.1))
        with refuses(BadAudioError, "0.2 s"):
            audio.load_audio(path)

    def test_too_long(self, refuses):
        with refuses(TooLongError, "2 s"):
            audio.load_audio(sine(2.5), max_seconds=2)
        assert len(audio.load_audio(sine(2.0), max_seconds=2)) == 2 * SAMPLE_RATE

    def test_of_a_long_file_no_more_is_decoded_than_needed_to_refuse_it(self, refuses, tmp_path, monkeypatch):
        path = tmp_path / "long.wav"
        wavfile.write(path, 8_000, np.ones(8_000 * 700, np.uint8))
        decoded = []
        run = program.run

        def watch(*args, **kwargs):
            done = run(*args, **kwargs)
            decoded.append(len(done[0]))
            return done

        monkeypatch.setattr(program, "run", watch)
        with refuses(TooLongError, f"{MAX_SECONDS:g} s"):
            audio.load_audio(path)
        assert decoded[0] <= (MAX_SECONDS + 2) * SAMPLE_RATE * 4

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_samples_that_are_not_finite(self, value, refuses, tmp_path):
        wave = sine(1.0)
        wave[100] = value
        with refuses(BadAudioError, "NaN"):
            audio.load_audio(wave)
        path = tmp_path / "bad.wav"
        wavfile.write(path, SAMPLE_RATE, wave)
        with refuses(BadAudioError, "NaN"):
            audio.load_audio(path)

    @pytest.mark.parametrize("content", [b"", b"this is not audio\n" * 100], ids=["0 bytes", "text"])
    def test_files_that_are_no_audio(self, content, refuses, tmp_path):
        path = tmp_path / "voice.wav"
        path.write_bytes(content)
        with refuses(BadAudioError, "voice.wav"):
            audio.load_audio(path)

    def test_a_picture(self, refuses, astronaut_path):
        with refuses(BadAudioError, "astronaut.png"):
            audio.load_audio(astronaut_path)

    def test_a_video_without_sound(self, refuses, tiny_clips):
        with refuses(BadAudioError, "mute.mp4"):
            audio.load_audio(tiny_clips / "odd/mute.mp4")

    def test_a_folder_and_a_missing_file(self, refuses, tmp_path):
        with refuses(BadAudioError, "not a file"):
            audio.load_audio(tmp_path)
        with refuses(BadAudioError, "nobody.wav"):
            audio.load_audio(tmp_path / "nobody.wav")

    def test_a_name_too_long_for_the_file_system(self, refuses):
        with refuses(BadAudioError):
            audio.load_audio("x" * 5000)

    def test_a_web_address_is_only_a_missing_file(self, refuses):
        with refuses(BadAudioError, "no such audio file"):
            audio.load_audio("http://127.0.0.1:9/voice.wav")

    def test_a_playlist_cannot_make_ffmpeg_open_an_address(self, refuses, tmp_path):
        path = tmp_path / "list.m3u8"
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
        with refuses(BadAudioError, "list.m3u8"):
            audio.load_audio(path)

    @pytest.mark.parametrize("source", [None, 5, ["a"], {"a": 1}])
    def test_other_types(self, source, refuses):
        with refuses(BadAudioError, type(source).__name__):
            audio.load_audio(source)

    @pytest.mark.parametrize(
        "samples",
        [np.zeros(0), np.zeros((2, 3, 4)), np.array(["a", "b"]), np.zeros(9999, complex), np.zeros(9999, bool)],
        ids=["empty", "3-D", "text", "complex", "bool"],
    )
    def test_arrays_that_are_no_sound(self, samples, refuses):
        with refuses(BadAudioError):
            audio.load_audio((SAMPLE_RATE, samples))

    @pytest.mark.parametrize("rate", [0, -16_000, 10, 10_000_000, float("nan"), "fast", None])
    def test_sample_rates_that_make_no_sense(self, rate, refuses):
        with refuses(BadAudioError):
            audio.load_audio((rate, sine(1.0)))

    def test_a_pair_is_expected(self, refuses):
        with refuses(BadAudioError):
            audio.load_audio((SAMPLE_RATE, sine(1.0), "extra"))


class TestFrames:
    @pytest.mark.parametrize(("seconds", "frames"), [(0.2, 5), (1.0, 25), (1.015, 25), (1.03, 26), (3.96, 99)])
    def test_there_are_25_a_second(self, seconds, frames):
        assert audio.n_video_frames(np.zeros(round(seconds * SAMPLE_RATE))) == frames

    def test_rows_and_windows_have_the_documented_shapes(self):
        rows = audio.mfcc_rows(sine(1.0), n_frames=25, n_mfcc=12)
        assert rows.shape == (4 * 25 + 24, 12) and rows.dtype == np.float32
        assert audio.windows(rows).shape == (25, 28, 12)

    def test_windows_advance_by_four_rows(self):
        rows = np.arange(4 * 3 + 24)[:, None] + np.zeros(12)
        windows = audio.windows(rows)
        np.testing.assert_array_equal(windows[:, 0, 0], [0, 4, 8])
        np.testing.assert_array_equal(windows[2, :, 5], np.arange(8, 36))

    def test_twenty_coefficients_begin_with_the_twelve(self):
        wave = sine(1.0)
        np.testing.assert_allclose(
            audio.mfcc_rows(wave, 25, 20)[:, :12], audio.mfcc_rows(wave, 25, 12), rtol=1e-5, atol=1e-4
        )

    @pytest.mark.parametrize("frame", [0, 5, 24])
    def test_a_click_at_a_frames_centre_lies_in_the_middle_of_its_window(self, frame):
        wave = np.zeros(SAMPLE_RATE, np.float32)
        wave[640 * frame + 320] = 1.0
        window = audio.windows(audio.mfcc_rows(wave, 25))[frame]
        level = window[:, 0]  # c0
        np.testing.assert_allclose(level, level[::-1], rtol=1e-4, atol=1e-3)
        assert set(np.flatnonzero(level > level.min() + 1)) == {13, 14}  # the two rows that touch the centre
        np.testing.assert_allclose(window[13], window[14], atol=1e-2)

    def test_sound_beyond_the_window_does_not_reach_it(self):
        """Row centres are ±135 ms around the frame's centre and a row hears ±12.5 ms: nothing beyond 147.5 ms."""
        base = sine(1.0, frequency=1000)  # whole cycles in 40 ms, so that the level stays the same
        other = sine(1.0, frequency=2000)
        centre, reach = 640 * 12 + 320, 2360
        changed = other.copy()
        changed[centre - reach : centre + reach] = base[centre - reach : centre + reach]
        before, after = (audio.windows(audio.mfcc_rows(wave, 25)) for wave in (base, changed))
        np.testing.assert_allclose(before[12], after[12], atol=1e-2)
        assert np.abs(before[11] - after[11]).max() > 1  # the window before does hear the other sound


class TestLevel:
    @pytest.mark.parametrize("gain", [0.1, 0.5, 2.0])
    def test_the_gain_of_a_recording_does_not_matter(self, speech, gain):
        quiet = speech * 0.4
        before, after = audio.mfcc_rows(quiet, 99), audio.mfcc_rows(quiet * gain, 99)
        np.testing.assert_allclose(before, after, rtol=1e-3, atol=1e-2)

    def test_noise_is_not_raised_to_speech(self):
        noise = np.random.default_rng(0).normal(0, 1e-5, SAMPLE_RATE).astype(np.float32)
        level = audio.mfcc_rows(noise, 25)[:, 0]
        assert level.max() < audio.mfcc_rows(sine(1.0), 25)[20:-20, 0].min()

    def test_digital_silence_gives_finite_and_equal_rows(self):
        rows = audio.mfcc_rows(np.zeros(SAMPLE_RATE, np.float32), 25)
        assert np.isfinite(rows).all()
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))

    def test_frame_levels_by_hand(self):
        wave = np.concatenate([np.full(640, 0.5), np.zeros(640), np.full(320, 1.0)]).astype(np.float32)
        np.testing.assert_allclose(audio.frame_levels(wave, 3), [0.5, 0, np.sqrt(0.5)], rtol=1e-6)
        np.testing.assert_allclose(audio.frame_levels(wave, 4), [0.5, 0, np.sqrt(0.5), 0], rtol=1e-6)
        np.testing.assert_allclose(audio.frame_levels(wave, 1), [0.5], rtol=1e-6)


class TestSilence:
    def test_a_pause_between_two_words(self):
        wave = np.concatenate([sine(0.4), np.zeros(16_000, np.float32), sine(0.4)])
        np.testing.assert_array_equal(audio.silence(wave, 45), [False] * 10 + [True] * 25 + [False] * 10)

    def test_a_pause_with_room_noise(self):
        wave = np.concatenate([sine(0.4), np.zeros(16_000, np.float32), sine(0.4)])
        wave += np.random.default_rng(0).normal(0, 5e-4, len(wave)).astype(np.float32)
        assert audio.silence(wave, 45)[10:35].all()

    def test_soft_speech_is_not_silence(self):
        wave = np.concatenate([sine(0.4), sine(0.4, level=0.5 * 10 ** (-25 / 20))])
        assert not audio.silence(wave, 20).any()

    def test_a_quiet_recording_is_not_silence(self):
        quiet = 0.002 * sine(1.0) * np.repeat([1, 0.3, 0.8, 0.4, 1], SAMPLE_RATE // 5).astype(np.float32)
        assert not audio.silence(quiet, 25).any()

    def test_the_noise_of_a_quiet_room_is_silence(self):
        noise = 0.001 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)  # −60 dBFS
        assert audio.silence(noise, 50).all()

    def test_digital_silence_is_silent(self):
        assert audio.silence(np.zeros(16_000, np.float32), 25).all()

    def test_a_real_voice_speaks_most_of_the_time(self, speech):
        assert audio.silence(speech, 99).mean() < 0.3


def test_blocks_leave_no_seam(monkeypatch):
    """45 s are worked on in three blocks; one block gives the same rows."""
    wave = synthetic.tone(45, np.random.default_rng(0).random(45 * 25))
    in_blocks = audio.mfcc_rows(wave, 45 * 25)
    monkeypatch.setattr(audio, "_BLOCK_ROWS", 100_000)
    np.testing.assert_allclose(in_blocks, audio.mfcc_rows(wave, 45 * 25), rtol=1e-4, atol=1e-3)


def test_a_damaged_recording_is_read_as_far_as_it_goes(voice_path, tmp_path):
    path = tmp_path / "cut.mp3"
    path.write_bytes(voice_path.read_bytes()[: voice_path.stat().st_size // 2])
    assert 1 < len(audio.load_audio(path)) / SAMPLE_RATE < 3


def test_a_decoder_that_is_killed_is_no_shorter_recording(voice_path, tmp_path, monkeypatch, refuses):
    killed = tmp_path / "ffmpeg"
    killed.write_text("#!/bin/sh\necho half\nkill -9 $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(killed))
    with refuses(BadAudioError, "was stopped (signal 9); try again"):
        audio.load_audio(voice_path)


def test_odd_file_names_are_only_names(voices, tmp_path):
    for name in ("-i.wav", "a b;c.wav", "concat:x|y.wav", "%03d.wav", "ü 声.wav"):
        path = tmp_path / name
        path.write_bytes((voices / "audio_sample.wav").read_bytes())
        assert len(audio.load_audio(path)) > SAMPLE_RATE / 2


def test_ffmpeg_comes_with_the_wheels():
    assert subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True).returncode == 0
