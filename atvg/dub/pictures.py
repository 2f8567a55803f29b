"""The pictures of a film that has been dubbed, for a recording that kept none of them."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from atvg.dub.footage import Footage, frames, open_footage
from atvg.dub.to_and_fro import to_and_fro
from atvg.errors import BadFilmError


class Pictures:
    """A film's frames by their numbers, as `atvg.film.recording.Recording.open` wants them.

    Args:
        path: of the film; it is opened when the first picture is wanted.
    """

    def __init__(self, path: Any):
        self._path = path

    @cached_property
    def footage(self) -> Footage:
        """The film.

        Raises:
            BadFilmError, TooLongError: as `open_footage`.
        """
        return open_footage(self._path)

    def __call__(self, number: int) -> np.ndarray:
        """One frame, uint8 RGB (height, width, 3).

        Raises:
            BadFilmError: there is none of this number.
        """
        for frame in frames(self.footage, number, 1):
            return frame
        raise _changed(self.footage.path)

    def in_order(self, numbers: np.ndarray) -> Callable[[int], np.ndarray]:
        """The same for frames that are asked for one after the other: the film is read through instead of searched.

        Args:
            numbers: (T,) of all of them, to and fro or held at the end, from 0.
        """
        hold = bool((np.diff(numbers) == 0).any())
        film = to_and_fro(self.footage, int(numbers.max()) + 1, len(numbers), hold)

        def picture(number: int) -> np.ndarray:
            found, frame = next(film, (-1, None))
            if frame is None or found != number:
                raise _changed(self.footage.path)
            return frame

        return picture


def _changed(path: Path) -> BadFilmError:
    return BadFilmError(f"{path.name} is not as it was when it was dubbed; dub it again")
