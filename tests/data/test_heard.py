"""What AT-net hears of clips while it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atvg.checkpoint import load_ear, locate
from atvg.config import ATNetConfig
from atvg.data import heard
from atvg.data.heard import Features, Rows
from atvg.data.speech import sample_clips
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.voice.audio import silent_row
from atvg.voice.hearing import features_of

CONFIG = ATNetConfig(squeezed=8, around=7)
PLAIN = ATNetConfig(ear="none", n_mfcc=12, first_mfcc=1)


@pytest.fixture(scope="module")
def ear() -> Ear:
    return load_ear(locate())


@pytest.fixture(scope="module")
def clips(tiny_pack):
    return sample_clips(tiny_pack, "train")


@pytest.fixture(scope="module")
def features(ear, clips) -> Features:
    return Features(ear, CONFIG, clips, distort=1.0, noise=0.0, seed=0)


class TestFeatures:
    def test_a_track_has_two_places_a_frame(self, features, clips):
        tracks = features.hear(clips, np.random.default_rng(0))
        assert [track.shape for track in tracks] == [(2 * len(clip), 8) for clip in clips]
        assert all(track.dtype == np.float16 for track in tracks)

    def test_it_is_what_at_net_will_hear(self, ear, features, clips):
        """But for the place of the clip among the ear's, the silence after it, and bfloat16."""
        net = ATNet(CONFIG)
        features.prepare(net)
        for clip, track in zip(clips, features.hear(clips, np.random.default_rng(0)), strict=True):
            true = net.squeeze(features_of(ear, clip.mfcc80, CONFIG.ear_layers)).numpy()
            assert np.corrcoef(true.ravel(), track.ravel())[0, 1] > 0.8

    def test_components_hardly_tell_the_place_of_a_clip_among_the_ears(self, features, clips):
        here, there = (features.hear(clips[:1], np.random.default_rng(seed))[0].astype(np.float32) for seed in (3, 4))
        assert (here - there).std() < 0.5 * here.std()

    def test_components_have_unit_variance_and_none_on_average(self, features, clips):
        joined = np.concatenate(features.hear(clips, np.random.default_rng(1))).astype(np.float32)
        assert np.abs(joined.mean(axis=0)).max() < 0.5
        np.testing.assert_allclose(joined.std(axis=0), 1, atol=0.5)

    def test_something_happens_to_the_sound_of_changed_versions_only(self, features, clips):
        clean, again, changed, otherwise = (
            features.hear(clips, np.random.default_rng(seed), changed)[0].astype(np.float32)
            for seed, changed in ((0, False), (0, False), (0, True), (1, True))
        )
        np.testing.assert_array_equal(clean, again)
        assert np.abs(changed - clean).mean() > 0.1 and np.abs(changed - otherwise).mean() > 0.1

    def test_every_hearing_begins_at_another_place(self, ear, features, clips, monkeypatch):
        starts = []
        hear = Ear.forward
        monkeypatch.setattr(
            Ear, "forward", lambda self, rows, layers, start: starts.append(start) or hear(self, rows, layers, start)
        )
        for seed in range(20):
            features.hear(clips[:1], np.random.default_rng(seed))
        assert len(set(starts)) > 15 and min(starts) >= 0 and max(starts) <= 1500 - 60

    def test_what_is_longer_than_the_ear_hears_at_once_is_heard_in_parts(self, features, clips):
        long = replace(
            clips[0], landmarks=np.tile(clips[0].landmarks, (20, 1, 1)), mfcc80=np.tile(clips[0].mfcc80, (20, 1))
        )
        (track,) = features.hear([long], np.random.default_rng(0))
        assert track.shape == (1200, 8) and np.isfinite(track).all()

    @pytest.mark.parametrize("around", [1, 2, 3, 7, 13])
    def test_frame_t_hears_what_lies_around_its_own_features(self, ear, features, around):
        other = Features(ear, replace(CONFIG, around=around), [], 0, 0, 0, (features.mean, features.basis), np.ones(1))
        net = ATNet(replace(CONFIG, around=around))
        times = other.times(5)
        assert len(times) == net.length(5)
        np.testing.assert_allclose(times, (np.arange(net.length(5)) - net.lead) / 2)

    def test_half_of_the_silences_are_digital(self, features):
        even, noisy = (features.silences[number].astype(np.float32) for number in (0, 1))
        assert features.silences.shape == (24, 300, 8)
        assert np.abs(np.diff(noisy, axis=0)).mean() > 1.5 * np.abs(np.diff(even, axis=0)).mean()
        assert features.silence(500, np.random.default_rng(0)).shape == (500, 8)

    def test_noise_is_as_asked(self, ear, features):
        noisy = Features(ear, CONFIG, [], 0.0, 0.5, 0, (features.mean, features.basis), features.silences)
        windows = np.zeros((200, 60, 8))
        assert noisy.roughen(windows, np.random.default_rng(0)).std() == pytest.approx(0.5 * np.sqrt(5), rel=0.1)
        np.testing.assert_array_equal(features.roughen(windows, np.random.default_rng(0)), windows)


def test_several_layers_lie_side_by_side(ear, clips, monkeypatch):
    monkeypatch.setattr(heard, "_SILENCES", 2)
    config = replace(CONFIG, ear_layers=(2, 4))
    features = Features(ear, config, clips, 0.0, 0.0, 0)
    assert features.mean.shape == (1024,) and features.basis.shape == (8, 1024)
    features.prepare(ATNet(config))


class TestRows:
    def test_half_of_the_silences_are_digital(self, clips):
        rows = Rows(PLAIN, clips, 0.0, 0.0)
        many = [rows.silence(8, np.random.default_rng(seed)) for seed in range(200)]
        digital = [np.array_equal(silence, np.repeat(silent_row(20)[None], 8, axis=0)) for silence in many]
        assert 70 < sum(digital) < 130

    def test_the_network_gets_the_coefficients_it_reads(self, clips):
        rows = Rows(PLAIN, clips, 0.0, 0.0)
        windows = np.stack([clips[0].mfcc, clips[0].mfcc])
        np.testing.assert_allclose(rows.roughen(windows, np.random.default_rng(0)), windows[..., 1:13], atol=1e-4)


def test_clips_are_heard_with_others_of_their_length():
    lengths = [30, 31, 500, 30, 480, 100] + [40] * 50
    batches = list(heard._alike(lengths))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert longest <= 1.1 * min(lengths[i] for i in batch) and len(batch) * longest <= 1600


class TestWindows:
    @pytest.mark.parametrize("frames", [5, 30, 500, 1234])
    def test_they_cover_every_frame_once_and_hear_around_it(self, frames):
        for seed in range(10):
            windows = heard._windows(frames, np.random.default_rng(seed))
            assert [t for _, first, last, _ in windows for t in range(first, last)] == list(range(frames))
            for begin, first, last, end in windows:
                assert 0 <= begin <= first < last <= end <= frames and end - begin <= 75 + 100 + 50
                assert first - begin >= min(first, 25) and end - last >= min(frames - last, 5)

    @pytest.mark.long
    def test_half_of_the_changed_versions_are_heard_in_them(self, features, clips, monkeypatch):
        asked = []
        monkeypatch.setattr(heard, "_windows", lambda *_: asked.append(1) or heard._parts(30))
        for seed in range(40):
            features.hear(clips[:1], np.random.default_rng(seed), changed=True)
            features.hear(clips[:1], np.random.default_rng(seed), changed=False)
        assert 10 < len(asked) < 30


def test_a_track_is_read_between_its_places_and_held_at_its_ends():
    track = np.array([[0.0], [2.0], [3.0]])
    read = heard.read(track, np.array([-5.0, 0.0, 0.25, 1.5, 2.0, 9.0]))[:, 0]
    np.testing.assert_allclose(read, [0, 0, 0.5, 2.5, 3, 3])
    assert torch.tensor(read).isfinite().all()
