"""What is shown while a video is being drawn."""

import base64
import io
import time

import numpy as np
from PIL import Image

from atvg.studio.settings import PAGE, PREVIEW_SIDE


def preview(picture: np.ndarray) -> bytes:
    """A small JPEG of a frame, uint8 RGB (H, W, 3)."""
    image, file = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


class Progress:
    """How far the work is and how long it will take, as HTML; `text` of the page, in the case of drawing with a frame.

    Args:
        total: steps.
    """

    def __init__(self, total: int, text: str = "live"):
        self._total, self._text = total, text
        self._first: tuple[float, int] | None = None  # when the first step was done, and how far it led

    def show(self, done: int, newest: bytes = b"") -> str:
        """Of so many frames that are done; of the newest its `preview`."""
        now = time.monotonic()
        began, before = self._first = self._first or (now, done)  # loading came before, and tells nothing of the speed
        left = ""
        if done > before:
            left = PAGE["live_left"].format(f"{(self._total - done) * (now - began) / (done - before):.0f}")
        source = f"data:image/jpeg;base64,{base64.b64encode(newest).decode()}"
        return PAGE[self._text].format(source=source, done=done, total=self._total, left=left)
