"""The mouth and the eyes in layers: what lies behind lips and lids stays where the skull has it, and they cover it.

With S_t the soft mask between the inner lips (or lids) of a frame, and S_0 that of the photo with its head turned as
in the frame:

    inside = S_0 · photo + (1 − S_0) · unseen          teeth the photo shows stay where the skull has them
    base   = (1 − S_t) · warp(photo) + S_t · inside    lips cover and uncover them
    m      = base + residual                           VG-net draws the residual

``unseen`` is what no photo of a shut mouth can tell, see `atvg.motion.teeth`; there the residual is one colour a frame,
for L1 would paint the grey average of all teeth over it. Behind lids ``unseen`` is the warped photo. The same masks
serve the network, at 128², and the picture, on the photo's own pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from atvg.config import CROP_SIZE
from atvg.face.landmarks import LEFT_EYE, RIGHT_EYE
from atvg.face.landmarks import MOUTH as MOUTH_POINTS
from atvg.motion.teeth import Teeth, unseen
from atvg.warp import border, places, resample, shift_grid

SOFT = 0.7  # crop pixels: width of a lip's edge in the network's pictures
_LASHES = 1.5  # crop pixels above the upper lid's edge that move as they are; skin further up stretches
_RIM = 1.2  # crop pixels of the lower lid's wet rim
_ROOM = (2.5, 8.0)  # crop pixels beside an eye within which skin stretches, least and greatest
_BESIDE = 3.0  # crop pixels beyond a corner within which what moves with it comes to rest
_TO_BROW = 0.65  # of the way from lid to brow, likewise
_LIP, _LID = 1.2, 3.5  # crop pixels beyond an edge, from where lips and upper lids (beyond the lashes) take the colour
# Crop pixels between lips or lids. Of the trackings of 130 shut mouths, 95 % lie below 0.3.
_SHUT, _OPEN = 0.3, 1.3  # nothing shows up to the first, all from the second on
_KNOWN = 0.7  # from here on a photo tells what lies between them, sooner than a frame shows all of it
_SLIT = (0.9, 2.0)  # the same of lips that part further
_STILL = 0.15  # crop pixels that a lid may move before its skin counts as changed
_NARROW = 1e-2  # crop pixels between neighbours on an edge, at least: a face in profile folds them together


class Opening(NamedTuple):
    """Landmarks along the two edges of a mouth or an eye, from corner to corner, left to right as seen."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    points: tuple[int, ...]  # all that lie around it


MOUTH = Opening((60, 61, 62, 63, 64), (60, 67, 66, 65, 64), tuple(MOUTH_POINTS.tolist()))
EYES = (
    Opening((36, 37, 38, 39), (36, 41, 40, 39), tuple(RIGHT_EYE.tolist())),
    Opening((42, 43, 44, 45), (42, 47, 46, 45), tuple(LEFT_EYE.tolist())),
)
_OUTER_LIPS = ((48, 49, 50, 51, 52, 53, 54), (48, 59, 58, 57, 56, 55, 54))  # upper and lower edge
_SHEET = [*range(36), *range(48, 60), *range(36, 48)]  # all points but the inner lips, the eyes last
_BROWS = dict(zip(EYES, ((17, 18, 19, 20, 21), (22, 23, 24, 25, 26)), strict=True))
AROUND, ABOVE = 4, 13  # crop pixels beyond the points of the mouth or an eye that its layers reach


class Layers(NamedTuple):
    """What N frames are drawn over, besides the photo."""

    base: Tensor  # (N, 3, 128, 128) in [−1, 1]
    unknown: Tensor  # (N, 1, 128, 128) in [0, 1]: between the lips, where the photo does not tell what is there
    lids: Tensor  # (N, 1, 128, 128) in [0, 1]: lids that come down
    changed: Tensor  # (N, 1, 128, 128) in [0, 1]: what lips or lids have covered or uncovered since the photo
    shift: Tensor  # (N, 64, 64, 2) crop pixels: how far away each place of the warped photo has its source


def columns(size: int, density: float = 1.0, low: float = 0.0) -> Tensor:
    """Places in crop pixels: `size` of them, `density` in a crop pixel, from the edge of crop pixel `low` on."""
    return low + (torch.arange(size) + 0.5) / density - 0.5


def edges(landmarks: Tensor, opening: Opening, xs: Tensor, columns_of: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Where an opening's upper and lower edge run: landmarks (N, 68, 2+), columns (W,) → y of both, (N, W).

    Beyond the corners both are the corner's. With `columns_of` (N, 68, 2+) each point is looked for in the column
    where it lies there.
    """
    across = landmarks if columns_of is None else columns_of
    return tuple(_curve(_joined(landmarks, across, edge), xs) for edge in (opening.upper, opening.lower))


def _joined(heights: Tensor, across: Tensor, points: tuple[int, ...]) -> Tensor:
    """x of some landmarks in `across` and y of them in `heights`, (N, K, 2)."""
    return torch.stack([across[:, list(points), 0], heights[:, list(points), 1]], dim=-1).float()


def _at(grid: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Values (N, 64, 64) over the crop at places (W,), (H,) in crop pixels → (N, H, W)."""
    x, y = ((ticks + 0.5) * (grid.shape[-1] / CROP_SIZE) - 0.5 for ticks in (xs, ys))
    spots = torch.stack([x.expand(len(ys), -1), y[:, None].expand(-1, len(xs))], dim=-1)
    return resample(grid[:, None], spots.expand(len(grid), -1, -1, -1), "bilinear")[:, 0]


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


def known(before: Tensor, after: Tensor, opening: Opening, xs: Tensor, ys: Tensor, soft: float = SOFT) -> Tensor:
    """S_0: how far a photo shows, at each place, what lies between the lips or the lids.

    Where an edge stays it reaches over it by its softness, so that a mouth that does not move stays as it is. Where one
    moves it keeps off by as much, and a narrow slit does not count: half of it is lip, which would be left behind.

    Args:
        before, after: (N, 68, 2+) landmarks of the photo and the frame, crop pixels.
        xs, ys, soft: as of `between`.

    Returns:
        (N, H, W) in [0, 1].
    """
    own, now = edges(before, opening, xs), edges(after, opening, xs)
    moved = [(edge - edge_now).abs().clamp(max=1) for edge, edge_now in zip(own, now, strict=True)]
    over = [soft * (1 - 2 * share) for share in moved]
    gap = own[1] - own[0]
    told = _ramp(gap, _SHUT, _KNOWN).lerp(_ramp(gap, *_SLIT), torch.maximum(*moved))
    return _soft_box(own[0] - over[0], own[1] + over[1], ys, soft) * told[:, None]


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
def rise(opening: Opening, before: Tensor, after: Tensor, shift: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """By how much further above than `shift` says the skin beside an opening has its source: (N, H, W) crop pixels.

    A smooth warp of the whole sheet cannot part lips that touch or shut lids exactly; edge by edge it can be said.

    Args:
        opening: one of `MOUTH`, `EYES`.
        before, after: (N, 68, 2+) crop pixels.
        shift: (N, 64, 64, 2) from `sheet_shift`.
        xs, ys: (W,) and (H,) crop pixels.
    """
    if opening is not MOUTH:
        return lid_shift(opening, before, after, xs, ys)
    return lip_shift(before, after, shift, xs, ys)


def lip_shift(before: Tensor, after: Tensor, shift: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """`rise` of the lips: what lies on an edge of a lip in the photo lies on it in the frame.

    Between its outer edge, where the sheet's own movement holds, and its inner one a lip is stretched evenly.
    """
    rows = ys[:, None]
    inner, inner_now = edges(before, MOUTH, xs, after), edges(after, MOUTH, xs)
    opened, opened_now = ((bottom - top).clamp(min=0) for top, bottom in (inner, inner_now))
    closing = ((opened - opened_now).clamp(min=0) / (opened + _SHUT))[:, None]
    above = rows < (inner_now[0] + inner_now[1])[:, None] / 2
    source = torch.zeros((), device=before.device)
    sure = torch.zeros((), device=before.device)
    for which, side in enumerate((above, ~above)):
        outer, outer_now = (
            _curve(_joined(before, after, _OUTER_LIPS[which]), xs),
            _curve(_joined(after, after, _OUTER_LIPS[which]), xs),
        )
        out, out_now, edge, edge_now = (y[:, None] for y in (outer, outer_now, inner[which], inner_now[which]))
        height = (edge_now - out_now).clamp(min=0.5) if which == 0 else (edge_now - out_now).clamp(max=-0.5)
        share = (rows - out_now) / height
        beyond = edge + (rows - edge_now) * (1 - closing)
        lip = torch.where(share < 1, out + share * (edge - out), beyond)
        source = torch.where(side, lip, source)
        sure = torch.where(side, _ramp(share, 0, 0.5), sure)
    corners = after[:, [MOUTH.upper[0], MOUTH.upper[-1]], 0].float()
    sure = sure * _ramp(torch.minimum(xs - corners[:, :1], corners[:, 1:] - xs), -1, 2)[:, None]
    return sure * (source - rows - _at(shift[..., 1], xs, ys))


def lid_shift(eye: Opening, before: Tensor, after: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """`rise` of an eye's lids: skin comes down with the upper one from below the brow.

    Lashes, the `_LASHES` next to the lid's edge, move as they are. Nothing beyond lids, corners and brow moves, so that
    glasses stay where they are.
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
    corners = after[:, [eye.upper[0], eye.upper[-1]], 0].float()
    return total * _ramp(torch.minimum(xs - corners[:, :1], corners[:, 1:] - xs), -_BESIDE, 0)[:, None]


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
    shift = sheet_shift(now, after)
    sources = places(shift, CROP_SIZE)
    changed, unknown, lids = torch.zeros(3, len(after), 1, CROP_SIZE, CROP_SIZE, device=photo.device)
    moving = [MOUTH, *(eye for eye in EYES if not torch.equal(now[:, list(eye.points)], after[:, list(eye.points)]))]
    boxes = [_box(torch.cat([before, after])[:, list(opening.points)], opening) for opening in moving]
    for opening, (rows, across) in zip(moving, boxes, strict=True):
        y = ticks[rows, None] + fill_shift(before, opening, ticks[across], ticks[rows])
        source[..., rows, across] = resample(source, torch.stack([ticks[across].expand_as(y), y], dim=-1), "bilinear")
        lid = rise(opening, now, after, shift, ticks[across], ticks[rows])
        sources[:, rows, across, 1] += lid
        if opening is not MOUTH:
            skin = ((lid.abs() - _STILL) / _STILL).clamp(0, 1)
            changed[:, 0, rows, across] += skin / 2
            lower = (edges(after, opening, ticks[across])[0] - edges(now, opening, ticks[across])[0]) / _STILL - 1
            lids[:, 0, rows, across] += skin * lower.clamp(0, 1)[:, None]
    base = warped = resample(each(source), sources)
    base, photos = base.clone(), each(photos)
    for opening, (rows, across) in zip(moving, boxes, strict=True):
        part = (..., rows, across)
        x, y = ticks[across], ticks[rows]
        shows, showed = between(after, opening, x, y)[:, None], known(now, after, opening, x, y)[:, None]
        change = shows - each(between(before, opening, x, y)[:, None])
        behind = warped[part]
        if opening is MOUTH and teeth is not None:
            behind = unseen(teeth, still.expand_as(landmarks), landmarks, x, y)
            unknown[part] = shows * (1 - showed)
        elif opening is not MOUTH:
            lids[part] += (-2 * change).clamp(min=0)
        inside = behind + showed * (photos[part] - behind)
        base[part] = base[part] + shows * (inside - base[part])
        changed[part] += change.abs()
    return Layers(base, unknown, lids.clamp(max=1), (2 * changed).clamp(max=1), shift)


def _box(points: Tensor, opening: Opening) -> tuple[slice, slice]:
    """Rows and columns of the crop that an opening of all faces may change, from its points (N, K, 2)."""
    margin = AROUND if opening is MOUTH else ABOVE
    low, high = points.flatten(0, 1).amin(dim=0) - margin, points.flatten(0, 1).amax(dim=0) + margin + 1
    low, high = (ends.clamp(0, CROP_SIZE).int().tolist() for ends in (low, high))
    return slice(low[1], high[1]), slice(low[0], high[0])


def sheet_shift(before: Tensor, after: Tensor) -> Tensor:
    """The warp of the whole photo by landmarks (N, 68, 2), all but those on edges, which `rise` moves; the crop's edge
    stays.

    Returns:
        (N, 64, 64, 2) crop pixels.
    """
    edge = border(CROP_SIZE).to(before.device).expand(len(before), -1, -1)
    sources, targets = (torch.cat([points[:, _SHEET], edge], dim=1) for points in (before, after))
    eyes = slice(len(_SHEET) - 12, len(_SHEET))
    targets[:, eyes] = sources[:, eyes]
    return shift_grid(sources, targets, CROP_SIZE)


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
