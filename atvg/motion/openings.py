"""Openings of a face, mouth and eyes: where their edges run, and soft masks of what lies between them.

All places are crop pixels, sampled as densely as is asked for: the same functions serve the network's pictures and
those on the photo's own pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from atvg.face.landmarks import LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from atvg.face.landmarks import MOUTH as MOUTH_POINTS

SOFT = 0.7  # crop pixels: width of a lip's edge in the network's pictures
# Crop pixels between lips or lids. Of the trackings of 130 shut mouths, 95 % lie below 0.3.
SHUT, OPEN = 0.3, 1.3  # nothing shows up to the first, all from the second on
_KNOWN = 0.7  # from here on a photo tells what lies between them, sooner than a frame shows all of it
_SLIT = (0.9, 2.0)  # the same of lips that part further
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
OUTER_LIPS = ((48, 49, 50, 51, 52, 53, 54), (48, 59, 58, 57, 56, 55, 54))  # upper and lower edge
BROWS = dict(zip(EYES, (tuple(RIGHT_BROW.tolist()), tuple(LEFT_BROW.tolist())), strict=True))


def columns(size: int, density: float = 1.0, low: float = 0.0) -> Tensor:
    """Places in crop pixels: `size` of them, `density` in a crop pixel, from the edge of crop pixel `low` on."""
    return low + (torch.arange(size) + 0.5) / density - 0.5


def edges(landmarks: Tensor, opening: Opening, xs: Tensor, columns_of: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Where an opening's upper and lower edge run: landmarks (N, 68, 2+), columns (W,) → y of both, (N, W).

    Beyond the corners both are the corner's. With `columns_of` (N, 68, 2+) each point is looked for in the column
    where it lies there.
    """
    across = landmarks if columns_of is None else columns_of
    upper, lower = (curve(joined(landmarks, across, edge), xs) for edge in (opening.upper, opening.lower))
    return upper, lower


def joined(heights: Tensor, across: Tensor, points: tuple[int, ...]) -> Tensor:
    """x of some landmarks in `across` and y of them in `heights`, (N, K, 2)."""
    return torch.stack([across[:, list(points), 0], heights[:, list(points), 1]], dim=-1).float()


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
    return _soft_box(top, bottom, ys, soft) * ramp(bottom - top, SHUT, OPEN)[:, None]


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
    told = ramp(gap, SHUT, _KNOWN).lerp(ramp(gap, *_SLIT), torch.maximum(*moved))
    return _soft_box(own[0] - over[0], own[1] + over[1], ys, soft) * told[:, None]


def _soft_box(top: Tensor, bottom: Tensor, ys: Tensor, soft: float) -> Tensor:
    steep, rows = 4 / soft, ys[:, None]
    return torch.sigmoid((rows - top[:, None]) * steep) * torch.sigmoid((bottom[:, None] - rows) * steep)


def ramp(values: Tensor, low: float, high: float) -> Tensor:
    return ((values - low) / (high - low)).clamp(0, 1)


def curve(knots: Tensor, xs: Tensor) -> Tensor:
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
