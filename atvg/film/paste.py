"""Composing the animated face on the pixels of the photo, or of a film's frames.

The equation of `atvg.motion.layers` is computed a second time, at the photo's resolution: the photo itself is warped,
masks and teeth are drawn in its pixels, and only VG-net's residual and α are enlarged. Where α is 0 a pixel of the
photo stays bit for bit what it was; where α is 1 nothing of the old mouth shines through, and no seam can show.
"""

from collections.abc import Iterator
from itertools import repeat
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from atvg.animate.chunk import Chunk, Scene, behind
from atvg.config import CROP_SIZE
from atvg.face.face import Face
from atvg.film.composition import Box, Composition, Uncovered
from atvg.film.lens import FINER, GRID, WHOLE, Lens, grid_to_crop
from atvg.motion.filmed import Behind, behind_lips
from atvg.motion.layers import ABOVE, AROUND, fill_shift, moves, rise
from atvg.motion.monochrome import Monochrome
from atvg.motion.openings import EYES, MOUTH, SOFT, Opening, between, columns, known
from atvg.motion.teeth import Teeth, unseen
from atvg.motion.turn import HeadTurn

_QUIET, _LOUD = 0.08, 0.25  # α below the first leaves a pixel alone; above the second it is used as it is
_MARGIN = 7  # pixels of the crop beyond the outline of the face
_JAW_DROP = 12  # how far below the photo's chin a jaw may open
_FEATHER = 3.5  # standard deviation of the mask's soft edge
_EDGE = 1.5  # photo pixels: how soft the edge of a lip or lid is
_DENSEST = 8  # samples in a crop pixel: teeth hold no finer detail
_STRETCH = 10  # frames whose masks are drawn at once: a whole clip's would need gigabytes
_STILL = 0.1  # crop pixels by which lids may move unnoticed


def face_mask(landmarks: np.ndarray) -> np.ndarray:
    """Where a face may change: its outline with room for an open jaw, soft-edged, 0 at the crop's border.

    Args:
        landmarks: (68, 2+) crop pixels.

    Returns:
        float32 (128, 128) in [0, 1].
    """
    points = landmarks[:, :2]
    dropped = points[4:13] + [0, _JAW_DROP]
    hull = cv2.convexHull(np.concatenate([points, dropped]).round().astype(np.int32))
    mask: np.ndarray = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
    cv2.fillConvexPoly(mask, hull, (1.0,))
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1,) * 2))
    border = round(3 * _FEATHER)
    mask[:border], mask[-border:], mask[:, :border], mask[:, -border:] = 0, 0, 0, 0
    return cv2.GaussianBlur(mask, (0, 0), _FEATHER)


class _Still(NamedTuple):
    """The photo with its head turned as in one frame; or a frame of a film."""

    photo: np.ndarray
    lens: Lens
    landmarks: np.ndarray  # (68, 2) crop pixels
    mask: np.ndarray  # `face_mask`

    @classmethod
    def of(cls, photo: np.ndarray, lens: Lens, landmarks: np.ndarray) -> "_Still":
        return cls(photo, lens, landmarks[:, :2].astype(np.float32), face_mask(landmarks))

    @classmethod
    def of_scene(cls, scene: Scene) -> "_Still":
        return cls.of(scene.picture, Lens(scene.matrix), scene.landmarks)


class _Patch(NamedTuple):
    """An opening in T frames, over a box of the crop, finer than its pixels."""

    density: int  # samples in a crop pixel
    low: tuple[int, int]  # x and y of its corner, crop pixels
    shows: np.ndarray  # (T, h, w) S_t
    showed: np.ndarray  # (T, h, w) S_0
    fill: np.ndarray  # (T, h, w) `fill_shift`, crop pixels
    rise: np.ndarray  # (T, h, w) crop pixels
    behind: np.ndarray | None  # (T, h, w, 3) what the photo does not tell, [0, 255], of the mouth

    def moves(self, t: int) -> bool:
        """Whether frame t shows it otherwise than the photo."""
        return self.behind is not None or bool(np.abs(self.rise[t]).max() > _STILL)


class Paster:
    """Composes frames on one photo; everything that is the same for all frames is computed once.

    Of a film, `face` is one of its frames, whose colours tell whether it is one in black and white.
    """

    def __init__(self, face: Face):
        self._tone = Monochrome.of(face.crop)
        self._own = _Still.of(face.photo, Lens(face.matrix), face.crop_landmarks)

    def paste(self, chunk: Chunk) -> Iterator[np.ndarray]:
        """The frames of a chunk, uint8 pictures of the photo's size."""
        return (picture for picture, _ in self.frames(chunk))

    def frames(self, chunk: Chunk) -> Iterator[tuple[np.ndarray, Composition | None]]:
        """The same, each with what it is made of; None where a frame is the photo itself."""
        for still, made in self._composed(chunk):
            picture = still.photo if chunk.turns else still.photo.copy()  # a turned one is nobody else's
            if made is not None:
                picture[made.box] = made.frame
            yield picture, made

    def _composed(self, chunk: Chunk) -> Iterator[tuple[_Still, Composition | None]]:
        for first in range(0, len(chunk), _STRETCH):
            yield from self._composed_at_once(chunk.cut(first, first + _STRETCH))

    def _composed_at_once(self, chunk: Chunk) -> Iterator[tuple[_Still, Composition | None]]:
        patches = self._patches(chunk, chunk.teeth) if chunk.teeth else []
        residuals = chunk.motion.astype(np.float32) - chunk.base
        for t, still in enumerate(self._stills(chunk)):
            lens, weight = still.lens, _settle(chunk.attention[t]) * still.mask
            box = lens.box_of(weight, still.photo.shape)
            if box is None:
                yield still, None
                continue
            photo = still.photo[box].copy()  # whoever takes the frame writes over the still
            moving = [patch for patch in patches if patch.moves(t)]
            base = self._warped(still, chunk.shift[t] @ lens.linear.T, moving, t, box)
            # Cubic enlargement is dear in warpAffine, and twice the size is smooth enough to go on linearly.
            finer = cv2.resize(residuals[t], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            residual = lens.laid(finer, FINER, box)
            opened = [self._uncover(base, photo, patch, t, lens, box) for patch in moving]
            uncovered = tuple(opening for opening in opened if opening.shows.size)  # the others lie outside the box
            motion = cv2.add(base, residual, dtype=cv2.CV_8U)
            if self._tone is not None:
                motion = self._tone(motion)
            attention = lens.laid(weight, WHOLE, box)
            frame = cv2.blendLinear(motion, photo, attention, 1 - attention)
            yield still, Composition(box, photo, base, residual, motion, attention, frame, uncovered)

    def _stills(self, chunk: Chunk) -> Iterator[_Still]:
        if chunk.scenes:
            return (_Still.of_scene(scene) for scene in chunk.scenes)
        if not chunk.turns:
            return repeat(self._own, len(chunk))
        photo, lens = self._own.photo, self._own.lens
        return (_Still.of(turn.of_photo(photo), lens, self._seen(turn)) for turn in chunk.turns)

    def _seen(self, turn: HeadTurn) -> np.ndarray:
        """The photo's landmarks with its head turned, (68, 2) crop pixels."""
        return self._own.lens.to_crop(turn.landmarks)[:, :2].astype(np.float32)

    def _patches(self, chunk: Chunk, teeth: Teeth) -> list[_Patch]:
        """Mouth and moving eyes of the frames."""
        scenes = chunk.scenes
        seen = [scene.landmarks for scene in scenes] or [self._seen(turn) for turn in chunk.turns]
        before = np.stack(seen or [self._own.landmarks] * len(chunk))
        given = [torch.from_numpy(values) for values in (before, chunk.landmarks, chunk.shift)]
        film = behind(scenes) if scenes else None
        scale = (Lens(scenes[0].matrix) if scenes else self._own.lens).scale
        moving = [eye for eye in EYES if moves(eye, *given[:2])]
        return [self._patch(opening, teeth, film, scale, *given) for opening in (MOUTH, *moving)]

    def _patch(
        self, opening: Opening, teeth: Teeth, film: Behind | None, scale: float, before: Tensor, after: Tensor,
        shift: Tensor,
    ) -> _Patch:  # fmt: skip
        density = int(np.clip(ceil(scale), 1, _DENSEST))
        soft = float(np.clip(_EDGE / scale, 1 / _DENSEST, SOFT))
        points = torch.cat([before, after])[:, list(opening.points)].flatten(0, 1)
        margin = AROUND if opening is MOUTH else ABOVE
        low = (points.amin(dim=0).floor() - margin).int().tolist()
        high = (points.amax(dim=0).ceil() + margin).int().tolist()
        xs, ys = (columns((end - start + 1) * density, density, start) for start, end in zip(low, high, strict=True))
        inner = None
        if opening is MOUTH:
            asked = after[None]
            dark = behind_lips(teeth, film, asked, xs, ys) if film else unseen(teeth, before[None], asked, xs, ys)
            inner = ((dark.permute(0, 2, 3, 1) + 1) * 127.5).contiguous().numpy()
        lift = rise(opening, before, after, shift, xs, ys).numpy()
        shows = between(after, opening, xs, ys, soft).numpy()
        showed = known(before, after, opening, xs, ys, soft).numpy()
        if opening is MOUTH and film:
            showed = np.zeros_like(showed)
        fill = fill_shift(before, opening, xs, ys, film is not None and opening is MOUTH).numpy()
        return _Patch(density, tuple(low), shows, showed, fill, lift, inner)

    def _warped(self, still: _Still, shift: np.ndarray, patches: list[_Patch], t: int, box: Box) -> np.ndarray:
        """The photo with its openings hidden, moved by `shift` (64, 64, 2) photo pixels and by its lids, in a box."""
        photo, lens = still.photo, still.lens
        sources = lens.laid(shift, GRID, box, border=cv2.BORDER_REPLICATE)
        for patch in patches:
            where, lift = self._part(patch, patch.rise[t], lens, box)
            sources[where] += lift[..., None] * lens.linear[:, 1]
        reach = ceil(np.abs(sources).max()) + 3
        rows, columns = (
            slice(max(0, side.start - reach), min(side.stop + reach, length))
            for side, length in zip(box, photo.shape, strict=False)
        )
        around = rows, columns
        for axis, side in ((1, 0), (0, 1)):
            ticks = np.arange(box[side].start, box[side].stop, dtype=np.float32) - around[side].start
            sources[..., axis] += ticks if axis == 0 else ticks[:, None]
        window = photo[around]
        if any(patch.fill[t].any() for patch in patches):
            window = self._hidden(window, patches, t, lens, around)
        nothing = np.zeros(0, np.float32)  # `sources` holds both coordinates
        return cv2.remap(window, sources, nothing, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    def _hidden(self, window: np.ndarray, patches: list[_Patch], t: int, lens: Lens, box: Box) -> np.ndarray:
        """A box of the photo with the openings in it hidden."""
        window = window.copy()
        for patch in patches:
            (rows, columns), fill = self._part(patch, patch.fill[t], lens, box)
            if not fill.size:
                continue
            x, y = np.meshgrid(*(np.arange(s.start, s.stop, dtype=np.float32) for s in (columns, rows)))
            across, down = lens.linear[:, 1]
            window[rows, columns] = cv2.remap(
                window, x + across * fill, y + down * fill, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return window

    def _uncover(self, base: np.ndarray, photo: np.ndarray, patch: _Patch, t: int, lens: Lens, box: Box) -> Uncovered:
        """Puts what lies behind lips or lids into a box of the base."""
        where, shows = self._part(patch, patch.shows[t], lens, box)
        showed = self._part(patch, patch.showed[t], lens, box)[1][..., None]
        shows = shows[..., None]
        under, kept = base[where].astype(np.float32), photo[where].astype(np.float32)
        behind = under if patch.behind is None else self._part(patch, patch.behind[t], lens, box)[1]
        inside = behind + showed * (kept - behind)
        base[where] = (under + shows * (inside - under) + 0.5).clip(0, 255)
        rows, columns = (
            slice(own.start + low.start, own.stop + low.start) for own, low in zip(where, box, strict=True)
        )
        return Uncovered((rows, columns), shows, inside)

    def _part(self, patch: _Patch, values: np.ndarray, lens: Lens, box: Box) -> tuple[Box, np.ndarray]:
        """Which part of a box of the photo a patch covers, and its values (h, w, …) there."""
        height, width = values.shape[:2]
        low, high = np.array(patch.low) - 0.5, np.array(patch.low) - 0.5 + np.array([width, height]) / patch.density
        rows, columns = lens.reached(low, high, box)
        to_crop = grid_to_crop(patch.density) + [[0, 0, patch.low[0]], [0, 0, patch.low[1]]]
        laid = lens.laid(values, to_crop, (rows, columns))
        top, left = box[0].start, box[1].start
        return (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)), laid


def _settle(alpha: np.ndarray) -> np.ndarray:
    """Lets faint attention fade to exactly 0."""
    rise = np.clip((alpha - _QUIET) / (_LOUD - _QUIET), 0, 1)
    return (alpha * rise * rise * (3 - 2 * rise)).astype(np.float32)
