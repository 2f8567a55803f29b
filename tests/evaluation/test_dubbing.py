"""Dubbed films, measured: figures that can be worked out by hand, and the whole command on films made by code."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from atvg.cli import main
from atvg.errors import BadSettingError, PackError
from atvg.evaluation import metrics
from atvg.evaluation.dubbing import FILM, OTHER, OWN, PHOTO, find_tasks
from atvg.evaluation.run import evaluate_weights
from atvg.evaluation.watching import Border, at_25, at_film, box_of
from tests import synthetic


def grey(*levels: int) -> list[np.ndarray]:
    return [np.full((4, 4, 3), level, np.uint8) for level in levels]


@pytest.fixture
def alpha() -> np.ndarray:
    """One row untouched, two rows of border, one row replaced."""
    return np.repeat(np.array([0, 0.25, 0.75, 1], np.float32)[:, None], 4, axis=1)


class TestBorder:
    def test_a_pixel_outside_that_differs_in_one_colour_is_found(self, alpha):
        border, (film,) = Border(), grey(100)
        drawn = film.copy()
        drawn[3] = 0  # within
        border.see(drawn, film, alpha, 0)
        assert border.outside == 0
        drawn[0, 2, 1] += 7
        border.see(drawn, film, alpha, 0)
        assert border.outside == 7

    def test_what_changes_as_the_film_does_does_not_flicker(self, alpha):
        border = Border()
        for film, drawn in zip(grey(100, 110, 90), grey(120, 130, 110), strict=True):
            border.see(drawn, film, alpha, 0)
        assert border.flicker == 0

    def test_flicker_is_the_change_of_what_is_added_by_that_of_the_film(self, alpha):
        border = Border()
        for film, drawn in zip(grey(100, 110, 90), grey(100, 113, 90), strict=True):
            border.see(drawn, film, alpha, 0)
        assert border.flicker == pytest.approx((3 + 3) / (10 + 20))

    def test_only_where_it_is_neither_photo_nor_replaced(self, alpha):
        border, films = Border(), grey(100, 110)
        for film, added in zip(films, (0, 50), strict=True):
            drawn = film.copy()
            drawn[3] += added
            border.see(drawn, film, alpha, 0)
        assert border.flicker == 0

    def test_a_still_film_counts_as_moving_a_little(self, alpha):
        border = Border()
        for film, drawn in zip(grey(100, 100), grey(100, 101), strict=True):
            border.see(drawn, film, alpha, 0)
        assert border.flicker == pytest.approx(1 / metrics.QUIET_FLOOR)

    def test_a_cut_is_no_flicker(self, alpha):
        border = Border()
        for shot, (film, drawn) in enumerate(zip(grey(0, 200), grey(0, 100), strict=True)):
            border.see(drawn, film, alpha, shot)
        assert np.isnan(border.flicker)


class TestRates:
    def test_at_25_nothing_changes(self):
        assert at_25(5, Fraction(25)).tolist() == at_film(5, 5, Fraction(25)).tolist() == [0, 1, 2, 3, 4]

    def test_of_50_every_other_frame_is_shown(self):
        assert at_25(6, Fraction(50)).tolist() == [1, 3, 5]  # that which is shown at 20, 60 and 100 ms

    def test_frames_at_25_are_shown_twice_in_a_film_of_50_and_the_last_to_the_end(self):
        assert at_film(2, 6, Fraction(50)).tolist() == [0, 0, 1, 1, 1, 1]


def test_a_mouth_box_is_cut_where_the_picture_ends(face68):
    rows, columns = box_of(face68, (128, 128, 3))
    assert rows.start < face68[48:68, 1].min() and rows.stop > face68[48:68, 1].max()
    assert columns.stop - columns.start == pytest.approx(1.35 * np.ptp(face68[48:68, 0]), abs=3)  # whole pixels
    rows, _ = box_of(face68 + [0, 36, 0], (128, 128, 3))
    assert rows.stop == 128


@pytest.fixture(scope="module")
def films(astronaut, hopper, tmp_path_factory) -> Path:
    """Two clips of Collins and one of Hopper in val, of 20 frames; one of Collins whose sound does not fit."""
    folder = tmp_path_factory.mktemp("films")
    collins = (astronaut[50:200, 150:300], (74.0, 94.0, 40.0))
    grace = (hopper[90:390, 115:415], (155.0, 190.0, 70.0))
    rows = []
    for name, (face, mouth), every, sync in (
        ("a", collins, 8.0, 1), ("b", collins, 6.0, 1), ("c", grace, 7.0, 1), ("d", collins, 7.0, 0),
    ):  # fmt: skip
        opening = synthetic.syllables(20, every)
        synthetic.write_video(
            folder / f"{name}.mp4", synthetic.talking_frames(face, mouth, opening), synthetic.tone(0.8, opening)
        )
        person = "grace" if name == "c" else "collins"
        rows.append({"clip": f"{name}.mp4", "source": "made", "identity": person, "split": "val", "sync": sync})
    with (folder / "clips.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


def test_everybody_gets_the_sound_of_the_next_other_person(films):
    tasks = find_tasks(films, "val")
    assert [(task.clip.key, task.other.key) for task in tasks] == [("a", "c"), ("b", "c"), ("c", "a")]


def test_where_there_is_nobody_else_there_is_no_other_sound(films, tmp_path):
    (tmp_path / "a.mp4").symlink_to(films / "a.mp4")
    (tmp_path / "clips.csv").write_text("clip,source,identity,split,sync\na.mp4,made,collins,val,1\n")
    assert [task.other for task in find_tasks(tmp_path, "val")] == [None]


def test_what_cannot_be_is_said_in_one_line(films, tmp_path, refuses):
    with refuses(PackError, "no clip of split 'test'"):
        evaluate_weights(None, tmp_path / "report.json", "test", dub=films)
    for pack, dub, more in ((None, None, {}), ("pack", films, {}), (None, films, {"only_closures": True})):
        with refuses(BadSettingError):
            evaluate_weights(pack, tmp_path / "report.json", dub=dub, **more)


@pytest.mark.long
def test_the_command_measures_films(films, tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["evaluate", "--dub", str(films), "--frames", "16", "-o", str(path)]) == 0
    printed, result = capsys.readouterr().out, json.loads(path.read_text())
    assert "split val, dubbed, 16 frames of each" in printed and "| another's sound |" in printed
    assert list(result["rows"]) == [FILM, OWN, OTHER, PHOTO] and not result["left_out"]
    rows = {name: row["all"] for name, row in result["rows"].items()}
    assert all(row["clips"] == 3 and row["frames"] == 48 for row in rows.values())
    assert rows[FILM]["mouth_r"] == pytest.approx(1) and rows[FILM]["detail"] == pytest.approx(1)
    for name in (OWN, OTHER):
        assert rows[name]["outside"] == 0 and rows[name]["flicker"] > 0 and rows[name]["left_alone"] == 0
        assert 0.3 < rows[name]["detail"] < 1.5
    assert rows[OWN]["lmd_mouth"] > 0 and rows[OWN]["lmd_mouth_truth"] == rows[PHOTO]["lmd_mouth"] > 0
    assert rows[FILM]["lmd_mouth"] is None and rows[OTHER]["lmd_mouth"] is None
    assert rows[OWN]["lse_c_unsaid"] is None and 0 <= rows[OTHER]["lse_c_unsaid"] < 2
    assert 0 <= rows[FILM]["lse_c_unsaid"] < 2
    assert set(result["films"]) == {"a", "b", "c"}
