"""A voice that comes in pieces moves the face as the finished recording does, soon after it is heard."""

import numpy as np
import pytest

from atvg.animate.chunk import Chunk, join
from atvg.animate.live import Live, look_ahead
from atvg.animator import Animator
from atvg.config import FPS, SAMPLE_RATE
from atvg.errors import BadAudioError, BadSettingError
from atvg.face.landmarks import mouth_opening
from atvg.voice.audio import load_audio
from atvg.voice.prosody import BEFORE, around, loudness_of
from atvg.voice.spectrum import resample
from tests.marks import quick


def spoken(live: Live, wave: np.ndarray, step: int, rate: int = SAMPLE_RATE) -> list[Chunk]:
    parts = [live.feed(rate, wave[first : first + step]) for first in range(0, len(wave), step)]
    return [part for part in (*parts, live.finish()) if part is not None]


def landmarks(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.landmarks for chunk in chunks])


@pytest.fixture(scope="module")
def wave(voice_path) -> np.ndarray:
    return load_audio(voice_path)[: 2 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def recorded(animator, face, wave) -> np.ndarray:
    return landmarks(list(animator.stream(face, wave)))


@pytest.fixture(scope="module")
def heard(animator, face, wave) -> list[Chunk]:
    return spoken(Live(animator, face), wave, SAMPLE_RATE // 5)


def test_lips_move_as_for_the_finished_recording(heard, recorded):
    """As far as what the ear hears around a moment allows, which live is less."""
    live = landmarks(heard)
    assert live.shape == recorded.shape
    assert np.corrcoef(mouth_opening(live), mouth_opening(recorded))[0, 1] > 0.8
    assert np.abs(live - recorded).mean() < 0.2


def test_without_the_ear_they_move_as_for_the_finished_recording(animator, face, wave):
    live = landmarks(spoken(Live(animator, face, ear="none"), wave, SAMPLE_RATE // 5))
    recorded = landmarks(list(animator.stream(face, wave, ear="none")))
    assert np.corrcoef(mouth_opening(live), mouth_opening(recorded))[0, 1] > 0.9
    assert np.abs(live - recorded).mean() < 0.1


def test_chunks_follow_each_other_and_hold_all_that_was_computed(heard):
    assert [chunk.start for chunk in heard] == list(np.cumsum([0, *map(len, heard)])[:-1])
    whole = join(heard)
    composed = whole["attention"][..., None] * whole["motion"] + (1 - whole["attention"][..., None]) * whole["photos"]
    assert np.abs(composed - whole["frames"]).max() <= 1.01


def test_a_frame_is_shown_as_soon_as_the_stated_look_ahead_is_heard(animator, face, wave):
    live, shown = Live(animator, face), 0
    for first in range(0, SAMPLE_RATE, 160):
        chunk = live.feed(SAMPLE_RATE, wave[first : first + 160])
        shown += len(chunk) if chunk else 0
        seconds = (first + 160) / SAMPLE_RATE
        assert shown == max(0, int((seconds - look_ahead()) * FPS + 1e-6)), seconds


def test_what_will_be_said_does_not_matter(animator, face, wave):
    """Up to the look-ahead: frames that were shown were shown for good."""
    cut, seen = SAMPLE_RATE, []
    for later in (wave[cut:], wave[::-1]):
        live = Live(animator, face)
        shown = [live.feed(SAMPLE_RATE, piece) for piece in (wave[:cut], later[:6400])]
        seen.append([chunk.landmarks for chunk in shown])
    assert (seen[0][0] == seen[1][0]).all() and len(seen[0][0]) == int((1 - look_ahead()) * FPS)
    assert (seen[0][1] != seen[1][1]).any()


@pytest.mark.parametrize(
    ("ear", "most", "step"),
    quick(
        [(ear, most, step) for ear, most in (("whisper", 0.3), ("none", 0.1)) for step in (101, 1600, 40_000)],
        ("whisper", 0.3, 40_000), ("none", 0.1, 1600),
    ),
)  # fmt: skip
def test_the_size_of_the_pieces_hardly_matters(animator, face, wave, step, ear, most):
    live = landmarks(spoken(Live(animator, face, ear=ear), wave[:SAMPLE_RATE], step))
    recorded = landmarks([next(animator.stream(face, wave, chunk=25, ear=ear))])
    assert live.shape == recorded.shape == (25, 68, 2)
    assert np.abs(live - recorded).mean() < most


@pytest.mark.parametrize("ear", quick(["whisper", "none"], "whisper"))
def test_the_head_hears_the_same_in_any_pieces_and_nearly_what_it_hears_of_a_recording(animator, face, wave, ear):
    windows = []
    for step in (1600, 40_000):
        live, heard = Live(animator, face, ear=ear), []
        live._performance.show = lambda codes, loud, heard=heard: (
            heard.extend(loud) or Chunk(0, *(codes,) * 8, (), None)
        )
        spoken(live, wave, step)
        windows.append(np.array(heard))
    assert (windows[0] == windows[1]).all()
    now = slice(BEFORE - 5, BEFORE + 1)
    recorded = around(loudness_of(wave, len(windows[0])))
    begun = slice(12, None)  # half a second: by then it is known how loud this voice is
    assert np.corrcoef(windows[0][begun, now].ravel(), recorded[begun, now].ravel())[0, 1] > 0.9


def test_silence_brings_the_mouth_to_rest_and_keeps_it_there(animator, face, wave):
    silent = np.zeros(2 * SAMPLE_RATE, np.float32)
    still = landmarks(spoken(Live(animator, face), np.concatenate([wave, silent]), 3200))[-25:]
    assert mouth_opening(still).std() < 0.01


def test_a_rooms_noise_is_not_taken_for_a_voice(animator, face):
    noise = 1e-3 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    still = landmarks(spoken(Live(animator, face), noise, 3200))
    assert mouth_opening(still).std() < 0.01


@pytest.mark.parametrize("rate, channels", quick([(48_000, 2), (44_100, 1), (8_000, 1)], (48_000, 2)))
def test_what_microphones_send_is_understood(animator, face, wave, recorded, rate, channels):
    voice = resample(wave, SAMPLE_RATE, rate)
    voice = np.stack([(32767 * voice).astype(np.int16)] * channels, axis=1)
    live = landmarks(spoken(Live(animator, face), voice, rate // 5, rate))
    assert abs(len(live) - 50) <= 1
    if rate > SAMPLE_RATE:
        n = min(len(live), 50)
        assert np.corrcoef(mouth_opening(live[:n]), mouth_opening(recorded[:n]))[0, 1] > 0.85


def test_a_long_pause_does_not_make_the_speaker_quieter(animator, face, wave):
    pause = np.zeros(12 * SAMPLE_RATE, np.float32)
    levels = []
    for silence in (pause[:0], pause):
        live = Live(animator, face)
        live._performance.show = lambda codes, heard: Chunk(0, *(codes,) * 8, (), None)
        live.feed(SAMPLE_RATE, np.concatenate([wave, silence]))
        levels.append(np.percentile(live._loud, 90))
    assert levels[0] == pytest.approx(levels[1])


@pytest.mark.parametrize("channels", [2, 6])
def test_tiny_pieces_of_several_channels_last_as_long_as_they_do(animator, face, wave, channels):
    voice = np.stack([wave[:3200]] * channels, axis=1)
    one = sum(map(len, spoken(Live(animator, face), voice, 1)))
    assert one == sum(map(len, spoken(Live(animator, face), voice, 3200))) == 5


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_the_end_is_the_end(animator, face, rate, refuses):
    live = Live(animator, face)
    live.feed(rate, np.zeros(rate, np.float32))
    assert live.finish() is not None and live.finish() is None
    with refuses(BadAudioError, "ended"):
        live.feed(rate, np.zeros(100, np.float32))


def test_memory_does_not_grow(animator, face):
    """Of half a minute of a voice only the last ten seconds are kept; VG-net is left out, to be quick."""
    live = Live(animator, face)
    live._performance.show = lambda codes, heard: Chunk(0, *(codes,) * 8, (), None)
    sizes = []
    for _ in range(3):
        live.feed(SAMPLE_RATE, 0.1 * np.sin(np.arange(12 * SAMPLE_RATE, dtype=np.float32) * 0.05))
        sizes.append((len(live._wave), len(live._levels), len(live._codes)))
    assert sizes[0] == sizes[1] == sizes[2] and sizes[0][0] < 2 * SAMPLE_RATE


def test_nothing_heard_is_nothing_shown(animator, face):
    assert Live(animator, face).finish() is None
    live = Live(animator, face)
    assert live.feed(SAMPLE_RATE, np.zeros(100, np.float32)) is None and live.finish() is None


def test_the_head_can_be_turned_and_move(animator, face, wave):
    from atvg.motion.pose import Pose

    (*_, last) = spoken(Live(animator, face, pose=Pose(yaw=15), natural=True), wave[:SAMPLE_RATE], 3200)
    assert len(last.turns) == len(last) and (last.photos[-1] != face.crop).any()


class TestRefusals:
    def test_another_rate_in_the_middle(self, animator, face, wave, refuses):
        live = Live(animator, face)
        live.feed(SAMPLE_RATE, wave[:1000])
        with refuses(BadAudioError, "begin anew"):
            live.feed(48_000, wave[:1000])

    @pytest.mark.parametrize("rate", [0, -1, 1e9, float("nan"), "16000", None])
    def test_rates_that_make_no_sense(self, animator, face, wave, refuses, rate):
        with refuses(BadSettingError, "sample rate"):
            Live(animator, face).feed(rate, wave)

    @pytest.mark.parametrize("samples", [np.zeros(0), np.full(10, np.nan), np.zeros((2, 2, 2)), np.array(["a"])])
    def test_samples_that_are_none(self, animator, face, refuses, samples):
        with refuses(BadAudioError):
            Live(animator, face).feed(SAMPLE_RATE, samples)

    def test_settings(self, animator, face, refuses):
        with refuses(BadSettingError, "mouth gain"):
            Live(animator, face, mouth_gain=9)

    def test_natural_motion_that_the_weights_lack(self, animator, face, refuses):
        bare = Animator(animator.at_nets, animator.shape, animator.vg_nets, animator.detector)
        with refuses(BadSettingError, "idle"):
            Live(bare, face, natural=True)


@pytest.mark.parametrize("decibels", quick([-45, -60], -60))
def test_a_quiet_voice_moves_the_lips_like_a_loud_one(animator, face, wave, decibels):
    """Once it is known for a voice, which takes a second."""
    voice = np.concatenate([np.zeros(SAMPLE_RATE // 2, np.float32), wave])
    loud, quiet = (
        mouth_opening(landmarks(spoken(Live(animator, face), voice * np.float32(gain), 3200)))
        for gain in (1, 10 ** (decibels / 20))
    )
    assert np.abs(loud - quiet)[30:].max() < 0.5 and loud.max() > 3


@pytest.mark.parametrize("level", quick([1e-5, 0.01, 0.1], 0.1))
def test_steady_noise_of_any_level_moves_no_lips(animator, face, level):
    noise = (level * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE)).astype(np.float32)
    still = mouth_opening(landmarks(spoken(Live(animator, face), noise, 3200)))
    assert still[45:].std() < 0.01
