"""Cutting a row of teeth out of a smile that is drawn, so that each of its teeth is known."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from atvg import cli
from atvg.data.donors import cut_rows, find_smile, make_donors
from atvg.errors import PackError
from atvg.face.face import Face
from atvg.motion.donors import FINE, LOWER_ROWS, UPPER_ROWS, WIDTH, load_donors
from tests.synthetic import face68

SCALE = 6
TOOTH, LINE, GUM, LIP, SKIN = (225, 218, 205), (120, 100, 90), (190, 110, 110), (170, 80, 90), (200, 160, 140)


@pytest.fixture(scope="module")
def smile() -> Face:
    """Eight upper teeth of 3.2 crop pixels, their edge at y = 96, on a face of six pixels per crop pixel."""
    marks = face68()
    for upper, lower, y in zip((61, 62, 63), (67, 66, 65), (89.0, 89.0, 89.0), strict=True):
        marks[upper, 1], marks[lower, 1] = y, 98.0
    marks[[60, 64], 0] = [48, 80]
    marks[[48, 54], 0] = [46, 82]
    photo = np.full((128 * SCALE, 128 * SCALE, 3), 235, np.uint8)
    draw = lambda colour, *boxes: [  # noqa: E731
        cv2.rectangle(photo, tuple(int(c * SCALE) for c in a), tuple(int(c * SCALE) - 1 for c in b), colour, -1)
        for a, b in boxes
    ]
    draw(SKIN, ((34, 30), (94, 112)))
    draw(LIP, ((46, 84), (82, 104)))
    draw((25, 10, 10), ((48, 89), (80, 98)))
    draw(GUM, ((50, 89), (78, 90)))
    draw(TOOTH, ((51.2, 90), (76.8, 96)))
    draw(LINE, *(((51.2 + 3.2 * i - 0.1, 90), (51.2 + 3.2 * i + 0.1, 96)) for i in range(1, 8)))
    points = marks * SCALE + [SCALE / 2 - 0.5, SCALE / 2 - 0.5, 0]
    return Face(cv2.GaussianBlur(photo, (0, 0), 1), points, points)


class TestCutting:
    def test_the_edge_is_where_the_teeth_end(self, smile):
        rows = cut_rows(find_smile(smile))
        alpha = rows[: (UPPER_ROWS[1] - UPPER_ROWS[0]) * FINE, :, 3] / 255
        middle, edge = WIDTH * FINE // 2, -UPPER_ROWS[0] * FINE
        ends = (alpha[:, middle - 4 * FINE : middle + 4 * FINE] > 0.5).cumsum(axis=0).argmax(axis=0)
        assert np.abs(ends - edge).max() <= FINE / 2

    def test_its_middle_is_the_line_between_the_incisors(self, smile):
        rows = cut_rows(find_smile(smile)).astype(float)
        lumas = rows[(-UPPER_ROWS[0] - 3) * FINE, :, :3].mean(axis=1)
        around = slice(WIDTH * FINE // 2 - FINE, WIDTH * FINE // 2 + FINE)
        assert abs(int(lumas[around].argmin()) - FINE) <= 2

    def test_no_gum_and_no_lip_is_left(self, smile):
        rows = cut_rows(find_smile(smile)).astype(float)
        seen = rows[..., 3] > 128
        assert (rows[..., 0] - rows[..., 1])[seen].max() < 30

    def test_the_jaw_has_narrower_incisors_with_their_edge_on_top(self, smile):
        both = cut_rows(find_smile(smile))
        lower = both[(UPPER_ROWS[1] - UPPER_ROWS[0]) * FINE :, :, 3] / 255
        column = lower[:, WIDTH * FINE // 2 - FINE]
        assert int((column > 0.5).argmax()) == pytest.approx(-LOWER_ROWS[0] * FINE, abs=FINE / 2)
        assert column[-LOWER_ROWS[0] * FINE + 4 * FINE] > 0.9

    def test_a_shut_mouth_is_no_smile(self, smile):
        marks = smile.landmarks.copy()
        marks[[65, 66, 67]] = marks[[63, 62, 61]]
        with pytest.raises(PackError):
            find_smile(Face(np.full_like(smile.photo, 150), marks, marks))

    def test_a_row_that_is_nowhere_sure_is_none(self, smile):
        found = find_smile(smile)
        with pytest.raises(PackError, match="no row of teeth"):
            cut_rows(found._replace(tooth=0.7 * found.tooth))


class TestMaking:
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory, astronaut):
        folder = tmp_path_factory.mktemp("smiles")
        Image.fromarray(astronaut).resize((1536, 1536), Image.BICUBIC).save(folder / "collins.png")
        (folder / "notes.txt").write_text("no photo")
        return folder

    def test_what_is_made_can_be_painted_with(self, folder, tmp_path, mediapipe):
        assert make_donors(folder, tmp_path / "teeth", mediapipe) == ["collins"]
        donors = load_donors(tmp_path / "teeth")
        assert len(donors.upper) == 1 and float(donors.upper[:, 3].max()) > 0.9
        about = json.loads((tmp_path / "teeth" / "teeth.json").read_text())
        assert "CC BY 4.0" in about["licence"] and list(about["nose_widths"]) == ["collins"]

    def test_a_folder_without_teeth_is_told_in_one_line(self, folder, tmp_path, capsys):
        arguments = ["teeth", str(folder), "-o", str(tmp_path / "teeth"), "--skip", "collins"]
        assert cli.main(arguments) == 2
        assert cli.main(["teeth", str(tmp_path / "nowhere"), "-o", str(tmp_path / "teeth")]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert [line[:7] for line in lines if line.startswith("error")] == ["error: "] * 2
        assert not (tmp_path / "teeth").exists()
