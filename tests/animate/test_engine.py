"""VG-net compiled draws what VG-net in PyTorch draws, whoever else is drawing."""

import copy
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from atvg.animate import engine, openvino_engine
from atvg.animate.engine import make_engine
from atvg.animate.int8 import calibrate
from atvg.animate.pipeline import blend
from atvg.animate.torch_engine import Drawn, TorchEngine
from atvg.animator import Animator
from atvg.config import VGNetConfig
from atvg.errors import BadSettingError
from atvg.motion.layers import Layers
from atvg.motion.teeth import fit_teeth, load_donors
from atvg.nets.ground import Ground
from atvg.nets.vg_net import VGNet
from tests.marks import quick

COMPILED = ("openvino", "openvino-int8")


@pytest.fixture(scope="module")
def net(animator) -> VGNet:
    return animator.vg_nets[0.5]


@pytest.fixture(scope="module")
def scene(animator, face, net, voice_path):
    """Arguments of `draw`: 23 frames of real speech, drawn in layers whether the weights have learnt it or not."""
    chunks = list(animator.stream(face, voice_path, chunk=23))
    landmarks = torch.from_numpy(chunks[1].landmarks)
    layered = copy.copy(net)
    layered.config = replace(net.config, layers=True)
    with torch.inference_mode():
        photo = torch.from_numpy(face.crop.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        example = torch.from_numpy(face.crop_landmarks[None].copy())
        code = net.encode_photo(photo, example[..., :2], fit_teeth(load_donors(), photo, example))
        ground = layered.ground(code, landmarks[None])
        assert ground.layers.unknown.max() > 0.5 and ground.layers.changed.max() > 0.5
        return code, landmarks, ground, code.start


def some_of(ground: Ground, frames: slice) -> Ground:
    return Ground(ground.photo[frames], Layers(*(part[frames] for part in ground.layers)))


@pytest.fixture(scope="module")
def compiled(net) -> Callable[[str], Any]:
    """An engine by its name, compiled once."""

    @cache
    def make(name: str) -> Any:
        return make_engine(name, net)

    def ask(name: str) -> Any:
        try:
            return make(name)
        except BadSettingError as error:
            if "VNNI" in str(error):
                pytest.skip(str(error))
            raise

    return ask


@pytest.fixture(scope="module")
def reference(net, scene) -> Drawn:
    return make_engine("torch", net).draw(*scene)


@pytest.mark.parametrize("name, mean, most", [("openvino", 0.001, 1), ("openvino-int8", 0.1, 12)])
def test_compiled_networks_draw_what_pytorch_draws(compiled, scene, reference, name, mean, most):
    """`mean` and `most` in grey levels; the faces that are compared move by 3 on average over the mouth."""
    drawn = compiled(name).draw(*scene)
    assert drawn.frames.dtype == drawn.motion.dtype == np.uint8 and drawn.attention.dtype == np.float32
    assert [part.shape for part in drawn] == [part.shape for part in reference]
    off = np.abs(drawn.frames.astype(int) - reference.frames)
    assert off.mean() < mean and off.max() <= most
    assert np.abs(drawn.attention - reference.attention).mean() < mean / 25
    moved = np.abs(reference.frames[0].astype(int) - reference.frames[9])
    assert moved.mean() > 2 * off.mean()


@pytest.mark.parametrize("name", COMPILED)
def test_frames_do_not_depend_on_how_many_are_drawn_at_once(compiled, scene, name):
    code, landmarks, ground, state = scene
    whole, parts = compiled(name).draw(*scene), []
    for first, last in ((0, 1), (1, 4), (4, 12), (12, 23)):
        some = slice(first, last)
        parts.append(compiled(name).draw(code, landmarks[some], some_of(ground, some), state))
        state = parts[-1].states[-1:]
    for part in ("frames", "attention", "motion"):
        assert (np.concatenate([getattr(drawn, part) for drawn in parts]) == getattr(whole, part)).all()


@pytest.mark.parametrize("name", quick(COMPILED, "openvino"))
def test_several_threads_draw_at_the_same_time(compiled, scene, name):
    shared = compiled(name)
    alone = shared.draw(*scene)
    with ThreadPoolExecutor(4) as pool:
        for drawn in pool.map(lambda _: shared.draw(*scene), range(4)):
            assert (drawn.frames == alone.frames).all()


def test_what_is_compiled_are_the_weights_at_hand(net, scene, reference):
    other = copy.deepcopy(net)
    other.attention_head[0].bias -= 20
    drawn, changed = make_engine("openvino", other).draw(*scene), scene[2].layers.changed[:, 0].numpy()
    np.testing.assert_allclose(drawn.attention, changed, atol=1e-3)  # below it α never falls
    assert (reference.attention > changed + 0.1).any()


class TestChoice:
    def test_automatic_is_the_fastest_that_there_is(self, net):
        best = "openvino-int8" if torch.cpu._is_vnni_supported() else "openvino"
        assert make_engine("auto", net).name == best

    def test_without_the_package_pytorch_draws(self, net, monkeypatch, refuses):
        monkeypatch.setattr(engine, "on_openvino", lambda: None)
        assert make_engine("auto", net).name == "torch"
        with refuses(BadSettingError, "not installed"):
            make_engine("openvino", net)

    @pytest.mark.parametrize(
        "change",
        [
            {"recurrence": "none"},
            {"recurrence": "batch"},
            {"attention": "static"},
            {"attention": "none"},
            {"warp": False},
        ],
    )
    def test_ablated_networks_are_drawn_by_pytorch(self, animator, face68, astronaut, change, refuses):
        widths = {"photo_widths": (8, 8, 8, 8), "landmark_widths": (8, 8, 8), "decoder_widths": (8, 8, 8)}
        ablated = VGNet(VGNetConfig(**widths, hidden=8, **change)).eval().requires_grad_(False)
        assert isinstance(make_engine("auto", ablated), TorchEngine)
        with refuses(BadSettingError, "ablation"):
            make_engine("openvino", ablated)
        drawer = Animator(animator.at_nets, animator.shape, {0.5: ablated}, animator.detector).drawer(
            astronaut[30:158, 160:288], face68[:, :2]
        )
        drawing = drawer.draw(np.repeat(face68[None, :, :2], 3, axis=0))
        assert drawing.frames.shape == drawing.motion.shape == drawing.base.shape == (3, 128, 128, 3)
        assert drawing.attention.shape == (3, 128, 128) and drawing.shift.shape == (3, 64, 64, 2)
        assert (drawing.teeth is None) == ("warp" in change), "what is drawn from nothing has no layers"

    def test_integers_need_ranges(self, refuses):
        new = VGNet(VGNetConfig()).eval()
        assert make_engine("auto", new).name == "openvino"
        with refuses(BadSettingError, "ranges"):
            make_engine("openvino-int8", new)

    def test_and_a_processor_that_has_them(self, net, monkeypatch, refuses):
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
        assert make_engine("auto", net).name == "openvino"
        with refuses(BadSettingError, "VNNI"):
            make_engine("openvino-int8", net)

    @pytest.mark.parametrize("name", ["", "cuda", "OpenVINO", None, 3])
    def test_unknown_names(self, net, refuses, name):
        with refuses(BadSettingError, "choose from: auto, torch"):
            make_engine(name, net)

    def test_the_animator_says_so_before_any_work(self, refuses):
        with refuses(BadSettingError, "choose from"):
            Animator.from_pretrained(engine="tensorrt")

    @pytest.mark.parametrize("before", quick(["", "import openvino_telemetry", "import openvino"], ""))
    def test_nothing_is_sent_to_anybody(self, before):
        """Also if somebody else has imported OpenVINO or its messenger by then."""
        code = f"""
import sys
{before}
sent = []
if {bool(before)}:
    import openvino_telemetry
    for name in ("send_event", "start_session", "end_session", "send_error", "send_stack_trace"):
        setattr(openvino_telemetry.Telemetry, name, lambda *a, **k: sent.append(a))
from atvg import Animator
engine = Animator.from_pretrained(engine="openvino").engine()
assert engine.name == "openvino" and not sent, sent
assert {bool(before)} or not sys.modules.get("openvino_telemetry")
"""
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    def test_what_cannot_be_compiled_is_drawn_by_pytorch(self, net, monkeypatch, refuses):
        def fail(_):
            raise RuntimeError("Check 'false' failed\nat somewhere.cpp:12")

        monkeypatch.setattr(openvino_engine, "_compile", fail)
        assert make_engine("auto", net).name == "torch"
        with refuses(BadSettingError, "Check 'false' failed"):
            make_engine("openvino", net)

    def test_half_a_family_with_ranges_has_none_between(self, animator, net):
        bare = copy.deepcopy(net)
        bare.input_ranges.zero_()
        mixed = Animator(animator.at_nets, animator.shape, {0.5: net, 2.0: bare}, animator.detector)
        assert not blend(mixed.vg_nets, 1.5).input_ranges.any()


class TestRanges:
    @pytest.fixture(scope="class")
    def small(self) -> VGNet:
        torch.manual_seed(0)
        widths = {"photo_widths": (8, 8, 8, 8), "landmark_widths": (8, 8, 8), "decoder_widths": (8, 8, 8)}
        return VGNet(VGNetConfig(**widths, hidden=8)).eval()

    def test_they_hold_what_the_layers_see(self, small):
        photo, landmarks = torch.rand(1, 3, 128, 128) * 2 - 1, torch.rand(1, 68, 2) * 128
        seen = {}
        layers = small.frame_layers()
        hooks = [
            layer.register_forward_pre_hook(lambda _, inputs, name=name: seen.setdefault(name, inputs[0].detach()))
            for name, layer in layers.items()
        ]
        calibrate(small, [(photo, landmarks, landmarks[:, None], None, None)])
        for hook in hooks:
            hook.remove()
        ranges = dict(zip(layers, small.input_ranges, strict=True))
        assert len(seen) == len(layers)
        for (name, values), (low, high) in zip(seen.items(), [ranges[name] for name in seen], strict=True):
            inside = ((values >= low - 1e-6) & (values <= high + 1e-6)).float().mean()
            assert inside > 0.95 and low <= 0 < high <= values.max(), name
        low, high = ranges["warped_64.1"]
        assert -1 <= low < -0.9 < 0.9 < high <= 1

    def test_they_are_saved_with_the_weights(self, net, tmp_path):
        from atvg import checkpoint

        checkpoint.save_net(tmp_path, "vg_net", net, {"beta": 0.5})
        loaded = checkpoint.load_vg_net(tmp_path)
        assert torch.allclose(loaded.input_ranges, net.input_ranges, rtol=1e-3)
        assert (loaded.input_ranges[:, 1] > 0).all()

    def test_every_layer_of_a_frame_has_one_and_those_of_the_photo_have_none(self, net):
        names = list(net.frame_layers())
        assert len(names) == len(net.input_ranges)
        assert {"mmcrnn.candidate_from_state", "motion_head.0", "landmark_in"} <= set(names)
        assert not any(name.startswith(("photo", "start", "example")) for name in names)
