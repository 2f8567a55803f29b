"""Photos of one tone: grey, sepia or blue ones have to stay so, whatever a network makes of lips."""

import cv2
import numpy as np

_SPREAD = 2.5  # levels: how far colours of a photo of one tone lie from its curve; JPEG moves them by one or two
_LEVELS = 16  # of lightness, in which the photo's own colour is looked up
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Monochrome:
    """The colour that each lightness has in a photo of one tone.

    Attributes:
        colours: (256, 3) uint8 RGB, by luma.
    """

    def __init__(self, colours: np.ndarray):
        self.colours = colours

    @classmethod
    def of(cls, photo: np.ndarray) -> "Monochrome | None":
        """That of a photo, (H, W, 3) uint8 RGB; None if it has colours of its own."""
        pixels = photo.reshape(-1, 3).astype(np.float32)
        luma = pixels @ _LUMA
        chroma = pixels - luma[:, None]
        # A line through the colours, over lightness: what toning does to a grey picture is close to one.
        bins = np.clip(luma * (_LEVELS / 256), 0, _LEVELS - 1).astype(int)
        count = np.bincount(bins, minlength=_LEVELS)
        known = count > 0
        mean = np.stack([np.bincount(bins, chroma[:, c], _LEVELS)[known] / count[known] for c in range(3)], axis=1)
        middles = (np.arange(_LEVELS)[known] + 0.5) * (256 / _LEVELS)
        levels = np.arange(256)
        curve = np.stack([np.interp(levels, middles, mean[:, c]) for c in range(3)], axis=1)
        away = np.abs(chroma - curve[np.clip(luma.round(), 0, 255).astype(int)])
        if np.quantile(away, 0.95) > _SPREAD:
            return None
        return cls((levels[:, None] + curve).round().clip(0, 255).astype(np.uint8))

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """The same pictures (..., H, W, 3) uint8 RGB in this tone, by their luma."""
        flat = pictures.reshape(-1, pictures.shape[-2], 3)
        return self.colours[cv2.cvtColor(np.ascontiguousarray(flat), cv2.COLOR_RGB2GRAY)].reshape(pictures.shape)
