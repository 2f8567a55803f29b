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
from atvg.motion.filmed import Behind, behind_lips
from atvg.motion.openings import (
    BROWS,
    EYES,
    MOUTH,
    OUTER_LIPS,
    SHUT,
    SOFT,
    Opening,
    between,
    columns,
    curve,
    edges,
    joined,
    known,
    ramp,
)  # fmt: skip
from atvg.motion.teeth import Teeth, unseen
from atvg.motion.warp import pinned_shift, places, resample

_LASHES = 1.5  # crop pixels above the upper lid's edge that move as they are; skin further up stretches
_RIM = 1.2  # crop pixels of the lower lid's wet rim
_ROOM = (2.5, 8.0)  # crop pixels beside an eye within which skin stretches, least and greatest
_BESIDE = 3.0  # crop pixels beyond a corner within which what moves with it comes to rest
_TO_BROW = 0.65  # of the way from lid to brow, likewise
_LIP, _LID = 1.2, 3.5  # crop pixels beyond an edge, from where lips and upper lids (beyond the lashes) take the colour
_BEYOND = 1.0  # crop pixels of lips that a film's teeth shine into
_SEEN = 0.8  # crop pixels between lips from where on all that lies between them is hidden
_ROUNDED = 1e-3  # crop pixels
_STILL = 0.15  # crop pixels that a lid may move before its skin counts as changed


_SHEET = [*range(36), *range(48, 60), *range(36, 48)]  # all points but the inner lips, the eyes last
AROUND, ABOVE = 4, 13  # crop pixels beyond the points of the mouth or an eye that its layers reach


class Layers(NamedTuple):
    """What N frames are drawn over, besides the photo."""

    base: Tensor  # (N, 3, 128, 128) in [−1, 1]
    unknown: Tensor  # (N, 1, 128, 128) in [0, 1]: between the lips, where the photo does not tell what is there
    lids: Tensor  # (N, 1, 128, 128) in [0, 1]: lids that come down
    changed: Tensor  # (N, 1, 128, 128) in [0, 1]: what lips or lids have covered or uncovered since the photo
    shift: Tensor  # (N, 64, 64, 2) crop pixels: how far away each place of the warped photo has its source


def _at(grid: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Values (N, 64, 64) over the crop at places (W,), (H,) in crop pixels → (N, H, W)."""
    x, y = ((ticks + 0.5) * (grid.shape[-1] / CROP_SIZE) - 0.5 for ticks in (xs, ys))
    spots = torch.stack([x.expand(len(ys), -1), y[:, None].expand(-1, len(xs))], dim=-1)
    return resample(grid[:, None], spots.expand(len(grid), -1, -1, -1), "bilinear")[:, 0]


def fill_shift(landmarks: Tensor, opening: Opening, xs: Tensor, ys: Tensor, whole: bool = False) -> Tensor:
    """How far above each place a photo is to be read so that an opening of it is hidden, lips or upper lid continued.

    A warp that shuts a smile squeezes its teeth into the line between the lips; of such a photo it finds lips there.

    Args:
        landmarks: (N, 68, 2+) crop pixels.
        xs, ys: (W,) and (H,) crop pixels.
        whole: up to its edges and a little beyond, as of a film, of whose own mouth nothing stays.

    Returns:
        (N, H, W) crop pixels, to be added to y.
    """
    rows = ys[:, None]
    top, bottom = (edge[:, None] for edge in edges(landmarks, opening, xs))
    source = top - _LID
    if opening is MOUTH:
        source = torch.where(rows < (top + bottom) / 2, top - _LIP, bottom + _LIP)
    # Not up to the edges, whose softness mixes this into a mouth or an eye that does not move.
    begins, ends = SOFT / 2, 2 * SOFT
    if whole:
        begins, ends = -_BEYOND, 0.0
        for aside in (-2 * _BEYOND, 2 * _BEYOND):
            above, below = (edge[:, None] for edge in edges(landmarks, opening, xs + aside))
            top, bottom = top.minimum(above), bottom.maximum(below)
    hidden = ramp(rows - top, begins, ends) * ramp(bottom - rows, begins, ends)
    if whole:  # lips that touch have nothing to hide
        hidden = hidden * ramp(bottom - top, SHUT, _SEEN)
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
    closing = ((opened - opened_now).clamp(min=0) / (opened + SHUT))[:, None]
    above = rows < (inner_now[0] + inner_now[1])[:, None] / 2
    source = torch.zeros((), device=before.device)
    sure = torch.zeros((), device=before.device)
    for which, side in enumerate((above, ~above)):
        outer, outer_now = (
            curve(joined(before, after, OUTER_LIPS[which]), xs),
            curve(joined(after, after, OUTER_LIPS[which]), xs),
        )
        out, out_now, edge, edge_now = (y[:, None] for y in (outer, outer_now, inner[which], inner_now[which]))
        height = (edge_now - out_now).clamp(min=0.5) if which == 0 else (edge_now - out_now).clamp(max=-0.5)
        share = (rows - out_now) / height
        beyond = edge + (rows - edge_now) * (1 - closing)
        lip = torch.where(share < 1, out + share * (edge - out), beyond)
        source = torch.where(side, lip, source)
        sure = torch.where(side, ramp(share, 0, 0.5), sure)
    corners = after[:, [MOUTH.upper[0], MOUTH.upper[-1]], 0].float()
    sure = sure * ramp(torch.minimum(xs - corners[:, :1], corners[:, 1:] - xs), -1, 2)[:, None]
    return sure * (source - rows - _at(shift[..., 1], xs, ys))


def lid_shift(eye: Opening, before: Tensor, after: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """`rise` of an eye's lids: skin comes down with the upper one from below the brow.

    Lashes, the `_LASHES` next to the lid's edge, move as they are. Nothing beyond lids, corners and brow moves, so that
    glasses stay where they are.
    """
    rows, total = ys[:, None], torch.zeros((), device=before.device)
    (top, bottom), (top_now, bottom_now) = edges(before, eye, xs), edges(after, eye, xs)
    opened = (bottom - top).clamp(min=0)
    closing = (opened - (bottom_now - top_now)).clamp(min=0) / (opened + SHUT)
    above = rows < (top_now + bottom_now)[:, None] / 2
    to_brow = _TO_BROW * (top - curve(before[:, list(BROWS[eye]), :2].float(), xs))
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
    return total * ramp(torch.minimum(xs - corners[:, :1], corners[:, 1:] - xs), -_BESIDE, 0)[:, None]


def moves(eye: Opening, before: Tensor, after: Tensor) -> bool:
    """Whether an eye of any of N faces (N, 68, 2+) has moved by more than numbers are rounded."""
    points = list(eye.points)
    return bool((after[:, points, :2] - before[:, points, :2]).abs().max() > _ROUNDED)


@torch.no_grad()
def layers(
    photo: Tensor, still: Tensor, landmarks: Tensor, teeth: Teeth | None, behind: Behind | None = None
) -> Layers:
    """The layers of B clips of T frames.

    Args:
        photo: (B, T, 3, 128, 128) in [−1, 1], its head turned as in each frame; (B, 1, …) while it stays still.
        still: its landmarks, (B, T, 68, 2) or (B, 1, 68, 2) crop pixels.
        landmarks: (B, T, 68, 2) those of the frames.
        teeth: of B photos. Without, what they do not tell is left to the network, over the warped photo.
        behind: of photos that are frames of a film; of others teeth stand as in `still`.
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
    moving = [MOUTH, *(eye for eye in EYES if moves(eye, now, after))]
    boxes = [_box(torch.cat([before, after])[:, list(opening.points)], opening) for opening in moving]
    for opening, (rows, across) in zip(moving, boxes, strict=True):
        y = ticks[rows, None] + fill_shift(
            before, opening, ticks[across], ticks[rows], behind is not None and opening is MOUTH
        )
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
        if behind is not None and opening is MOUTH:
            showed = torch.zeros_like(showed)
        change = shows - each(between(before, opening, x, y)[:, None])
        inner = warped[part]
        if opening is MOUTH and teeth is not None:
            if behind is None:
                inner = unseen(teeth, still.expand_as(landmarks), landmarks, x, y)
            else:
                inner = behind_lips(teeth, behind, landmarks, x, y)
            unknown[part] = shows * (1 - showed)
        elif opening is not MOUTH:
            lids[part] += (-2 * change).clamp(min=0)
        inside = inner + showed * (photos[part] - inner)
        base[part] = base[part] + shows * (inside - base[part])
        changed[part] += change.abs()
    return Layers(base, unknown, lids.clamp(max=1), (2 * changed).clamp(max=1), shift)


def _box(points: Tensor, opening: Opening) -> tuple[slice, slice]:
    """Rows and columns of the crop that an opening of all faces may change, from its points (N, K, 2)."""
    margin = AROUND if opening is MOUTH else ABOVE
    low, high = points.flatten(0, 1).amin(dim=0) - margin, points.flatten(0, 1).amax(dim=0) + margin + 1
    (left, top), (right, bottom) = (ends.clamp(0, CROP_SIZE).int().tolist() for ends in (low, high))
    return slice(top, bottom), slice(left, right)


def sheet_shift(before: Tensor, after: Tensor) -> Tensor:
    """The warp of the whole photo by landmarks (N, 68, 2), all but those on edges, which `rise` moves; the crop's edge
    stays.

    Returns:
        (N, 64, 64, 2) crop pixels.
    """
    sources, targets = before[:, _SHEET], after[:, _SHEET]
    targets[:, -12:] = sources[:, -12:]  # the eyes
    return pinned_shift(sources, targets, CROP_SIZE)
