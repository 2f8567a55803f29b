"""The whole command on one short clip: files, a page that stands alone, and errors in one line."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from atvg import checkpoint
from atvg.cli import main
from atvg.dub.footage import open_footage
from atvg.errors import BadSettingError, CheckpointError, OutputError, PackError
from atvg.evaluation import ablations
from atvg.evaluation.baselines import BASELINES
from atvg.paper import dubbing, robustness
from atvg.paper.run import PARTS, paper
from atvg.paper.study import Study
from tests.paper.test_page import assert_self_contained

FIGURES = {"fig1", "fig5a", "fig5a_strip", "fig5b", "fig5b_strip", "fig6", "fig7_1"}
FILMS = {"fig6.mp4", "fig7_1.mp4", "fig7_spoken.mp4"}
MEASURED = {"table.md", "table.json", "ablations.md", "ablations.json", "paper.json", "index.html"}
KEPT = ("full", "beta0")  # ablations that are measured here


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """The shipped ones, and VG-net as if it were two ablations."""
    shipped, folder = checkpoint.locate(), tmp_path_factory.mktemp("weights")
    (folder / checkpoint.COMPARED).mkdir()
    for path in shipped.glob("*_net.*"):
        (folder / path.name).symlink_to(path)
    for name in BASELINES:
        checkpoint.compared_file(folder, name).symlink_to(checkpoint.compared_file(shipped, name))
    for name in KEPT:
        path = checkpoint.compared_file(folder, ablations.ABLATIONS[name].stored)
        path.symlink_to(shipped / f"{checkpoint.VG_NET}.safetensors")
    return folder


@pytest.fixture(scope="module")
def made(tiny_pack, weights, tmp_path_factory) -> Path:
    """All parts, of four frames, with few of the values that are swept."""
    folder = tmp_path_factory.mktemp("paper") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "SIGMAS", (0.0, 0.14))
        patch.setattr(robustness, "YAWS", (0.0, 60.0))
        line = f"paper -p {tiny_pack} -o {folder} --frames 4 --engine torch --weights {weights}"
        assert main(line.split()) == 0
    return folder


@pytest.mark.long
class TestWritten:
    def test_are_the_table_all_figures_all_films_and_the_page(self, made):
        pictures = {f"{name}.{ending}" for name in FIGURES for ending in ("png", "pdf")}
        assert {path.name for path in made.iterdir()} == pictures | FILMS | MEASURED
        assert all(path.stat().st_size > 100 for path in made.iterdir())

    def test_the_page_stands_alone(self, made):
        text = (made / "index.html").read_text(encoding="utf-8")
        assert_self_contained(text)
        assert text.count("<video") == len(FILMS) and text.count("<img") == len(FIGURES)
        assert all(f'<section id="{part}">' in text for part in PARTS)

    def test_the_table_has_a_row_for_everybody_and_says_who_wins(self, made):
        text = (made / "table.md").read_text(encoding="utf-8")
        for name in ("copy", "oracle", "ATVG", "truth", *(kind.title for kind in BASELINES.values())):
            assert f"| {name} |" in text
        assert re.search(r"\| ATVG \| \d\.\d\d \[\d\.\d\d–\d\.\d\d\] \|", text)
        assert "ATVG wins" in text or "does not win everywhere" in text
        assert "Sync expert" in text and "not with a true PSNR" in text

    def test_the_json_holds_figures_intervals_and_verdicts(self, made):
        everything = json.loads((made / "paper.json").read_text())
        assert set(everything) == {"about", *PARTS}
        table = json.loads((made / "table.json").read_text())
        assert table == everything["table"]
        figure = table["rows"]["ATVG"]["all"]["lmd_mouth"]
        low, high = table["intervals"]["rows"]["ATVG"]["all"]["lmd_mouth"]
        assert low == pytest.approx(figure) and high == pytest.approx(figure)  # of one clip there is nothing to draw
        assert len(table["verdict"]) == 5 * 3
        assert {entry["outcome"] for entry in table["verdict"]} <= {"wins", "loses", "undecided", "undefined"}

    def test_ablations_are_measured_from_sound_and_from_the_truth(self, made):
        found = json.loads((made / "ablations.json").read_text())
        assert list(found["rows"]) == ["full, oracle", "full", "β = 0, oracle", "β = 0"]
        assert found["changes"] == {"full": [], "beta0": ["beta=0"]}
        assert found["rows"]["full"] == found["rows"]["β = 0"]  # here they have the same weights
        said = (made / "ablations.md").read_text()
        assert "“no recurrence”; atvg train vg --set" in said and "“β = 0”; atvg" not in said

    def test_noise_is_told_for_every_sigma_beside_the_posters_votes(self, made):
        found = json.loads((made / "paper.json").read_text())["fig5a"]
        assert len(found["sigmas"]) == len(found["measured"]["ssim"]) == 2
        assert found["poster"]["sync"] == [0.96, 0.33]
        assert found["measured"]["ssim"][0] > found["measured"]["ssim"][-1]

    def test_drawings_that_no_detector_finds_are_placed_by_hand(self, made):
        people = json.loads((made / "paper.json").read_text())["fig6"]["people"]
        assert people["Eileen Collins"]["placed"] == "found" and people["robot"]["placed"] == "by hand"


def test_parts_can_be_chosen_and_what_lies_there_stays(tiny_pack, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    written = paper(tiny_pack, tmp_path, frames=3, parts=["fig7"], engine="torch", progress=False)
    names = {"fig7_1.png", "fig7_1.pdf", "fig7_1.mp4", "fig7_spoken.mp4", "index.html", "paper.json"}
    assert {path.name for path in written} == names
    assert {path.name for path in tmp_path.iterdir()} == names | {"mine.txt"}
    assert set(json.loads((tmp_path / "paper.json").read_text())) == {"about", "fig7"}


def test_without_films_the_part_on_dubbing_says_how_to_get_it(tiny_pack, tmp_path):
    paper(tiny_pack, tmp_path, frames=3, parts=["dub"], engine="torch", progress=False)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "--clips CLIPS_DIR" in text and "<video" not in text


def test_an_enlarged_mouth_shows_the_films_own_pixels():
    """A frame of twice the crop's size, dark but for the pixels around crop place (64, 90)."""
    frame, own = np.zeros((256, 256, 3), np.uint8), np.full((68, 2), [128.5, 180.5])
    frame[180:182, 128:130] = 255
    matrix = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])
    face, mouth = dubbing._views(frame, matrix, own)
    assert np.array_equal(face, frame)
    bright = np.argwhere(mouth[..., 0] > 127)
    assert bright.mean(axis=0) == pytest.approx([127.5, 127.5], abs=0.5)
    assert np.ptp(bright, axis=0) == pytest.approx([256 / 72 - 1, 256 / 72 - 1], abs=1)


@pytest.mark.long
def test_a_film_is_shown_beside_what_became_of_it(tiny_pack, tiny_clips, tmp_path):
    """Of one person: there is nobody else to lend a voice."""
    paper(tiny_pack, tmp_path, frames=15, parts=["dub"], engine="torch", progress=False, clips=tiny_clips)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count("<video") == 1 and "flicker at the border" in text
    found = json.loads((tmp_path / "paper.json").read_text())["dub"]
    assert found["rows"]["own sound"]["all"]["outside"] == 0 and "another's sound" not in found["rows"]
    size = open_footage(tmp_path / "dub.mp4").size
    assert size[0] > 2 * 256 and size[1] > 2 * 256  # two columns of two panels


class TestRefused:
    def test_are_unknown_parts_and_numbers_out_of_range(self, tiny_pack, tmp_path, refuses):
        with refuses(BadSettingError, "unknown part 'fig9'"):
            paper(tiny_pack, tmp_path, parts=["fig1", "fig9"])
        with refuses(BadSettingError, "--frames is 1"):
            paper(tiny_pack, tmp_path, frames=1)
        with refuses(BadSettingError, "--clips"):
            paper(tiny_pack, tmp_path, parts=["fig1"], clips=tmp_path)
        with refuses(BadSettingError, "--workers is 0"):
            paper(tiny_pack, tmp_path, workers=0)
        assert not list(tmp_path.iterdir())

    def test_is_a_pack_that_is_none_and_the_folder_is_taken_back(self, tmp_path, refuses):
        with refuses(PackError, "not a pack"):
            paper(tmp_path, tmp_path / "out", parts=["fig7"], progress=False)
        assert not (tmp_path / "out").exists()

    def test_are_missing_weights_before_any_work(self, tiny_pack, weights, tmp_path, refuses):
        bare = tmp_path / "bare"
        shutil.copytree(weights, bare)
        checkpoint.compared_file(bare, ablations.ABLATIONS["full"].stored).unlink()
        with refuses(CheckpointError, "no weights of the ablation 'full'"):
            paper(tiny_pack, tmp_path / "out", weights=bare)
        shutil.rmtree(bare / checkpoint.COMPARED)
        with refuses(CheckpointError, "chung"):
            paper(tiny_pack, tmp_path / "out", parts=["table"], weights=bare, progress=False)
        assert not (tmp_path / "out").exists()

    def test_is_an_output_that_is_a_file(self, tiny_pack, tmp_path, refuses):
        (tmp_path / "file").write_text("")
        with refuses(OutputError, "cannot write"):
            paper(tiny_pack, tmp_path / "file", parts=["fig7"])

    def test_is_a_split_that_nobody_has(self, tiny_pack, tmp_path, refuses):
        study = Study(tiny_pack, "test", checkpoint.locate(), tmp_path)
        with refuses(PackError, "no split 'test'"):
            _ = study.examples
