"""The training losses, each a pure function; a stage returns them by name and a weight table sums them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.face.landmarks import MOUTH

_STILL = 1e-3  # square pixels; keeps the root's gradient finite for lips that do not move
_NEAR, _FAR = 12.0, 28.0  # crop pixels: up to the first skin is carried along by speech, from the second on nothing is
_SHUT = 1.0  # crop pixels: so far above the mouth's rest lips count as nearly shut
_LAG_SOFTNESS = 0.1  # in units of the squared error: differences between lags are about 0.3


def pixel_loss(real: Tensor, fake: Tensor, weight: Tensor) -> Tensor:
    """Plain L1, the mean of |v − v̂|: what `dynamic_pixel_loss` ÷ β becomes as β → ∞.

    Args:
        real, fake: (..., 3, H, W).
        weight: map that broadcasts to the pictures.
    """
    return ((real - fake).abs() * weight).mean()


def dynamic_pixel_loss(
    real: Tensor, fake: Tensor, attention: Tensor, beta: float, weight: Tensor | None = None
) -> Tensor:
    """The dynamic pixel-wise loss of the paper: mean of |v − v̂| ⊙ (ᾱ + β).

    ᾱ is the attention with its gradient cut: through it the network could lower the loss by looking away. β keeps
    every pixel in the game; the larger it is, the closer this comes to plain L1.

    Args:
        real, fake: (..., 3, H, W).
        attention: (..., 1, H, W) in [0, 1].
        weight: optional map that broadcasts to the pictures, for instance heavier on the mouth.
    """
    dynamic = attention.detach() + beta
    return pixel_loss(real, fake, dynamic if weight is None else dynamic * weight)


def gradient_loss(real: Tensor, fake: Tensor, weight: Tensor, scales: int = 3) -> Tensor:
    """L1 between the image gradients, averaged over `scales` halvings; asks for edges where |v − v̂| allows blur.

    Args:
        real, fake: (N, 3, H, W).
        weight: (N, 1, H, W) or broadcastable.
    """
    difference, total = real - fake, real.new_zeros(())
    weight = weight.expand(len(real), 1, *real.shape[-2:])
    for scale in range(scales):
        if scale:
            difference, weight = F.avg_pool2d(difference, 2), F.avg_pool2d(weight, 2)
        along_x = (difference[..., 1:] - difference[..., :-1]).abs() * weight[..., 1:]
        along_y = (difference[..., 1:, :] - difference[..., :-1, :]).abs() * weight[..., 1:, :]
        total = total + along_x.mean() + along_y.mean()
    return total / scales


def texture_loss(real: Tensor, fake: Tensor, weight: Tensor, window: int = 4) -> Tensor:
    """L1 between the mean sizes of the image gradients within small windows.

    Where teeth or folds cannot be known to the pixel, |v − v̂| is least for a blur; this asks for as much detail as
    the truth has, wherever in the window it lies.

    Args:
        real, fake: (N, 3, H, W).
        weight: (N, 1, H, W) or broadcastable.
    """
    total = real.new_zeros(())
    weight = F.avg_pool2d(weight.expand(len(real), 1, *real.shape[-2:]), window)
    for axis in (-1, -2):
        sizes = [F.pad(x.diff(dim=axis).abs(), (0, 1, 0, 0) if axis == -1 else (0, 0, 0, 1)) for x in (real, fake)]
        true, made = (F.avg_pool2d(size, window) for size in sizes)
        total = total + ((true - made).abs() * weight).mean()
    return total


def attention_sparsity(attention: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean attention. Without it α saturates and the motion map learns to copy the photo.

    Args:
        attention: (..., 1, H, W) in [0, 1].
        weight: optional map that broadcasts to it, for instance heavier where the photo ought to stay as it is.
    """
    return attention.mean() if weight is None else (attention * weight).mean()


def attention_presence(attention: Tensor, inside: Tensor) -> Tensor:
    """Mean of 1 − α within a region that always moves: a half-attended mouth keeps half of the photo's own lips, and
    teeth or a dark gap would need a motion map beyond white or black.

    Args:
        attention: (..., 1, H, W) in [0, 1].
        inside: (..., 1, H, W), 1 in the region, else 0.
    """
    return ((1 - attention) * inside).sum() / inside.sum().clamp(min=1)


def landmark_regression(predicted: Tensor, true: Tensor, mouth_weight: float = 10.0) -> Tensor:
    """Mean squared landmark error of the discriminator, (..., 68, 2) crop pixels, mouth points weighted."""
    weight = torch.ones(true.shape[-2], 1, device=true.device)
    weight[torch.as_tensor(MOUTH)] = mouth_weight
    # ÷ 64²: errors as a share of half the crop, so that the term has the scale of the others.
    return ((predicted - true) ** 2 * weight).mean() / 64**2


def adversarial(score: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of logits against "real" or "fake"."""
    return F.binary_cross_entropy_with_logits(score, torch.full_like(score, float(real)))


def speech_losses(
    predicted: Tensor, own: Tensor, true: Tensor, inside: Tensor, rest: Tensor, opening: Tensor, level: float
) -> dict[str, Tensor]:
    """What AT-net's codes cost, by name, each (B,).

    ``codes`` and ``opening`` are mean squared errors, of which the mean over the window counts `level` times as much
    as the rest: it says less about speech than about the frame that happened to be the photo. ``velocity`` is that of
    frame-to-frame changes. ``closure`` is that of the opening where the true lips are shut: few frames, but everybody
    sees a "p" with open lips. ``spread`` is how far the amounts of movement of the lips are apart; squared errors alone
    make an unsure network mumble. ``own`` lets the constant alone learn the mean.

    Args:
        predicted, true: (B, T, K).
        own: (B, 1, K), the constant part of `predicted`.
        inside: (B, T), 1 where the truth is known.
        rest: (B, K), codes of the mouth at rest.
        opening: (K,), how far one unit of each code opens the lips.
        level: in [0, 1].
    """
    known = inside[..., None]
    count = inside.sum(dim=1)

    def mean(values: Tensor) -> Tensor:
        return (values * known).sum(dim=1, keepdim=True) / count[:, None, None]

    error = predicted - true
    error = error - (1 - level) * mean(error)
    both = inside[:, 1:] * inside[:, :-1]
    change = error.diff(dim=1).square().mean(dim=2)
    spreads = []
    for codes in (predicted, true):
        lips = (codes @ opening)[..., None]
        spreads.append((mean((lips - mean(lips)).square())[:, 0, 0] + _STILL).sqrt())
    shut = torch.exp(-((true - rest[:, None]) @ opening / _SHUT).clamp(min=0).square())
    missed = (predicted - true) @ opening
    constant = mean((predicted - own).detach() + own - true)[:, 0]
    return {
        "codes": mean(error.square().mean(dim=2, keepdim=True))[:, 0, 0],
        "velocity": (change * both).sum(dim=1) / both.sum(dim=1).clamp(min=1),
        "opening": mean((error @ opening)[..., None].square())[:, 0, 0],
        "closure": mean((shut * missed.square())[..., None])[:, 0, 0],
        "spread": (spreads[0] - spreads[1]).abs(),
        "own": constant.abs().mean(dim=1) + (constant @ opening).abs(),
    }


def lag_chances(costs: Tensor, cost: float = 0.03) -> Tensor:
    """How likely each lag is, (B, 2·n + 1), from what the codes cost at lags −n..n: soft, and in favour of none.

    Args:
        cost: of a lag of one frame, in the unit of `costs`; it grows with the square of the lag.
    """
    reach = costs.shape[1] // 2
    lags = torch.arange(-reach, reach + 1, device=costs.device)
    return torch.softmax(-(costs + cost * lags**2) / _LAG_SOFTNESS, dim=1)


def sync_losses(likeness: Tensor, places: Tensor, reach: int, near: int = 1) -> Tensor:
    """What it costs to tell, from a mouth, which sound of its clip it belongs to, and the other way round.

    A clip may be off by a frame or two, each in another way (see `lag_chances`), so that the cost is given for each
    lag between −reach and reach: as cross-entropy among all moments of the clip.

    Args:
        likeness: (B, N, M) logits of N looks and M sounds, one a frame.
        places: (B, N), which of the sounds is that of each look's own frame, from `reach` to M − 1 − `reach`.
        near: so many frames beside the true one are no wrong answers; they are left out.

    Returns:
        (B, 2·reach + 1).
    """
    sounds = torch.arange(likeness.shape[2], device=likeness.device)
    by_lag = []
    for lag in range(-reach, reach + 1):
        place = places + lag
        apart = (sounds - place[..., None]).abs()
        others = likeness.masked_fill((apart > 0) & (apart <= near), float("-inf"))
        true = likeness.gather(2, place[..., None])[..., 0]
        among_sounds = (torch.logsumexp(others, dim=2) - true).mean(dim=1)
        among_looks = (torch.logsumexp(others, dim=1).gather(1, place) - true).mean(dim=1)
        by_lag.append((among_sounds + among_looks) / 2)
    return torch.stack(by_lag, dim=1)


def mouth_box(landmarks: Tensor, size: int, margin: float = 0.35) -> Tensor:
    """1 inside the box around the mouth points, widened by `margin` of its sides, else 0.

    Args:
        landmarks: (..., 68, 2) crop pixels.
        size: side of the picture.

    Returns:
        (..., 1, size, size).
    """
    mouth = landmarks[..., torch.as_tensor(MOUTH), :]
    low, high = mouth.amin(dim=-2), mouth.amax(dim=-2)  # (..., 2)
    # The height of a closed mouth says little: at least half the width.
    half = (high - low) / 2
    half = torch.stack([half[..., 0], torch.maximum(half[..., 1], half[..., 0] / 2)], dim=-1) * (1 + margin)
    centre = (high + low) / 2
    cells = torch.arange(size, device=landmarks.device, dtype=landmarks.dtype)
    inside = ((cells - centre[..., None]).abs() <= half[..., None]).to(landmarks.dtype)  # (..., 2, size)
    return (inside[..., 1, :, None] * inside[..., 0, None, :])[..., None, :, :]


def far_from_face(landmarks: Tensor, size: int) -> Tensor:
    """1 far from all landmarks, 0 near one of them, and a ramp between.

    Args:
        landmarks: (..., 68, 2) crop pixels.
        size: side of the picture, a multiple of 4.

    Returns:
        (..., 1, size, size) in [0, 1].
    """
    # The ramp is so wide that every fourth pixel will do.
    cells = torch.arange(1.5, size, 4, device=landmarks.device, dtype=landmarks.dtype)
    places = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), dim=-1).flatten(0, 1)
    distance = torch.cdist(places, landmarks.reshape(-1, *landmarks.shape[-2:])).amin(dim=-1)  # (N, size²/16)
    far = ((distance - _NEAR) / (_FAR - _NEAR)).clamp(0, 1).view(-1, 1, len(cells), len(cells))
    far = F.interpolate(far, scale_factor=4.0, mode="bilinear", align_corners=False)
    return far.view(*landmarks.shape[:-2], 1, size, size)
