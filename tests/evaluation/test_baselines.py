"""The compared systems: what each is made of, and that their frames depend on what they should."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from atvg.checkpoint import COMPARED, save_net
from atvg.errors import BadSettingError, CheckpointError
from atvg.evaluation.baselines import BASELINES, Seen, base, load_baseline, make_baseline
from atvg.evaluation.baselines.decoding import either
from atvg.evaluation.baselines.layers import Decoder, PictureEncoder, fit_linear, reverse_gradient, sample
from atvg.evaluation.baselines.zhou import contrastive
from atvg.voice.audio import windows

FRAMES = 7


def random_seen(count: int = 4) -> Seen:
    generator = torch.Generator().manual_seed(1)
    photo, real = torch.rand(2, count, 3, 128, 128, generator=generator) * 2 - 1
    return Seen(photo, real, torch.randn(count, 28, 20, generator=generator), torch.arange(count))


@pytest.fixture(params=BASELINES)
def system(request):
    """Each, untrained, but with the layers that begin at zero filled."""
    torch.manual_seed(0)
    net = make_baseline(request.param)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any() and parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((4 * FRAMES + 24, 20)).astype(np.float32)


def draw(net, photo, rows) -> np.ndarray:
    return np.concatenate(list(net.stream(photo, rows)))


class TestEach:
    def test_draws_a_frame_for_each_of_the_sound(self, system, photo, rows):
        frames = draw(system, photo, rows)
        assert frames.shape == (FRAMES, 128, 128, 3) and frames.dtype == np.uint8
        assert frames.std() > 1

    def test_stretches_make_no_difference(self, system, photo, rows, monkeypatch):
        whole = draw(system, photo, rows)
        monkeypatch.setattr(base, "_STRETCH", 3)
        assert np.abs(draw(system, photo, rows).astype(int) - whole).max() <= 1

    def test_a_frame_hears_its_own_window_only(self, system, photo, rows):
        """No recurrence in any of the three: what is beyond 28 rows changes nothing."""
        changed = rows.copy()
        changed[:12] *= -3.0
        prepared = system.prepare(base.to_tensor(photo[None]))
        before, after = (system.draw(prepared, torch.tensor(windows(r).copy())) for r in (rows, changed))
        apart = (before - after).abs().amax(dim=(1, 2, 3))
        assert apart[:3].min() > 10 * apart[3:].max()

    def test_the_photo_matters(self, system, photo, rows):
        assert np.abs(draw(system, photo, rows).astype(int) - draw(system, photo[::-1].copy(), rows)).mean() > 1

    def test_a_step_reaches_all_it_is_made_of(self, system):
        system = make_baseline(system.name)
        seen = random_seen()
        made = system(seen)
        loss = sum(F.l1_loss(picture, seen.real) for picture in made.pictures.values()) + sum(made.terms.values())
        loss.backward()
        assert [n for n, p in system.named_parameters() if p.requires_grad and p.grad is None] == []
        assert all(picture.shape == seen.real.shape for picture in made.pictures.values())

    def test_weights_take_no_more_than_ten_megabytes(self, system, tmp_path):
        save_net(tmp_path, system.name, system, {})
        assert (tmp_path / f"{system.name}.safetensors").stat().st_size <= 10e6

    def test_weights_come_back(self, system, photo, rows, tmp_path):
        save_net(tmp_path / COMPARED, system.name, system.half().float(), {})
        again = load_baseline(system.name, tmp_path)
        np.testing.assert_array_equal(draw(again, photo, rows), draw(system, photo, rows))


class TestChung:
    def test_the_refiner_does_not_teach_the_decoder(self):
        net = make_baseline("chung")
        seen = random_seen()
        net(seen).pictures["refined"].sum().backward()
        assert net.decoder.head[0].weight.grad is None

    def test_the_refiner_begins_with_changing_nothing(self):
        made = make_baseline("chung")(random_seen()).pictures
        torch.testing.assert_close(made["refined"], made["drawn"])


class TestZhou:
    def test_contrast_by_hand(self):
        """Unit vectors at 0° and 90°, watched at 0° and 180°: squared distances 0, 4 / 2, 2."""
        heard = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        watched = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        assert contrastive(heard, watched).item() == pytest.approx((0 + 2) / 2 + 0)

    def test_codes_of_other_moments_cost_only_within_the_margin(self):
        heard = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        assert contrastive(heard, heard).item() == pytest.approx(1.2)

    def test_the_reversed_gradient(self):
        x = torch.tensor([1.0, -2.0], requires_grad=True)
        (3 * reverse_gradient(x)).sum().backward()
        torch.testing.assert_close(x.grad, torch.tensor([-3.0, -3.0]))

    def test_the_adversary_learns_what_the_encoders_unlearn(self):
        """One step along the same loss: the adversary does better afterwards on codes that were not changed."""
        torch.manual_seed(0)
        net, seen = make_baseline("zhou").eval(), random_seen(8)
        net(seen).terms["adversary"].backward()
        codes = net.heard(seen.sound).detach()
        before = F.cross_entropy(net.adversary(codes), seen.person)
        with torch.no_grad():
            for parameter in net.adversary.parameters():
                parameter -= 0.5 * parameter.grad
            assert F.cross_entropy(net.adversary(codes), seen.person) < before
            for parameter in net.speech.ear.parameters():
                parameter -= 0.05 * parameter.grad / max(float(parameter.grad.norm()), 1e-9)
        after = F.cross_entropy(net.adversary(net.heard(seen.sound)), seen.person)
        assert after > F.cross_entropy(net.adversary(codes), seen.person)


class TestWiles:
    def test_begins_with_the_photo_itself(self, photo, rows):
        frames = draw(make_baseline("wiles").eval(), photo, rows)
        assert np.abs(frames.astype(int) - photo).max() <= 1

    def test_flow_is_in_halves_of_the_side(self):
        """A flow of 2·8/128 to the right reads each pixel 8 columns further right."""
        pictures = torch.rand(1, 3, 128, 128)
        flow = torch.zeros(1, 2, 128, 128)
        flow[:, 0] = 2 * 8 / 128
        torch.testing.assert_close(sample(pictures, flow)[..., :120], pictures[..., 8:], atol=1e-4, rtol=0)

    def test_sound_does_not_teach_the_networks(self):
        net = make_baseline("wiles")
        taught = {name.split(".")[0] for name, parameter in net.named_parameters() if parameter.requires_grad}
        assert taught == {"speech", "embed_in", "embed_out", "drive_out"}
        assert not any(parameter.requires_grad for parameter in net.speech.ear.parameters())

    def test_the_regression_is_fitted_at_the_end(self):
        """On so few examples that they can be told apart, it says the driving code of each."""
        net, seen = make_baseline("wiles").eval(), random_seen(8)
        net.finish([seen] * 50)
        guess = net.regression(torch.cat([net.speech.heard(seen.sound), net.speech.seen(seen.photo)], dim=1))
        true = net.speech.seen(seen.real)
        assert (guess - true).square().mean() < 0.05 * (true - true.mean(dim=0)).square().mean()


class TestRegression:
    def test_by_hand(self):
        """y = 2·x₁ − x₂ + 3, in two parts."""
        x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        y = (2 * x[:, :1] - x[:, 1:]) + 3
        layer = torch.nn.Linear(2, 1)
        fit_linear(layer, [(x[:2], y[:2]), (x[2:], y[2:])], ridge=0.0)
        torch.testing.assert_close(layer.weight.detach(), torch.tensor([[2.0, -1.0]]), atol=1e-5, rtol=0)
        assert layer.bias.item() == pytest.approx(3.0)

    def test_the_ridge_shrinks_slopes_and_spares_the_constant(self):
        x = torch.tensor([[-1.0], [1.0]])
        layer = torch.nn.Linear(1, 1)
        fit_linear(layer, [(x, 4 * x + 7)], ridge=2.0)
        assert layer.weight.item() == pytest.approx(4 * 2 / (2 + 2)) and layer.bias.item() == pytest.approx(7.0)

    @pytest.mark.parametrize("name", ["chung", "zhou"])
    def test_what_is_heard_begins_as_what_is_seen(self, name):
        net, seen = make_baseline(name).eval(), random_seen(8)
        net.begin([seen] * 50)
        true = net.speech.seen(seen.real)
        assert (net.heard(seen.sound) - true).square().mean() < 0.05 * (true - true.mean(dim=0)).square().mean()

    def test_half_of_the_codes_are_heard(self):
        torch.manual_seed(0)
        codes = either(torch.zeros(400, 3), torch.ones(400, 3))
        assert (codes == codes[:, :1]).all() and 150 < codes[:, 0].sum() < 250


def test_a_decoder_takes_the_skips_of_the_sides_it_was_made_for():
    encoder, decoder = PictureEncoder((8, 8, 8, 8, 8), 4), Decoder(4, (8, 8, 8, 8, 8), {32: 8}, 3)
    code, maps = encoder.eval()(torch.rand(1, 3, 128, 128))
    assert [x.shape[-1] for x in maps] == [64, 32, 16, 8, 4]
    plain = decoder.eval()(code, maps)
    for x, changes in zip(maps, (False, True, False, False, False), strict=True):
        others = [torch.zeros_like(m) if m is x else m for m in maps]
        assert (not torch.equal(decoder(code, others), plain)) == changes


class TestLoading:
    def test_an_unknown_name(self, refuses):
        with refuses(BadSettingError, "choose from: chung, zhou, wiles"):
            load_baseline("x2face")

    def test_missing_weights(self, tmp_path, refuses):
        with refuses(CheckpointError, "missing"):
            load_baseline("chung", tmp_path)

    def test_weights_of_another_system(self, tmp_path, refuses):
        save_net(tmp_path / COMPARED, "wiles", make_baseline("zhou"), {})
        with refuses(CheckpointError, "do not fit"):
            load_baseline("wiles", tmp_path)

    def test_broken_weights(self, tmp_path, refuses):
        net = make_baseline("zhou")
        with torch.no_grad():
            net.decoder.head[0].bias[0] = float("nan")
        save_net(tmp_path / COMPARED, "zhou", net, {})
        with refuses(CheckpointError, "NaN"):
            load_baseline("zhou", tmp_path)
