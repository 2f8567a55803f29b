"""Of what colour a photo would show something white, dark or red: light, skin, lips and palette of a face.

All estimates are batched and read the 128×128 crop at a few hundred places.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from atvg.config import CROP_SIZE
from atvg.motion.openings import EYES

_LUMA = (0.299, 0.587, 0.114)
_SKIN_TINT = (1.19, 0.95, 0.79)  # RGB ÷ luma of skin under white light, much the same from pale to dark
_SCLERA_TINT = (1.03, 0.99, 0.985)  # likewise of what is sampled as the white of the eye at 128²
_BOUNCE = 0.18  # share of the light in a mouth that has come by way of skin and lips
_SHADE = 1.18  # lids shade the white of the eye, and 128² mixes it with lashes: teeth of twelve smiles ÷ their eyes
_LIPS = ((50, 61), (51, 62), (52, 63), (58, 67), (57, 66), (56, 65))  # outer and inner lip, one above the other
# Chroma that luma does not tell ÷ luma, from one-coloured pictures to photographs in colour.
_GREY_SPREAD = 0.0135, 0.0185
_FLAT_SLOPE = 0.001, 0.003  # median step between neighbouring pixels of a cheek ÷ its luma: drawings, photographs


class Tone(NamedTuple):
    """Colours of B faces, in [0, 1]."""

    white: Tensor  # (B, 3) what a white thing at the mouth looks like
    skin: Tensor  # (B, 3)
    lips: Tensor  # (B, 3)
    palette: Tensor  # (B, 3, 3) RGB ÷ luma − 1 as coefficients of 1, luma and luma²
    grey: Tensor  # (B,) 1 where the palette tells all colours: grey and sepia pictures
    flat: Tensor  # (B,) 1 where cheeks have one plain colour: drawings


def luma(colour: Tensor, axis: int = -1) -> Tensor:
    """Brightness of RGB colours, without the colour's axis."""
    red, green, blue = colour.unbind(axis)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def smoothstep(x: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high`."""
    x = ((x - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def sample(picture: Tensor, places: Tensor) -> Tensor:
    """Pictures (B, C, 128, 128) at places (B, P, 2) in crop pixels → (B, P, C)."""
    grid = (places + 0.5) * (2 / CROP_SIZE) - 1
    found = F.grid_sample(picture, grid[:, None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, :, 0].transpose(1, 2)


def read_tone(photo: Tensor, landmarks: Tensor) -> Tone:
    """photo (B, 3, 128, 128) in [−1, 1], its landmarks (B, 68, 2) in crop pixels → its colours."""
    photo = (photo.float() + 1) / 2
    cheeks = _cheeks(landmarks)
    patches = sample(photo, cheeks.flatten(1, 3))
    skin = patches.median(dim=1).values
    outer, inner = (landmarks[:, [pair[i] for pair in _LIPS]] for i in (0, 1))
    shares = torch.tensor([0.35, 0.55], device=photo.device)[:, None, None, None]
    lips = sample(photo, outer.lerp(inner, shares).transpose(0, 1).flatten(1, 2)).median(dim=1).values

    low, high = landmarks.amin(dim=1), landmarks.amax(dim=1)
    ticks = torch.linspace(0.06, 0.94, 24, device=photo.device)
    mesh = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1).flatten(0, 1)
    calm = F.avg_pool2d(photo, 4)  # JPEG colours even a sepia picture a little, here and there
    face = sample(calm, low[:, None] + mesh * (high - low)[:, None])
    palette, grey = _palette(face)
    grid = luma(patches).unflatten(1, cheeks.shape[1:4])
    steps = torch.cat([grid.diff(dim=-1).abs().flatten(1), grid.diff(dim=-2).abs().flatten(1)], dim=1)
    flat = 1 - smoothstep(steps.median(dim=1).values / luma(skin).clamp(min=0.02), *_FLAT_SLOPE)
    return Tone(_white(photo, landmarks, skin, luma(face)), skin, lips, palette, grey, flat)


def _cheeks(landmarks: Tensor) -> Tensor:
    """Places a pixel apart below both eyes and beside the nose, (B, 2, 8, 8, 2)."""
    ticks = torch.arange(8, device=landmarks.device, dtype=landmarks.dtype) - 3.5
    patch = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1)
    eyes = torch.stack([landmarks[:, 36:42].mean(dim=1), landmarks[:, 42:48].mean(dim=1)], dim=1)
    corners = landmarks[:, [48, 54]]
    centres = eyes.lerp(corners, 0.55)
    return centres[:, :, None, None] + patch


def _palette(face: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (B, P, 3) → how far luma alone tells them: `Tone.palette` and `Tone.grey`."""
    bright = luma(face)
    chroma = face - bright[..., None]
    powers = bright[..., None] ** torch.arange(1, 4, device=face.device)  # black has no colour
    normal = powers.transpose(1, 2) @ powers + 1e-3 * torch.eye(3, device=face.device)
    palette = torch.linalg.solve(normal, powers.transpose(1, 2) @ chroma)
    spread = (chroma - powers @ palette).square().mean(dim=(1, 2)).sqrt()
    return palette, 1 - smoothstep(spread / bright.mean(dim=1).clamp(min=0.02), *_GREY_SPREAD)


def _white(photo: Tensor, landmarks: Tensor, skin: Tensor, face: Tensor) -> Tensor:
    """The light: from the whites of the eyes, as far as they can be seen, else from the skin; (B, 3)."""
    across = torch.linspace(0.1, 0.9, 14, device=photo.device)[:, None]
    down = torch.tensor([0.3, 0.5, 0.7], device=photo.device)[:, None, None]
    places, openness = [], []
    for upper, lower, _ in EYES:
        above, below = _along(landmarks[:, list(upper)], across), _along(landmarks[:, list(lower)], across)
        places.append(above[:, None].lerp(below[:, None], down).flatten(1, 2))
        width = (landmarks[:, upper[0]] - landmarks[:, upper[3]]).norm(dim=-1)
        openness.append((above - below).norm(dim=-1).mean(dim=1) / width.clamp(min=1))
    eyes = sample(photo, torch.cat(places, dim=1))
    weight = torch.softmax(30 * luma(eyes), dim=1)[..., None]
    eye = (eyes * weight).sum(dim=1)

    skin_luma, eye_luma = luma(skin), luma(eye)
    bright = face.quantile(0.97, dim=1)
    guess = torch.minimum(0.5 + 0.4 * skin_luma, 1.4 * bright)
    opened = smoothstep(torch.stack(openness).amax(dim=0), 0.10, 0.18)
    # Dark glasses are darker than skin; a closed lid has its colour.
    chroma = ((eye[:, 0] - eye[:, 2]) / eye_luma.clamp(min=0.02)).abs()
    skin_chroma = ((skin[:, 0] - skin[:, 2]) / skin_luma.clamp(min=0.02)).abs()
    clear = smoothstep(eye_luma / skin_luma.clamp(min=0.05), 0.7, 0.95) * opened
    paler = 1 - smoothstep(chroma / skin_chroma.clamp(min=0.05), 0.75, 1.05)
    sure = (clear * (0.1 + 0.9 * paler))[:, None]

    eye_tint = eye / eye_luma.clamp(min=0.02)[:, None] / photo.new_tensor(_SCLERA_TINT)
    bounced = (skin / skin_luma.clamp(min=0.02)[:, None]).clamp(0.5, 1.6)
    # Red skin is no red light: only how warm it is counts.
    warmth = (bounced / photo.new_tensor(_SKIN_TINT)).log()
    warmth = 0.3 * (warmth[:, 0] - warmth[:, 2])[:, None] * photo.new_tensor([1.0, 0.0, -1.0])
    tint = warmth.exp().lerp(eye_tint.clamp(0.5, 1.6), sure) * bounced**_BOUNCE
    level = guess[:, None].lerp(_SHADE * eye_luma[:, None], sure)
    return (tint / luma(tint)[:, None] * level).clamp(0, 1)


def _along(curve: Tensor, share: Tensor) -> Tensor:
    """Points at shares (P, 1) of the way along curves (B, N, 2) → (B, P, 2)."""
    last = curve.shape[1] - 1
    position = share[:, 0] * last
    index = position.floor().long().clamp(max=last - 1)
    return curve[:, index].lerp(curve[:, index + 1], (position - index)[:, None])
