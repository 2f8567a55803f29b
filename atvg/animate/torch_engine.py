"""VG-net as PyTorch draws it: the reference for every other way to draw."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg.config import ROWS_PER_FRAME, WINDOW_ROWS
from atvg.motion.carry import Carried
from atvg.nets.direct_net import DirectNet
from atvg.nets.ground import Ground, turn
from atvg.nets.vg_net import Frames, PhotoCode, VGNet

_STRETCH = 10  # frames that `draw_direct` draws at once


class Drawn(NamedTuple):
    """T frames, and the MMCRNN's state after each."""

    frames: np.ndarray  # (T, 128, 128, 3) uint8
    attention: np.ndarray  # (T, 128, 128) float32
    motion: np.ndarray  # (T, 128, 128, 3) uint8
    states: Tensor  # (T, hidden, 8, 8)


class TorchEngine:
    """VG-net as it is."""

    name = "torch"

    def __init__(self, net: VGNet):
        self.net = net

    @torch.inference_mode()
    def draw(self, code: PhotoCode, landmarks: Tensor, ground: Ground, state: Tensor) -> Drawn:
        """Draws T frames of one photo.

        Args:
            code: of the photo.
            landmarks: (T, 68, 2) crop pixels.
            ground: `VGNet.ground`.
            state: (1, hidden, 8, 8), the MMCRNN's state before the first frame.
        """
        made, states = self.net.paint(code, landmarks[None], ground, state)
        frames, attention, motion = (part.cpu().contiguous().numpy() for part in as_arrays(made))
        return Drawn(frames, attention, motion, states[0])


@torch.inference_mode()
def draw_direct(net: DirectNet, photo: np.ndarray, rows: np.ndarray, moved: Carried | None = None) -> np.ndarray:
    """Draws what is heard with the ablation that knows no landmarks, by PyTorch.

    Args:
        photo: (128, 128, 3) uint8, the face's crop.
        rows: (4·T + 24, 20) MFCC rows from c0 on.
        moved: how the head moves in T frames; it stays as in the photo if None.

    Returns:
        (T, 128, 128, 3) uint8.
    """
    device = net.mfcc_mean.device
    picture = torch.tensor(photo, device=device).permute(2, 0, 1)[None] / 127.5 - 1
    heard = torch.tensor(rows, dtype=torch.float32, device=device)
    heard = heard.unfold(0, WINDOW_ROWS, ROWS_PER_FRAME).mT  # (T, 28, 20)
    code, state, parts = net.encode_photo(picture), None, []
    for first in range(0, len(heard), _STRETCH):
        part = slice(first, first + _STRETCH)
        turned = moved and turn(picture, *(torch.tensor(points[part], device=device)[None] for points in moved))
        made, state = net(code, heard[None, part], state, turned)
        parts.append(as_arrays(made)[0].cpu().numpy())
    return np.concatenate(parts)


def as_arrays(made: Frames) -> tuple[Tensor, Tensor, Tensor]:
    """The frames of one clip as pictures have to be: pixels and motion (T, H, W, 3) uint8, attention (T, H, W)."""
    return as_pixels(made.frame[0]), made.attention[0, :, 0], as_pixels(made.motion[0])


def as_pixels(images: Tensor) -> Tensor:
    """(T, 3, H, W) in [−1, 1] → (T, H, W, 3) uint8."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
