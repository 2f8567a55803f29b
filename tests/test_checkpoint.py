"""Weights: safetensors and JSON only, and one clear error for each way in which files go wrong."""

import dataclasses
import json
import pickle
import sys
import types
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from atvg import checkpoint
from atvg import tensors as tensors_file
from atvg.config import ATNetConfig, VGNetConfig
from atvg.errors import CheckpointError
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel
from atvg.nets.at_net import ATNet
from atvg.nets.vg_net import VGNet
from atvg.voice.prosody import around

VG_SMALL = VGNetConfig(photo_widths=(8, 12, 16, 16), landmark_widths=(8, 12, 16), decoder_widths=(8, 12, 16), hidden=16)
AT_SMALL = ATNetConfig(ear="none", first_mfcc=1, n_mfcc=12, identity_codes=4, motion_codes=3, hidden=16)


def shape_model(rng: np.random.Generator) -> ShapeModel:
    return ShapeModel(
        mean=rng.normal(0, 30, (68, 3)),
        identity_basis=rng.normal(0, 1, (4, 204)),
        identity_std=rng.uniform(1, 9, 4),
        motion_basis=rng.normal(0, 1, (3, 204)),
        motion_encoder=rng.normal(0, 1, (204, 3)),
    )


@pytest.fixture
def nets() -> tuple[ATNet, ShapeModel, VGNet]:
    torch.manual_seed(0)
    at_net, vg_net = ATNet(AT_SMALL), VGNet(VG_SMALL)
    at_net.mfcc_mean.copy_(torch.linspace(-3, 3, 12))
    return at_net.eval(), shape_model(np.random.default_rng(0)), vg_net.eval()


@pytest.fixture
def folder(nets, tmp_path):
    at_net, shape, vg_net = nets
    checkpoint.save_at_net(tmp_path / "w", at_net, shape, {"minutes": 7})
    checkpoint.save_net(tmp_path / "w", "vg_net", vg_net, {"beta": 0.5})
    return tmp_path / "w"


class TestRoundTrip:
    """Half precision keeps 11 bits: about three decimal digits."""

    @torch.no_grad()
    def test_at_net_says_the_same(self, nets, folder):
        loaded, _ = checkpoint.load_at_net(folder)
        rows, identity = torch.randn(1, 4 * 9 + 24, 12), torch.randn(1, 4)
        before, after = (net(rows, identity, net.initial_state())[0] for net in (nets[0], loaded))
        torch.testing.assert_close(before, after, atol=2e-3, rtol=1e-2)
        assert before.abs().max() > 0.05

    def test_the_shape_model_is_kept_in_single_precision(self, nets, folder):
        _, loaded = checkpoint.load_at_net(folder)
        for name, array in nets[1].arrays().items():
            np.testing.assert_array_equal(getattr(loaded, name), array)

    @torch.no_grad()
    def test_vg_net_draws_the_same(self, nets, folder):
        loaded = checkpoint.load_vg_net(folder)
        photo, example = torch.rand(1, 3, 128, 128), torch.rand(1, 68, 2) * 128
        landmarks = torch.rand(1, 2, 68, 2) * 128
        before, after = (net(net.encode_photo(photo, example), landmarks)[0] for net in (nets[2], loaded))
        torch.testing.assert_close(before.frame, after.frame, atol=1e-2, rtol=0)

    @pytest.mark.parametrize("change", [{"attention": "static"}, {"attention": "none"}, {"recurrence": "batch"}])
    def test_ablated_networks_come_back(self, change, tmp_path):
        config = dataclasses.replace(VG_SMALL, **change)
        checkpoint.save_net(tmp_path, "vg_net", VGNet(config), {})
        assert checkpoint.load_vg_net(tmp_path).config == config

    def test_configs_and_notes_come_back(self, folder):
        assert checkpoint.load_at_net(folder)[0].config == AT_SMALL
        assert checkpoint.load_vg_net(folder).config == VG_SMALL
        assert checkpoint.notes(folder, "at_net") == {"minutes": 7}
        assert checkpoint.notes(folder, "vg_net") == {"beta": 0.5}

    def test_loaded_networks_are_ready_for_inference(self, folder):
        for net in (checkpoint.load_at_net(folder)[0], checkpoint.load_vg_net(folder)):
            assert not net.training
            assert not any(p.requires_grad for p in net.parameters())
            assert all(p.dtype == torch.float32 for p in net.parameters())

    def test_files_are_stored_in_half_precision_under_documented_names(self, folder):
        assert {path.name for path in folder.iterdir()} == {
            "at_net.safetensors", "at_net.json", "vg_net.safetensors", "vg_net.json",
        }  # fmt: skip
        tensors = load_file(folder / "vg_net.safetensors")
        assert all(t.dtype == torch.float16 for t in tensors.values() if t.is_floating_point())


def load_all(folder):
    checkpoint.load_at_net(folder)
    checkpoint.load_vg_net(folder)


@pytest.mark.parametrize("name", ["at_net", "vg_net"])
class TestRefusals:
    @pytest.mark.parametrize("ending", ["json", "safetensors"])
    def test_a_missing_file(self, folder, name, ending, refuses):
        (folder / f"{name}.{ending}").unlink()
        with refuses(CheckpointError, f"{name}.{ending} is missing"):
            load_all(folder)

    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
    def test_truncated_weights(self, folder, name, keep, refuses):
        path = folder / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
        with refuses(CheckpointError, f"{name}.safetensors"):
            load_all(folder)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"config": 3, "notes": {}}', '{"config": {}}', "\ud800"])
    def test_damaged_json(self, folder, name, text, refuses):
        (folder / f"{name}.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        with refuses(CheckpointError, f"{name}.json"):
            load_all(folder)

    def test_a_pickle_is_refused_and_never_run(self, folder, name, refuses, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "sprung"), "w"))

        (folder / f"{name}.safetensors").write_bytes(pickle.dumps(Trap()))
        with refuses(CheckpointError, f"{name}.safetensors"):
            load_all(folder)
        assert not (tmp_path / "sprung").exists()

    def test_a_torch_file_is_refused(self, folder, name, refuses):
        torch.save({"a": torch.zeros(3)}, folder / f"{name}.safetensors")
        with refuses(CheckpointError, f"{name}.safetensors"):
            load_all(folder)

    @pytest.mark.parametrize(
        "config", [{"hidden": 24}, {"hidden": "wide"}, {"hidden": -1}, {"unheard_of": 1}, {"hidden": None}]
    )
    def test_weights_of_another_shape(self, folder, name, config, refuses):
        path = folder / f"{name}.json"
        meta = json.loads(path.read_text())
        meta["config"] |= config
        path.write_text(json.dumps(meta))
        with refuses(CheckpointError, "do not fit"):
            load_all(folder)

    def test_weights_that_lack_a_tensor_or_have_one_too_many(self, folder, name, refuses):
        path = folder / f"{name}.safetensors"
        tensors = load_file(path)
        some = next(key for key in tensors if key.endswith("weight"))
        save_file({k: v for k, v in tensors.items() if k != some}, path)
        with refuses(CheckpointError, "do not fit"):
            load_all(folder)
        save_file(tensors | {"extra": torch.zeros(1)}, path)
        with refuses(CheckpointError, "do not fit"):
            load_all(folder)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_not_finite(self, folder, name, value, refuses):
        path = folder / f"{name}.safetensors"
        tensors = load_file(path)
        some = next(key for key in tensors if key.endswith("weight"))
        tensors[some].view(-1)[0] = value
        save_file(tensors, path)
        with refuses(CheckpointError, "NaN or infinite"):
            load_all(folder)


@pytest.mark.parametrize(
    "config",
    [{"attention": "some"}, {"attention": None}, {"recurrence": True}, {"recurrence": ["time"]}, {"driver": "audio"}],
)
def test_an_unknown_kind_of_vg_net(folder, config, refuses):
    path = folder / "vg_net.json"
    meta = json.loads(path.read_text())
    meta["config"] |= config
    path.write_text(json.dumps(meta))
    with refuses(CheckpointError, "do not fit"):
        checkpoint.load_vg_net(folder)


class TestShapeRefusals:
    def test_a_missing_array(self, folder, refuses):
        path = folder / "at_net.safetensors"
        save_file({k: v for k, v in load_file(path).items() if k != "shape.mean"}, path)
        with refuses(CheckpointError, "shape.mean"):
            checkpoint.load_at_net(folder)

    def test_arrays_of_another_size_than_the_network(self, folder, refuses):
        path = folder / "at_net.safetensors"
        save_file(load_file(path) | {"shape.motion_basis": torch.zeros(9, 204)}, path)
        with refuses(CheckpointError):
            checkpoint.load_at_net(folder)

    def test_arrays_that_are_not_finite(self, folder, refuses):
        path = folder / "at_net.safetensors"
        save_file(load_file(path) | {"shape.mean": torch.full((68, 3), torch.nan)}, path)
        with refuses(CheckpointError, "NaN or infinite"):
            checkpoint.load_at_net(folder)


class TestFamily:
    """The β family: ``vg_net`` and every ``vg_net_*`` beside it."""

    @pytest.fixture
    def family(self, folder, nets):
        net = nets[2]
        for name, beta in (("vg_net_soft", 0.1), ("vg_net_hard", 2.0)):
            checkpoint.save_net(folder / name, "vg_net", net, {"beta": beta})
            for ending in ("json", "safetensors"):
                (folder / name / f"vg_net.{ending}").rename(folder / f"{name}.{ending}")
            (folder / name).rmdir()
        return folder

    def test_its_members_are_known_by_their_beta(self, family):
        assert set(checkpoint.load_vg_nets(family)) == {0.1, 0.5, 2.0}

    def test_one_network_is_a_family_too(self, folder):
        assert set(checkpoint.load_vg_nets(folder)) == {0.5}

    def test_members_of_different_size_are_refused(self, family, refuses):
        torch.manual_seed(0)
        checkpoint.save_net(family, "vg_net", VGNet(VGNetConfig(**{**vars(VG_SMALL), "hidden": 24})), {"beta": 0.5})
        with refuses(CheckpointError, "differ in size"):
            checkpoint.load_vg_nets(family)

    @pytest.mark.parametrize("beta", ["soft", None, [1]])
    def test_a_beta_that_is_no_number_is_refused(self, family, beta, refuses):
        path = family / "vg_net_soft.json"
        meta = json.loads(path.read_text())
        meta["notes"]["beta"] = beta
        path.write_text(json.dumps(meta))
        with refuses(CheckpointError, "vg_net_soft"):
            checkpoint.load_vg_nets(family)


class TestSingle:
    """What is only compared with: one file, whose header says what the JSON of a pair would."""

    @pytest.fixture
    def path(self, nets, tmp_path):
        checkpoint.save_net(tmp_path / "run", "vg_net", nets[2], {"step": 3})
        path = checkpoint.compared_file(tmp_path, "small")
        path.parent.mkdir()
        return (tmp_path / "run" / "vg_net.safetensors").rename(path)

    @staticmethod
    def load(path) -> VGNet:
        return checkpoint.load_compared(path.parent.parent, path.stem, VGNet, VGNetConfig)

    @staticmethod
    def say(path, about) -> None:
        save_file(load_file(path), path, metadata={"meta": about} if about is not None else None)

    def test_the_weights_of_any_run_will_do(self, nets, path):
        loaded = self.load(path)
        assert loaded.config == VG_SMALL and not loaded.training
        for name, value in nets[2].state_dict().items():
            torch.testing.assert_close(loaded.state_dict()[name], value, atol=2e-3, rtol=1e-3)
        assert checkpoint.compared_notes(path.parent.parent, "small") == {"step": 3}

    def test_what_older_headers_do_not_say_is_known(self, path):
        config = dataclasses.asdict(VG_SMALL)
        del config["layers"]
        self.say(path, json.dumps({"config": config, "notes": {}}))
        assert self.load(path).config == dataclasses.replace(VG_SMALL, layers=False)

    @pytest.mark.parametrize(
        "about",
        [None, "", "{", "[]", '{"config": 3, "notes": {}}', '{"config": {}}', "[" * 100_000, " " * 1_000_001 + "{}"],
    )
    def test_a_header_that_does_not_say_what_it_is(self, path, about, refuses):
        self.say(path, about)
        for read in (self.load, lambda path: checkpoint.compared_notes(path.parent.parent, path.stem)):
            with refuses(CheckpointError, "small.safetensors does not say"):
                read(path)

    @pytest.mark.parametrize("config", [{"hidden": 24}, {"hidden": "wide"}, {"hidden": 10**9}, {"unheard_of": 1}])
    def test_weights_of_another_shape(self, path, config, refuses):
        self.say(path, json.dumps({"config": dataclasses.asdict(VG_SMALL) | config, "notes": {}}))
        with refuses(CheckpointError, "small.safetensors do not fit their own header"):
            self.load(path)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, 1j])
    def test_weights_that_are_not_finite_or_not_real(self, path, value, refuses):
        tensors, about = load_file(path), json.dumps({"config": dataclasses.asdict(VG_SMALL), "notes": {}})
        some = next(key for key in tensors if key.endswith("weight"))
        save_file(tensors | {some: tensors[some].float() * value}, path, metadata={"meta": about})
        with refuses(CheckpointError, "small.safetensors holds"):
            self.load(path)

    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
    def test_a_truncated_file(self, path, keep, refuses):
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
        for read in (self.load, lambda path: checkpoint.compared_notes(path.parent.parent, path.stem)):
            with refuses(CheckpointError, "small.safetensors"):
                read(path)

    def test_a_missing_file_and_what_is_none(self, path, refuses, tmp_path):
        path.unlink()
        with refuses(CheckpointError, "small.safetensors is missing"):
            self.load(path)
        path.mkdir()
        with refuses(CheckpointError, "small.safetensors is missing"):
            self.load(path)

    def test_a_pickle_is_refused(self, path, refuses):
        path.write_bytes(pickle.dumps(print))
        with refuses(CheckpointError, "small.safetensors"):
            self.load(path)


class TestLocate:
    def test_by_default_the_shipped_weights(self):
        assert checkpoint.locate().name == "checkpoints"

    def test_a_folder_is_itself(self, tmp_path):
        assert checkpoint.locate(tmp_path) == tmp_path
        assert checkpoint.locate(str(tmp_path)) == tmp_path

    @pytest.mark.parametrize("source", ["/no/such/folder", "nowhere", "./a/b", "a/b/c", "../x"])
    def test_what_is_neither_a_folder_nor_a_hub_id(self, source, refuses):
        with refuses(CheckpointError, source):
            checkpoint.locate(source)

    def test_a_hub_id_is_downloaded_without_anything_that_could_run(self, monkeypatch, tmp_path):
        asked = {}

        def download(repo: str, allow_patterns: list[str]) -> str:
            asked.update(repo=repo, patterns=allow_patterns)
            return str(tmp_path)

        monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=download))
        assert checkpoint.locate("owner/name") == tmp_path
        assert asked == {"repo": "owner/name", "patterns": ["*.safetensors", "*.json", "SHA256SUMS"]}

    def test_a_download_that_fails(self, monkeypatch, refuses):
        def download(*args, **kwargs):
            raise ConnectionError("many\nlines")

        monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=download))
        with refuses(CheckpointError, "owner/name"):
            checkpoint.locate("owner/name")


class TestState:
    def test_tensors_and_meta_come_back_exactly(self, tmp_path):
        tensors = {"a": torch.randn(3, 4), "b": torch.tensor(7), "c": torch.randn(4, 3).T}
        tensors_file.save_state(tmp_path / "state.safetensors", tensors, {"step": 12, "groups": {"x": [1.5]}})
        loaded, meta = tensors_file.load_state(tmp_path / "state.safetensors")
        assert meta == {"step": 12, "groups": {"x": [1.5]}}
        assert loaded.keys() == tensors.keys()
        assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)

    def test_two_names_of_one_tensor_are_stored_as_two(self, tmp_path):
        shared = torch.randn(3)
        tensors_file.save_state(tmp_path / "s.safetensors", {"a": shared, "b": shared}, {})
        loaded, _ = tensors_file.load_state(tmp_path / "s.safetensors")
        assert torch.equal(loaded["a"], loaded["b"])

    def test_a_save_that_fails_leaves_the_old_state(self, tmp_path, monkeypatch):
        path = tmp_path / "state.safetensors"
        tensors_file.save_state(path, {"a": torch.ones(3)}, {"step": 1})

        def disk_full(data, target, metadata):
            target.write_bytes(b"half")
            raise OSError("no space left on device")

        monkeypatch.setattr(tensors_file, "save_file", disk_full)
        with pytest.raises(OSError):
            tensors_file.save_state(path, {"a": torch.zeros(3)}, {"step": 2})
        loaded, meta = tensors_file.load_state(path)
        assert meta["step"] == 1 and loaded["a"].sum() == 3

    def test_a_missing_damaged_or_foreign_state(self, tmp_path, refuses):
        path = tmp_path / "state.safetensors"
        with refuses(CheckpointError, "missing"):
            tensors_file.load_state(path)
        path.write_bytes(b"garbage")
        with refuses(CheckpointError, "not safetensors"):
            tensors_file.load_state(path)
        save_file({"a": torch.zeros(1)}, path)
        with refuses(CheckpointError, "not a training state"):
            tensors_file.load_state(path)


class TestIdle:
    """Idle motion: arrays without a network, in files like those of the networks."""

    @pytest.fixture
    def idle(self) -> IdleModel:
        rng = np.random.default_rng(0)
        return IdleModel(
            poses=rng.uniform(-8, 8, (75, 3)).astype(np.float32),
            pose_lengths=np.array([25, 50], np.int32),
            blinks=rng.uniform(0, 1, 17).astype(np.float32),
            blink_lengths=np.array([8, 9], np.int32),
            blink_intervals=rng.uniform(1, 8, 5).astype(np.float32),
        )

    @pytest.fixture
    def folder(self, idle, tmp_path):
        checkpoint.save_idle(tmp_path / "w", idle, {"sequences": 2})
        return tmp_path / "w"

    def test_it_comes_back(self, idle, folder):
        assert {path.name for path in folder.iterdir()} == {"idle.safetensors", "idle.json"}
        loaded = checkpoint.load_idle(folder)
        for name, array in idle.arrays().items():
            np.testing.assert_allclose(getattr(loaded, name), array, atol=4e-3)
            assert getattr(loaded, name).dtype == array.dtype
        assert checkpoint.notes(folder, checkpoint.IDLE) == {"sequences": 2}

    def test_what_is_loaded_gives_the_same_motion_each_time(self, folder):
        first, again = (list(islice(checkpoint.load_idle(folder).sample(1), 100)) for _ in range(2))
        assert first == again

    @pytest.mark.parametrize("ending", ["json", "safetensors"])
    def test_a_missing_file(self, folder, ending, refuses):
        (folder / f"idle.{ending}").unlink()
        with refuses(CheckpointError, f"idle.{ending} is missing"):
            checkpoint.load_idle(folder)

    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
    def test_a_truncated_file(self, folder, keep, refuses):
        path = folder / "idle.safetensors"
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
        with refuses(CheckpointError, "idle.safetensors"):
            checkpoint.load_idle(folder)

    @pytest.mark.parametrize("text", ["", "[]", '{"config": 3, "notes": {}}'])
    def test_damaged_json(self, folder, text, refuses):
        (folder / "idle.json").write_text(text)
        with refuses(CheckpointError, "idle.json"):
            checkpoint.load_idle(folder)

    @pytest.mark.parametrize(
        "name, value, words",
        [
            ("poses", torch.full((75, 3), torch.nan), "NaN or infinite"),
            ("poses", torch.zeros(74, 3), "other lengths"),
            ("pose_lengths", torch.tensor([5, 70]), "too short"),
            ("blinks", torch.full((17,), 3.0), "eyes"),
            ("blink_intervals", torch.zeros(5), "intervals"),
        ],
    )
    def test_arrays_that_do_not_belong_together(self, folder, name, value, words, refuses):
        path = folder / "idle.safetensors"
        save_file(load_file(path) | {name: value}, path)
        with refuses(CheckpointError, words):
            checkpoint.load_idle(folder)

    def test_weights_that_were_made_before_heads_listened_follow_no_voice(self, folder):
        path = folder / "idle.safetensors"
        newer = {"paces", "nods", "blink_paces"}
        save_file({name: tensor for name, tensor in load_file(path).items() if name not in newer}, path)
        loaded = checkpoint.load_idle(folder)
        assert not any(getattr(loaded, name).any() for name in newer)
        assert len(list(loaded.sample(0, around(np.ones(30))))) == 30

    def test_a_missing_array(self, folder, refuses):
        path = folder / "idle.safetensors"
        save_file({name: tensor for name, tensor in load_file(path).items() if name != "blinks"}, path)
        with refuses(CheckpointError, "'blinks'"):
            checkpoint.load_idle(folder)
