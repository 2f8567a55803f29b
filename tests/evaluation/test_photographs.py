"""Photographs through ``atvg evaluate --photos``: what is measured, what is left out and why, and what is refused."""

import json
import shutil

import cv2
import numpy as np
import pytest

from atvg.cli import main
from atvg.errors import BadSettingError
from atvg.evaluation import metrics
from atvg.evaluation.photographs import composed, find_photographs
from atvg.evaluation.tracking import PhotoTracker
from atvg.face.landmarks import eye_distance, mouth_opening
from atvg.face.mediapipe import MediaPipeTracker


def save(path, picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, astronaut, hopper):
    folder = tmp_path_factory.mktemp("photos")
    save(folder / "collins.png", astronaut)
    save(folder / "more" / "Hopper.JPG", hopper)
    save(folder / "more" / "small.png", astronaut[:511])
    save(folder / "noise.jpg", np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8))
    save(folder / "twins.png", np.concatenate([astronaut, astronaut[:, ::-1]], axis=1))
    (folder / "broken.jpg").write_text("this is not a picture")
    (folder / "notes.txt").write_text("nor is this asked to be one")
    return folder


@pytest.fixture(scope="module")
def report(folder, tiny_pack, tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("report") / "report.json"
    line = f"evaluate -p {tiny_pack} -o {path} --frames 4 --engine torch --photos {folder}"
    assert main(line.split()) == 0
    return json.loads(path.read_text())


@pytest.mark.long
class TestReport:
    def test_measures_every_photograph_with_one_face_and_says_why_not_the_others(self, report):
        found = report["photographs"]
        assert list(found["photos"]) == ["collins.png", "more/Hopper.JPG"]
        assert found["left_out"] == {
            "broken.jpg": "the file cannot be read",
            "more/small.png": "the shorter side is below 512 px",
            "noise.jpg": "no face is found",
            "twins.png": "several faces compete",
        }
        assert found["at_most_frames"] == 4

    def test_figures_are_of_each_photograph_and_their_means(self, report):
        found = report["photographs"]
        for name, size in (("collins.png", [512, 512]), ("more/Hopper.JPG", [512, 600])):
            figures = found["photos"][name]
            assert (figures["size"], figures["frames"], figures["undetected_frames"]) == (size, 4, 0)
            assert 0 < figures["detail"] < 2 and 0 <= figures["opening_share"] <= 1
        for name in ("detail", "opening_share"):
            assert found[name] == pytest.approx(np.mean([photo[name] for photo in found["photos"].values()]))

    def test_rows_have_either_photo_and_the_new_figures(self, report):
        names = ["copy", "oracle", "ATVG"]
        assert list(report["rows"]) == [*names, "ATVG, ear none", *(f"{name}, shut" for name in names)]
        figures = report["rows"]["copy, shut"]["all"]
        assert figures["detail"] == 1
        new = {"detail_truth", "opening_share", "opening_share_truth", "opening_share_ratio"}
        assert new <= figures.keys() and {"detail", "opening_share"} <= report["protocol"].keys()


class TestMeasured:
    def test_is_the_picture_of_the_whole_photo(self, animator, face):
        rows = np.zeros((4 * 12, 80), np.float32)
        pictures = list(composed(animator, face, rows))
        assert len(pictures) == 12
        for picture in pictures:
            assert picture.shape == face.photo.shape and picture.dtype == np.uint8
            assert np.array_equal(picture[:40], face.photo[:40])

    def test_landmarks_lie_in_the_photo_where_the_detector_finds_them(self, face):
        tracker = PhotoTracker(face, MediaPipeTracker())
        away = np.linalg.norm(tracker.photo_landmarks - face.landmarks[:, :2], axis=1)
        assert away.mean() < 0.05 * eye_distance(face.landmarks)
        assert metrics.opening_share(tracker.photo_landmarks[None]) == 1  # she shows her teeth
        assert mouth_opening(tracker.look(face.photo)) == pytest.approx(mouth_opening(tracker.photo_landmarks), rel=0.1)


class TestRefused:
    def test_is_a_folder_that_is_none(self, folder, tmp_path, refuses):
        for path in (tmp_path / "nowhere", folder / "notes.txt"):
            with refuses(BadSettingError, "is not a folder"):
                find_photographs(path)

    def test_is_a_folder_without_a_photograph_that_is_large_enough(self, folder, tmp_path, refuses):
        with refuses(BadSettingError, "no photograph"):
            find_photographs(tmp_path)
        shutil.copy(folder / "more" / "small.png", tmp_path)
        with refuses(BadSettingError, "at least 512 px"):
            find_photographs(tmp_path)
