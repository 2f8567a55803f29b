"""What `atvg bench` tells of every stage, of live speech, of the authors' sizes and of longer voices."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from atvg.bench.samples import placed
from atvg.bench.table import to_table


@pytest.fixture(scope="module")
def result():
    """In a process of its own, whose memory no other test has touched."""
    line = "bench --json --runs 1 --seconds 0.8 --engine openvino --against authors --curve"
    code = "from atvg.bench import lengths; from atvg.cli import main; lengths.CURVE = (0.4,)"
    code += f"; raise SystemExit(main({line.split()}))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.long
def test_every_stage_is_timed(result):
    stages = {
        "detect",
        "mfcc",
        "mfcc80",
        "ear_on_one_core",
        "at_net_ear_whisper",
        "at_net_ear_none",
        "shape",
        "vg_net",
    }
    stages |= {"paste_back", "encode", "panels"}
    assert stages | {"first_frame", "end_to_end", "natural", "large"} == set(result["stages"])
    for name, figures in result["stages"].items():
        assert 0 < figures["least"] <= figures["median"] <= figures["greatest"], name
    vg_net = result["stages"]["vg_net"]
    assert vg_net["real_time_factor"] == pytest.approx(vg_net["median"] / 0.8)
    assert vg_net["frames_per_second"] == pytest.approx(20 / vg_net["median"])


@pytest.mark.long
def test_loading_memory_and_the_engine_are_told(result):
    assert result["engine"] == "openvino"
    assert 100 < result["peak_memory_mb"] < 4000
    assert result["load_seconds"] > 0 and result["first_use_seconds"] > 0


def test_the_box_is_paid_by_the_file():
    import numpy as np

    from atvg.bench.boxed import time_box

    timed = time_box(np.zeros((64, 64, 3), np.uint8), 1)
    sounds = {f"sound ({kind})" for kind in ("wav", "mp3", "m4a")}
    assert set(timed) == {"photo", "large photo", "film", "sentence", "start of ffmpeg"} | sounds
    for name, figures in timed.items():
        assert figures["price"] == figures["inside"] - figures["outside"], name
        assert figures["price"] < 0.5, name  # a process that had to be started for it would take as long


@pytest.mark.long
def test_live_speech_is_behind_by_what_it_has_to_wait_for(result):
    live = result["live"]
    assert live["latency_seconds"] == pytest.approx(0.04 + 0.2425 + 0.2 + live["greatest"])


@pytest.mark.long
def test_the_authors_sizes_are_those_that_were_published(result):
    theirs = result["authors"]
    assert theirs["parameters"] / 1e6 == pytest.approx(58.4, abs=0.1)
    assert theirs["gflop_first_frame"] == pytest.approx(8.0 + 1.2, abs=0.2)
    assert theirs["least_ratio"] <= theirs["ratio"] <= theirs["greatest_ratio"]
    speeds = theirs["ours_frames_per_second"] / theirs["theirs_frames_per_second"]
    assert theirs["ratio"] == pytest.approx(speeds)


@pytest.mark.long
def test_lengths_are_rendered_one_by_one(result):
    (point,) = result["curve"]
    assert point["frames"] == 10 and point["real_time_factor"] == pytest.approx(point["seconds"] / 0.4)


@pytest.mark.long
def test_films_of_both_sizes_are_dubbed_whole(result):
    assert [film["size"] for film in result["dubs"]] == ["512×512", "1920×1080"]
    for film in result["dubs"]:
        assert film["real_time_factor"] == pytest.approx(film["whole"]["median"] / 0.8)
        assert film["look_factor"] == pytest.approx(film["look"]["median"] / 0.8)
        assert film["look"]["median"] + film["first_frames"]["median"] <= film["whole"]["median"]
        assert 100 < film["peak_memory_mb"] < 4000


def test_a_face_is_placed_in_the_middle_as_high_as_asked_for():
    photo, mesh = np.zeros((100, 100, 3), np.uint8), np.array([[40, 20], [60, 20], [40, 40], [60, 40]])
    photo[20:41, 40:61] = 255
    bright = np.argwhere(placed(photo, mesh, (90, 60), 40)[..., 0] > 127)  # rows and columns
    assert bright.mean(axis=0) == pytest.approx([30, 45], abs=1)
    assert np.ptp(bright, axis=0) == pytest.approx([41, 41], abs=1)


@pytest.mark.long
def test_the_table_says_the_same(result):
    table = to_table(result)
    for name, figures in result["stages"].items():
        assert f"| {name} | {figures['median']:.3f} |" in table
    for film in result["dubs"]:
        assert f"| {film['size']}, face of 400 pixels | {film['look_factor']:.3f} |" in table
    assert f"{result['authors']['ratio']:.1f} times as fast" in table
    assert re.search(rf"photo \| \d+ \| \d+ \| {1000 * result['box']['photo']['price']:.0f} \|", table)
