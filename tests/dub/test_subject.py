"""Who is dubbed: the face at rest, learnt from a film in which it speaks, and how the new mouth comes and goes."""

import numpy as np
import pytest

from atvg.dub.subject import Subject, survey
from atvg.face.landmarks import MOUTH
from tests.synthetic import face68, opened

SHUT = face68()
ONE_SHOT = np.zeros(40, int)


@pytest.fixture(scope="module")
def look(animator):
    """Landmarks (N, 68, 3), NaN where nobody is seen → the subject, at 25 frames a second."""

    def run(landmarks: np.ndarray, shots: np.ndarray = ONE_SHOT) -> Subject:
        return survey(landmarks.astype(np.float32), shots, animator.shape, 25.0)

    return run


def still(count: int = 40) -> np.ndarray:
    return np.stack([SHUT] * count)


def unseen(landmarks: np.ndarray, *stretches: slice) -> np.ndarray:
    for part in stretches:
        landmarks[part] = np.nan
    return landmarks


class TestRest:
    def test_a_face_that_does_not_speak_is_at_rest(self, look):
        subject = look(still())
        assert np.abs(subject.rest - subject.own).max() < 0.05

    def test_of_a_mouth_that_opens_it_is_the_shut_one(self, look):
        """Eight frames open, eight shut, and so on; the gap is 8 of 128 pixels."""
        spoken = np.stack([opened(SHUT, 8.0 if i // 8 % 2 else 0.0) for i in range(40)])
        subject = look(spoken)
        gap = subject.rest[:, 66, 1] - subject.rest[:, 62, 1]
        assert subject.own[12, 66, 1] - subject.own[12, 62, 1] > 5, "as it was filmed"
        assert gap.max() < 1.5

    def test_what_does_not_speak_stays_as_filmed(self, look):
        subject = look(np.stack([opened(SHUT, 8.0 if i // 8 % 2 else 0.0) for i in range(40)]))
        still_ones = np.setdiff1d(np.arange(17, 48), MOUTH)
        assert np.array_equal(subject.rest[:, still_ones], subject.own[:, still_ones])


class TestComingAndGoing:
    def test_somebody_who_is_always_seen(self, look):
        assert (look(still()).share == 1).all()

    def test_within_a_shot_the_mouth_takes_over_step_by_step(self, look):
        """0.16 s are four frames: smoothstep of 1/5, 2/5, 3/5, 4/5."""
        share = look(unseen(still(), slice(0, 10), slice(30, 40))).share
        steps = [3 * x**2 - 2 * x**3 for x in (0.2, 0.4, 0.6, 0.8)]
        assert (share[:10] == 0).all() and (share[30:] == 0).all() and (share[14:26] == 1).all()
        assert share[10:14] == pytest.approx(steps) and share[26:30] == pytest.approx(steps[::-1])

    def test_at_a_cut_it_does_so_at_once(self, look):
        share = look(unseen(still(), slice(0, 10)), np.repeat([0, 1], [10, 30])).share
        assert share.tolist() == [0] * 10 + [1] * 30

    def test_frames_without_the_person_have_the_place_of_the_nearest(self, look):
        moving = still()
        moving[..., 0] += np.arange(40)[:, None]
        subject = look(unseen(moving, slice(18, 22)))
        assert np.isfinite(subject.own).all() and np.isfinite(subject.matrices).all()
        assert np.array_equal(subject.matrices[18], subject.matrices[17])
        assert np.array_equal(subject.matrices[21], subject.matrices[22])
        assert not np.array_equal(subject.matrices[17], subject.matrices[22])

    def test_a_shot_without_the_person_has_that_of_another(self, look):
        subject = look(unseen(still(), slice(20, 40)), np.repeat([0, 1], 20))
        assert np.array_equal(subject.matrices[39], subject.matrices[19]) and (subject.share[20:] == 0).all()


def test_the_calmest_frame_is_the_most_shut_one_that_shows_the_person(look):
    frames = np.stack([opened(SHUT, gap) for gap in np.repeat([6.0, 2.0, 0.0, 9.0], 10)])
    subject = look(unseen(frames, slice(20, 30)))
    assert 10 <= subject.calmest(np.arange(40)) < 16, "those from 16 on are fading"
    assert subject.calmest(np.array([3, 33])) == 3, "of those that it is asked about"
