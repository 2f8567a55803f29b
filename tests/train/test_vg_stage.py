"""What VG-net learns from, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from atvg.checkpoint import DIRECT_NET, load_net, load_vg_nets
from atvg.config import VGNetConfig
from atvg.data.bank import Windows
from atvg.face.landmarks import JAW, MOUTH, RIGID
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.nets.direct_net import DirectNet
from atvg.nets.vg_net import Frames, VGNet
from atvg.train import losses
from atvg.train.settings import VGSettings
from atvg.train.vg_stage import VGStage, generator_terms

SMALL = VGNetConfig(photo_widths=(8, 12, 16, 16), landmark_widths=(8, 12, 16), decoder_widths=(8, 12, 16), hidden=16)
PLAIN = {"landmark_noise": 0.0, "affine": 0.0, "colour": 0.0, "grey": 0.0, "toned": 0.0, "speech_only": 0.0}


@pytest.fixture
def make(tiny_pack):
    def build(config: VGNetConfig = SMALL, **settings: object) -> VGStage:
        torch.manual_seed(0)
        return VGStage(Fabric(accelerator="cpu", devices=1), tiny_pack, VGSettings(**settings), config)

    return build


DIRECT = replace(SMALL, driver="audio", warp=False)


class TestLearning:
    @pytest.mark.parametrize(
        ("config", "share"),
        [
            pytest.param(SMALL, 0.85, id="in layers"),
            pytest.param(replace(SMALL, layers=False), 0.7, id="as one sheet", marks=pytest.mark.long),
            pytest.param(DIRECT, 0.7, id="by sound"),
        ],
    )
    def test_a_few_dozen_steps_learn_a_batch(self, make, config, share):
        """One batch over and over: the losses of different ones differ by more than so few steps can gain.

        Donors' teeth are left out, of which nothing can be learnt: these clips have none. In layers less is left to
        learn even so, since attention has a floor where lips part, and a residual costs.
        """
        stage = make(config, batch=2, frames=2, lr=0.003, warmup=1, steps=100, **PLAIN)
        batch = stage.batch(np.random.default_rng(0))
        stage.batch = lambda rng: batch
        stage._donors = None  # of a stage that draws in layers
        cost = [float(terms["pixel"] + terms["gradient"]) for terms in map(stage.step, range(30))]
        assert min(cost[-3:]) < share * cost[0]

    def test_the_discriminator_runs_along(self, run_vg, tmp_path):
        terms = run_vg(tmp_path / "run", steps=3, discriminator=0.1)
        assert {"adversarial", "regression", "judge_real", "judge_fake", "judge_regression"} < set(terms)
        assert all(np.isfinite(value) and (value > 0 or name == "texture") for name, value in terms.items())

    def test_the_discriminator_learns_to_tell_blurred_frames_from_real_ones(self, make):
        stage = make(discriminator=0.1, batch=2, frames=2, lr=0.001, **PLAIN)
        _, example, real, landmarks, *_ = stage.batch(np.random.default_rng(0))
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

    def test_a_plain_discriminator_knows_no_landmarks(self, run_vg, tmp_path):
        """Neither it nor the generator is trained by any."""
        terms = run_vg(tmp_path / "run", steps=2, discriminator=0.1, regression=0)
        assert {"adversarial", "judge_real", "judge_fake"} < set(terms)
        assert not {"regression", "judge_regression"} & set(terms)

    def test_without_a_discriminator_there_is_none(self, run_vg, tmp_path):
        terms = run_vg(tmp_path / "run", steps=1)
        assert set(terms) == {"pixel", "gradient", "texture", "calm", "sparsity", "presence", "attention"}

    def test_a_step_of_the_generator_leaves_the_judges_gradient_out_of_its_own(self, make):
        """The judge learns to tell apart; the generator's wish to pass must not reach its weights."""
        stage = make(discriminator=0.1, batch=2, frames=2, lr=0.0)
        stage.step(0)
        judge, rng = stage.players["judge"], np.random.default_rng([0, 0, 0])
        learnt = {name: p.grad.clone() for name, p in judge.module.named_parameters()}
        batch = stage.batch(rng)
        _, example, real, landmarks, *_ = batch
        with torch.no_grad():
            fake = stage.players["main"].net(stage._inputs(batch, rng))[0].frame
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
        photo, example, real, landmarks, turned, *_ = make(batch=3, frames=4).batch(np.random.default_rng(0))
        assert photo.shape == (3, 3, 128, 128) and example.shape == (3, 68, 2)
        assert real.shape == (3, 4, 3, 128, 128) and landmarks.shape == (3, 4, 68, 2)
        assert turned.photo.shape == real.shape and turned.landmarks.shape == landmarks.shape
        for pictures in (photo, real, turned.photo):
            assert -1 <= pictures.min() < 0 < pictures.max() <= 1

    def test_without_augmentation_pictures_and_landmarks_are_the_packs_own(self, make):
        stage = make(batch=4, frames=2, **PLAIN)
        photo, example, real, landmarks, *_ = stage.batch(np.random.default_rng(0))
        known = stage.bank.frames.float() / 127.5 - 1
        both = torch.cat([known, known.flip(-1)])  # half of the samples are mirrored
        nearest = (both - photo[0]).abs().flatten(1).amax(dim=1)
        assert nearest.min() == 0
        mirrored = int(nearest.argmin()) >= len(known)
        points = stage.bank.landmarks[int(nearest.argmin()) % len(known), :, :2]
        if not mirrored:
            np.testing.assert_array_equal(example[0], points)
        else:
            assert example[0, 8, 0] == pytest.approx(127 - float(points[8, 0]), abs=1e-4)

    def test_one_draw_serves_photo_and_frames(self, make):
        """Mirroring, moving and colours are those of the sample: photo and frames stay the same person's."""
        photo, example, real, landmarks, turned, *_ = make(batch=8, frames=2).batch(np.random.default_rng(0))
        for points, pictures in ((landmarks, real), (turned.landmarks, turned.photo)):
            eyes = example[:, 36:48].mean(dim=1) - points[:, 0, 36:48].mean(dim=1)
            assert eyes.abs().max() < 3  # a sample of its own would be up to 10 pixels off
            assert (photo.mean(dim=(2, 3)) - pictures[:, 0].mean(dim=(2, 3))).abs().max() < 0.1

    def test_half_of_the_targets_landmarks_are_noisy_and_the_examples_never(self, make):
        clean = make(batch=64, frames=1, **PLAIN).batch(np.random.default_rng(0))
        noisy = make(batch=64, frames=1, **(PLAIN | {"landmark_noise": 0.5})).batch(np.random.default_rng(0))
        torch.testing.assert_close(clean.example, noisy.example)
        torch.testing.assert_close(clean.turned.landmarks, noisy.turned.landmarks)
        error = (noisy.landmarks - clean.landmarks).flatten(1)
        touched = error.abs().amax(dim=1) > 0
        assert 20 <= touched.sum() <= 44
        assert error[touched].std() == pytest.approx(0.5, abs=0.05)

    def test_a_step_draws_from_seed_and_number_alone(self, make):
        first, second = make(batch=2, frames=2), make(batch=2, frames=2)
        first.step(0)
        losses_of_5 = [{k: float(v) for k, v in stage.step(5).items()} for stage in (make(batch=2, frames=2), second)]
        assert losses_of_5[0] == losses_of_5[1]


class TestDirect:
    """Frames driven by sound: all else as with landmarks."""

    def test_its_signal_is_the_noisy_sound_of_the_frames(self, make):
        clean, noisy = (
            make(DIRECT, batch=4, frames=2, sound_noise=noise, **PLAIN).batch(np.random.default_rng(0))
            for noise in (0.0, 0.15)
        )
        stage = make(DIRECT, batch=4, frames=2, **PLAIN)
        heard = stage.bank.batch(np.random.default_rng(0), 4, 2).sound[:, 1:]
        np.testing.assert_array_equal(clean.sound, heard)
        std = stage.players["main"].module.mfcc_std
        assert ((noisy.sound - clean.sound) / std).std() == pytest.approx(0.15, abs=0.01)

    def test_pictures_and_landmarks_are_drawn_as_for_any_other(self, make):
        for one, other in zip(
            make(batch=3, frames=2).batch(np.random.default_rng(0))[:4],
            make(DIRECT, batch=3, frames=2).batch(np.random.default_rng(0))[:4],
            strict=True,
        ):
            assert torch.equal(one, other)

    def test_it_is_trained_and_shipped_under_a_name_of_its_own(self, run_vg, tmp_path):
        terms = run_vg(tmp_path / "run", steps=2, net__driver="audio", net__warp="false")
        assert all(np.isfinite(value) for value in terms.values())
        net = load_net(tmp_path / "run", DIRECT_NET, DirectNet, VGNetConfig)
        assert net.mfcc_std.min() > 0 and (net.mfcc_std != 1).all()
        assert not (tmp_path / "run" / "vg_net.safetensors").exists()


class TestTurn:
    """The photo with its head moved as in each frame, on clips whose heads turn and whose backgrounds slide."""

    class Bank:
        """Hand-drawn heads that turn, in the picture of an astronaut."""

        def __init__(self, face: np.ndarray, crop: np.ndarray):
            self.face, self.crop = face, torch.tensor(crop).permute(2, 0, 1)

        def batch(self, rng: np.random.Generator, batch: int, steps: int, stride: int = 1) -> Windows:
            clip = []
            for t in range(1 + steps):
                points = turn_points(self.face, head_centre(self.face), Pose(yaw=6 * t, roll=-3 * t))
                points[MOUTH, 1] += 2 * t
                clip.append(points)
            transforms = np.array([[[0.5, 0, 3 * t], [0, 0.5, 0]] for t in range(1 + steps)], np.float32)
            return Windows(
                self.crop.expand(batch, 1 + steps, -1, -1, -1),
                np.repeat(np.stack(clip)[None], batch, axis=0).astype(np.float32),
                np.repeat(transforms[None], batch, axis=0),
            )

    @pytest.fixture
    def stage(self, make, face68, astronaut):
        def build(**settings: object) -> VGStage:
            stage = make(**({"batch": 6, "frames": 2} | PLAIN | settings))
            stage.bank = self.Bank(face68, astronaut[30:158, 160:288])
            return stage

        return build

    def test_the_turned_landmarks_follow_the_head_and_not_the_speech(self, stage):
        _, example, _, landmarks, turned, *_ = stage().batch(np.random.default_rng(0))

        def off(points: torch.Tensor, which: np.ndarray) -> torch.Tensor:
            return (points - landmarks)[:, :, which].norm(dim=-1).mean(dim=(0, 2))

        assert off(turned.landmarks, RIGID).max() < 0.01
        assert off(example[:, None], RIGID).min() > 2
        said = (landmarks - turned.landmarks)[:, :, MOUTH]
        torch.testing.assert_close(said[..., 1].mean(dim=(0, 2)), torch.tensor([2.0, 4.0]), atol=0.01, rtol=0)

    def test_the_turned_photo_is_the_photo_carried_along(self, stage):
        """The nose tip's surroundings are found where the turned landmarks say, the background where it slid to."""
        photo, example, _, _, turned, *_ = stage().batch(np.random.default_rng(0))

        def around(picture: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
            x, y = point.round().int().tolist()
            return picture[:, y - 3 : y + 4, x - 3 : x + 4]

        for i in range(len(photo)):
            before = around(photo[i], example[i, 30])
            carried = around(turned.photo[i, 1], turned.landmarks[i, 1, 30])
            stayed = around(turned.photo[i, 1], example[i, 30])
            assert (carried - before).abs().mean() < 0.5 * (stayed - before).abs().mean()

    def test_mirroring_treats_the_turned_photo_and_its_landmarks_alike(self, stage):
        """Some of the six equal samples are mirrored, some not: back in the mirror they are the same."""
        photo, example, _, _, turned, *_ = stage().batch(np.random.default_rng(0))
        mirrored = (example[:, 30] - example[0, 30]).abs().amax(dim=1) + (photo - photo[0]).flatten(1).abs().amax(dim=1)
        other = int(mirrored.argmax())
        assert mirrored[other] > 0.1
        torch.testing.assert_close(turned.photo[other].flip(-1), turned.photo[0], atol=1e-3, rtol=0)
        chin = torch.stack([127 - turned.landmarks[other, :, 8, 0], turned.landmarks[other, :, 8, 1]], dim=-1)
        torch.testing.assert_close(chin, turned.landmarks[0, :, 8], atol=1e-3, rtol=0)

    def test_augmentation_moves_the_turned_photos_as_the_frames(self, stage):
        """What the draw does to a sample's landmarks, it does to the turned ones: rigid points still agree."""
        _, _, _, landmarks, turned, *_ = stage(affine=1.0).batch(np.random.default_rng(0))
        assert (landmarks - turned.landmarks)[:, :, RIGID].abs().max() < 0.01

    def test_it_can_be_left_out(self, stage):
        drawn = stage(turn=False).batch(np.random.default_rng(0))
        assert drawn.turned is None
        with_turn = stage().batch(np.random.default_rng(0))
        assert torch.equal(drawn.photo, with_turn.photo) and torch.equal(drawn.landmarks, with_turn.landmarks)

    def test_in_a_share_of_the_samples_jaw_and_mouth_alone_leave_the_turned_photo(self, stage):
        """As with AT-net, which says nothing about eyes and brows: here the brows rise too."""
        build = stage(speech_only=0.5, batch=64)
        windows = build.bank.batch(np.random.default_rng(0), 64, 2)
        windows.landmarks[:, 1:, 17:27, 1] -= 3
        build.bank.batch = lambda rng, batch, steps, stride: windows
        _, _, _, landmarks, turned, *_ = build.batch(np.random.default_rng(0))
        raised = (turned.landmarks - landmarks)[:, :, 17:27, 1].mean(dim=(1, 2))
        assert 20 <= (raised.abs() < 0.01).sum() <= 44
        assert ((raised.abs() < 0.01) | ((raised - 3).abs() < 0.01)).all()
        said = (landmarks - turned.landmarks)[:, :, MOUTH, 1].mean(dim=2)
        torch.testing.assert_close(said, torch.tensor([[2.0, 4.0]]).expand(64, 2), atol=0.01, rtol=0)

    @pytest.mark.parametrize("turn", [True, False])
    def test_a_step_of_either_kind_is_finite(self, stage, turn):
        terms = stage(turn=turn, batch=2).step(0)
        assert all(np.isfinite(float(value)) for value in terms.values())


@pytest.mark.parametrize(
    "change", [{"attention": "static"}, {"attention": "none"}, {"recurrence": "batch"}, {"recurrence": "none"}]
)
def test_ablated_networks_are_trained_and_shipped(make, tmp_path, change):
    stage = make(replace(SMALL, **change), batch=2, frames=2, discriminator=0.1)
    terms = stage.step(0)
    assert all(np.isfinite(float(value)) for value in terms.values())
    assert ({"sparsity", "presence"} <= set(terms)) == (change.get("attention") != "none")
    stage.ship(stage.players["main"].module, tmp_path, {})
    assert set(load_vg_nets(tmp_path)) == {0.5}


class TestTerms:
    def test_plain_l1_leaves_attention_out(self, face68):
        torch.manual_seed(0)
        real, frame = torch.rand(2, 1, 2, 3, 128, 128)
        landmarks = torch.tensor(face68[:, :2], dtype=torch.float32).expand(1, 2, 68, 2)
        settings = VGSettings(loss="l1", pixel=3.0, mouth_weight=1.0, lips_weight=1.0)
        for attention in torch.rand(2, 1, 2, 1, 128, 128):
            terms = generator_terms(real, Frames(frame, attention, frame), landmarks, settings)
            assert terms["pixel"] == pytest.approx(3 * (real - frame).abs().mean().item(), rel=1e-5)

    def test_what_does_not_attend_has_no_terms_of_attention(self, face68):
        frame = torch.rand(1, 2, 3, 128, 128)
        landmarks = torch.tensor(face68[:, :2], dtype=torch.float32).expand(1, 2, 68, 2)
        made = Frames(frame, torch.ones(1, 2, 1, 128, 128), frame)
        terms = generator_terms(frame, made, landmarks, VGSettings(), attends=False)
        assert set(terms) == {"pixel", "gradient", "texture"}

    def test_the_terms_are_their_losses_times_their_weights(self, face68):
        torch.manual_seed(0)
        real, frame = torch.rand(2, 1, 2, 3, 128, 128)
        attention = torch.rand(1, 2, 1, 128, 128)
        landmarks = torch.tensor(face68[:, :2], dtype=torch.float32).expand(1, 2, 68, 2)
        settings = VGSettings(
            beta=0.3,
            pixel=2.0,
            gradient=5.0,
            texture=4.0,
            sparsity=7.0,
            stay=3.0,
            presence=6.0,
            mouth_weight=3.0,
            lips_weight=9.0,
        )
        terms = generator_terms(real, Frames(frame, attention, frame), landmarks, settings)
        weight = 1 + 2 * losses.mouth_box(landmarks, 128)
        weight[losses.mouth_box(landmarks, 128, margin=0.0) > 0] = 9
        expected = ((real - frame).abs() * (attention + 0.3) * weight).mean()
        assert terms["pixel"] == pytest.approx(2 * expected.item(), rel=1e-5)
        cost = 1 + 2 * losses.far_from_face(landmarks, 128)
        assert terms["sparsity"] == pytest.approx(7 * (cost * attention).mean().item(), rel=1e-5)
        outside = 1 - attention[losses.mouth_box(landmarks, 128, margin=0.0) > 0].mean().item()
        assert terms["presence"] == pytest.approx(6 * outside, rel=1e-4)
        plain = losses.gradient_loss(real[0], frame[0], weight[0])
        assert terms["gradient"] == pytest.approx(5 * plain.item(), rel=1e-5)
        detail = losses.texture_loss(real[0], frame[0], weight[0])
        assert terms["texture"] == pytest.approx(4 * detail.item(), rel=1e-5)


def test_what_ships_is_calibrated_and_training_does_not_notice(make, tmp_path):
    from atvg.checkpoint import load_vg_net

    stage = make()
    net = stage.players["main"].module
    before = {name: value.clone() for name, value in net.state_dict().items()}
    stage.ship(net, tmp_path, {})
    shipped = load_vg_net(tmp_path)
    assert (shipped.input_ranges[:, 0] <= 0).all() and (shipped.input_ranges[:, 1] > 0).all()
    assert net.training and not net.input_ranges.any()
    assert all((value == before[name]).all() for name, value in net.state_dict().items())


def test_the_sample_shows_five_rows_and_leaves_the_network_in_training(make):
    stage = make(batch=3, frames=2)
    net = VGNet(SMALL).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    picture = stage.sample(net)
    assert picture.shape == (3, 5 * 128, 3 * 128)
    assert 0 <= picture.min() and picture.max() <= 1
    assert net.training and all(torch.equal(before[name], value) for name, value in net.state_dict().items())


class TestDrivenByATNet:
    @pytest.fixture
    def heard(self, make, run_at, tmp_path):
        """Batches of one draw: without AT-net's errors, and with all of them in half of the samples."""
        run_at(tmp_path / "at", steps=2)
        wide = PLAIN | {"speech_only": 0.0, "batch": 32, "frames": 1}
        stages = (make(**wide), make(**wide, at_net=str(tmp_path / "at"), at_errors=1.0))
        return [stage.bank.batch(np.random.default_rng(0), 32, 1) for stage in stages], stages

    def test_its_errors_are_of_jaw_and_mouth_alone(self, heard):
        (without, errors), _ = heard
        assert without.errors is None
        size = np.abs(errors.errors).max(axis=(0, 1, 3))
        speaking = np.concatenate([JAW[1:-1], MOUTH])
        assert (size[speaking] > 0).all()
        assert (np.delete(size, speaking) == 0).all()

    def test_a_share_of_them_is_added_to_half_of_the_samples_and_never_to_the_photo(self, heard):
        _, (without, driven) = heard
        driven.bank.errors = np.full_like(driven.bank.errors, 2.0)
        rng = np.random.default_rng(0)
        windows = driven.bank.batch(rng, 32, 1)
        batch = driven.batch(np.random.default_rng(0))
        photo, target = windows.landmarks[:, 0, :, :2], windows.landmarks[:, 1:, :, :2]
        upright = np.abs(batch.example.numpy() - photo).max(axis=(1, 2)) < 1e-3  # the others are mirrored
        assert 5 < upright.sum() < 27
        moved = (batch.landmarks.numpy() - target)[upright].mean(axis=(1, 2, 3))
        assert (moved > -1e-3).all() and moved.max() <= 2
        assert 0.2 < (moved > 1e-3).mean() < 0.8
