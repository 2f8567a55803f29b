"""Which faces of a film are kept, and what they tell of the inside of a mouth."""

import numpy as np
import pytest

from atvg.dub.mouths import Album, find_inside
from atvg.dub.subject import Subject, survey
from atvg.face.landmarks import eye_distance
from tests.synthetic import TEETH, face68, portrait

EYES = float(eye_distance(face68()))


def subject_of(animator, gaps: list[float], shots: np.ndarray | None = None) -> Subject:
    landmarks = np.stack([portrait(gap)[1] for gap in gaps])
    return survey(landmarks, np.zeros(len(gaps), int) if shots is None else shots, animator.shape, 25.0)


def seen(gaps: list[float], dark: slice = slice(0)) -> Album:
    """An album that has been shown a film of such mouths, some of its frames in the dark."""
    album = Album(25.0)
    for number, gap in enumerate(gaps):
        picture, landmarks = portrait(gap)
        album.see(number, picture // 4 if number in range(len(gaps))[dark] else picture, landmarks)
    return album


class TestWhatIsKept:
    def test_shut_mouths_show_nothing(self, animator):
        gaps = [0.0] * 30
        assert seen(gaps).insides(subject_of(animator, gaps)) == {}

    def test_of_one_opening_the_widest(self, animator):
        gaps = [0.0] * 10 + [8.0, 12.0, 10.0] + [0.0] * 10
        assert list(seen(gaps).insides(subject_of(animator, gaps))) == [11]

    def test_never_more_than_a_few_and_those_the_widest(self, animator):
        """Sixteen openings, half a second apart, each wider than the one before."""
        gaps = [5.0 + i // 12 / 2 if i % 12 == 6 else 0.0 for i in range(16 * 12)]
        kept = sorted(seen(gaps).insides(subject_of(animator, gaps)))
        assert 5 <= len(kept) <= 12 and kept == [12 * i + 6 for i in range(16)][-len(kept) :]

    def test_the_calmest_face_of_a_shot(self, animator):
        gaps, shots = [3.0] * 20 + [0.0] + [4.0] * 20 + [2.0] * 60, np.repeat([0, 1], [60, 41])
        subject, album = subject_of(animator, gaps, shots), seen(gaps)
        assert album.calmest(subject, 0).frame == 20 and album.calmest(subject, 1).frame >= 60
        crop = album.calmest(subject, 0).crop(subject)
        assert crop.shape == (128, 128, 3) and crop.dtype == np.uint8

    def test_a_shot_without_the_person_has_none(self, animator):
        subject = subject_of(animator, [0.0] * 20)
        assert Album(25.0).calmest(subject, 0) is None


class TestInside:
    @pytest.fixture(scope="class")
    def mouth(self, animator):
        gaps = [0.0] * 10 + [12.0] + [0.0] * 10
        return next(iter(seen(gaps).insides(subject_of(animator, gaps)).values()))

    def test_it_shows_teeth_above_and_the_throat_below_and_no_lips(self, mouth):
        """Colours are premultiplied: where lips are there is nothing."""
        height, width = mouth.picture.shape[1:]
        shown = mouth.picture[3] > 0.99
        assert 0.1 < shown.float().mean() < 0.9 and mouth.picture[:, 0].abs().max() < 0.05
        middle = mouth.picture[:3, :, width // 2][:, shown[:, width // 2]]
        assert middle[:, : len(middle[0]) // 4].mean() > 0.7 > 0.3 > middle[:, -len(middle[0]) // 4 :].mean()
        assert (mouth.picture[:3].amax(dim=(1, 2)) * 255).tolist() == pytest.approx(TEETH, abs=12)

    def test_the_edge_of_the_incisors_lies_where_they_end(self, mouth):
        """They are drawn from the upper lip down to the middle of the opening."""
        top, bottom = mouth.landmarks[61:64, 1].mean(), mouth.landmarks[65:68, 1].mean()
        assert float((mouth.incisors - top) / (bottom - top)) == pytest.approx(0.5, abs=0.15)

    def test_the_one_in_the_light_and_rather_of_the_same_shot(self, animator):
        gaps = [0.0] * 15 + [12.0] + [0.0] * 15 + [12.0] + [0.0] * 8
        subject = subject_of(animator, gaps, np.repeat([0, 1], [25, 15]))
        insides = seen(gaps).insides(subject)
        assert sorted(insides) == [15, 31]
        for shot, frame in ((0, 15), (1, 31)):
            assert find_inside(insides, subject, shot) is insides[frame]
        assert find_inside({}, subject, 0) is None
