"""Fig. 6: one voice, many faces, from photographs to cartoons."""

from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib import cbook

from atvg.animator import Animator
from atvg.config import FPS
from atvg.data.pack import Clip
from atvg.errors import NoFaceError
from atvg.evaluation.report import number
from atvg.face.face import Face
from atvg.face.image import load_image
from atvg.face.landmarks import mouth_opening
from atvg.lab.measure import Quality, measure
from atvg.lab.run import draw, hear, settings_of
from atvg.paper import figures
from atvg.paper.drawings import Drawing, Robot
from atvg.paper.films import film
from atvg.paper.parts import Film, Part, Picture
from atvg.paper.study import Study
from atvg.voice.audio import mfcc_rows, n_video_frames

_COLUMNS = 7  # moments shown
_ACROSS = 6  # faces of a line of the video
_DRAWINGS = (3, 4)  # seeds


@dataclass(frozen=True)
class Person:
    """A face to animate; `placed` tells how its landmarks were found."""

    title: str
    face: Face
    placed: str


def portraits(animator: Animator) -> list[Person]:
    """Two photographs in the public domain, from wheels that are installed: astronaut and rear admiral."""
    from skimage import data

    pictures = {
        "Eileen Collins": data.astronaut(),
        "Grace Hopper": load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)),
    }
    return [Person(title, animator.read_face(picture), "found") for title, picture in pictures.items()]


def stills(clips: list[Clip]) -> list[Person]:
    """People of a pack, whose landmarks it holds, from the first frame of a clip of each."""
    return [
        Person(f"{clip.source}\n{clip.identity}", Face(clip.frames[0], *2 * [clip.landmarks[0]]), "pack")
        for clip in clips
    ]


def drawn(animator: Animator) -> list[Person]:
    """A portrait made a painting and a pencil drawing, and cartoons that never were anybody."""
    from skimage import data

    photo = data.astronaut()
    painted = {
        "painted": cv2.stylization(photo, sigma_s=60, sigma_r=0.45),
        "pencil": cv2.pencilSketch(photo, sigma_s=60, sigma_r=0.07, shade_factor=0.05)[1],
    }
    people = [_placed(animator, title, picture, None) for title, picture in painted.items()]
    cartoons = {f"cartoon {i}": Drawing(seed) for i, seed in enumerate(_DRAWINGS, 1)} | {"robot": Robot()}
    return people + [_placed(animator, title, drawing.picture, drawing.points) for title, drawing in cartoons.items()]


def _placed(animator: Animator, title: str, picture: np.ndarray, points: np.ndarray | None) -> Person:
    """By the detector, or by hand where it finds no face."""
    try:
        return Person(title, animator.read_face(picture), "found")
    except NoFaceError:
        if points is None:
            raise
        return Person(title, animator.read_face(picture, points=points), "by hand")


def identities(study: Study) -> Part:
    """All faces say the same words."""
    animator, settings = study.animator, settings_of({})
    people = [*portraits(animator), *stills(study.stills), *drawn(animator)]
    runs, speeches = [], []
    for person in people:
        speech = hear(animator, person.face, study.voice, settings)
        speeches.append(speech)
        runs.append(draw(animator, person.face.crop, person.face.crop_landmarks, speech))
    at = moments(mouth_opening(speeches[0].landmarks), _COLUMNS)
    qualities = {
        person.title: measure(run, person.face.crop, tracker=study.tracker)
        for person, run in zip(people, runs, strict=True)
    }
    path = figures.write(
        study.folder,
        "fig6",
        figures.grid,
        [[person.face.crop, *run.frames[at]] for person, run in zip(people, runs, strict=True)],
        [f"{person.title}\n({person.placed})" for person in people],
        ["given", *(f"{t / FPS:.2f} s" for t in at)],
        "all but the first column: AI-generated",
    )
    columns = _in_columns([(p.title.replace("\n", " "), run.frames) for p, run in zip(people, runs, strict=True)])
    return Part(
        "fig6",
        "Fig. 6: identities from photographs to cartoons",
        (
            "Every face hears the same voice; each column is one moment. Two portraits in the public domain, "
            f"still photographs of {study.split}, one portrait as a painting and in pencil, and cartoons that code has "
            "drawn. Below a name stands how the face was placed: found by the detector, with the landmarks of "
            "the pack, or by hand (five points) where the detector finds no face.",
            "Do lips do what AT-net asked for? r of the lip opening, where the tracker follows the drawn face at all: "
            f"{_told(qualities)}.",
        ),
        pictures=(
            Picture(
                path,
                f"{len(people)} faces, from photographs to a robot, each at {len(at)} moments of the same words.",
                "First the picture that was given; then the moments at which the first face opens its lips widest, in "
                "equal stretches of the voice.",
            ),
        ),
        films=(Film(film(study.folder / "fig6.mp4", columns, 160, study.voice), "All faces at once.", sound=True),),
        data={
            "seconds": [float(t / FPS) for t in at],
            "people": {
                person.title.replace("\n", " "): {"placed": person.placed, **vars(qualities[person.title])}
                for person in people
            },
        },
    )


def moments(opening: np.ndarray, count: int) -> np.ndarray:
    """The widest moment of each of so many equal stretches of a lip opening (T,), or every moment of a short one."""
    parts = np.array_split(np.arange(len(opening)), min(count, len(opening)))
    return np.array([part[opening[part].argmax()] for part in parts])


def heard(wave: np.ndarray) -> np.ndarray:
    """The MFCC rows of a voice, as packs hold them."""
    return mfcc_rows(wave, n_video_frames(wave))


def _in_columns(panels: list[tuple[str, np.ndarray]]) -> list[list[tuple[str, np.ndarray]]]:
    across = min(_ACROSS, len(panels))
    return [panels[i::across] for i in range(across)]


def _told(qualities: dict[str, Quality]) -> str:
    return ", ".join(
        f"{title.replace(chr(10), ' ')} {number(found.lip_r, 2)}"
        + ("" if found.found == 1 else f" (face found in {found.found:.0%} of the frames)")
        for title, found in qualities.items()
    )
