"""Smooth warps of pictures by control points that move: radial basis splines, batched.

A warp is asked backwards, for each place of the output where it comes from. The kernel −r keeps a movement near the
points that make it, so lips can part between points a few pixels from each other while the cheeks stay.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_SMOOTHING = 0.004  # of the spline, in units of the picture's side: landmarks are not exact to the pixel
CELLS = 64  # the shift is computed on a coarse grid, so many cells a side, and enlarged


@torch.no_grad()
def spline_shift(sources: Tensor, targets: Tensor, places: Tensor) -> Tensor:
    """How far away each place of the output has its source.

    Args:
        sources: (B, N, 2) where the control points lie in the picture, in units of its size.
        targets: (B, N, 2) where they have to lie in the output.
        places: (P, 2) or (B, P, 2) in the output.

    Returns:
        (B, P, 2) float32.
    """
    with torch.autocast(sources.device.type, enabled=False):
        sources, targets, places = sources.float(), targets.float(), places.float().expand(len(targets), -1, -1)
        count = targets.shape[1]
        affine = torch.cat([torch.ones_like(targets[..., :1]), targets], dim=-1)  # (B, N, 3)
        system = targets.new_zeros(len(targets), count + 3, count + 3)
        stiff = _SMOOTHING * torch.eye(count, device=targets.device)
        system[:, :count, :count] = stiff - torch.cdist(targets, targets)
        system[:, :count, count:], system[:, count:, :count] = affine, affine.transpose(1, 2)
        wanted = targets.new_zeros(len(targets), count + 3, 2)
        wanted[:, :count] = sources - targets
        weights = torch.linalg.solve(system, wanted)
        near, constant, linear = weights.split([count, 1, 2], dim=1)
        return constant + places @ linear - torch.cdist(places, targets) @ near


@torch.no_grad()
def shift_grid(sources: Tensor, targets: Tensor, size: int, cells: int = CELLS) -> Tensor:
    """`spline_shift` on a coarse grid over a square picture: the warp is smooth, and can be enlarged.

    Args:
        sources, targets: (B, N, 2) pixels.
        size: side of the picture, pixels.

    Returns:
        (B, cells, cells, 2) pixels; values belong to the middles of the cells.
    """
    coarse = (_pixels(cells, sources.device) + 0.5) / cells - 0.5 / size
    return (spline_shift(sources / size, targets / size, coarse.flatten(0, 1)) * size).unflatten(1, (cells, cells))


def pinned_shift(before: Tensor, after: Tensor, size: int) -> Tensor:
    """`shift_grid` of points (B, N, 2) that move while the picture's edge stays."""
    edge = border(size).to(before.device).expand(len(before), -1, -1)
    return shift_grid(torch.cat([before, edge], dim=1), torch.cat([after, edge], dim=1), size)


def places(shift: Tensor, size: int) -> Tensor:
    """Where each pixel of a square picture has its source, by a coarse grid: (B, G, G, 2) → (B, size, size, 2)."""
    fine = F.interpolate(shift.permute(0, 3, 1, 2), size=(size, size), mode="bilinear", align_corners=False)
    return _pixels(size, shift.device) + fine.permute(0, 2, 3, 1)


def resample(images: Tensor, places: Tensor, mode: str = "bicubic") -> Tensor:
    """Square pictures (B, C, S, S) as seen at `places` (B, H, W, 2), pixels; beyond the border it is repeated.

    Returns:
        (B, C, H, W) float32, each within the range of its picture.
    """
    size, images = images.shape[-1], images.float()
    # grid_sample counts from −1 to 1 between the outer edges of the picture.
    found = F.grid_sample(images, (places + 0.5) * (2 / size) - 1, mode, padding_mode="border", align_corners=False)
    if mode != "bicubic":
        return found
    return found.clamp(images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True))


@torch.no_grad()
def warp(images: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
    """Warps square pictures (B, C, S, S) so that control points move from `sources` to `targets`, (B, N, 2) pixels.

    Returns:
        (B, C, S, S) float32, each within the range of its input; places without a source repeat the border.
    """
    size = images.shape[-1]
    return resample(images, places(shift_grid(sources, targets, size), size))


def border(size: int, count: int = 8) -> Tensor:
    """Control points on the edge of a square picture, (4·count, 2) pixels, evenly around it."""
    along = torch.arange(count) * (size - 1) / count
    low, high = torch.zeros_like(along), torch.full_like(along, size - 1)
    sides = [(along, low), (high, along), (size - 1 - along, high), (low, size - 1 - along)]
    return torch.cat([torch.stack(side, dim=-1) for side in sides])


def _pixels(size: int, device: torch.device) -> Tensor:
    """The (x, y) of each pixel of a square picture, (size, size, 2)."""
    ticks = torch.arange(size, device=device, dtype=torch.float32)
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1)
