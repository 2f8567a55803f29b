"""Photographs of a folder, animated with voices of a split and measured at their own resolution, as visitors get them.

Clips are 128 px wide and soft: what becomes of a sharp photo only a sharp photo shows.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from atvg.animate.chunk import CHUNK
from atvg.animate.performance import Performance
from atvg.animate.settings import Settings
from atvg.animator import Animator
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.errors import BadImageError, BadSettingError, FaceTooSmallError, NoFaceError, PackError, SeveralFacesError
from atvg.evaluation import metrics
from atvg.evaluation.pool import in_order
from atvg.evaluation.tracking import PhotoTracker
from atvg.face.face import Face
from atvg.face.image import image_size
from atvg.film.paste import Paster

LEAST_SIDE = 512  # pixels of the shorter side
FRAMES = 50  # of each voice
_ENDINGS = (".jpg", ".jpeg", ".png")
_SEED = 0  # of the order of voices
_TOO_SMALL = f"the shorter side is below {LEAST_SIDE} px"
_UNREADABLE = "the file cannot be read"
_REASONS: dict[type[Exception], str] = {
    NoFaceError: "no face is found",
    SeveralFacesError: "several faces compete",
    FaceTooSmallError: "the face is too small",
    BadImageError: _UNREADABLE,
}


@dataclass(frozen=True)
class Album:
    """Photographs that are large enough, and why the others are left out, both by their path within the folder."""

    folder: Path
    photos: tuple[str, ...]
    left_out: dict[str, str]


def find_photographs(folder: str | os.PathLike) -> Album:
    """Looks for JPEG and PNG files in a folder and all folders in it.

    Raises:
        BadSettingError: no such folder, or no photograph in it that is large enough.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadSettingError(f"--photos {folder} is not a folder; give one with photographs (JPEG or PNG)")
    photos, left_out = [], {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS):
        name = path.relative_to(folder).as_posix()
        try:
            large = min(image_size(path)) >= LEAST_SIDE
        except BadImageError:
            left_out[name] = _UNREADABLE
            continue
        if large:
            photos.append(name)
        else:
            left_out[name] = _TOO_SMALL
    if not photos:
        raise BadSettingError(
            f"--photos {folder} holds no photograph (JPEG or PNG) of at least {LEAST_SIDE} px on its shorter side; "
            "give another folder"
        )
    return Album(folder, tuple(photos), left_out)


def measure_photographs(
    album: Album,
    pack_dir: str | AnyPath,
    split: str,
    weights: Path,
    engine: str = "auto",
    frames: int | None = None,
    workers: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Animates every photograph with the sound of another clip, and measures the composed pictures before encoding.

    Args:
        album: from `find_photographs`.
        pack_dir, split: whose clips, with sound that fits their lips, lend their voices in a shuffled order.
        weights, engine: as of `Animator.from_pretrained`.
        frames: of each voice no more than so many, and no more than `FRAMES`.
        workers: processes.
        progress: show a progress bar.

    Returns:
        ``photos[path]`` = figures of each one, ``left_out[path]`` = why, and ``detail`` and ``opening_share``, the
        means over photographs; NaN where undefined.

    Raises:
        PackError: no such pack or split, or no clip whose sound fits its lips.
        CheckpointError: missing or damaged weights.
    """
    from tqdm import tqdm

    limit = min(frames or FRAMES, FRAMES)
    clips = [clip.first(limit) for clip in read_pack(pack_dir, split, with_frames=False) if clip.sync]
    if not clips:
        raise PackError(f"no clip of split {split!r} of {pack_dir} has sound that fits its lips; choose another split")
    order = np.random.default_rng(_SEED).permutation(len(clips))
    tasks = [(album.folder / name, clips[order[i % len(clips)]]) for i, name in enumerate(album.photos)]
    work = in_order(tqdm(tasks, unit="photo", disable=not progress), partial(_Work, weights, engine), workers)
    found = dict(zip(album.photos, work, strict=True))
    photos = {name: figures for name, figures in found.items() if not isinstance(figures, str)}
    return {
        "folder": album.folder.resolve().name,
        "at_least_pixels": LEAST_SIDE,
        "at_most_frames": limit,
        **{
            name: metrics.mean_of_known([figures[name] for figures in photos.values()])
            for name in ("detail", "opening_share")
        },
        "photos": photos,
        "left_out": album.left_out | {name: reason for name, reason in found.items() if isinstance(reason, str)},
    }


class _Work:
    """Weights and tracker, loaded once: a photograph and a voice → figures, or why there are none."""

    def __init__(self, weights: Path, engine: str):
        from atvg.face.mediapipe import MediaPipeTracker

        self._animator, self._tracker = Animator.from_pretrained(weights, engine=engine), MediaPipeTracker()

    def __call__(self, task: tuple[Path, Clip]) -> dict[str, Any] | str:
        path, voice = task
        try:
            face = self._animator.read_face(path)
        except tuple(_REASONS) as error:
            return _REASONS[type(error)]
        tracker = PhotoTracker(face, self._tracker)
        measure = metrics.Detail(face.photo, tracker.photo_landmarks)
        details, landmarks = [], []
        for picture in composed(self._animator, face, voice.heard(self._animator.ears[0])):
            landmarks.append(tracker.look(picture))
            details.append(measure.of(picture, landmarks[-1]))
        seen = np.stack(landmarks)
        return {
            "detail": metrics.mean_of_known(details),
            "opening_share": metrics.opening_share(seen),
            "frames": len(seen),
            "undetected_frames": int(np.isnan(seen[:, 0, 0]).sum()),
            "size": face.photo.shape[1::-1],
            "voice": voice.key,
        }


def composed(animator: Animator, face: Face, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The frames of a video of the whole photo, before label and encoder: T pictures of the photo's size, uint8 RGB.

    Args:
        rows: of the voice, `Clip.heard`.
    """
    codes = animator.codes_from_rows(rows, face.crop_landmarks, ear=animator.ears[0])
    performance, paster = Performance(animator, face, Settings()), Paster(face)
    for start in range(0, len(codes), CHUNK):
        yield from paster.paste(performance.show(codes[start : start + CHUNK]))
