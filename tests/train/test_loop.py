"""The loop of both stages: when it stops, what it leaves behind, and that a resumed run is the same run."""

import json
import threading

import pytest
import torch
from safetensors.torch import load_file

from atvg import checkpoint
from atvg import tensors as tensors_file
from atvg.errors import BadSettingError, CheckpointError, PackError
from atvg.train.at_stage import ATStage
from atvg.train.loop import learning_rate
from atvg.train.run import setting_names, train
from atvg.train.settings import RunSettings, VGSettings
from atvg.train.state import STATE_FILE
from atvg.train.vg_stage import VGStage
from tests.marks import quick


def state_of(folder):
    return tensors_file.load_state(folder / STATE_FILE)


def assert_same_run(first, second):
    """Weights, averages, optimisers' moments and the step: every number is the same."""
    (a, meta_a), (b, meta_b) = state_of(first), state_of(second)
    assert a.keys() == b.keys() and meta_a["step"] == meta_b["step"]
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert different == []


class TestLearningRate:
    """Up over the warm-up, flat, down over the last fifth."""

    settings = RunSettings(lr=1.0, warmup=10, steps=100)

    @pytest.mark.parametrize(
        ("step", "rate"), [(0, 0.1), (4, 0.5), (9, 1.0), (50, 1.0), (80, 1.0), (90, 0.5), (99, 0.05)]
    )
    def test_by_hand(self, step, rate):
        assert learning_rate(self.settings, step) == pytest.approx(rate)

    def test_without_warm_up_it_begins_at_its_full_height(self):
        assert learning_rate(RunSettings(lr=1.0, warmup=0, steps=100), 0) == pytest.approx(1.0)


class TestStopping:
    def test_after_its_steps(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=2)
        assert state_of(tmp_path / "run")[1]["step"] == 2

    def test_after_its_minutes(self, run_at, tmp_path, one_minute_per_step):
        run_at(tmp_path / "run", minutes=3, steps=100)
        meta = state_of(tmp_path / "run")[1]
        assert meta["step"] == 3 and meta["seconds"] == 180

    @pytest.mark.parametrize("minutes", [0, -1, float("nan")])
    def test_minutes_must_be_positive(self, run_at, tmp_path, minutes, refuses):
        with refuses(BadSettingError, "--minutes"):
            run_at(tmp_path / "run", minutes=minutes)


class TestResuming:
    @pytest.mark.parametrize("discriminator", quick([0, 0.1], 0.1))
    def test_two_steps_and_two_are_four(self, run_vg, tmp_path, one_minute_per_step, discriminator):
        settings = {"steps": 4, "discriminator": discriminator}
        run_vg(tmp_path / "whole", **settings)
        run_vg(tmp_path / "parts", minutes=2, **settings)
        assert state_of(tmp_path / "parts")[1]["step"] == 2
        run_vg(tmp_path / "parts", resume=True, **settings)
        assert_same_run(tmp_path / "whole", tmp_path / "parts")

    def test_at_net_resumes_exactly_too(self, run_at, tmp_path, one_minute_per_step):
        """Its dropout draws from torch's generator, which each step seeds anew."""
        run_at(tmp_path / "whole", steps=6)
        run_at(tmp_path / "parts", minutes=2, steps=6)
        run_at(tmp_path / "parts", resume=True, steps=6)
        assert_same_run(tmp_path / "whole", tmp_path / "parts")

    def test_a_killed_run_goes_on_from_its_last_save(self, run_at, tmp_path, monkeypatch):
        step = ATStage.step

        def killed_at_4(self, number):
            if number == 4:
                raise KeyboardInterrupt
            return step(self, number)

        monkeypatch.setattr(ATStage, "step", killed_at_4)
        with pytest.raises(KeyboardInterrupt):
            run_at(tmp_path / "killed", steps=6, save_minutes=0)
        assert state_of(tmp_path / "killed")[1]["step"] == 4
        monkeypatch.setattr(ATStage, "step", step)
        run_at(tmp_path / "killed", resume=True, steps=6)
        run_at(tmp_path / "whole", steps=6)
        assert_same_run(tmp_path / "whole", tmp_path / "killed")

    def test_the_log_goes_on(self, run_at, tmp_path, one_minute_per_step):
        run_at(tmp_path / "run", minutes=2, steps=4, log_every=1)
        run_at(tmp_path / "run", resume=True, steps=4, log_every=1)
        lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [1, 2, 3, 4]
        assert [line["minutes"] for line in lines] == [1, 2, 3, 4]

    def test_a_finished_run_has_nothing_left_to_do(self, run_at, tmp_path):
        run_at(tmp_path / "run", steps=2)
        before = state_of(tmp_path / "run")[0]
        assert run_at(tmp_path / "run", resume=True, steps=2) == {}
        after = state_of(tmp_path / "run")[0]
        assert all(torch.equal(before[name], after[name]) for name in before)

    def test_a_discriminator_may_join_later(self, run_vg, tmp_path):
        run_vg(tmp_path / "run", steps=2)
        terms = run_vg(tmp_path / "run", resume=True, steps=3, discriminator=0.1)
        assert "judge_real" in terms and state_of(tmp_path / "run")[1]["step"] == 3

    def test_another_seed_is_another_run(self, run_at, tmp_path):
        run_at(tmp_path / "a", steps=2)
        run_at(tmp_path / "b", steps=2, seed=1)
        with pytest.raises(AssertionError):
            assert_same_run(tmp_path / "a", tmp_path / "b")


class TestRefusals:
    def test_a_run_is_not_overwritten(self, run_at, tmp_path, refuses):
        run_at(tmp_path / "run", steps=1)
        before = (tmp_path / "run" / STATE_FILE).read_bytes()
        with refuses(CheckpointError, "--resume"):
            run_at(tmp_path / "run", steps=1)
        assert (tmp_path / "run" / STATE_FILE).read_bytes() == before

    def test_there_must_be_something_to_resume(self, run_at, tmp_path, refuses):
        with refuses(CheckpointError, "missing"):
            run_at(tmp_path / "run", resume=True, steps=1)

    def test_a_run_of_another_size_cannot_be_resumed(self, run_at, tmp_path, refuses):
        run_at(tmp_path / "run", steps=1)
        with refuses(CheckpointError, "does not fit"):
            run_at(tmp_path / "run", resume=True, steps=2, net__hidden=24)

    def test_a_run_of_the_other_stage_cannot_be_resumed(self, run_vg, run_at, tmp_path, refuses):
        run_vg(tmp_path / "run", steps=1)
        with refuses(CheckpointError, "does not fit"):
            run_at(tmp_path / "run", resume=True, steps=2)

    def test_unknown_settings_name_those_there_are(self, run_vg, tmp_path, refuses):
        with refuses(BadSettingError, "'bta'") as caught:
            run_vg(tmp_path / "run", bta=0.5)
        assert "beta" in str(caught.value)
        with refuses(BadSettingError, "'widths'"):
            run_vg(tmp_path / "run", net__widths=3)

    @pytest.mark.parametrize(
        "wrong",
        [{"batch": "many"}, {"batch": "2.5"}, {"net__recurrence": "maybe"}, {"net__photo_widths": "8,x,16,16"}],
    )
    def test_values_of_the_wrong_type(self, run_vg, tmp_path, wrong, refuses):
        with refuses(BadSettingError, next(iter(wrong)).replace("net__", "")):
            run_vg(tmp_path / "run", **wrong)

    def test_a_list_of_the_wrong_length(self, run_vg, tmp_path, refuses):
        with refuses(BadSettingError, "photo_widths"):
            run_vg(tmp_path / "run", net__photo_widths="8,16")

    def test_a_missing_pack(self, tmp_path, refuses):
        with refuses(PackError, "atvg prepare"):
            train("vg", tmp_path / "nowhere", tmp_path / "run")


class TestWhatIsLeft:
    @pytest.fixture(scope="class")
    def folder(self, tiny_pack, tmp_path_factory):
        from tests.train.conftest import SMALL_VG

        folder = tmp_path_factory.mktemp("run") / "run"
        more = {"steps": "4", "log_every": "2", "sample_every": "2", "beta": "0.7"}
        train("vg", tiny_pack, folder, overrides=SMALL_VG | more)
        return folder

    def test_the_average_lags_behind_the_live_weights(self, folder):
        tensors, _ = state_of(folder)
        floats = [n[4:] for n in tensors if n.startswith("ema.") and tensors[n].is_floating_point()]
        moved = [name for name in floats if not torch.equal(tensors["ema." + name], tensors["net.main." + name])]
        assert len(moved) > 0.9 * len(floats)

    def test_the_average_is_what_ships(self, folder):
        tensors, shipped = state_of(folder)[0], load_file(folder / "vg_net.safetensors")
        assert shipped.pop("input_ranges").any()  # measured for what ships, and for nothing else
        for name, value in shipped.items():
            assert torch.equal(value, tensors[f"ema.{name}"].to(value.dtype))

    def test_the_shipped_weights_load_and_say_how_they_were_made(self, folder):
        assert checkpoint.load_vg_net(folder).config.hidden == 16
        notes = checkpoint.notes(folder, "vg_net")
        assert notes["step"] == 4 and notes["beta"] == 0.7 and notes["settings"]["batch"] == 2

    def test_the_log_has_one_line_per_stretch(self, folder):
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == [2, 4]
        assert {"lr", "minutes", "pixel", "gradient", "sparsity", "attention"} <= set(lines[0])

    def test_tensorboard_has_scalars_and_pictures(self, folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder / "tensorboard")).Reload()
        assert [event.step for event in events.Scalars("loss/pixel")] == [2, 4]
        assert [event.step for event in events.Images("sample")] == [2, 4]

    def test_no_thread_of_it_goes_on(self, run_at, tmp_path):
        before = set(threading.enumerate())
        run_at(tmp_path / "run", steps=2)
        assert (tmp_path / "run" / "tensorboard").is_dir() and set(threading.enumerate()) <= before


class TestAverage:
    def test_the_first_step_by_hand(self, run_vg, tmp_path, monkeypatch):
        """After step 1 the average keeps 1/10 of the beginning: ema = 0.1·start + 0.9·live."""
        start = {}
        step = VGStage.step

        def remember(self, number):
            start.update({k: v.clone() for k, v in self.players["main"].module.state_dict().items()})
            return step(self, number)

        monkeypatch.setattr(VGStage, "step", remember)
        run_vg(tmp_path / "run", steps=1)
        tensors, _ = state_of(tmp_path / "run")
        for name in ("start.weight", "motion_head.0.bias"):
            expected = 0.1 * start[name] + 0.9 * tensors[f"net.main.{name}"]
            torch.testing.assert_close(tensors[f"ema.{name}"], expected)
            assert not torch.equal(start[name], tensors[f"net.main.{name}"])


def test_settings_are_listed_by_the_names_set_understands():
    names = setting_names("vg")
    assert {"beta", "discriminator", "lr", "steps", "net.hidden"} <= set(names)
    assert "net.motion_codes" in setting_names("at")


def test_the_papers_beta_is_the_default():
    assert VGSettings().beta == 0.5


class TestFineTuning:
    def test_a_run_begins_with_the_weights_of_another(self, run_vg, tmp_path):
        """With a rate of 0 nothing is learnt, so they come out as they went in; half precision is what ships."""
        run_vg(tmp_path / "base", steps=2)
        run_vg(tmp_path / "tuned", steps=1, lr=0.0, beta=2.0, init=tmp_path / "base")
        base, tuned = (load_file(tmp_path / name / "vg_net.safetensors") for name in ("base", "tuned"))
        measured = ("running", "num_batches", "input_ranges")
        learnt = [name for name in base if not any(word in name for word in measured)]
        assert all(torch.equal(base[name], tuned[name]) for name in learnt)
        assert checkpoint.notes(tmp_path / "tuned", "vg_net")["beta"] == 2.0

    def test_weights_of_another_size_are_refused(self, run_vg, tmp_path, refuses):
        run_vg(tmp_path / "base", steps=1)
        with refuses(CheckpointError, "sizes"):
            run_vg(tmp_path / "tuned", steps=1, net__hidden=24, init=tmp_path / "base")

    def test_there_must_be_weights(self, run_vg, tmp_path, refuses):
        with refuses(CheckpointError):
            run_vg(tmp_path / "tuned", steps=1, init=tmp_path / "nowhere")

    def test_it_is_for_new_runs_of_vg_net(self, run_vg, run_at, tmp_path, refuses):
        with refuses(BadSettingError, "--init"):
            run_at(tmp_path / "at", steps=1, init=tmp_path)
        with refuses(BadSettingError, "--init"):
            run_vg(tmp_path / "vg", steps=1, resume=True, init=tmp_path)
