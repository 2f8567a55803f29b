"""Which frame of a clip is the photo, and that everything drawn from it follows."""

import numpy as np
import pytest

from atvg.data.pack import Clip
from atvg.evaluation import rows
from atvg.face.landmarks import INNER_LOWER

SHUT = 3  # the frame whose mouth is most closed


@pytest.fixture(scope="module")
def clip(face68) -> Clip:
    """Six frames, each of a grey of its own, of a mouth that is open but in the fourth; the view drifts."""
    landmarks = np.repeat(face68[None], 6, axis=0).astype(np.float32)
    landmarks[:, INNER_LOWER, 1] += np.array([6, 4, 2, 0.5, 0.75, 5])[:, None]
    landmarks += np.arange(6)[:, None, None] * 0.1
    transforms = np.array([[[0.5, 0, t], [0, 0.5, 0]] for t in range(6)], np.float32)
    frames = np.repeat(np.arange(6, dtype=np.uint8)[:, None, None, None], 128, axis=1).repeat(128, axis=2)
    sound = np.zeros((48, 20)), np.zeros((24, 80))
    return Clip("k", "made", "nobody", "val", True, frames.repeat(3, axis=3), landmarks, transforms, *sound)


class Draws:
    """An animator that shows the photo and notes what it was given."""

    ears = ("whisper", "none")

    def draw(self, photo_crop, example, landmarks, moved=None):
        self.example, self.moved = example, moved
        return np.repeat(photo_crop[None], len(landmarks), axis=0)

    def landmarks_from_rows(self, rows, photo_landmarks, ear):
        self.heard_for, self.heard = photo_landmarks, (ear, len(rows))
        return np.repeat(photo_landmarks[None, :, :2], 6, axis=0)


def test_most_shut_is_the_frame_with_the_closest_inner_lips_and_of_several_the_earliest(clip):
    assert rows.first(clip) == 0 and rows.most_shut(clip) == SHUT
    clip.landmarks[5] = clip.landmarks[SHUT]
    assert rows.most_shut(clip) == SHUT
    assert rows.most_shut(clip.first(2)) == 1


def test_rows_are_named_after_their_photo_and_drawn_from_it(clip):
    for photo, at, ending in ((rows.first, 0, ""), (rows.most_shut, SHUT, ", shut")):
        shown = rows.standard_rows(Draws(), photo)
        assert [row.name for row in shown] == [name + ending for name in ("copy", "oracle", "ATVG")]
        for row in shown:
            assert row.photo(clip) == at
            assert np.array_equal(row.draw(clip), np.repeat(clip.frames[at][None], 6, axis=0))


def test_every_ear_has_a_row_that_hears_its_own_rows(clip):
    animator = Draws()
    for row, heard in (
        (rows.standard_rows(animator)[2], ("whisper", 24)),
        (rows.other_ears(animator)[0], ("none", 48)),
    ):
        row.draw(clip)
        assert animator.heard == heard
    assert [row.name for row in rows.other_ears(animator)] == ["ATVG, ear none"]


def test_all_that_is_said_of_the_photo_is_that_frames(clip):
    animator = Draws()
    rows.oracle_row(animator, photo=rows.most_shut).draw(clip)
    assert np.array_equal(animator.example, clip.landmarks[SHUT])
    sources, targets = animator.moved
    edge = np.isin(targets[SHUT], [0, 127]).all(axis=1)  # corners of the crop: background
    assert edge.any()
    for t in range(6):  # it lies where it lay in the photo when the frame is the photo's own
        by = targets[t, edge] - sources[t, edge]
        np.testing.assert_allclose(by, np.broadcast_to([t - SHUT, 0], by.shape), atol=1e-4)
    rows.audio_row(animator, photo=rows.most_shut).draw(clip)
    assert np.array_equal(animator.heard_for, clip.landmarks[SHUT])
    assert np.array_equal(animator.example, clip.landmarks[SHUT])
