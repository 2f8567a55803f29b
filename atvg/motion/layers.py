"""The mouth and the eyes in layers: what lies behind lips and lids stays where the skull has it, and they cover it.

With S_t the soft mask between the inner lips (or lids) of a frame, and S_0 that of the photo with its head turned as
in the frame:

    inside = S_0 · photo + (1 − S_0) · unseen          teeth the photo shows stay where the skull has them
    base   = (1 − S_t) · warp(photo) + S_t · inside    lips cover and uncover them
    m      = base + residual                           VG-net draws the residual

``unseen`` is what no photo of a shut mouth can tell, see `atvg.motion.teeth`; there the residual is silent, for L1
would paint the grey average of all teeth over it. Behind lids ``unseen`` is the warped photo. The same masks serve
the network, at 128², and the picture, on the photo's own pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from atvg.config import CROP_SIZE
from atvg.motion.teeth import Teeth, unseen
from atvg.warp import border, places, resample, shift_grid

SOFT = 0.7  # crop pixels: width of a lip's edge in the network's pictures
_LASHES = 1.5  # crop pixels above the upper lid's edge that move as they are; skin further up stretches
_RIM = 1.2  # crop pixels of the lower lid's wet rim
_ROOM = (2.5, 8.0)  # crop pixels beside an eye within which skin stretches, least and greatest
_TO_BROW = 0.65  # of the way from lid to brow, likewise
_LIP, _LID = 1.2, 3.5  # crop pixels beyond an edge, from where lips and upper lids (beyond the lashes) take the colour
# Crop pixels between lips or lids. Of the trackings of 130 shut mouths, 95 % lie below 0.3.
_SHUT, _OPEN = 0.3, 1.3  # nothing shows up to the first, all from the second on
_KNOWN = 0.7  # from here on a photo tells what lies between them, sooner than a frame shows all of it
_STILL = 0.15  # crop pixels that a lid may move before its skin counts as changed
_NARROW = 1e-2  # crop pixels between neighbours on an edge, at least: a face in profile folds them together


class Opening(NamedTuple):
    """Landmarks along the two edges of a mouth or an eye, from corner to corner, left to right as seen."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]

    @property
    def points(self) -> list[int]:
        """All of them."""
        return sorted({*self.upper, *self.lower})


MOUTH = Opening((60, 61, 62, 63, 64), (60, 67, 66, 65, 64))
EYES = (Opening((36, 37, 38, 39), (36, 41, 40, 39)), Opening((42, 43, 44, 45), (42, 47, 46, 45)))
_EYE_POINTS = slice(36, 48)
_BROWS = dict(zip(EYES, ((17, 18, 19, 20, 21), (22, 23, 24, 25, 26)), strict=True))
_AROUND, _ABOVE = 4, 13  # crop pixels beyond the points of the mouth or an eye that its layers reach


class Layers(NamedTuple):
    """What N frames are drawn over, besides the photo."""

    base: Tensor  # (N, 3, 128, 128) in [−1, 1]
    # (N, 1, 128, 128) in [0, 1], where the residual is silent: between the lips what the photo does not tell, and lids
    # that come down, of which there are too few in training to do better than their own skin
    unknown: Tensor
    changed: Tensor  # (N, 1, 128, 128) in [0, 1]: what lips or lids have covered or uncovered since the photo
    shift: Tensor  # (N, 64, 64, 2) crop pixels: how far away each place of the warped photo has its source


def columns(size: int, density: float = 1.0, low: float = 0.0) -> Tensor:
    """Places in crop pixels: `size` of them, `density` in a crop pixel, from the edge of crop pixel `low` on."""
    return low + (torch.arange(size) + 0.5) / density - 0.5


def edges(landmarks: Tensor, opening: Opening, xs: Tensor) -> tuple[Tensor, Tensor]:
    """Where an opening's upper and lower edge run: landmarks (N, 68, 2+), columns (W,) → y of both, (N, W).

    Beyond the corners both are the corner's.
    """
    points = landmarks[..., :2].float()
    return _curve(points[:, list(opening.upper)], xs), _curve(points[:, list(opening.lower)], xs)


def between(landmarks: Tensor, opening: Opening, xs: Tensor, ys: Tensor, soft: float = SOFT) -> Tensor:
    """S_t: how far each place of a frame lies between the lips or the lids, 0 everywhere while they touch.

    Args:
        landmarks: (N, 68, 2+) crop pixels.
        xs, ys: (W,) and (H,) crop pixels.
        soft: width of the edge, crop pixels.

    Returns:
        (N, H, W) in [0, 1].
    """
    top, bottom = edges(landmarks, opening, xs)
    return _soft_box(top, bottom, ys, soft) * _ramp(bottom - top, _SHUT, _OPEN)[:, None]


def known(landmarks: Tensor, opening: Opening, xs: Tensor, ys: Tensor, soft: float = SOFT) -> Tensor:
    """S_0: how far a photo shows, at each place, what lies between the lips or the lids; as `between`.

    It reaches over the edges by their softness, so that a mouth that does not move stays as it is.
    """
    top, bottom = edges(landmarks, opening, xs)
    return _soft_box(top - soft, bottom + soft, ys, soft) * _ramp(bottom - top, _SHUT, _KNOWN)[:, None]


def _soft_box(top: Tensor, bottom: Tensor, ys: Tensor, soft: float) -> Tensor:
    steep, rows = 4 / soft, ys[:, None]
    return torch.sigmoid((rows - top[:, None]) * steep) * torch.sigmoid((bottom[:, None] - rows) * steep)


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    return ((values - low) / (high - low)).clamp(0, 1)


def fill_shift(landmarks: Tensor, opening: Opening, xs: Tensor, ys: Tensor) -> Tensor:
    """How far above each place a photo is to be read so that an opening of it is hidden, lips or upper lid continued.

    A warp that shuts a smile squeezes its teeth into the line between the lips; of such a photo it finds lips there.

    Args:
        landmarks: (N, 68, 2+) crop pixels.
        xs, ys: (W,) and (H,) crop pixels.

    Returns:
        (N, H, W) crop pixels, to be added to y.
    """
    rows = ys[:, None]
    top, bottom = (edge[:, None] for edge in edges(landmarks, opening, xs))
    source = top - _LID
    if opening is MOUTH:
        source = torch.where(rows < (top + bottom) / 2, top - _LIP, bottom + _LIP)
    # Not up to the edges, whose softness mixes this into a mouth or an eye that does not move.
    hidden = _ramp(rows - top, SOFT / 2, 2 * SOFT) * _ramp(bottom - rows, SOFT / 2, 2 * SOFT)
    return hidden * (source - rows)


@torch.no_grad()
def lid_shift(eye: Opening, before: Tensor, after: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """How far above each place an eye's lids have their source: skin comes down with the upper one from below the brow.

    Lashes, the `_LASHES` next to the lid's edge, move as they are. Nothing beyond lids, corners and brow moves, so that
    glasses stay where they are.

    Args:
        eye: one of `EYES`.
        before, after: (N, 68, 2+) crop pixels.
        xs, ys: (W,) and (H,) crop pixels.

    Returns:
        (N, H, W) crop pixels, to be added to y.
    """
    rows, total = ys[:, None], 0.0
    (top, bottom), (top_now, bottom_now) = edges(before, eye, xs), edges(after, eye, xs)
    opened = (bottom - top).clamp(min=0)
    closing = (opened - (bottom_now - top_now)).clamp(min=0) / (opened + _SHUT)
    above = rows < (top_now + bottom_now)[:, None] / 2
    to_brow = _TO_BROW * (top - _curve(before[:, list(_BROWS[eye]), :2].float(), xs))
    for edge, edge_now, room, up in (
        (top, top_now, to_brow.clamp(*_ROOM), 1.0), (bottom, bottom_now, torch.full_like(top, _ROOM[0]), -1.0)
    ):  # fmt: skip
        away = up * (edge_now[:, None] - rows)  # from the lid's edge, away from the eye
        room_now = (room + up * (edge_now - edge)).clamp(min=_LASHES + 0.5)[:, None]
        room = room[:, None]
        stretched = _LASHES + (away - _LASHES) * ((room - _LASHES) / (room_now - _LASHES))
        source = torch.where(away < _LASHES, torch.where(away < 0, away * (1 - closing[:, None]), away), stretched)
        if up < 0:  # beyond the wet rim, which shut lids hide
            source = source + _RIM * closing[:, None] * (1 - away / room_now)
        moved = (above if up > 0 else ~above) & (away > -SOFT) & (away < room_now)
        total = total + torch.where(moved, edge[:, None] - up * source - rows, 0)
    return total


@torch.no_grad()
def layers(photo: Tensor, still: Tensor, landmarks: Tensor, teeth: Teeth | None) -> Layers:
    """The layers of B clips of T frames.

    Args:
        photo: (B, T, 3, 128, 128) in [−1, 1], its head turned as in each frame; (B, 1, …) while it stays still.
        still: its landmarks, (B, T, 68, 2) or (B, 1, 68, 2) crop pixels.
        landmarks: (B, T, 68, 2) those of the frames.
        teeth: of B photos. Without, what they do not tell is left to the network, over the warped photo.
    """
    batch, steps = landmarks.shape[:2]

    def each(values: Tensor) -> Tensor:
        """What was made of the photos, for each frame."""
        return values.unflatten(0, photo.shape[:2]).expand(batch, steps, *values.shape[1:]).flatten(0, 1)

    ticks = columns(CROP_SIZE).to(photo.device)
    photos, before, after = photo.flatten(0, 1), still.flatten(0, 1), landmarks.flatten(0, 1)
    source, now = photos.clone(), each(before)
    shift = lip_shift(now, after)
    sources = places(shift, CROP_SIZE)
    changed, unknown = torch.zeros(2, len(after), 1, CROP_SIZE, CROP_SIZE, device=photo.device)
    moving = [MOUTH, *(eye for eye in EYES if not torch.equal(now[:, eye.points], after[:, eye.points]))]
    boxes = [_box(torch.cat([before, after])[:, opening.points], opening) for opening in moving]
    for opening, (rows, across) in zip(moving, boxes, strict=True):
        y = ticks[rows, None] + fill_shift(before, opening, ticks[across], ticks[rows])
        source[..., rows, across] = resample(photos, torch.stack([ticks[across].expand_as(y), y], dim=-1), "bilinear")
        if opening is not MOUTH:
            lid = lid_shift(opening, now, after, ticks[across], ticks[rows])
            sources[:, rows, across, 1] += lid
            skin = ((lid.abs() - _STILL) / _STILL).clamp(0, 1)
            changed[:, 0, rows, across] += skin / 2
            lower = (edges(after, opening, ticks[across])[0] - edges(now, opening, ticks[across])[0]) / _STILL - 1
            unknown[:, 0, rows, across] += skin * lower.clamp(0, 1)[:, None]
    base = warped = resample(each(source), sources)
    base, photos = base.clone(), each(photos)
    for opening, (rows, across) in zip(moving, boxes, strict=True):
        part = (..., rows, across)
        x, y = ticks[across], ticks[rows]
        shows, showed = between(after, opening, x, y)[:, None], each(known(before, opening, x, y)[:, None])
        change = shows - each(between(before, opening, x, y)[:, None])
        behind = warped[part]
        if opening is MOUTH and teeth is not None:
            behind = unseen(teeth, still.expand_as(landmarks), landmarks, x, y)
            unknown[part] += shows * (1 - showed)
        elif opening is not MOUTH:
            unknown[part] += (-2 * change).clamp(min=0)
        inside = behind + showed * (photos[part] - behind)
        base[part] = base[part] + shows * (inside - base[part])
        changed[part] += change.abs()
    return Layers(base, unknown.clamp(max=1), (2 * changed).clamp(max=1), shift)


def _box(points: Tensor, opening: Opening) -> tuple[slice, slice]:
    """Rows and columns of the crop that an opening of all faces may change, from its points (N, K, 2)."""
    margin = _AROUND if opening is MOUTH else _ABOVE
    low, high = points.flatten(0, 1).amin(dim=0) - margin, points.flatten(0, 1).amax(dim=0) + margin + 1
    low, high = (ends.clamp(0, CROP_SIZE).int().tolist() for ends in (low, high))
    return slice(low[1], high[1]), slice(low[0], high[0])


def lip_shift(before: Tensor, after: Tensor) -> Tensor:
    """The warp that carries landmarks (N, 68, 2), all but the eyes', while the crop's edge stays.

    Returns:
        (N, 64, 64, 2) crop pixels.
    """
    after = after.clone()
    after[:, _EYE_POINTS] = before[:, _EYE_POINTS]  # see `lid_shift`
    edge = border(CROP_SIZE).to(before.device).expand(len(before), -1, -1)
    return shift_grid(torch.cat([before, edge], dim=1), torch.cat([after, edge], dim=1), CROP_SIZE)


def _curve(knots: Tensor, xs: Tensor) -> Tensor:
    """A smooth curve through (N, K, 2) knots that never swings over them (Fritsch & Butland 1984), at columns (W,).

    Returns:
        (N, W).
    """
    x, y = knots.unbind(dim=-1)
    x = torch.cummax(x, dim=1).values + _NARROW * torch.arange(x.shape[1], device=x.device)
    slope = y.diff(dim=1) / x.diff(dim=1)
    left, right = slope[:, :-1], slope[:, 1:]
    inner = torch.where(left * right > 0, 2 * left * right / (left + right), 0)
    tangent = torch.cat([slope[:, :1], inner.nan_to_num(0, 0, 0), slope[:, -1:]], dim=1)
    at = xs.clamp(x[:, :1], x[:, -1:])  # (N, W)
    piece = (at[..., None] >= x[:, None, 1:-1]).sum(dim=-1)
    x0, x1, y0, y1, t0, t1 = (values.gather(1, piece + step) for values in (x, y, tangent) for step in (0, 1))
    width = x1 - x0
    s = (at - x0) / width
    return (
        (1 + 2 * s) * (1 - s) ** 2 * y0 + s**2 * (3 - 2 * s) * y1
        + width * s * (1 - s) * ((1 - s) * t0 - s * t1)
    )  # fmt: skip
