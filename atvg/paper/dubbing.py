"""Films that are dubbed: the protocol's figures, and one of them beside what was filmed."""

import contextlib

import numpy as np

from atvg.config import CROP_SIZE, FPS
from atvg.data.storage import local_copy
from atvg.evaluation.dubbed import frames_of
from atvg.evaluation.dubbing import FILM, OTHER, OWN, Task, evaluate_dubs, find_tasks
from atvg.evaluation.protocol import ALL
from atvg.evaluation.report import DUB_COLUMNS
from atvg.evaluation.watching import at_25
from atvg.face import geometry
from atvg.face.crop import warp_to_crop
from atvg.face.landmarks import MOUTH
from atvg.paper.films import film
from atvg.paper.parts import Cell, Film, Part, Table
from atvg.paper.study import FRAMES_SHOWN, Study
from atvg.voice.audio import Cut

_TITLE = "Films with another voice"
_SIDE = 256  # pixels of a panel
_CLOSE = 72  # crop pixels around the mouth: all that is drawn anew, and where it ends
_HERE = (
    "The paper animates photographs. A film has a head that moves and eyes that blink already: here only its mouth is "
    "drawn anew, and beyond the mouth's reach every pixel stays as it was."
)


def dubbing(study: Study) -> Part:
    """A row for the film, for its own and for another's sound, and for the photo path; and the first film."""
    if study.clips is None:
        said = "Nothing was measured here, for films are not part of a pack: give a folder of them, --clips CLIPS_DIR."
        return Part("dub", _TITLE, (_HERE, said))
    result = evaluate_dubs(
        study.clips, study.split, study.weights, study.engine, study.frames, study.workers, study.progress
    )
    rows = {name: by_source[ALL] for name, by_source in result["rows"].items()}
    count = rows[FILM]
    table = Table(
        f"films of {study.split}: {count['clips']} clips, {count['frames']} frames",
        tuple(column.title for column in DUB_COLUMNS),
        tuple((name, tuple(Cell(column.show(row)) for column in DUB_COLUMNS)) for name, row in rows.items()),
    )
    how = (
        "Measured before label and encoder; r and LMD against the film. With another's sound, r tells what is left of "
        "the old mouth: 0 if nothing. “photo” is the clip's calmest frame, animated with its sound. "
        f"{len(result['left_out'])} clip(s) could not be dubbed."
    )
    shown = next(task for task in find_tasks(study.clips, study.split) if task.clip.key in result["films"])
    return Part("dub", _TITLE, (_HERE, how), tables=(table,), films=(_shown(study, shown),), data=result)


def _shown(study: Study, task: Task) -> Film:
    """A clip as filmed and as dubbed, each with its mouth enlarged."""
    with contextlib.ExitStack() as stack:
        talker = study.animator.read_film(stack.enter_context(local_copy(task.clip.path)))
        sounds = [stack.enter_context(local_copy(clip.audio or clip.path)) for clip in (task.clip, task.other) if clip]
        fps = talker.footage.fps
        seconds = min(FRAMES_SHOWN, study.frames or FRAMES_SHOWN) / FPS
        seconds = min(seconds, talker.footage.seconds or seconds)
        drawn = []
        for sound in sounds:
            views = [
                [_views(picture, shown.matrix, shown.own) for picture in (shown.film, shown.picture)]
                for shown in frames_of(study.animator.dub(talker, sound, end=seconds))
            ]
            drawn.append([views[at] for at in at_25(len(views), fps)])
        length = min(map(len, drawn))
        columns = [_column(FILM, [both[0] for both in drawn[0][:length]])]
        for name, views in zip((OWN, OTHER), drawn, strict=False):
            columns.append(_column(name, [both[1] for both in views[:length]]))
        path = film(study.folder / "dub.mp4", columns, _SIDE, Cut(sounds[0], 0, length / FPS))
    return Film(
        path,
        f"{task.clip.source}, {task.clip.identity}, the first clip; nobody chose it. Below, the mouth and where the "
        "new one ends, from the film's own pixels. The sound is the clip's own, which fits the first two.",
        sound=True,
    )


def _views(picture: np.ndarray, matrix: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face of a frame and its mouth, enlarged: (256, 256, 3) uint8 each.

    Args:
        matrix: 2×3, frame → crop.
        own: (68, 2) landmarks as filmed, pixels of the frame.
    """
    face = _enlarging(_SIDE / CROP_SIZE, np.zeros(2))
    middle = geometry.apply(matrix, own)[MOUTH].mean(axis=0)
    mouth = _enlarging(_SIDE / _CLOSE, middle - (_CLOSE - 1) / 2)
    one, other = (warp_to_crop(picture, geometry.compose(view, matrix), _SIDE) for view in (face, mouth))
    return one, other


def _enlarging(scale: float, low: np.ndarray) -> np.ndarray:
    """2×3, crop → a view of it that is so much larger and whose first pixel shows `low`."""
    # A pixel's centre lies half a pixel inside it, in every size.
    return np.column_stack([scale * np.eye(2), (scale - 1) / 2 - scale * low])


def _column(name: str, views: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[str, np.ndarray]]:
    faces, mouths = (np.stack(some) for some in zip(*views, strict=True))
    return [(name, faces), ("mouth", mouths)]
