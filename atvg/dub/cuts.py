"""Hard cuts of a film, seen frame by frame in small pictures.

What a camera or a gesture moves is found again a little beside where it was; what a light changes keeps its pattern.
After a cut neither holds. So the picture is taken apart into blocks, each is sought near its old place by normalised
cross-correlation (blind to brightness and contrast), and the share of detail that is not found anywhere, plus how far
the colours have moved, is the novelty.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 96, 54  # of the small picture, whatever the film's shape
FLASH = 3  # frames within which a picture that comes back as it was shows that there was no cut

_ROWS, _COLUMNS = 4, 6  # blocks
_REACH = 6, 10  # pixels up or down and sideways in which a block is sought again: a tenth of the picture in a frame
_PLAIN = 3.0  # grey levels: a block, or a picture, whose standard deviation is lower shows nothing to be found again
_STILL = 0.97  # correlation of a block with its old place from which it is not sought elsewhere
_COLOUR = 0.02  # novelty of one unit of Lab that the colours moved
# Measured on talking clips and films joined of them, within a source, where studio and framing are often the same:
# 0.1 % of 5,200 frames lie above, and 3 % of 115 cuts below.
_NOVEL = 0.3
_ABOVE = 3.0  # times the film's recent novelty: noise, fire or water renew much in every frame
_RECENT = 12  # frames
_FADE = 15  # frames
_BACK = 0.2  # novelty below which two pictures show the same view


@dataclass(frozen=True)
class _Small:
    """A small picture: `grey` (`HEIGHT`, `WIDTH`) float32, and its `chroma`, sorted Lab values (96, 2)."""

    grey: np.ndarray
    chroma: np.ndarray

    @classmethod
    def of(cls, frame: np.ndarray) -> "_Small":
        step = max(1, min(frame.shape[0] // (3 * HEIGHT), frame.shape[1] // (3 * WIDTH)))
        few = np.ascontiguousarray(frame[step // 2 :: step, step // 2 :: step])  # nine or more for each small pixel
        small = cv2.resize(few, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)
        return cls(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32), np.sort(lab[:, 1:], axis=0)[::HEIGHT])


class Cuts:
    """Tells in every frame whether a new shot has begun.

    A cut is known when its first frame is seen. That it was only a flash, or a few frames of something else, is known
    up to `FLASH` frames later, when the old picture is back: then the number of the shot goes back too.

    Attributes:
        shot: number of the shot that the last frame belongs to, from 0.
        blank: the last frame showed nothing: it was black, white or fog.
        since: frames since the last cut.
    """

    def __init__(self) -> None:
        self.shot = 0
        self.blank = False
        self.since = 0
        self._last: _Small | None = None  # the last picture with something in it
        self._before: _Small | None = None  # that before the last cut
        self._levels: deque[float] = deque(maxlen=_RECENT)
        self._past: deque[_Small] = deque(maxlen=_FADE)

    def see(self, frame: np.ndarray) -> int:
        """The next frame, (H, W, 3) uint8 RGB → 1: a new shot begins, −1: the old one goes on after all, else 0."""
        small = _Small.of(frame)
        self.since += 1
        self.blank = bool(small.grey.std() < _PLAIN)
        if self.blank:  # what comes after is compared with what was before
            return 0
        last, self._last = self._last, small
        self._past.append(small)
        if last is None:
            return 0
        if self._before and self.since <= FLASH and _novelty(self._before, small) < _BACK:
            self._before = None
            self.shot -= 1
            return -1
        level = _novelty(last, small)
        if level <= max(_NOVEL, _ABOVE * float(np.median(self._levels or [0.0]))):
            self._levels.append(level)
            return 0
        self._before, self.since = last, 0
        self._levels.clear()
        self._past.clear()
        self.shot += 1
        return 1

    def drifted(self) -> bool:
        """Whether the view has changed as by a cut, but little by little: a cross-fade, or a moving camera or head."""
        return bool(self._past) and _novelty(self._past[0], self._past[-1]) > _NOVEL


def _novelty(before: _Small, after: _Small) -> float:
    return _renewed(before.grey, after.grey) + _COLOUR * float(np.abs(before.chroma - after.chroma).mean(axis=0).sum())


def _renewed(before: np.ndarray, after: np.ndarray) -> float:
    """Share in [0, 1] of the detail of a small grey picture that is not found near its place in another."""
    rows, columns = HEIGHT // _ROWS, WIDTH // _COLUMNS
    up, side = _REACH
    room = cv2.copyMakeBorder(before, up, up, side, side, cv2.BORDER_REFLECT_101)
    old, new = _blocks(before), _blocks(after)
    detail = np.linalg.norm(new, axis=2) / np.sqrt(rows * columns)  # (rows, columns) of blocks
    found = (old * new).sum(axis=2) / np.maximum(np.linalg.norm(old, axis=2) * np.linalg.norm(new, axis=2), 1e-6)
    detail[detail < _PLAIN] = 0.0
    for row, column in np.argwhere((detail > 0) & (found < _STILL)):
        y, x = row * rows, column * columns
        where = room[y : y + rows + 2 * up, x : x + columns + 2 * side]
        block = after[y : y + rows, x : x + columns]
        found[row, column] = max(0.0, float(cv2.matchTemplate(where, block, cv2.TM_CCOEFF_NORMED).max()))
    return float((detail * (1 - found)).sum() / max(float(detail.sum()), 1e-6))


def _blocks(grey: np.ndarray) -> np.ndarray:
    """Blocks of a small picture without their means: (rows, columns, pixels)."""
    rows, columns = HEIGHT // _ROWS, WIDTH // _COLUMNS
    cut = grey[: rows * _ROWS, : columns * _COLUMNS].reshape(_ROWS, rows, _COLUMNS, columns)
    flat = cut.swapaxes(1, 2).reshape(_ROWS, _COLUMNS, -1)
    return flat - flat.mean(axis=2, keepdims=True)
