"""Films, dubbed frame by frame before label and encoder, and what is kept of that to be measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from atvg.animator import Animator
from atvg.dub.dub import Dub
from atvg.dub.subject import Subject
from atvg.dub.talker import Talker
from atvg.evaluation.watching import Border, Watched, at_film
from atvg.face import geometry
from atvg.face.face import Face
from atvg.film.paste import Paster
from atvg.voice.audio import load_audio


@dataclass(frozen=True)
class Dubbed:
    """A film and what was drawn over it, as far as the film and its new sound go.

    Attributes:
        wave: what it says now, 16 kHz.
        told: (T,) whether a frame counts: the person is seen, and the new mouth has wholly taken over.
        calm: number and picture of the calmest of these frames; None if there are none.
    """

    film: Watched
    drawn: Watched
    border: Border
    wave: np.ndarray
    fps: Fraction
    subject: Subject
    told: np.ndarray
    calm: tuple[int, np.ndarray] | None

    @classmethod
    def of(cls, animator: Animator, talker: Talker, sound: Path, seconds: float) -> "Dubbed":
        """Dubs a film with so much of a sound."""
        dub = animator.dub(talker, sound, end=seconds)
        film, drawn, border = Watched(), Watched(), Border()
        subject, number = dub.subject, 0
        told = subject.share[: dub.n_frames] == 1
        calmest = subject.calmest(np.flatnonzero(told)) if told.any() else None
        calm = None
        for number, shown in enumerate(islice(frames_of(dub), len(told))):
            film.see(shown.film, shown.matrix, shown.own, shown.own)
            drawn.see(shown.picture, shown.matrix, shown.asked, shown.own)
            border.see(shown.picture, shown.film, shown.attention, int(subject.shots[number]))
            if number == calmest:
                calm = number, shown.film
        wave = load_audio(sound, end=seconds)
        return cls(film, drawn, border, wave, dub.talker.footage.fps, subject, told, calm)

    def photo(self, animator: Animator, sound: Path, seconds: float) -> Watched | None:
        """The calmest frame, animated as a photo of the same person, at the film's rate; None if no face is found."""
        if self.calm is None:
            return None
        number, picture = self.calm
        matrix = self.subject.matrices[number]
        own = geometry.apply(geometry.invert(matrix), self.subject.own[number])
        found = animator.detector.detect(picture)
        if not found:
            return None
        one = min(found, key=lambda face: np.abs(face.landmarks[:, :2] - own[:, :2]).sum())
        face, watched = Face(picture, one.landmarks, one.mesh), Watched()
        paster, back = Paster(face), geometry.invert(face.matrix)
        for chunk in animator.stream(face, sound, end=seconds):
            for frame, points in zip(paster.paste(chunk), chunk.landmarks, strict=True):
                watched.see(frame, matrix, geometry.apply(back, points), own)
        return watched.only(at_film(len(watched), len(self.film), self.fps))


@dataclass(frozen=True)
class Shown:
    """A dubbed frame before label and encoder.

    Attributes:
        picture, film: (H, W, 3) uint8, as drawn and as filmed.
        matrix: 2×3, film → crop.
        own, asked: (68, 2) landmarks as filmed and as asked for, in its pixels.
        attention: (H, W) float32, α.
    """

    picture: np.ndarray
    film: np.ndarray
    matrix: np.ndarray
    own: np.ndarray
    asked: np.ndarray
    attention: np.ndarray


def frames_of(dub: Dub) -> Iterator[Shown]:
    """The frames of a dub, one after the other."""
    paster = Paster(dub.talker.face)
    for chunk in dub.chunks():
        for scene, points, (picture, made) in zip(chunk.scenes, chunk.landmarks, paster.frames(chunk), strict=True):
            attention = np.zeros(picture.shape[:2], np.float32)
            if made is not None:
                attention[made.box] = made.attention
            back = geometry.invert(scene.matrix)
            own, asked = geometry.apply(back, scene.landmarks), geometry.apply(back, points)
            yield Shown(picture, scene.picture, scene.matrix, own, asked, attention)
