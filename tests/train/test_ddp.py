"""Training in two processes: each draws batches of its own, and both end with the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from atvg import checkpoint
from atvg import tensors as tensors_file
from atvg.config import ROWS_PER_FRAME
from atvg.data.pack import Clip
from atvg.errors import BadSettingError
from atvg.train.run import train
from atvg.train.state import STATE_FILE
from atvg.voice.mel import silent_mfcc80
from tests import synthetic
from tests.train.conftest import SMALL_AT, SMALL_VG

FRAMES = 20
STEPS = 3
# Run by both processes: the first starts the second by running the same command again. Commands come as JSON. The
# clocks disagree: a step lasts one minute in the first process and ten in the second.
SCRIPT = """
import json, sys
import torch
from safetensors.torch import save_file
from atvg.cli import main
from atvg.train import loop, vg_stage

vg_stage._CALIBRATION = 1
run, share = loop.Loop.run, loop.Loop._share_statistics
torch.set_num_threads(1)

def watched(self):
    state = self.stage.players["main"].module.state_dict()
    self.unshared = {f"before.{k}": v.clone() for k, v in state.items() if "running" in k}
    share(self)

def recorded(self, *args):
    rank, draw, seen = self.fabric.global_rank, self.stage.batch, []

    def batch(rng):
        drawn = draw(rng)
        seen.append(drawn[0].double().mean())
        return drawn

    ship = self.stage.ship

    def ship_unseen(*args):  # what is drawn to calibrate weights is no step's
        self.stage.batch = draw
        ship(*args)
        self.stage.batch = batch

    self.stage.batch, self.stage.ship = batch, ship_unseen
    loop.time.monotonic = lambda: 60.0 * (1 + 9 * rank) * len(seen)
    result = run(self, *args)
    tensors = {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
    for name, player in self.stage.players.items():
        tensors |= {f"net.{name}.{k}": v for k, v in player.module.state_dict().items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, f"{self.run_dir}.weights-{rank}")
    save_file({"seen": torch.stack(seen)} | self.unshared, f"{self.run_dir}.seen-{rank}")
    return result

loop.Loop.run, loop.Loop._share_statistics = recorded, watched
for command in json.loads(sys.argv[1]):
    status = main(command)
    if status:
        sys.exit(status)
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory, face68) -> Path:
    """Four clips of four people in shards of their own: a disc for a face, whose chin moves with a humming voice."""
    folder = tmp_path_factory.mktemp("pack")
    clips = []
    for number in range(4):
        opening = 8 * synthetic.syllables(FRAMES, 6.0 + number)
        landmarks = np.repeat(face68[None], FRAMES, axis=0)
        landmarks[:, 55:60, 1] += opening[:, None]
        landmarks[:, 65:68, 1] += opening[:, None]
        frames = np.full((FRAMES, 128, 128, 3), 40 * number, np.uint8)
        for frame, gap in zip(frames, opening, strict=True):
            cv2.ellipse(frame, (64, 64 + int(gap)), (40, 55), 0, 0, 360, (220, 170, 40 * number), -1)
        transforms = np.repeat(np.array([[[0.5, 0, 0], [0, 0.5, 0]]], np.float32), FRAMES, axis=0)
        rows = ROWS_PER_FRAME * FRAMES
        sound = np.random.default_rng(number).normal(size=(rows + 24, 20)), np.tile(silent_mfcc80(), (rows, 1))
        about = (f"clip{number}", "made", str(number), "train", True)
        clips.append(Clip(*about, frames, landmarks, transforms, *sound))
    return synthetic.write_pack(folder, clips, shards=4)


@pytest.fixture(scope="module")
def runs(pack, tmp_path_factory) -> Path:
    """Folder of all runs: two processes go through them one after the other, which saves starting them each time."""
    folder = tmp_path_factory.mktemp("runs")

    def command(stage: str, name: str, *more: str, **overrides: object) -> list[str]:
        settings = {"at": SMALL_AT, "vg": SMALL_VG}[stage] | {"steps": str(STEPS), "log_every": "1"}
        settings |= {key.replace("__", "."): str(value) for key, value in overrides.items()}
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return ["train", stage, "-p", str(pack), "-o", str(folder / name), "--devices", "2", *sets, *more]

    commands = [
        command("at", "at"),
        command("vg", "vg", "--precision", "32-true", discriminator=0.1),
        command("vg", "vg", "--precision", "32-true", "--resume", discriminator=0.1, steps=STEPS + 1),
        command("vg", "stream", "--precision", "bf16-mixed", "--minutes", "2", stream="true", save_minutes=0),
        command("vg", "ablation", "--precision", "32-true", net__recurrence="none", net__landmark_maps="false"),
    ]
    script = folder / "both.py"
    script.write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE", "NODE_RANK")}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path(checkpoint.__file__).parents[1])}
    start = [sys.executable, str(script), json.dumps(commands)]
    done = subprocess.run(start, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


ALL = ["at", "vg", "stream", "ablation"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.long
class TestBothProcesses:
    def test_draw_batches_of_their_own(self, runs, name):
        first, second = (load_file(runs / f"{name}.seen-{rank}")["seen"] for rank in (0, 1))
        assert len(first) == len(second) > 0
        assert not (first == second).any()

    def test_end_with_the_same_weights_averages_and_statistics(self, runs, name):
        first, second = (load_file(runs / f"{name}.weights-{rank}") for rank in (0, 1))
        assert first.keys() == second.keys()
        assert [key for key in first if not torch.equal(first[key], second[key])] == []

    def test_leave_one_state_with_these_weights(self, runs, name):
        tensors, _ = tensors_file.load_state(runs / name / STATE_FILE)
        held = load_file(runs / f"{name}.weights-0")
        assert all(torch.equal(tensors[key], value) for key, value in held.items())
        assert len(list((runs / name).glob("*.safetensors"))) == 2  # the state, and what ships
        assert not list((runs / name).glob("*.half"))


@pytest.mark.long
def test_they_take_the_same_number_of_steps_whatever_their_clocks_say(runs):
    """Two minutes are two steps by the first process's clock and less than one by the second's."""
    assert tensors_file.load_state(runs / "stream" / STATE_FILE)[1]["step"] == 2


@pytest.mark.long
def test_a_distributed_run_resumes(runs):
    assert tensors_file.load_state(runs / "vg" / STATE_FILE)[1]["step"] == STEPS + 1
    lines = [json.loads(line) for line in (runs / "vg/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 2))  # each step once: one process logs


@pytest.mark.long
def test_the_statistics_of_batch_normalisation_are_of_both_processes_batches(runs):
    first, second = (load_file(runs / f"vg.seen-{rank}") for rank in (0, 1))
    held = load_file(runs / "vg.weights-0")
    names = [name.removeprefix("before.") for name in first if name.startswith("before.")]
    assert len(names) > 10
    for name in names:
        alone = first[f"before.{name}"], second[f"before.{name}"]
        assert not torch.equal(*alone)
        torch.testing.assert_close(held[f"net.main.{name}"], (alone[0] + alone[1]) / 2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"devices": 0}, "--devices"), ({"nodes": 0}, "--nodes"), ({"precision": "17-bit"}, "--precision 17-bit")],
)
def test_impossible_devices_and_precisions_are_refused(pack, tmp_path, wrong, words, refuses):
    with refuses(BadSettingError, words):
        train("vg", pack, tmp_path / "run", **wrong)
