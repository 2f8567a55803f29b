"""What AT-net learns from, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg import checkpoint
from atvg.config import ATNetConfig
from atvg.errors import PackError
from atvg.train import at_stage
from atvg.train.at_stage import ATStage
from atvg.train.settings import ATSettings

SMALL = ATNetConfig(first_mfcc=1, n_mfcc=12, hidden=16, identity_codes=4, motion_codes=3)
PLAIN = {"noise": 0.0, "identity_noise": 0.0, "silence": 0.0, "tempo": 0.0}


@pytest.fixture
def make(tiny_pack):
    def build(config: ATNetConfig = SMALL, **settings: object) -> ATStage:
        torch.manual_seed(0)
        return ATStage(Fabric(accelerator="cpu", devices=1), tiny_pack, ATSettings(**settings), config)

    return build


@pytest.fixture
def no_masking(monkeypatch):
    monkeypatch.setattr(at_stage, "_MASK_ROWS", 0)


class TestLearning:
    def test_some_dozen_steps_lower_the_loss(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=80, log_every=20, lr=0.005, net__hidden=64, net__dropout=0.0, **PLAIN)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert lines[-1]["codes"] < 0.7 * lines[0]["codes"]
        assert {"codes", "velocity", "opening"} <= set(lines[0])

    def test_what_ships_loads_with_its_shape_model(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=2)
        net, shape = checkpoint.load_at_net(tmp_path / "run")
        assert net.config == SMALL
        assert shape.motion_basis.shape == (3, 204) and shape.identity_basis.shape == (4, 204)
        assert net.mfcc_std.min() > 0

    @pytest.mark.parametrize("count", [12, 20])
    def test_any_number_of_coefficients_can_be_read(self, run_at, tmp_path, count):
        first = 1 if count == 12 else 0
        run_at(tmp_path / "run", steps=1, net__n_mfcc=count, net__first_mfcc=first)
        assert checkpoint.load_at_net(tmp_path / "run")[0].config.n_mfcc == count


class TestBatch:
    def test_shapes(self, make):
        stage = make(batch=6, short=8, long=16, long_share=0.5)
        lengths = set()
        for seed in range(8):
            windows, identity, target = stage.batch(np.random.default_rng(seed))
            count, length = target.shape[:2]
            assert windows.shape == (count, length, 28, 12)
            assert identity.shape == (count, 4) and target.shape[2] == 3
            lengths.add((count, length))
        assert lengths == {(6, 8), (3, 16)}  # about as many frames in either

    def test_windows_are_those_of_the_clip(self, make, no_masking):
        stage = make(batch=4, short=30, long=30, **PLAIN)  # 30 frames: all of the longer clip
        windows, _, _ = stage.batch(np.random.default_rng(0))
        from atvg.audio import windows as cut

        longest = max(stage.clips, key=len)
        torch.testing.assert_close(windows[0], torch.tensor(cut(longest.rows)[:, :, 1:13].copy()))

    def test_targets_are_offsets_from_the_photos_own_frame(self, make, no_masking):
        """Between two frames of a window the photo cancels out; one frame of the clip is the photo itself."""
        stage = make(batch=4, short=30, long=30, **PLAIN)
        _, _, target = stage.batch(np.random.default_rng(0))
        longest = max(stage.clips, key=len)
        for sample in target:
            expected = torch.tensor(longest.codes - longest.codes[0])
            torch.testing.assert_close(sample - sample[0], expected, atol=1e-5, rtol=1e-4)
            assert sample.abs().sum(dim=1).min() < 1e-5

    def test_long_windows_fit_the_longest_clip(self, make):
        stage = make(batch=4, short=10, long=1000, long_share=1.0)
        assert stage.batch(np.random.default_rng(0))[2].shape[1] == 30

    @pytest.mark.parametrize("seed", range(6))
    def test_faster_or_slower_speech_keeps_sound_and_lips_in_step(self, make, no_masking, seed):
        """In a clip whose rows and codes both tell the time, a window's rows and codes tell the same time."""
        stage = make(short=12, long=12, **(PLAIN | {"tempo": 0.2}))
        clip = stage.clips[0]
        time_of_frames = np.arange(30) + 0.5
        time_of_rows = (np.arange(4 * 30 + 24) - 12 + 0.5) / 4
        clock = replace(
            clip,
            codes=np.repeat(time_of_frames[:, None], 3, axis=1),
            rows=np.repeat(time_of_rows[:, None], 20, axis=1),
            shapes=np.repeat(clip.shapes[:1], 30, axis=0),
        )
        rows, _, codes = stage._draw(clock, 12, np.random.default_rng(seed))
        heard = rows[12:-12, 0].reshape(12, 4).mean(axis=1)
        time_of_photo = heard - codes[:, 0]  # codes count from the photo, which is a frame of the clip
        np.testing.assert_allclose(time_of_photo, time_of_photo[0], atol=1e-5)
        assert time_of_photo[0] % 1 == pytest.approx(0.5, abs=1e-5)
        step = np.diff(heard)
        assert 0.8 <= step.min() and step.max() <= 1.2 and np.ptp(step) < 1e-6

    def test_features_are_standardised_by_the_packs_statistics(self, make):
        stage = make()
        rows = np.concatenate([clip.rows[:, 1:13] for clip in stage.clips])
        net = stage.players["main"].module
        np.testing.assert_allclose(net.mfcc_mean, rows.mean(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(net.mfcc_std, rows.std(axis=0), rtol=1e-4)

    def test_distortion_leaves_the_clip_itself_alone(self, make):
        stage = make()
        before = [clip.rows.copy() for clip in stage.clips]
        for seed in range(10):
            stage.batch(np.random.default_rng(seed))
        for clip, rows in zip(stage.clips, before, strict=True):
            np.testing.assert_array_equal(clip.rows, rows)


class TestSilence:
    rows = np.full((4 * 40 + 24, 12), 5.0)
    codes = np.full((40, 3), 2.0)
    rest = np.full(3, -1.0)
    silent = np.zeros((1, 12))

    def fall_silent(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return at_stage._fall_silent(self.rows, self.silent, self.codes, self.rest, np.random.default_rng(seed))

    def test_where_the_sound_stops_the_mouth_comes_to_rest(self):
        rested = 0
        for seed in range(50):
            rows, codes = self.fall_silent(seed)
            own = rows[12:-12].reshape(40, 4, 12)
            silent = (own != 5).all(axis=(1, 2))
            assert (codes[~silent] == 2).all()  # where there is sound, speech goes on
            inner = np.flatnonzero(np.convolve(silent, np.ones(9), "same") == 9)
            np.testing.assert_allclose(codes[inner], -1)  # four frames from either end it is at rest
            assert (codes >= -1).all() and (codes <= 2).all()
            rested += len(inner) > 0
        assert rested > 25

    def test_it_closes_gradually(self):
        for seed in range(50):
            _, codes = self.fall_silent(seed)
            assert np.abs(np.diff(codes, axis=0)).max() <= 3 / 4 + 1e-9

    def test_the_given_arrays_are_not_changed(self):
        rows, codes = self.rows.copy(), self.codes.copy()
        at_stage._fall_silent(rows, self.silent, codes, self.rest, np.random.default_rng(0))
        np.testing.assert_array_equal(rows, self.rows)
        np.testing.assert_array_equal(codes, self.codes)


def test_a_split_without_fitting_sound_is_refused(tiny_pack, tmp_path, refuses, monkeypatch):
    from atvg.data import speech

    read = speech.read_pack
    monkeypatch.setattr(speech, "read_pack", lambda *a, **k: (replace(clip, sync=False) for clip in read(*a, **k)))
    with refuses(PackError, "train"):
        speech.load_speech(tiny_pack, "train", 4, 3)
