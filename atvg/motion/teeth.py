"""What no photo of a shut mouth can tell: teeth, tongue and the dark behind the lips.

Donors' rows of teeth (`atvg.data.donors` cuts them out) are lit like the face. The upper row belongs to the skull and
turns with it; the lower row and the tongue belong to the jaw. Everything is painted back to front at any places of the
crop, so the same mouth can be drawn for the network and on the photo's own pixels.
"""

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.motion.bite import place_rows
from atvg.motion.donors import FINE, LOWER_ROWS, UPPER_ROWS, WIDTH, Donors, load_donors, nose_width
from atvg.motion.openings import MOUTH
from atvg.motion.tone import luma, read_tone

__all__ = ["Donors", "Teeth", "fit_teeth", "load_donors", "suitable", "unseen"]

ANCHORS = [31, 32, 33, 34, 35, *range(48, 60)]  # nose base and outer lips: what the upper row is seen to move with
_CHIN, _LOWER_LIP = [7, 8, 9], [56, 57, 58, 65, 66, 67]
_NOSES = 0.272, 0.014  # mean and deviation of `nose_width`, faces at rest
_SHOWN = 2.0  # crop pixels of upper incisor below a resting upper lip
_ARCH = 0.05  # crop pixels⁻¹: how fast the row recedes from its middle to its sides
_CROWN = 6.5  # crop pixels above the upper incisors' edge where their gum begins
_FLOOR = 6.5  # crop pixels below the lower incisors' edge where theirs does
# As light and red as 70 talkers' mouths are on average, between what fits best and what is still seen as depth.
_THROAT, _TONGUE_LIGHT, _TONGUE_SHOWS = 1.4, 1.1, 0.9  # of the cavity's and the tongue's colour; the tongue's opacity
_ENAMEL = 0.88  # of the white at the mouth, which no tooth behind lips reaches
_TONGUE = 2.6  # crop pixels by which the tongue rises above the edge of the lower incisors
_INNER = (0.82, 0.74, 0.71)  # what reaches the jaw's row of the light, reddened by lips and tongue
_SHADOW = (0.93, 1.02, 1.04)  # what the lips take of each colour, being red themselves
_MARGIN = 4.0  # crop pixels around the inner lips that are painted; beyond, where no mask of lips shows it, all is dark


class Teeth(NamedTuple):
    """What lies behind the lips of B photos. Indexing or expanding each field picks or repeats photos."""

    upper: Tensor  # (B, 4, H, W) as `Donors.upper`, in the photo's light
    lower: Tensor  # (B, 4, H', W)
    place: Tensor  # (B, 2, 3) photo's crop pixels → row space
    anchors: Tensor  # (B, 17, 3) anchors of a frame (2, 17) @ this = the affine photo → frame
    turn: Tensor  # (B,) sine of the photo's own yaw
    bite: Tensor  # (B,) where the lower incisors' edge lies in row space while the jaw is as in the photo
    colours: Tensor  # (B, 4, 3) of the cavity, the tongue, the gums, and the teeth's white
    palette: Tensor  # (B, 3, 3) as `Tone.palette`
    grey: Tensor  # (B,)
    flat: Tensor  # (B,)


def suitable(donors: Donors, landmarks: Tensor) -> Tensor:
    """Donors (B,) whose noses are as wide among the donors' as the photos' (B, 68, 2+) are among people's.

    Ranks are compared, since a smile widens the nose and the donors all smile.
    """
    mean, deviation = _NOSES
    share = torch.special.ndtr((nose_width(landmarks) - mean) / deviation)
    count = len(donors.noses)
    return donors.noses.argsort()[(share * count).long().clamp(max=count - 1)]


@torch.no_grad()
def fit_teeth(
    donors: Donors,
    photo: Tensor,
    landmarks: Tensor,
    amount: float | Tensor = 1.0,
    which: Tensor | None = None,
    shown: Tensor | None = None,
) -> Teeth:
    """Places donors' teeth behind the lips of B photos, in the photo's light.

    Args:
        photo: (B, 3, 128, 128) in [−1, 1].
        landmarks: (B, 68, 2 or 3) crop pixels; depth tells how the head is turned.
        amount: in [0, 1], one or (B,): 0 is toothless.
        which: (B,) indices of donors; by default `suitable` ones.
        shown: (B,) crop pixels of the upper incisors below the resting upper lip; 2 by default.
    """
    with torch.autocast(photo.device.type, enabled=False):
        return _fit(donors, photo.float(), landmarks.float(), amount, which, shown)


def _fit(
    donors: Donors, photo: Tensor, landmarks: Tensor, amount: float | Tensor, which: Tensor | None, shown: Tensor | None
) -> Teeth:
    batch, points = len(photo), landmarks[..., :2]
    if which is None:
        which = suitable(donors, points)
    shown = torch.as_tensor(_SHOWN if shown is None else shown, device=points.device).float().expand(batch)
    amount = torch.as_tensor(amount, device=points.device).float().expand(batch)
    tone = read_tone(photo, points)
    stand = place_rows(photo, landmarks, shown, tone.white)

    upper, lower = donors.upper[which], donors.lower[which]
    upper, lower = (_plain(row, tone.flat) for row in (upper, lower))
    level = upper[:, :3].sum(dim=(2, 3)) / upper[:, 3].sum(dim=(1, 2))[:, None].clamp(min=1)
    own = stand.own / level.clamp(min=0.1)
    white = tone.white.lerp(own / own.amax(dim=1, keepdim=True).clamp(min=1), stand.seen[:, None])
    alpha = amount[:, None, None, None]
    skin = luma(tone.skin)[:, None]
    cavity = 0.25 * tone.skin * photo.new_tensor([1.35, 0.62, 0.60]) + 0.01
    white = _ENAMEL * white
    tongue = 0.5 * tone.lips + 0.25 * tone.white * photo.new_tensor([1.0, 0.55, 0.55])
    gums = 0.75 * tone.lips + 0.1 * skin
    colours = torch.stack([cavity, tongue, gums, white], dim=1)
    anchors = F.pad(points[:, ANCHORS], (0, 1), value=1.0)
    return Teeth(
        upper * alpha, lower * alpha, stand.place, torch.linalg.pinv(anchors).transpose(1, 2), stand.turn, stand.bite,
        colours, tone.palette, tone.grey, tone.flat,
    )  # fmt: skip


def _plain(row: Tensor, flat: Tensor) -> Tensor:
    """Rows (B, 4, H, W) as a drawing shows them, as far as the picture is one: one colour without lines."""
    if not bool((flat > 0).any()):
        return row
    closed = -_widened(-_widened(row[:, 3:]))
    even = F.avg_pool2d(closed, (1, 6 * FINE + 1), 1, (0, 3 * FINE), count_include_pad=False)
    closed = torch.sigmoid(30 * (even - 0.5))
    colour = row[:, :3].sum(dim=(2, 3), keepdim=True) / row[:, 3:].sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return row.lerp(torch.cat([closed * colour, closed], dim=1), flat[:, None, None, None])


def _widened(alpha: Tensor) -> Tensor:
    """The greatest value within a crop pixel."""
    return F.max_pool2d(F.max_pool2d(alpha, (2 * FINE + 1, 1), 1, (FINE, 0)), (1, 2 * FINE + 1), 1, (0, FINE))


@torch.no_grad()
def unseen(
    teeth: Teeth, still: Tensor, landmarks: Tensor, xs: Tensor, ys: Tensor, light: Tensor | None = None
) -> Tensor:
    """Paints what lies behind the lips, as if there were none but for their shadow.

    Args:
        still: (B, T, 68, 2) the photo's own landmarks with the head turned as in each frame, crop pixels.
        landmarks: (B, T, 68, 2) those of the frames.
        xs, ys: (W,) and (H,) places in crop pixels, evenly spaced and rising.
        light: (B, T, 3) how much more of each colour there is in a frame than in the photo; as much if None.

    Returns:
        (B·T, 3, H, W) in [−1, 1].
    """
    still, landmarks = still[..., :2].float(), landmarks[..., :2].float()
    mouth = landmarks[:, :, 60:68]
    low, high = mouth.amin(dim=2) - _MARGIN, mouth.amax(dim=2) + _MARGIN  # (B, T, 2)
    columns, rows = (_within(ticks, *ends) for ticks, ends in zip((xs, ys), _ends(low, high), strict=True))
    dark = _toned(teeth.colours[:, 0, :, None, None] * 0.5, teeth)[:, None] * 2 - 1
    shape = (*landmarks.shape[:2], 3, len(ys), len(xs))
    painted = dark.expand(shape).clone()
    x, y = xs[columns].float(), ys[rows].float()
    if len(x) and len(y):
        with torch.autocast(still.device.type, enabled=False):
            made = _paint(teeth, still, landmarks, x, y)
            made = made if light is None else (made * light[..., None, None]).clamp(0, 1)
        # Each frame has its own box: what it shows does not depend on the frames it is painted with.
        across = (x >= low[..., :1]) & (x <= high[..., :1])
        down = (y >= low[..., 1:]) & (y <= high[..., 1:])
        inside = (down[..., None] & across[:, :, None])[:, :, None]
        painted[..., rows, columns] = torch.where(inside, made * 2 - 1, dark)
    return painted.flatten(0, 1)


def _ends(low: Tensor, high: Tensor) -> list[tuple[float, float]]:
    """Least and greatest x, then y, of all frames."""
    return list(zip(low.amin(dim=(0, 1)).tolist(), high.amax(dim=(0, 1)).tolist(), strict=True))


def _within(ticks: Tensor, low: float, high: float) -> slice:
    inside = ((ticks >= low) & (ticks <= high)).nonzero()
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def _paint(teeth: Teeth, still: Tensor, landmarks: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """As `unseen`: (B, T, 3, H, W) in [0, 1]."""
    to_row = _to_row(teeth, still)
    x, y = x[None, None, None, :], y[None, None, :, None]
    across, down = (
        to_row[:, :, i, 0, None, None] * x + to_row[:, :, i, 1, None, None] * y + to_row[:, :, i, 2, None, None]
        for i in (0, 1)
    )  # (B, T, H, W)
    across = _unroll(across, teeth.turn[:, None, None, None])
    moved = to_row[..., :2] @ jaw(still, landmarks)[..., None]  # (B, T, 2, 1)
    jaw_across, jaw_down = across - moved[..., 0, :, None], down - moved[..., 1, :, None]
    jaw_down = jaw_down - teeth.bite[:, None, None, None]

    fine = FINE * float(x[0, 0, 0, -1] - x[0, 0, 0, 0]) / max(1, x.shape[-1] - 1)
    upper = _row(teeth.upper, across, down, UPPER_ROWS, fine)
    lower = _row(teeth.lower, jaw_across, jaw_down, LOWER_ROWS, fine)
    cavity, tongue, gums, white = (colour[:, None, :, None, None] for colour in teeth.colours.unbind(1))
    flat = teeth.flat[:, None, None, None]
    light = light_within(landmarks, x, y).lerp(torch.ones_like(down), 0.7 * flat)
    side = (1 / (1 + (across / 9.5) ** 4)).lerp(torch.ones_like(down), flat)

    # Back to front: throat, tongue, the jaw's gum and row, the skull's gum and row.
    soft = (
        _TONGUE_SHOWS
        * torch.sigmoid((jaw_down + _TONGUE - 0.03 * jaw_across**2) / 0.7)
        * torch.exp(-((jaw_across / 9) ** 4))
    )
    made = (cavity * _THROAT).lerp(tongue * _TONGUE_LIGHT, soft[:, :, None])
    gum = torch.sigmoid((jaw_down - _FLOOR) / 0.3) * side
    made = made.lerp(gums * 0.6, gum[:, :, None])
    made = (
        made * (1 - lower[:, :, 3:])
        + lower[:, :, :3] * white * white.new_tensor(_INNER)[:, None, None] * side[:, :, None]
    )
    gum = torch.sigmoid((-_CROWN - down) / 0.3) * side
    made = made.lerp(gums, gum[:, :, None])
    made = made * (1 - upper[:, :, 3:]) + upper[:, :, :3] * white * side[:, :, None]
    shade = (1 - light)[:, :, None] * light.new_tensor(_SHADOW)[:, None, None]
    return _toned((made * (1 - shade)).transpose(1, 2), teeth).transpose(1, 2)


def _to_row(teeth: Teeth, still: Tensor) -> Tensor:
    """Crop pixels of each frame → row space of the skull, (B, T, 2, 3)."""
    affine = still[:, :, ANCHORS].transpose(2, 3) @ teeth.anchors[:, None]
    (a, b), (c, d) = (row.unbind(-1) for row in affine[..., :2].unbind(-2))
    back = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    back = back / (a * d - b * c)[..., None, None]
    linear = teeth.place[:, None, :, :2] @ back
    return torch.cat([linear, teeth.place[:, None, :, 2:] - linear @ affine[..., 2:]], dim=-1)


def _unroll(across: Tensor, sine: Tensor) -> Tensor:
    """Where a turned row's place lies on the row seen from the front: the arch recedes as the square."""
    cosine = (1 - sine**2).sqrt()
    root = (cosine**2 - 4 * _ARCH * sine * across).clamp(min=0.1).sqrt()
    return 2 * across / (cosine + root)


def jaw(still: Tensor, landmarks: Tensor) -> Tensor:
    """How far the jaw has moved since the photo, (B, T, 2) crop pixels: bone follows the chin more than the lip."""
    moved = landmarks - still
    return 0.8 * moved[:, :, _CHIN].mean(dim=2) + 0.2 * moved[:, :, _LOWER_LIP].mean(dim=2)


def _row(row: Tensor, across: Tensor, down: Tensor, rows: tuple[int, int], fine: float) -> Tensor:
    """A row (B, 4, H, W) at places (B, T, h, w) of row space, averaged over the pixels it is seen at; (B, T, 4, h, w).

    ``fine``: texture pixels from one place to the next.
    """
    reach = int(0.475 * fine)
    for axis, padding in ((2, (0, 0, reach, reach)), (3, (reach, reach))):  # sums of slices: pooling takes 3 × as long
        padded, size = F.pad(row, padding), row.shape[axis]
        row = reduce(torch.add, (padded.narrow(axis, i, size) for i in range(2 * reach + 1))) / (2 * reach + 1)
    low, high = rows
    grid = torch.stack([across * (2 / WIDTH), (down - low) * (2 / (high - low)) - 1], dim=-1)
    batch, steps, height, width = across.shape
    # The frames of a photo one below the other: its row is not copied for each.
    found = F.grid_sample(row, grid.flatten(1, 2), mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.unflatten(2, (steps, height)).transpose(1, 2)


def light_within(landmarks: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """What the lips let in, (B, T, H, W) in [0, 1]: little under the upper lip, in a narrow gap and at the corners."""
    top, bottom = (_curve(landmarks[:, :, list(edge)], x) for edge in (MOUTH.upper, MOUTH.lower))
    gap = (bottom - top).clamp(min=0)
    below = (y - top).clamp(min=0)
    return (1 - 0.42 * torch.exp(-below / 1.1)) * (gap + 0.4) / (gap + 0.9)


def _curve(points: Tensor, x: Tensor) -> Tensor:
    """Height of lines through points (B, T, N, 2), left to right, at x (1, 1, 1, W); level beyond their ends."""
    height = points[:, :, 0, 1, None, None]
    for start, end in zip(points.unbind(2)[:-1], points.unbind(2)[1:], strict=True):
        width = (end[..., 0] - start[..., 0]).clamp(min=1e-2)[..., None, None]
        share = ((x - start[..., 0, None, None]) / width).clamp(0, 1)
        height = height + share * (end[..., 1] - start[..., 1])[..., None, None]
    return height  # (B, T, 1, W)


def _toned(colour: Tensor, teeth: Teeth) -> Tensor:
    """Colours (B, 3, …) as far as the photo's palette has them."""
    if not bool((teeth.grey > 0).any()):
        return colour
    rest = (1,) * (colour.dim() - 2)
    bright = luma(colour, 1)[:, None]
    first, second, third = (part.reshape(-1, 3, *rest) for part in teeth.palette.unbind(1))
    own = bright * (1 + first + bright * (second + bright * third))
    return colour.lerp(own.clamp(0, 1), teeth.grey.reshape(-1, 1, *rest))
