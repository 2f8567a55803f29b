"""One person's landmarks through all frames of a film: who is where, and where they are not to be seen.

Within a shot position decides who is who. After a cut, or when the person was out of sight, likeness does.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from atvg.config import FPS, N_LANDMARKS
from atvg.dub.cuts import Cuts
from atvg.dub.likeness import Likeness, View, unlikeness
from atvg.dub.window import CloseTracker, face_size, is_face, moved
from atvg.errors import NoFaceError
from atvg.face.detection import Detection
from atvg.face.mediapipe import MediaPipeDetector

GAP = 3  # frames between two seen ones of a shot that are filled in

_COARSE = 50  # frames between two looks for a first face, at most
_SEARCH = 6  # frames between two looks at the whole picture for the person, at most
_CHECK = 3  # frames between two questions whether it is still the person
_CHECKS = 3  # so many answers in a row count
# Unlikeness above which a face is not taken for the person. Who was turned away in a shot is asked again and again,
# so stricter; who stands where the person was a moment ago in the same shot is hardly anybody else: a head that turned
# too far comes back unlike all that is known of it.
_UNLIKE, _AGAIN, _SAME_PLACE = 0.0, -1.0, 4.0
_MOMENT = 2 * _SEARCH  # frames
_STRANGE = 3.0  # in a shot that is followed: measured, 1 % of a person's later frames lie above, a half of strangers'
_YOUNG = 12  # frames after which one who was found again has proved to be the person
_NEAR, _SIZES = 1.5, 1.4  # eye distances, and ratio of sizes, within which a face is where the person was


@dataclass(frozen=True)
class Track:
    """Where a person is in a film.

    Attributes:
        landmarks: (N, 68, 3) float32, iBUG order, picture pixels and depth; NaN where the person is not seen.
        shot: (N,) int64, number of the shot that a frame belongs to, from 0.
    """

    landmarks: np.ndarray
    shot: np.ndarray

    @property
    def n_frames(self) -> int:
        """Frames of the film."""
        return len(self.shot)

    @property
    def seen(self) -> np.ndarray:
        """In which frames the person is seen: (N,) bool."""
        return ~np.isnan(self.landmarks[:, 0, 0])


def first_faces(
    frames: Iterable[np.ndarray], detector: MediaPipeDetector | None = None
) -> tuple[int, np.ndarray, list[Detection]]:
    """The first frame in which faces are found, with them: its index, (H, W, 3) uint8 RGB, and the largest face first.

    Every frame of the first second is looked at, then ever fewer.

    Raises:
        NoFaceError: there is none up to the end.
    """
    detector, due = detector or MediaPipeDetector(), 0
    for index, frame in enumerate(frames):
        if index < due:
            continue
        if faces := _faces(detector, frame):
            return index, frame, faces
        due = index + min(max(1, index // FPS), _COARSE)
    raise NoFaceError(
        "no face found in the film; use one in which a face is larger, better lit and seen from the front"
    )


def follow(
    frames: Iterable[np.ndarray],
    chosen: Detection | None = None,
    at: int = 0,
    picture: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
    detector: MediaPipeDetector | None = None,
) -> Track:
    """Follows a person through the frames of a film, (H, W, 3) uint8 RGB each, all of one size.

    Args:
        chosen, at, picture: as `Follower` takes them.
        progress: called with the number of frames seen, after each.

    Raises:
        NoFaceError: the person is seen in no frame.
    """
    follower = Follower(chosen, at, picture, detector)
    for count, frame in enumerate(frames, 1):
        follower.see(frame)
        if progress:
            progress(count)
    return follower.track()


class Follower:
    """Is shown a film frame by frame and keeps of each where the person is, 1 kB.

    Args:
        chosen: the person's face in frame `at`; None for the largest face of the first frame that has any.
        at: index of that frame.
        picture: that frame itself, (H, W, 3) uint8 RGB; without it the person is not sought in the frames before.
        detector: one whose models are loaded already.
    """

    def __init__(
        self,
        chosen: Detection | None = None,
        at: int = 0,
        picture: np.ndarray | None = None,
        detector: MediaPipeDetector | None = None,
    ):
        self._chosen, self._at = chosen, at
        self._detector = detector or MediaPipeDetector()
        self._cuts, self._close, self._likeness = Cuts(), CloseTracker(), Likeness()
        if chosen is not None and picture is not None:
            self._likeness.learn(View.of(picture, chosen.landmarks))
        self._landmarks: list[np.ndarray | None] = []
        self._shots: list[int] = []
        self._bare: set[int] = set()  # frames that show something else, if anything
        self._answers: deque[float] = deque(maxlen=_CHECKS)
        self._view: View | None = None  # the last one that was compared
        self._place: tuple[np.ndarray, int] | None = None  # where the person was last, and in which frame
        self._begun = 0  # frame in which the person was found last
        self._young = False  # found by likeness, not proven yet
        self._limit = _UNLIKE
        self._settled = True  # nobody else has taken the person's place in this shot
        self._due, self._wait = 0, 1  # next frame to be searched, and frames up to the one after

    def see(self, frame: np.ndarray) -> np.ndarray | None:
        """The next frame, (H, W, 3) uint8 RGB → the person's landmarks in it, (68, 3), or None.

        They may still be withdrawn, when later frames show that it was somebody else.
        """
        now = len(self._shots)
        step, since = self._cuts.see(frame), self._cuts.since
        if step < 0:
            self._bare |= set(range(now - since, now))
            self._shots[now - since :] = [self._cuts.shot] * since
        if step:
            self._lose(now)
            self._limit, self._settled = _UNLIKE, True
        if self._cuts.blank:
            self._bare.add(now)
        self._shots.append(self._cuts.shot)
        self._landmarks.append(None)
        if self._chosen is not None and now == self._at:
            self._begin(frame, self._chosen, young=False)
        elif self._close.following:
            self._go_on(frame)
        if not self._close.following and now >= self._due and not self._cuts.blank:
            self._search(frame)
        return self._landmarks[now]

    def track(self) -> Track:
        """Of all frames seen so far.

        Raises:
            NoFaceError: the person is seen in none.
        """
        if all(points is None for points in self._landmarks):
            raise NoFaceError(
                "the person is seen in no frame; use a film in which the face is larger and seen in front"
            )
        nowhere = np.full((N_LANDMARKS, 3), np.nan, np.float32)
        landmarks = np.stack([nowhere if points is None else points for points in self._landmarks])
        shots = np.array(self._shots)
        _fill(landmarks, shots, self._bare)
        return Track(landmarks, shots)

    def _go_on(self, frame: np.ndarray) -> None:
        """Follows into this frame; ends the following where it is the person no more."""
        now = len(self._shots) - 1
        points, jolt = self._close.look(frame)
        if points is None:
            self._lose(now)
            return
        self._landmarks[now], self._place = points, (points, now)
        if not jolt and (now - self._begun) % _CHECK:
            return
        last, self._view = self._view, View.of(frame, points)
        # A head that turns is unlike all that is known of it, but like itself a moment ago.
        unlike = self._likeness.unlike(self._view)
        drifted = self._cuts.drifted()  # by a cross-fade each is like itself a moment ago, and in the end another
        if not self._young and not drifted and last is not None:
            unlike = min(unlike, unlikeness(last, self._view))
        if jolt and unlike > _UNLIKE:  # the tracker has leapt to somebody else, or a cut was not noticed
            self._withdraw(now)
            return
        self._answers.append(unlike)
        limit = _UNLIKE if self._young or drifted else _STRANGE
        if len(self._answers) == _CHECKS and min(self._answers) > limit:
            self._withdraw(max(self._begun, now - (self._young + _CHECKS - 1) * _CHECK))
            return
        self._young = self._young and now - self._begun < _YOUNG
        if unlike < _UNLIKE and not self._young and not drifted:
            self._likeness.learn(self._view)

    def _search(self, frame: np.ndarray) -> None:
        """Looks for the person in the whole picture."""
        now = len(self._shots) - 1
        if not self._likeness and self._chosen is not None:
            return  # nobody can tell yet what they look like
        self._due, self._wait = now + self._wait, min(2 * self._wait, _SEARCH)
        found = self._detector.glance(frame)
        near = [self._in_place(face.landmarks) for face in found]
        margins = [np.inf] * len(found)
        for i, face in enumerate(found):
            if is_face(face.landmarks, frame.shape):
                limit = _SAME_PLACE if near[i] else self._limit
                margins[i] = self._likeness.unlike(View.of(frame, face.landmarks)) - limit
        if not margins or min(margins) > 0:
            self._limit = _AGAIN if np.isfinite(margins).any() else self._limit
            if any(near):  # turned too far
                self._place = found[near.index(True)].landmarks, now
        else:
            best = int(np.argmin(margins))
            self._begin(frame, found[best], young=bool(self._likeness) and not near[best])

    def _begin(self, frame: np.ndarray, face: Detection, young: bool) -> None:
        """Follows a face from this frame on."""
        now = len(self._shots) - 1
        if not self._likeness or self._chosen is face:
            self._likeness.learn(View.of(frame, face.landmarks))
        self._close.begin(frame, face.landmarks)
        points, _ = self._close.look(frame)
        if points is None or moved(face.landmarks, points) > _NEAR / 3:
            self._close.end()
            return
        self._landmarks[now], self._place = points, (points, now)
        self._answers.clear()
        self._view = None
        self._begun, self._young, self._wait = now, young, 1

    def _lose(self, now: int) -> None:
        """Ends the following; the person is sought from this frame on."""
        self._close.end()
        self._due, self._wait = now, 1

    def _withdraw(self, first: int) -> None:
        """From this frame on it was somebody else."""
        self._landmarks[first:] = [None] * (len(self._landmarks) - first)
        self._limit, self._settled = _AGAIN, False
        self._close.end()
        self._due, self._wait = len(self._shots), 1

    def _in_place(self, landmarks: np.ndarray) -> bool:
        """Whether a face is where the person was a moment ago in this shot."""
        if self._place is None or not self._settled:
            return False
        place, when = self._place
        if len(self._shots) - 1 - when > _MOMENT or self._shots[when] != self._shots[-1]:
            return False
        same_size = 1 / _SIZES < face_size(place) / face_size(landmarks) < _SIZES
        return same_size and moved(place, landmarks) < _NEAR


def _faces(detector: MediaPipeDetector, frame: np.ndarray) -> list[Detection]:
    return [face for face in detector.glance(frame) if is_face(face.landmarks, frame.shape)]


def _fill(landmarks: np.ndarray, shots: np.ndarray, bare: set[int]) -> None:
    """Interpolates, in place, up to `GAP` missed frames between two seen ones of a shot that show the same view."""
    seen = np.flatnonzero(~np.isnan(landmarks[:, 0, 0]))
    for before, after in zip(seen[:-1], seen[1:], strict=True):
        between = range(before + 1, after)
        if not 0 < len(between) <= GAP or shots[before] != shots[after] or bare & set(between):
            continue
        for frame in between:
            share = np.float32((frame - before) / (after - before))
            landmarks[frame] = (1 - share) * landmarks[before] + share * landmarks[after]
