"""Photos of one tone: grey, sepia or blue ones have to stay so, whatever a network makes of lips."""

import cv2
import numpy as np

# Colours of a photo of one tone lie near a curve over lightness: no further than JPEG moves those of a grey one, or a
# share of the tone's own strength. On ten photos toned by hand the share was up to .18, in colour, faded or not, .6 and
# more.
_NOISE, _SHARE = 1.0, 0.35
_LEVELS = 64  # of lightness, in which the photo's own colour is looked up
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
        toned = curve[np.clip(luma.round(), 0, 255).astype(int)]
        away = np.quantile(np.abs(chroma - toned), 0.95)
        if away > max(_NOISE, _SHARE * np.abs(toned).max(axis=1).mean()):
            return None
        return cls((levels[:, None] + curve).round().clip(0, 255).astype(np.uint8))

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """The same pictures (..., H, W, 3) uint8 RGB in this tone, by their luma."""
        flat = pictures.reshape(-1, pictures.shape[-2], 3)
        return self.colours[cv2.cvtColor(np.ascontiguousarray(flat), cv2.COLOR_RGB2GRAY)].reshape(pictures.shape)
