"""How people follow their voices is found again where it is known."""

from dataclasses import replace

import numpy as np
import pytest

from atvg.data.manners import fit_blink_paces, fit_manners, log_speed
from atvg.data.pack import NO_FRAMES, Clip
from atvg.voice.mel import clip_mfcc80, silent_mfcc80
from atvg.voice.prosody import SPAN, around, loudness_of_rows

FRAMES = 600


def voice(seed: int) -> np.ndarray:
    """Noise in phrases of half a second to two, with stresses and rests."""
    rng = np.random.default_rng(seed)
    level = np.repeat(10.0 ** rng.uniform(-2.5, 0, FRAMES // 10), 10)
    level = np.convolve(level, np.hanning(7) / np.hanning(7).sum(), mode="same")
    return (0.1 * np.repeat(level, 640) * rng.standard_normal(640 * FRAMES)).astype(np.float32)


@pytest.fixture(scope="module")
def clips(face68) -> list[Clip]:
    points, transforms = np.repeat(face68[None], FRAMES, axis=0), np.zeros((FRAMES, 2, 3))
    sound = [clip_mfcc80(voice(seed), FRAMES) for seed in range(3)]
    about = [(f"p{n}", "made", f"p{n}", "train", True, NO_FRAMES, points, transforms, sound[n][:0]) for n in range(3)]
    return [Clip(*known, rows) for known, rows in zip(about, sound, strict=True)]


def moved(clip: Clip, pitch: float, pace: float) -> np.ndarray:
    """A head that nods as loud as the voice is, and turns as fast, (T, 3) degrees."""
    loud, rng = loudness_of_rows(clip.mfcc80), np.random.default_rng(1)
    yaw = np.cumsum(0.4 * np.exp(pace * loud) * np.sign(np.sin(np.arange(FRAMES) / 9)))
    return np.stack([yaw, pitch * loud, 0.1 * rng.standard_normal(FRAMES)], axis=1)


def test_everybody_nods_in_their_own_way(clips):
    ways = (1.0, 0.5, -0.8)
    _, nods = fit_manners(clips, [moved(clip, way, 0.0) for clip, way in zip(clips, ways, strict=True)])
    assert nods.shape == (3, SPAN)
    for clip, nod, way in zip(clips, nods, ways, strict=True):
        loud = loudness_of_rows(clip.mfcc80)
        assert np.sign(way) * np.corrcoef(around(loud) @ nod, loud)[0, 1] > 0.5


def test_a_head_that_rests_in_pauses_is_known(clips):
    paces, _ = fit_manners(clips, [moved(clip, 0.0, 0.5) for clip in clips])
    for clip, pace in zip(clips, paces, strict=True):
        speed = log_speed(moved(clip, 0.0, 0.5))
        assert np.corrcoef(around(loudness_of_rows(clip.mfcc80)) @ pace, speed)[0, 1] > 0.4
        assert np.exp(around(np.full(1, -2.0)) @ pace)[0] < 0.9


def test_who_says_little_is_everybody(clips):
    short = [replace(clip, landmarks=clip.landmarks[:300], mfcc80=clip.mfcc80[:1200]) for clip in clips]
    paces, nods = fit_manners(short, [moved(clip, 1.0, 0.0)[:300] for clip in clips])
    assert paces.shape == nods.shape == (1, SPAN) and np.abs(nods).max() > 0


def test_blinks_in_pauses_come_in_pauses(clips):
    loud = [loudness_of_rows(clip.mfcc80) for clip in clips]
    peaks = [[t + 3 for t in range(20, FRAMES - 20, 9) if values[t] < -1] for values in loud]
    paces = fit_blink_paces(clips, peaks)
    silent, stressed = (np.exp(paces @ np.full(SPAN, level)) for level in (-2.0, 1.0))
    assert silent > 1.5 and stressed < 1


def test_silence_teaches_nothing(clips):
    silent = [replace(clip, mfcc80=np.tile(silent_mfcc80(), (4 * FRAMES, 1))) for clip in clips]
    paces, nods = fit_manners(silent, [moved(clip, 1.0, 0.5) for clip in clips])
    filters = [paces, nods, fit_blink_paces(silent, [[100, 200]] * 3)]
    assert all(np.abs(values).max() < 1e-3 for values in filters)


def test_clips_too_short_for_a_phrase_are_passed_over(clips):
    short = [replace(clip, landmarks=clip.landmarks[:74], mfcc80=clip.mfcc80[:296]) for clip in clips]
    paces, nods = fit_manners(short, [np.zeros((74, 3))] * 3)
    assert not paces.any() and not nods.any() and not fit_blink_paces(short, [[40]] * 3).any()
