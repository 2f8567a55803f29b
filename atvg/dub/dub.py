"""A film and a voice → chunks: the film is looked through once, then drawn while it is read again.

The first pass says where the face is, how its mouth rests and what it looks like inside; the second draws. Neither
keeps more than a few pictures: of the others 2 kB remain.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from atvg.animate.chunk import CHUNK, Chunk, Scene, behind
from atvg.animate.listener import batches
from atvg.animate.pipeline import Pipeline
from atvg.animate.settings import Settings
from atvg.dub.follow import Follower
from atvg.dub.footage import frames
from atvg.dub.mouths import Album, Picture, find_inside, light_of
from atvg.dub.pace import at_rate, n_film_frames
from atvg.dub.reach import confined
from atvg.dub.subject import Subject, survey
from atvg.dub.talker import Talker, follower_of
from atvg.dub.to_and_fro import to_and_fro
from atvg.errors import BadSettingError, NoFaceError
from atvg.face.crop import warp_to_crop
from atvg.face.detection import Detection
from atvg.face.landmarks import SPEAKING
from atvg.film.output import Outputs
from atvg.film.render import rendering
from atvg.motion.filmed import Filmed
from atvg.motion.pose import Pose
from atvg.voice.audio import Audio

_LEAST = 5  # seconds of a film that are looked at, however short the voice: a mouth at rest is to be among them
_LARGEST = 96e6  # bytes of pictures in a chunk
_SETTLED = 0.2  # seconds in which the light of a drawn mouth follows that of the face
_BRIGHTER = 0.3, 3.0  # least and greatest light, by that of the photo


class Dub:
    """A film on its way to say what a voice says: `look` at it, then take its `chunks`.

    Args:
        pipeline: the networks.
        talker: whose mouth it is.
        audio: what is heard in the end.
        wave: the same, float32 samples (N,), 16 kHz mono.
        settings: without a head pose or natural motion, which the film has of its own.
        hold: where the voice is longer, the film stays at its last frame, instead of going to and fro.

    Attributes:
        n_frames: how many there are to be drawn.

    Raises:
        BadSettingError: settings that no film can have.
        NoFaceError: the voice ends before a face comes into view.
    """

    def __init__(
        self, pipeline: Pipeline, talker: Talker, audio: Audio, wave: np.ndarray, settings: Settings,
        hold: bool = False,
    ):  # fmt: skip
        if settings.pose != Pose() or settings.natural:
            raise BadSettingError("the head of a film moves as it was filmed; leave pose and natural motion out")
        self.talker, self.settings = talker, settings
        self.n_frames = n_film_frames(wave, talker.footage.fps)
        if talker.at >= self.n_frames:
            seconds = float(talker.at / talker.footage.fps)
            raise NoFaceError(
                f"a face comes into view after {seconds:.1f} s, when the voice has ended; cut the film there"
            )
        self._pipeline, self._audio, self._wave, self._hold = pipeline, audio, wave, hold
        self._subject: Subject | None = None
        self._album = Album(float(talker.footage.fps))

    @property
    def to_look_at(self) -> int:
        """How many frames `look` goes through at most."""
        return max(self.n_frames, int(_LEAST * self.talker.footage.fps))

    def look(self) -> Generator[int, None, None]:
        """Looks the film through; yields how many frames have been seen.

        Raises:
            NoFaceError: the person is in none of them.
            BadFilmError: it cannot be read any more.
        """
        talker, fps = self.talker, float(self.talker.footage.fps)
        chosen = Detection(talker.face.landmarks, talker.face.mesh)
        follower = Follower(chosen, talker.at, talker.face.photo, follower_of(self._pipeline.detector))
        with closing(frames(talker.footage, count=self.to_look_at)) as pictures:
            for number, picture in enumerate(pictures):
                points = follower.see(picture)
                if points is not None:
                    self._album.see(number, picture, points)
                yield number + 1
        track = follower.track()
        self._subject = survey(track.landmarks, track.shot, self._pipeline.shape, fps)

    @property
    def left_alone(self) -> int:
        """How many of the film's frames that are used stay as they are, because the person is not seen in them."""
        return int((self.subject.share[: self.n_frames] == 0).sum())

    @property
    def subject(self) -> Subject:
        """Where the person is; the film is looked through, if it has not been."""
        if self._subject is None:
            for _ in self.look():
                pass
        assert self._subject is not None
        return self._subject

    def chunks(self) -> Iterator[Chunk]:
        """Draws, stretch by stretch, each within one shot; looks the film through before, if it has not been.

        Yields:
            `n_frames` in all, at the film's own rate; `CHUNK` at a time at most, fewer of large pictures. Each has as
            many `scenes`, the film's frames that they go into.

        Raises:
            NoFaceError, BadFilmError: as `look`.
            DiskFullError: no room for the frames of a film that goes to and fro.
            CheckpointError: weights that are only loaded now, of the ear or of a VG-net, are missing or damaged.
        """
        subject, settings, footage = self.subject, self.settings, self.talker.footage
        listener = self._pipeline.listener(subject.rest[subject.calmest(np.arange(len(subject)))], settings.ear)
        spoken = listener.speak(self._wave, settings.mouth_gain, settings.smoothing)
        codes = (row for part in batches(at_rate(spoken, footage.fps, self.n_frames), CHUNK) for row in part)
        size = max(1, min(CHUNK, int(_LARGEST / (3 * footage.size[0] * footage.size[1]))))
        fps, insides, stage, start = float(footage.fps), self._album.insides(subject), None, 0
        with closing(to_and_fro(footage, len(subject), self.n_frames, self._hold)) as film:
            for shot, taken in _stretches(film, subject, size):
                if stage is None or stage.shot != shot:
                    filmed = find_inside(insides, subject, shot)
                    calm = self._album.calmest(subject, shot)
                    stage = _Stage(self._pipeline, settings, subject, shot, filmed, calm or taken[0], fps)
                yield stage.draw(start, taken, np.stack(list(islice(codes, len(taken)))))
                start += len(taken)

    def rendering(
        self, path: str | os.PathLike | Outputs, frame: str = "full"
    ) -> Generator[tuple[int, np.ndarray], None, None]:
        """Draws into files, step by step, at the film's own rate and in its colours.

        The files are whole when the iterator has ended; if it is closed before, none of them stays.

        Args:
            path, frame: as of `save`.

        Yields:
            The number of frames done, of `n_frames`, and the newest picture, (H, W, 3) uint8 RGB.

        Raises:
            OutputError and others: as `save`, when the first step is asked for, or later.
        """
        footage = self.talker.footage
        return rendering(
            self.talker.face, self.chunks(), self._audio, path, frame, fps=footage.fps, colour=footage.colour
        )

    def save(self, path: str | os.PathLike | Outputs, frame: str = "full") -> int:
        """Writes an MP4 with the new sound, or several files at once; none of them stays if anything goes wrong.

        Args:
            path: an ``.mp4``; or `atvg.film.output.Outputs`, with which ``frame`` does nothing.
            frame: ``"full"``: the whole film at its own size; ``"face"``: a square close-up that follows the face, at
                most 512 pixels; ``"crop"``: the network's 128×128.

        Returns:
            How many frames were written.

        Raises:
            OutputError: a file cannot be written; DiskFullError, one of these, where there is no room.
            BadSettingError: an unknown ``frame``, or one name for two files.
            BadAudioError: the file of the voice cannot be read any more.
            NoFaceError, BadFilmError, CheckpointError: as `chunks`.
        """
        return max(done for done, _ in self.rendering(path, frame))


_Taken = list[tuple[int, np.ndarray]]  # numbers of frames, and their pictures


def _stretches(film: Iterator[tuple[int, np.ndarray]], subject: Subject, size: int) -> Iterator[tuple[int, _Taken]]:
    """Frames, up to `size` at a time of one shot, with its number."""
    waiting: _Taken = []
    for number, picture in film:
        if waiting and (len(waiting) == size or subject.shots[number] != subject.shots[waiting[-1][0]]):
            yield int(subject.shots[waiting[0][0]]), waiting
            waiting = []
        waiting.append((number, picture))
    if waiting:
        yield int(subject.shots[waiting[0][0]]), waiting


class _Stage:
    """Draws one shot. VG-net's photo is its calmest frame; the recurrence runs over the film's time."""

    def __init__(
        self, pipeline: Pipeline, settings: Settings, subject: Subject, shot: int, filmed: Filmed | None,
        photo: Picture | tuple[int, np.ndarray], fps: float,
    ):  # fmt: skip
        self.shot, self._pipeline, self._subject = shot, pipeline, subject
        if isinstance(photo, Picture):
            number, crop = photo.frame, photo.crop(subject)
        else:
            number, crop = photo[0], warp_to_crop(photo[1], subject.matrices[photo[0]])
        self._light = light_of(crop[None], subject.own[[number]])[0]
        self._filmed = filmed and filmed._replace(light=filmed.light / torch.from_numpy(self._light))
        self._drawer = pipeline.drawer(crop, subject.own[number], settings.beta, teeth=settings.teeth)
        self._keeps = float(np.exp(-1 / (_SETTLED * fps)))
        self._now: np.ndarray | None = None

    def draw(self, start: int, taken: _Taken, codes: np.ndarray) -> Chunk:
        """The next frames of the shot, with the codes (T, K) of what is said meanwhile."""
        subject, numbers = self._subject, [number for number, _ in taken]
        own, rest, share = subject.own[numbers], subject.rest[numbers], subject.share[numbers]
        crops = np.stack([warp_to_crop(picture, subject.matrices[number]) for number, picture in taken])
        light = self._settled(light_of(crops, own) / self._light)
        scenes = tuple(
            Scene(picture, subject.matrices[number], own[t, :, :2], rest[t, :, :2], light[t], self._filmed, number)
            for t, (number, picture) in enumerate(taken)
        )
        landmarks = own[..., :2].copy()
        asked = self._pipeline.landmarks(codes, rest)
        landmarks[:, SPEAKING] += share[:, None, None] * (asked - landmarks)[:, SPEAKING]
        turned = self._drawer.turned(crops, own[..., :2], behind(scenes))
        chunk = self._drawer.draw(landmarks, turned).chunk(start, crops, codes)
        return confined(replace(chunk, scenes=scenes), share)

    def _settled(self, light: np.ndarray) -> np.ndarray:
        """Light (T, 3), low-passed over time."""
        result = np.empty_like(light)
        for t, value in enumerate(light.clip(*_BRIGHTER)):
            self._now = value if self._now is None else value + self._keeps * (self._now - value)
            result[t] = self._now
        return result
