"""Fig. 7: the truth, ATVG and the compared systems on the same sound."""

import numpy as np

from atvg.config import FPS
from atvg.data.pack import Clip
from atvg.evaluation.baselines import BASELINES, load_baseline
from atvg.face.landmarks import MOUTH, mouth_opening
from atvg.lab import tiles
from atvg.lab.run import draw, hear, settings_of
from atvg.paper import figures
from atvg.paper.films import film
from atvg.paper.identities import heard, moments, portraits
from atvg.paper.parts import Film, Part, Picture
from atvg.paper.study import OURS, TRUTH, Study, baseline_titles

_COLUMNS = 8  # moments shown
_CLOSE = 56  # side of a close-up of the mouth, crop pixels
_LARGE = 128  # to which it is enlarged


def side_by_side(study: Study) -> Part:
    """A figure and a film for one clip of each source, and a film with sound of an example portrait."""
    clips = list({clip.source: clip for clip in reversed(study.examples)}.values())[::-1]
    pictures, films, data = [], [], {}
    for number, clip in enumerate(clips, 1):
        drawn = {TRUTH: clip.frames, **{row.name: row.draw(clip) for row in study.compared}}
        at = moments(mouth_opening(clip.landmarks), _COLUMNS)
        name = f"fig7_{number}"
        path = figures.write(
            study.folder,
            name,
            figures.grid,
            [line for frames in drawn.values() for line in (frames[at], _close_ups(frames[at], clip))],
            [label for title in drawn for label in (title, "mouth")],
            [f"{t / FPS:.2f} s" for t in at],
            f"all rows but {TRUTH}: AI-generated",
        )
        pictures.append(
            Picture(
                path,
                f"{', '.join(drawn)} at {len(at)} moments of a clip of {clip.source}, with close-ups of the mouth.",
                f"{clip.source}, {clip.identity}: the moments at which the true lips are widest apart, in equal "
                "stretches of the clip.",
            )
        )
        columns = [[(title, frames), ("mouth", _close_ups(frames, clip))] for title, frames in drawn.items()]
        films.append(Film(film(study.folder / f"{name}.mp4", columns), f"{clip.source}, silent: packs hold no sound."))
        data[clip.source] = {"clip": clip.key, "seconds": [float(t / FPS) for t in at]}
    films.append(_spoken(study))
    return Part(
        "fig7",
        "Fig. 7: side by side",
        (
            f"The same photo (the first frame) and the same sound, given to {OURS} and to compact re-implementations "
            f"of {', '.join(baseline_titles())}, trained by the same loop. The clips are the first of each source; "
            "nobody chose them.",
        ),
        pictures=pictures,
        films=films,
        data=data,
    )


def _spoken(study: Study) -> Film:
    """An example portrait and voice, with sound."""
    face = portraits(study.animator)[0].face
    speech = hear(study.animator, face, study.voice, settings_of({}))
    ours = draw(study.animator, face.crop, face.crop_landmarks, speech).frames
    rows = heard(study.voice)
    columns = [[("photo", np.repeat(face.crop[None], len(ours), axis=0))], [(OURS, ours)]]
    for name, kind in BASELINES.items():
        frames = np.concatenate(list(load_baseline(name, study.weights).stream(face.crop, rows)))
        columns.append([(kind.title, frames)])
    path = film(study.folder / "fig7_spoken.mp4", columns, sound=study.voice)
    return Film(path, "A portrait and a voice that are in no pack, with sound.", sound=True)


def _close_ups(frames: np.ndarray, clip: Clip) -> np.ndarray:
    """Around the mouth of the clip, always the same place: (T, 128, 128, 3)."""
    middle = clip.landmarks[:, MOUTH, :2].mean(axis=(0, 1)).round().astype(int)
    x, y = np.clip(middle - _CLOSE // 2, 0, frames.shape[1] - _CLOSE)
    return tiles.enlarge(frames[:, y : y + _CLOSE, x : x + _CLOSE], _LARGE)
