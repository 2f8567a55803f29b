"""Videos of several systems or people side by side, in the look of the app's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from atvg.film.label import label
from atvg.film.video import Sound, VideoWriter
from atvg.lab import tiles


def film(
    path: Path, columns: Sequence[Sequence[tuple[str, np.ndarray]]], side: int = 192, sound: Sound | None = None
) -> Path:
    """Writes one.

    Args:
        columns: from left to right, and in each from top to bottom: a caption and frames, uint8 RGB (T, S, S, 3), all
            of one length.
        side: of a panel, pixels.
        sound: see `VideoWriter`; a silent film if None.

    Raises:
        OutputError, BadAudioError: as `VideoWriter`.
    """
    ground, places = tiles.frame([tuple(caption for caption, _ in column) for column in columns], side)
    height, width = ground.shape[:2]
    with VideoWriter(path, (width, height), sound) as video:
        for t in range(len(columns[0][0][1])):
            canvas = ground.copy()
            for column, spots in zip(columns, places, strict=True):
                for (_, frames), (rows, across) in zip(column, spots, strict=True):
                    canvas[rows, across] = tiles.enlarge(frames[t], side)
            video.write(label(canvas[None]))
    return path
