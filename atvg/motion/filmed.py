"""The inside of a mouth as a film shows it, laid over what is painted behind lips.

One frame in which the mouth is open gives it all: own teeth, tongue, depth, and the film's sharpness. Down to the edge
of the upper incisors it stays where the skull has it; what lies below is stretched or squeezed with the jaw.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.motion.teeth import ANCHORS, Teeth, jaw, light_within, unseen

_LEAST = 0.5  # crop pixels between incisors and lower lip, into which what lies there is squeezed at most


class Filmed(NamedTuple):
    """An open mouth, and the face it belongs to."""

    picture: Tensor  # (4, H, W) RGB in [0, 1] times alpha; alpha, which is 0 where lips are
    place: Tensor  # (2, 3) crop pixels of its frame → pixels of the picture
    landmarks: Tensor  # (68, 2) crop pixels
    rest: Tensor  # (68, 2) the same with the mouth at rest
    incisors: Tensor  # () crop pixels: how far down their edge lies
    light: Tensor  # (3,) as of the frames in `Behind`

    @property
    def middle(self) -> tuple[Tensor, Tensor]:
        """Where the edge of the incisors is, as `light_within` wants it."""
        return self.landmarks[62, 0].reshape(1, 1, 1, 1), self.incisors.reshape(1, 1, 1, 1)


class Behind(NamedTuple):
    """What a film tells of the mouth behind the lips that each of its frames shows, for B clips of T frames.

    What a frame itself shows between its lips says another word: tongue and jaw are elsewhere, and teeth come and go.
    So none of it stays.
    """

    rest: Tensor  # (B, T, 68, 2) crop pixels: the face at rest, in the pose of each frame
    light: Tensor  # (B, T, 3) how much more of each colour there is than in the photo
    filmed: Filmed | None  # of all clips; without, all is painted


@torch.no_grad()
def behind_lips(teeth: Teeth, behind: Behind, landmarks: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """What lies behind the lips of a film's frames; as `unseen`, (B·T, 3, H, W) in [−1, 1]."""
    painted = unseen(teeth, behind.rest, landmarks, xs, ys, behind.light)
    if behind.filmed is None:
        return painted
    rest, asked = (points[..., :2].float().flatten(0, 1) for points in (behind.rest, landmarks))
    laid = _lay(behind.filmed, rest, asked, xs.float(), ys.float())
    shade = light_within(asked[:, None], xs[None, None, None], ys[None, None, :, None])  # (N, 1, H, W)
    own = light_within(behind.filmed.landmarks[None, None], *behind.filmed.middle)
    brightness = behind.light.flatten(0, 1) / behind.filmed.light
    colour = laid[:, :3] * brightness[..., None, None] * (shade / own).clamp(max=1)
    return painted * (1 - laid[:, 3:]) + 2 * colour - laid[:, 3:]


def _lay(filmed: Filmed, rest: Tensor, asked: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """The open mouth as N frames show it: RGB in [0, 1] times alpha; alpha; (N, 4, H, W)."""
    affine = torch.linalg.pinv(F.pad(rest[:, ANCHORS], (0, 1), value=1.0)) @ filmed.rest[ANCHORS]  # (N, 3, 2)
    spots = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).flatten(0, 1)
    across, down = (F.pad(spots, (0, 1), value=1.0) @ affine).unbind(dim=-1)  # (N, H·W)

    dropped = jaw(rest[:, None], asked[:, None])[:, 0, None] @ affine[:, :2]  # (N, 1, 2)
    own = jaw(filmed.rest[None, None], filmed.landmarks[None, None])[0, 0]
    bottom, edge = filmed.landmarks[66, 1], filmed.incisors
    floor = bottom + dropped[..., 1] - own[1]  # (N, 1), where the lower lip of its frame would be now
    below = edge + (down - edge) * ((bottom - edge) / (floor - edge).clamp(min=_LEAST))
    spots = torch.stack([across, torch.where(down > edge, below, down)], dim=-1)
    places = F.pad(spots, (0, 1), value=1.0) @ filmed.place.mT  # (N, H·W, 2)
    height, width = filmed.picture.shape[-2:]
    grid = (places + 0.5) * (2 / places.new_tensor([width, height])) - 1
    grid = grid.unflatten(1, (len(ys), len(xs)))
    # The frames one below the other: the picture is not copied for each.
    found = F.grid_sample(filmed.picture[None], grid.flatten(0, 1)[None], padding_mode="zeros", align_corners=False)
    return found[0].unflatten(1, (len(rest), len(ys))).transpose(0, 1)
