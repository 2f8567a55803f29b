"""What AT-net learns from, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg import checkpoint
from atvg.config import ATNetConfig
from atvg.data import speech_bank
from atvg.train import at_stage
from atvg.train.at_stage import ATStage
from atvg.train.settings import ATSettings
from atvg.voice.audio import silent_row

SMALL = ATNetConfig(ear="none", first_mfcc=1, n_mfcc=12, hidden=16, identity_codes=4, motion_codes=3)
PLAIN = {
    "distort": 0.0,
    "noise": 0.0,
    "identity_noise": 0.0,
    "manner_noise": 0.0,
    "silence": 0.0,
    "tempo": 0.0,
    "smooth": 0.0,
    "shift": 0,
}


@pytest.fixture
def make(tiny_pack):
    def build(config: ATNetConfig = SMALL, **settings: object) -> ATStage:
        torch.manual_seed(0)
        return ATStage(Fabric(accelerator="cpu", devices=1), tiny_pack, ATSettings(**settings), config)

    return build


@pytest.fixture
def no_masking(monkeypatch):
    monkeypatch.setattr(at_stage, "_MASK_FRAMES", 0)


class TestLearning:
    def test_some_dozen_steps_lower_the_loss(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=80, log_every=20, lr=0.005, net__hidden=64, net__dropout=0.0, **PLAIN)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert lines[-1]["codes"] < 0.7 * lines[0]["codes"]
        assert {"codes", "velocity", "opening", "closure", "spread", "own"} <= set(lines[0])

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


class TestManner:
    def test_noise_on_how_a_face_moves_leaves_alone_what_its_photo_shows(self, make):
        stage = make(manner_noise=5.0, identity_noise=0.0)
        batch, net = stage.batch(np.random.default_rng(0)), stage.players["main"].module.eval()
        assert (batch.manner - batch.identity).std() == pytest.approx(5, rel=0.2)
        with torch.no_grad():
            codes, own = at_stage.OnePass(net)(at_stage.Given(batch))
            moved = net(batch.heard, batch.manner, net.initial_state(len(codes)))[0] - net.own(batch.manner)[:, None]
            torch.testing.assert_close(own, net.own(batch.identity)[:, None])
        torch.testing.assert_close(codes, moved + own, atol=1e-5, rtol=1e-4)


class TestEar:
    """With the ear in front, which is not trained."""

    EARS = {"net__ear": "whisper", "net__squeezed": 16, "net__around": 7, "versions": 2}

    def test_a_short_run_lowers_the_loss(self, run_at, tmp_path):
        settings = {"net__hidden": 64, "net__dropout": 0.0, **self.EARS, **PLAIN}
        run_at(tmp_path / "run", steps=60, log_every=20, lr=0.005, **settings)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert lines[-1]["codes"] < 0.7 * lines[0]["codes"]

    def test_what_ships_knows_how_to_squeeze(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=1, net__ear_layers="3,4", **self.EARS)
        net, _ = checkpoint.load_at_net(tmp_path / "run")
        assert net.config.ear_layers == (3, 4) and net.ear_basis.shape == (16, 1024)
        assert net.ear_basis.abs().sum() > 0 and net.ear_mean.abs().sum() > 0

    def test_shapes(self, make):
        config = replace(SMALL, ear="whisper", squeezed=16, around=5)
        batch = make(config, batch=6, short=8, versions=2).batch(np.random.default_rng(0))
        assert batch.heard.shape == (6, 2 * 7 + 5, 16)

    def test_sound_and_lips_are_in_step(self, make, no_masking):
        """In a clip whose features and codes both tell the time, a window's tell the same."""
        config = replace(SMALL, ear="whisper", squeezed=16, around=7)
        stage = make(config, short=12, long=12, versions=1, **(PLAIN | {"tempo": 0.2}))
        clip = stage.bank.clips[0]
        clock = replace(
            clip,
            codes=np.repeat(np.arange(30)[:, None] + 0.5, 3, axis=1),
            heard=np.repeat(np.arange(60)[:, None] / 2, 16, axis=1)[None],
            shapes=np.repeat(clip.shapes[:1], 30, axis=0),
        )
        lead = stage.players["main"].module.lead
        for seed in range(5):
            heard, _, _, codes, *_ = stage._draw(clock, 12, np.random.default_rng(seed))
            middle = heard[lead + 1 :: 2, 0][1:11]  # feature 2·t + 1 is heard in the middle of frame t
            time_of_photo = middle - codes[1:11, 0]
            np.testing.assert_allclose(time_of_photo, time_of_photo[0], atol=1e-5)

    def test_every_ear_leaves_the_same_shapes(self, make):
        one, other = make(), make(replace(SMALL, ear="whisper", squeezed=16), versions=1)
        for name, array in one.shape.arrays().items():
            np.testing.assert_array_equal(array, other.shape.arrays()[name])


class TestStream:
    """Packs larger than memory."""

    @pytest.mark.parametrize("ear", ["none", "whisper"])
    def test_it_learns(self, run_at, tmp_path, monkeypatch, ear):
        monkeypatch.setattr(speech_bank, "_FRESH", 1)  # a clip is heard after every batch
        settings = {"net__ear": ear, "net__squeezed": 16, "net__hidden": 64, "net__dropout": 0.0, **PLAIN}
        run_at(tmp_path / "run", steps=60, log_every=20, lr=0.005, stream="true", **settings)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert lines[-1]["codes"] < 0.8 * lines[0]["codes"]


class TestPrecision:
    def test_mixed_precision_does_not_round_what_is_heard(self, tiny_pack, monkeypatch):
        seen = []
        forward = at_stage.OnePass.forward
        monkeypatch.setattr(at_stage.OnePass, "forward", lambda self, given: seen.append(given) or forward(self, given))
        fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
        stage = ATStage(fabric, tiny_pack, ATSettings(), SMALL)
        stage.step(0)
        (given,) = seen
        assert given.heard.dtype == given.identity.dtype == torch.float32
        assert (given.heard.bfloat16() != given.heard).any()


class TestBatch:
    def test_shapes(self, make):
        stage = make(batch=6, short=8, long=16, long_share=0.5, shift=2)
        lengths = set()
        for seed in range(8):
            rows, identity, manner, target, inside, rest = stage.batch(np.random.default_rng(seed))
            count, length = len(target), target.shape[1] - 4  # two frames on either side
            assert rows.shape == (count, 4 * length + 24, 12)
            assert (
                identity.shape == manner.shape == (count, 4)
                and target.shape[2] == 3
                and inside.shape == target.shape[:2]
            )
            assert rest.shape == (count, 3)
            lengths.add((count, length))
        assert lengths == {(6, 8), (3, 16)}  # about as many frames in either

    def test_rows_are_those_of_the_clip(self, make, no_masking):
        stage = make(batch=4, short=30, long=30, **PLAIN)  # 30 frames: all of the longer clip
        rows, *_ = stage.batch(np.random.default_rng(0))
        longest = max(stage.bank.clips, key=len)
        torch.testing.assert_close(rows[0], torch.tensor(longest.heard[0, :, 1:13]), atol=1e-4, rtol=1e-4)

    def test_targets_are_offsets_from_the_photos_own_frame(self, make, no_masking):
        """Between two frames of a window the photo cancels out; one frame of the clip is the photo itself."""
        stage = make(batch=4, short=30, long=30, **PLAIN)
        target = stage.batch(np.random.default_rng(0)).target
        longest = max(stage.bank.clips, key=len)
        for sample in target:
            expected = torch.tensor(longest.codes - longest.codes[0])
            torch.testing.assert_close(sample - sample[0], expected, atol=1e-5, rtol=1e-4)
            assert sample.abs().sum(dim=1).min() < 1e-5

    def test_long_windows_fit_the_longest_clip(self, make):
        stage = make(batch=4, short=10, long=1000, long_share=1.0)
        assert stage.batch(np.random.default_rng(0))[0].shape[1] == 4 * 30 + 24

    def test_beyond_the_ends_of_a_clip_nothing_is_known(self, make):
        stage = make(batch=4, short=30, long=30, **(PLAIN | {"shift": 2}))
        inside = stage.batch(np.random.default_rng(0)).inside
        assert (inside[:, :2] == 0).all() and (inside[:, -2:] == 0).all() and (inside[:, 2:-2] == 1).all()

    @pytest.mark.parametrize("seed", range(6))
    def test_faster_or_slower_speech_keeps_sound_and_lips_in_step(self, make, no_masking, seed):
        """In a clip whose rows and codes both tell the time, a window's rows and codes tell the same time."""
        stage = make(short=12, long=12, **(PLAIN | {"tempo": 0.2}))
        clip = stage.bank.clips[0]
        time_of_frames = np.arange(30) + 0.5
        time_of_rows = (np.arange(4 * 30 + 24) - 12 + 0.5) / 4
        clock = replace(
            clip,
            codes=np.repeat(time_of_frames[:, None], 3, axis=1),
            heard=np.repeat(time_of_rows[:, None], 20, axis=1)[None],
            shapes=np.repeat(clip.shapes[:1], 30, axis=0),
        )
        rows, _, _, codes, *_ = stage._draw(clock, 12, np.random.default_rng(seed))
        heard = rows[12:-12, 0].reshape(12, 4).mean(axis=1)
        time_of_photo = heard - codes[:, 0]  # codes count from the photo, which is a frame of the clip
        np.testing.assert_allclose(time_of_photo, time_of_photo[0], atol=1e-5)
        assert time_of_photo[0] % 1 == pytest.approx(0.5, abs=1e-5)
        step = np.diff(heard)
        assert 0.8 <= step.min() and step.max() <= 1.2 and np.ptp(step) < 1e-6

    def test_features_are_standardised_by_the_packs_statistics(self, make):
        stage = make()
        rows = np.concatenate([clip.heard[0, :, 1:13] for clip in stage.bank.clips])
        net = stage.players["main"].module
        np.testing.assert_allclose(net.mfcc_mean, rows.mean(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(net.mfcc_std, rows.std(axis=0), rtol=1e-4)

    def test_distortion_leaves_the_clip_itself_alone(self, make):
        stage = make()
        before = [clip.heard.copy() for clip in stage.bank.clips]
        for seed in range(10):
            stage.batch(np.random.default_rng(seed))
        for clip, rows in zip(stage.bank.clips, before, strict=True):
            np.testing.assert_array_equal(clip.heard, rows)


class TestLag:
    """Sound that lies off its picture by a frame or two."""

    def terms(self, stage: ATStage, lag: int, shift: int) -> dict[str, torch.Tensor]:
        stage.settings = replace(stage.settings, shift=shift, lag=0.03, spread=0.1, closure=0.1)
        track = torch.randn(4, 16 + 2 * shift, 3, generator=torch.Generator().manual_seed(0))
        heard = track[:, shift + lag : shift + lag + 16]
        return stage._terms(heard, torch.zeros(4, 1, 3), track, torch.ones(track.shape[:2]), track.amin(dim=1))

    @pytest.mark.parametrize("lag", [-2, -1, 0, 1, 2])
    def test_it_costs_little_within_reach(self, make, lag):
        terms = self.terms(make(), lag, shift=2)
        assert terms["codes"] < 0.05

    def test_beyond_reach_it_costs(self, make):
        assert self.terms(make(), lag=2, shift=2)["codes"] < 0.1 * self.terms(make(), lag=1, shift=1)["codes"] + 0.05
        stage = make()
        track = torch.randn(4, 18, 3, generator=torch.Generator().manual_seed(0))
        stage.settings = replace(stage.settings, shift=0)
        apart = stage._terms(track[:, 2:], torch.zeros(4, 1, 3), track[:, :-2], torch.ones(4, 16), track[:, 0])
        assert apart["codes"] > 0.5


class TestSilence:
    def test_where_nobody_speaks_the_mouth_rests(self, make):
        stage = make(short=12, long=12, **(PLAIN | {"silence": 1.0, "shift": 2}))
        for seed in range(10):
            clip = stage.bank.clips[seed % 2]
            rows, _, _, codes, inside, _ = stage._draw(clip, 12, np.random.default_rng(seed))
            assert (inside == 1).all()
            assert np.ptp(codes, axis=0).max() < 1e-6
            offsets = clip.rest - clip.codes  # from every frame that may have been the photo
            assert np.abs(offsets - codes[0]).max(axis=1).min() < 1e-5
            assert np.abs(rows - silent_row(20)).max() < 6  # at most faint noise
