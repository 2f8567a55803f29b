"""Films made by code from two portraits: who is found, who is left alone, and where a new shot begins."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from atvg.dub.cuts import Cuts
from atvg.dub.follow import Follower, Track, first_faces, follow
from atvg.dub.likeness import Likeness, View
from atvg.dub.window import Window
from atvg.errors import NoFaceError
from atvg.face.detection import Detection
from atvg.face.landmarks import eye_distance

SIZE = 480, 640
BLACK = np.zeros((*SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def ground() -> np.ndarray:
    """A wall with a pattern, larger than a frame, uint8 RGB."""
    noise = np.random.default_rng(3).integers(60, 200, (36, 60, 3)).astype(np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, (1200, 720), interpolation=cv2.INTER_CUBIC), (0, 0), 4)


@pytest.fixture(scope="module")
def collins(astronaut) -> np.ndarray:
    return astronaut[20:260, 100:340]


@pytest.fixture(scope="module")
def grace(hopper) -> np.ndarray:
    return cv2.resize(hopper[20:500, 30:510], (240, 240), interpolation=cv2.INTER_AREA)


def scene(wall: np.ndarray, *people: tuple[np.ndarray, float, float, float], pan: int = 0) -> np.ndarray:
    """A frame: each person's picture with its middle at x, y, so many times as large, before a wall."""
    frame = wall[100 : 100 + SIZE[0], pan : pan + SIZE[1]].copy()
    for picture, x, y, scale in people:
        side = len(picture)
        matrix = np.array([[scale, 0, x - scale * side / 2], [0, scale, y - scale * side / 2]])
        cv2.warpAffine(picture, matrix, SIZE[::-1], dst=frame, borderMode=cv2.BORDER_TRANSPARENT)
    return frame


def talk(wall: np.ndarray, picture: np.ndarray, count: int, x: float = 320.0) -> list[np.ndarray]:
    """A person who sways a little."""
    return [scene(wall, (picture, x + 6 * np.sin(i / 3), 240 + 3 * np.cos(i / 4), 1.2)) for i in range(count)]


def off(mediapipe, frame: np.ndarray, landmarks: np.ndarray) -> float:
    """Mean distance from the nearest face that the detector finds, in eye distances."""
    faces = [face.landmarks for face in mediapipe.detect(frame)]
    return min(
        np.linalg.norm(face[:, :2] - landmarks[:, :2], axis=1).mean() / float(eye_distance(face)) for face in faces
    )


def track(mediapipe, frames: list[np.ndarray], chosen: Detection | None = None, at: int = 0, **more) -> Track:
    return follow(iter(frames), chosen, at, detector=mediapipe, **more)


class TestFollow:
    def test_one_frame(self, mediapipe, ground, collins):
        frame = scene(ground, (collins, 300, 240, 1.2))
        found = track(mediapipe, [frame])
        assert found.n_frames == 1 and found.shot.tolist() == [0]
        assert found.landmarks.shape == (1, 68, 3) and found.landmarks.dtype == np.float32
        assert off(mediapipe, frame, found.landmarks[0]) < 0.02

    def test_a_moving_and_growing_face_is_followed(self, mediapipe, ground, collins):
        frames = [scene(ground, (collins, 150 + 12 * i, 240, 0.6 + 0.05 * i)) for i in range(26)]
        found = track(mediapipe, frames)
        assert found.seen.all() and not found.shot.any()
        sizes = eye_distance(found.landmarks)
        assert sizes[-1] / sizes[0] == pytest.approx(1.85 / 0.6, rel=0.03)
        apart = [off(mediapipe, frames[i], found.landmarks[i]) for i in (5, 10, 15, 20, 25)]
        assert np.median(apart) < 0.02 and max(apart) < 0.03

    def test_to_another_person_and_back(self, mediapipe, ground, collins, grace):
        there = ground[::-1]
        frames = talk(ground, collins, 12) + talk(there, grace, 12) + talk(ground, collins, 12)
        found = track(mediapipe, frames)
        assert found.shot.tolist() == [0] * 12 + [1] * 12 + [2] * 12
        assert found.seen.tolist() == [True] * 12 + [False] * 12 + [True] * 12

    @pytest.mark.parametrize("chosen", [0, 1])
    def test_the_chosen_one_of_two(self, mediapipe, ground, collins, grace, chosen):
        """Who is followed stays, though the other becomes the larger one; and is found again after a cut."""
        frames = [scene(ground, (collins, 170, 240, 1.2 - i / 40), (grace, 470, 240, 0.9 + i / 40)) for i in range(12)]
        frames += [scene(ground[::-1], (grace, 170, 240, 1), (collins, 470, 240, 1))] * 4
        at, _, faces = first_faces(iter(frames), mediapipe)
        faces = sorted(faces, key=lambda face: face.box[0])
        assert at == 0 and len(faces) == 2
        found = track(mediapipe, frames, faces[chosen])
        assert found.seen.all()
        left = found.landmarks[:, 30, 0] < 320
        assert left.tolist() == [chosen == 0] * 12 + [chosen == 1] * 4

    def test_who_leaves_and_comes_back(self, mediapipe, ground, collins):
        path = [*range(320, 800, 40), *[900] * 8, *range(760, 300, -40)]
        frames = [scene(ground, (collins, x, 240, 1.0)) for x in path]
        found = track(mediapipe, frames)
        seen = found.seen
        assert seen[:6].all() and not seen[12:20].any() and seen[-4:].all() and not found.shot.any()

    def test_nobody_else_takes_the_place_of_who_has_left(self, mediapipe, ground, collins, grace):
        frames = [scene(ground, (collins, 400 + 40 * i, 240, 1.0), (grace, 120, 240, 1.0)) for i in range(20)]
        _, _, faces = first_faces(iter(frames), mediapipe)
        found = track(mediapipe, frames, max(faces, key=lambda face: face.box[0]))
        assert found.seen[:4].all() and not found.seen[-8:].any()

    def test_a_film_that_begins_without_the_person(self, mediapipe, ground, collins, grace):
        frames = talk(ground[::-1], grace, 4) + talk(ground, collins, 8) + talk(ground[::-1], grace, 4)
        face = mediapipe.glance(frames[6])[0]
        assert track(mediapipe, frames, face, 6).seen.tolist() == [False] * 6 + [True] * 6 + [False] * 4
        # With the picture the person is known, and found, before.
        found = track(mediapipe, frames, face, 6, picture=frames[6])
        assert found.seen.tolist() == [False] * 4 + [True] * 8 + [False] * 4

    def test_black_frames_are_no_cut_and_show_nobody(self, mediapipe, ground, collins):
        frames = talk(ground, collins, 6) + [BLACK] * 2 + talk(ground, collins, 6)
        found = track(mediapipe, frames)
        assert found.seen.tolist() == [True] * 6 + [False] * 2 + [True] * 6 and not found.shot.any()

    def test_a_missed_frame_is_filled_in(self, mediapipe, ground, collins):
        frames = [scene(ground, (collins, 320 + 4 * i, 240, 1.2)) for i in range(7)]
        frames[3] = frames[3].copy()
        frames[3][150:340, 240:420] = cv2.GaussianBlur(ground, (0, 0), 30)[150:340, 240:420]  # something passes by
        found = track(mediapipe, frames)
        assert found.seen.all() and not found.shot.any()
        expected = (found.landmarks[2] + found.landmarks[4]) / 2
        assert np.abs(found.landmarks[3] - expected).max() < 0.01

    def test_two_frames_of_somebody_else_are_not_filled_in(self, mediapipe, ground, collins, grace):
        frames = talk(ground, collins, 5) + talk(ground[::-1], grace, 2) + talk(ground, collins, 5)
        found = track(mediapipe, frames)
        assert found.seen.tolist() == [True] * 5 + [False] * 2 + [True] * 5 and not found.shot.any()

    def test_a_cross_fade(self, mediapipe, ground, collins, grace):
        """To somebody else who stands elsewhere: they are left alone, whatever the half-way frames are taken for."""
        one, other = talk(ground, collins, 20, x=200), talk(ground[::-1], grace, 28, x=440)
        fade = [
            cv2.addWeighted(a, 1 - i / 8, b, i / 8, 0) for i, (a, b) in enumerate(zip(one[12:], other, strict=False))
        ]
        found = track(mediapipe, one[:12] + fade + other[8:])
        assert found.seen[:12].all() and not found.seen[-8:].any()

    def test_a_cross_fade_to_somebody_in_the_same_place(self, mediapipe, ground, collins, grace):
        one, other = talk(ground, collins, 20), talk(ground[::-1], grace, 32)
        fade = [
            cv2.addWeighted(a, 1 - i / 8, b, i / 8, 0) for i, (a, b) in enumerate(zip(one[12:], other, strict=False))
        ]
        found = track(mediapipe, one[:12] + fade + other[8:])
        assert found.seen[:12].all() and not found.seen[-12:].any()

    def test_4k(self, mediapipe, ground, collins):
        frames = [cv2.resize(frame, (3840, 2880)) for frame in talk(ground, collins, 2)]
        found = track(mediapipe, frames)
        assert found.seen.all()
        assert off(mediapipe, frames[1], found.landmarks[1]) < 0.02

    def test_progress(self, mediapipe, ground, collins):
        counts: list[int] = []
        track(mediapipe, talk(ground, collins, 3), progress=counts.append)
        assert counts == [1, 2, 3]

    def test_nobody(self, mediapipe, ground, refuses):
        frames = [scene(ground)] * 3 + [BLACK]
        with refuses(NoFaceError, "no frame"):
            track(mediapipe, frames)
        with refuses(NoFaceError, "no face found in the film"):
            first_faces(iter(frames), mediapipe)
        with refuses(NoFaceError):
            Follower(detector=mediapipe).track()


class TestFirstFaces:
    def test_it_is_the_first_frame_with_a_face(self, mediapipe, ground, collins):
        index, picture, faces = first_faces(iter([BLACK] * 3 + talk(ground, collins, 2)), mediapipe)
        assert index == 3 and len(faces) == 1 and picture.shape == (*SIZE, 3)

    def test_ever_fewer_frames_are_looked_at(self):
        class Blind:
            looked = 0

            def glance(self, image: np.ndarray) -> list[Detection]:
                self.looked += 1
                return []

        blind = Blind()
        with pytest.raises(NoFaceError):
            first_faces((BLACK[:4, :4] for _ in range(2500)), blind)
        assert 25 < blind.looked < 200


def shots(frames: Iterator[np.ndarray] | list[np.ndarray]) -> list[int]:
    cuts = Cuts()
    steps = [cuts.see(frame) for frame in frames]
    assert sum(steps) == cuts.shot
    return steps


class TestCuts:
    def test_a_cut(self, ground, collins, grace):
        assert shots(talk(ground, collins, 5) + talk(ground[::-1], grace, 5)) == [0] * 5 + [1] + [0] * 4

    def test_a_pan_a_zoom_and_a_gesture_are_none(self, ground, collins):
        pan = [scene(ground, (collins, 400 - 20 * i, 240, 1), pan=20 * i) for i in range(20)]
        zoom = [cv2.resize(ground, None, fx=z, fy=z)[: SIZE[0], : SIZE[1]] for z in np.linspace(1, 2, 25)]
        gesture = [scene(ground, (collins, 320 + 90 * np.sin(i), 240, 1)) for i in range(20)]
        assert not any(shots(pan)) and not any(shots(zoom)) and not any(shots(gesture))

    def test_a_flash_is_none(self, ground, collins):
        frames = talk(ground, collins, 8)
        for i in (3, 4):
            frames[i] = np.clip(frames[i] * 1.8 + 60, 0, 255).astype(np.uint8)
        assert sum(shots(frames)) == 0
        frames[3] = np.full_like(frames[3], 255)
        assert sum(shots(frames)) == 0

    def test_two_frames_of_something_else_are_taken_back(self, ground, collins, grace):
        frames = talk(ground, collins, 4) + talk(ground[::-1], grace, 2) + talk(ground, collins, 4)
        assert shots(frames) == [0, 0, 0, 0, 1, 0, -1, 0, 0, 0]

    def test_a_cross_fade_does_no_harm(self, ground, collins, grace):
        one, other = talk(ground, collins, 12), talk(ground[::-1], grace, 12)
        fade = [cv2.addWeighted(a, 1 - i / 11, b, i / 11, 0) for i, (a, b) in enumerate(zip(one, other, strict=True))]
        assert abs(sum(shots(fade))) <= 1

    def test_a_cut_through_black(self, ground, collins, grace):
        assert sum(shots(talk(ground, collins, 4) + [BLACK] * 6 + talk(ground[::-1], grace, 4))) == 1


class TestLikeness:
    def test_a_person_is_more_like_themselves(self, mediapipe, ground, collins, grace):
        frames = {
            name: [scene(ground, (picture, 300, 240, size)) for size in (1.2, 0.8)]
            for name, picture in (("collins", collins), ("grace", grace))
        }
        views = {
            name: [View.of(frame, mediapipe.glance(frame)[0].landmarks) for frame in both]
            for name, both in frames.items()
        }
        person = Likeness()
        assert not person
        person.learn(views["collins"][0])
        assert person and person.unlike(views["collins"][0]) < -8
        assert person.unlike(views["collins"][1]) < -1 < 1 < min(map(person.unlike, views["grace"]))


def test_a_window_shows_what_lies_in_it_and_grey_beyond():
    frame = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    cut = Window(-100, -4, 512).cut(frame)
    assert cut.shape == (512, 512, 3)
    assert (cut[4:44, 100:160] == frame).all()
    cut[4:44, 100:160] = 127
    assert (cut == 127).all()
    # Of 1024 pixels shown as 512, the middle of the first shown one lies between the first two.
    assert Window(100, 200, 1024).back(np.zeros((1, 3))).tolist() == [[100.5, 200.5, 0]]
