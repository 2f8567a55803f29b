"""Where teeth stand behind lips: by what the photo shows of them, else by the resting lips."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.motion.tone import luma, sample, smoothstep

_OVERBITE = 0.9  # crop pixels by which the upper incisors hide the lower ones, jaws closed


class Stand(NamedTuple):
    """Where the rows of B mouths stand, and what is known of their own teeth."""

    place: Tensor  # (B, 2, 3) crop pixels → row space: the middle of the upper incisors' edge, x right, y down
    turn: Tensor  # (B,) sine of the photo's own yaw
    bite: Tensor  # (B,) the lower incisors' edge in row space
    seen: Tensor  # (B,) in [0, 1], how sure the photo shows its own upper teeth
    own: Tensor  # (B, 3) their colour in [0, 1]


def place_rows(photo: Tensor, landmarks: Tensor, shown: Tensor, white: Tensor) -> Stand:
    """Finds where the teeth of B photos stand.

    Args:
        photo: (B, 3, 128, 128) in [−1, 1].
        landmarks: (B, 68, 2 or 3) crop pixels.
        shown: (B,) crop pixels of the upper incisors below a resting upper lip.
        white: (B, 3) colour of something white in this light, in [0, 1].
    """
    points = landmarks[..., :2]
    corners, eyes = points[:, 54] - points[:, 48], points[:, 45] - points[:, 36]
    axis = F.normalize(F.normalize(corners, dim=-1) + F.normalize(eyes, dim=-1), dim=-1)
    down = torch.stack([-axis[:, 1], axis[:, 0]], dim=-1)
    sine = _sine_of_yaw(landmarks)
    middle = (points[:, [33, 51, 62]].sum(dim=1) + (points[:, 48] + points[:, 54]) / 2) / 4
    scale = (corners.norm(dim=-1) / 25).sqrt().clamp(0.8, 1.1)

    def height(indices: list[int]) -> Tensor:  # below the middle, along the face
        return ((points[:, indices].mean(dim=1) - middle) * down).sum(dim=-1)

    lip, gap = height([61, 62, 63]), height([65, 66, 67]) - height([61, 62, 63])
    edge, seen, own = _own_teeth(photo, middle, axis, down, lip, gap, white)
    rest = lip + shown
    edge = rest.lerp(edge, seen)
    origin = middle + down * edge[:, None]
    linear = torch.stack([axis, down], dim=1) / scale[:, None, None]
    place = torch.cat([linear, -linear @ origin[..., None]], dim=-1)
    # Closed jaws keep their overbite; an open mouth has its lower teeth at the lower lip.
    bite = (lip + gap + 0.3 - edge) / scale
    bite = -_OVERBITE + F.softplus((bite + _OVERBITE) * 2) / 2
    return Stand(place, sine, bite, seen, own)


def _sine_of_yaw(landmarks: Tensor) -> Tensor:
    """By the depth of the outer eye corners if there is any, else by where the nose stands between them; (B,)."""
    across = landmarks[:, 45] - landmarks[:, 36]
    if landmarks.shape[-1] > 2:
        tangent = across[:, 2] / across[:, 0].clamp(min=1)
    else:
        nose = landmarks[:, 30, 0] - (landmarks[:, 36, 0] + landmarks[:, 45, 0]) / 2
        tangent = nose / across[:, 0].clamp(min=1) / 0.5
    tangent = tangent.clamp(-0.7, 0.7)
    return tangent / (1 + tangent**2).sqrt()


def _own_teeth(
    photo: Tensor, middle: Tensor, axis: Tensor, down: Tensor, lip: Tensor, gap: Tensor, white: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The bright column between parted lips: where it ends below `middle` (B,), how sure it is (B,), its RGB (B, 3)."""
    rows, columns = torch.linspace(0, 1, 24, device=photo.device), torch.linspace(-3, 3, 7, device=photo.device)
    depth = lip[:, None] + rows * gap.clamp(min=0)[:, None]  # (B, 24)
    places = middle[:, None, None] + depth[..., None, None] * down[:, None, None]
    places = places + columns[:, None] * axis[:, None, None]  # (B, 24, 7, 2)
    colour = sample((photo.float() + 1) / 2, places.flatten(1, 2)).unflatten(1, (24, 7)).mean(dim=2)
    bright = luma(colour)
    red = (colour[..., 0] - colour[..., 1]) / bright.clamp(min=0.05)
    red = red - ((white[:, 0] - white[:, 1]) / luma(white).clamp(min=0.05))[:, None]
    tooth = smoothstep(bright / luma(white)[:, None], 0.55, 0.75) * (1 - smoothstep(red, 0.15, 0.3))
    # From the brightest place down, until it is no tooth any more.
    reached = torch.where(rows < 0.35, 1.0, tooth).cummin(dim=1).values
    sure = smoothstep(tooth[:, 4:12].mean(dim=1), 0.4, 0.7) * smoothstep(gap, 2.0, 4.0)
    mean = (colour * tooth[..., None]).sum(dim=1) / tooth.sum(dim=1, keepdim=True).clamp(min=1e-3)
    return lip + gap.clamp(min=0) * reached.mean(dim=1), sure, mean
