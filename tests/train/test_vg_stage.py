"""What VG-net learns from, and that it learns."""

import json

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg import losses
from atvg.config import VGNetConfig
from atvg.nets.vg_net import Frames, VGNet
from atvg.train.settings import VGSettings
from atvg.train.vg_stage import VGStage, generator_terms

SMALL = VGNetConfig(photo_widths=(8, 12, 16, 16), landmark_widths=(8, 12, 16), decoder_widths=(8, 12, 16), hidden=16)
PLAIN = {"landmark_noise": 0.0, "affine": 0.0, "colour": 0.0}


@pytest.fixture
def make(tiny_pack):
    def build(**settings: object) -> VGStage:
        torch.manual_seed(0)
        return VGStage(Fabric(accelerator="cpu", devices=1), tiny_pack, VGSettings(**settings), SMALL)

    return build


class TestLearning:
    def test_a_few_dozen_steps_lower_the_loss(self, run_vg, tmp_path):
        run_vg(tmp_path / "run", steps=60, log_every=15, lr=0.003, batch=4, **PLAIN)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        cost = [line["pixel"] + line["gradient"] for line in lines]
        assert len(cost) == 4
        assert cost[-1] < 0.75 * cost[0]

    def test_the_discriminator_runs_along(self, run_vg, tmp_path):
        terms = run_vg(tmp_path / "run", steps=3, discriminator=0.1)
        assert {"adversarial", "regression", "judge_real", "judge_fake", "judge_regression"} < set(terms)
        assert all(np.isfinite(value) and value > 0 for value in terms.values())

    def test_the_discriminator_learns_to_tell_blurred_frames_from_real_ones(self, make):
        stage = make(discriminator=0.1, batch=2, frames=2, lr=0.001, **PLAIN)
        _, example, real, landmarks = stage.batch(np.random.default_rng(0))
        blurred = torch.nn.functional.avg_pool2d(real.flatten(0, 1), 9, stride=1, padding=4).unflatten(
            0, real.shape[:2]
        )
        cost = [stage._update_judge(real, blurred, example, landmarks) for _ in range(12)]
        first, last = ((terms["judge_real"] + terms["judge_fake"]).item() for terms in (cost[0], cost[-1]))
        assert last < 0.5 * first

    def test_the_generator_hears_the_discriminator(self, make):
        """The same step with and without a judge moves the generator differently."""
        stages = [make(discriminator=weight, batch=2, frames=2) for weight in (0.0, 1.0)]
        for stage in stages:
            stage.step(0)
        plain, judged = (stage.players["main"].module.state_dict() for stage in stages)
        assert (plain["motion_head.0.weight"] - judged["motion_head.0.weight"]).abs().max() > 1e-5

    def test_without_a_discriminator_there_is_none(self, run_vg, tmp_path):
        terms = run_vg(tmp_path / "run", steps=1)
        assert set(terms) == {"pixel", "gradient", "sparsity", "attention"}

    def test_a_step_of_the_generator_leaves_the_judges_gradient_out_of_its_own(self, make):
        """The judge learns to tell apart; the generator's wish to pass must not reach its weights."""
        stage = make(discriminator=0.1, batch=2, frames=2, lr=0.0)
        stage.step(0)
        judge, rng = stage.players["judge"], np.random.default_rng([0, 0, 0])
        learnt = {name: p.grad.clone() for name, p in judge.module.named_parameters()}
        photo, example, real, landmarks = stage.batch(rng)
        with torch.no_grad():
            fake = stage.players["main"].net(photo, example, landmarks).frame
        both = judge.module(torch.cat([real, fake]), torch.cat([example, example]))
        real_score, fake_score = both.score.chunk(2)
        judge.module.zero_grad()
        total = losses.adversarial(real_score, True) + losses.adversarial(fake_score, False)
        (total + losses.landmark_regression(both.landmarks.chunk(2)[0], landmarks)).backward()
        norm = torch.sqrt(sum(p.grad.square().sum() for p in judge.module.parameters()))
        for name, p in judge.module.named_parameters():
            torch.testing.assert_close(p.grad * min(1.0, 1.0 / norm), learnt[name], atol=1e-4, rtol=1e-2)


class TestBatch:
    def test_shapes_and_ranges(self, make):
        photo, example, real, landmarks = make(batch=3, frames=4).batch(np.random.default_rng(0))
        assert photo.shape == (3, 3, 128, 128) and example.shape == (3, 68, 2)
        assert real.shape == (3, 4, 3, 128, 128) and landmarks.shape == (3, 4, 68, 2)
        assert -1 <= real.min() < 0 < real.max() <= 1

    def test_without_augmentation_pictures_and_landmarks_are_the_packs_own(self, make):
        stage = make(batch=4, frames=2, **PLAIN)
        photo, example, real, landmarks = stage.batch(np.random.default_rng(0))
        known = stage.bank.frames.float() / 127.5 - 1
        both = torch.cat([known, known.flip(-1)])  # half of the samples are mirrored
        nearest = (both - photo[0]).abs().flatten(1).amax(dim=1)
        assert nearest.min() == 0
        mirrored = int(nearest.argmin()) >= len(known)
        points = stage.bank.landmarks[int(nearest.argmin()) % len(known)]
        if not mirrored:
            torch.testing.assert_close(example[0], points)
        else:
            assert example[0, 8, 0] == pytest.approx(127 - float(points[8, 0]), abs=1e-4)

    def test_one_draw_serves_photo_and_frames(self, make):
        """Mirroring, moving and colours are those of the sample: photo and frames stay the same person's."""
        photo, example, real, landmarks = make(batch=8, frames=2).batch(np.random.default_rng(0))
        eyes = example[:, 36:48].mean(dim=1) - landmarks[:, 0, 36:48].mean(dim=1)
        assert eyes.abs().max() < 3  # a sample of its own would be up to 10 pixels off
        assert (photo.mean(dim=(2, 3)) - real[:, 0].mean(dim=(2, 3))).abs().max() < 0.1

    def test_half_of_the_targets_landmarks_are_noisy_and_the_examples_never(self, make):
        clean = make(batch=64, frames=1, **PLAIN).batch(np.random.default_rng(0))
        noisy = make(batch=64, frames=1, **(PLAIN | {"landmark_noise": 0.5})).batch(np.random.default_rng(0))
        torch.testing.assert_close(clean[1], noisy[1])
        error = (noisy[3] - clean[3]).flatten(1)
        touched = error.abs().amax(dim=1) > 0
        assert 20 <= touched.sum() <= 44
        assert error[touched].std() == pytest.approx(0.5, abs=0.05)

    def test_a_step_draws_from_seed_and_number_alone(self, make):
        first, second = make(batch=2, frames=2), make(batch=2, frames=2)
        first.step(0)
        losses_of_5 = [{k: float(v) for k, v in stage.step(5).items()} for stage in (make(batch=2, frames=2), second)]
        assert losses_of_5[0] == losses_of_5[1]


class TestTerms:
    def test_the_terms_are_their_losses_times_their_weights(self, face68):
        torch.manual_seed(0)
        real, frame = torch.rand(2, 1, 2, 3, 128, 128)
        attention = torch.rand(1, 2, 1, 128, 128)
        landmarks = torch.tensor(face68[:, :2], dtype=torch.float32).expand(1, 2, 68, 2)
        settings = VGSettings(beta=0.3, pixel=2.0, gradient=5.0, sparsity=7.0, mouth_weight=3.0)
        terms = generator_terms(real, Frames(frame, attention, frame), landmarks, settings)
        weight = 1 + 2 * losses.mouth_box(landmarks, 128)
        expected = ((real - frame).abs() * (attention + 0.3) * weight).mean()
        assert terms["pixel"] == pytest.approx(2 * expected.item(), rel=1e-5)
        assert terms["sparsity"] == pytest.approx(7 * attention.mean().item(), rel=1e-5)
        plain = losses.gradient_loss(real[0], frame[0], weight[0])
        assert terms["gradient"] == pytest.approx(5 * plain.item(), rel=1e-5)


def test_the_sample_shows_five_rows_and_leaves_the_network_in_training(make):
    stage = make(batch=3, frames=2)
    net = VGNet(SMALL).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    picture = stage.sample(net)
    assert picture.shape == (3, 5 * 128, 3 * 128)
    assert 0 <= picture.min() and picture.max() <= 1
    assert net.training and all(torch.equal(before[name], value) for name, value in net.state_dict().items())
