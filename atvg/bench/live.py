"""How far pictures are behind somebody who is still speaking."""

import time

import numpy as np

from atvg.animate.live import Live, look_ahead
from atvg.animator import Animator
from atvg.bench.measure import summary
from atvg.config import FPS, SAMPLE_RATE

PIECE = 0.2  # seconds of voice that a live microphone sends at once


def time_live(animator: Animator, photo: np.ndarray, wave: np.ndarray) -> dict[str, float]:
    """A microphone's pieces at 16 kHz, one after the other; nothing if the voice ends before a frame is shown.

    Latency is from a sound to the frame of it, for the first sound of the slowest piece; pasting, sending and showing
    come on top.
    """
    ear = animator.ears[0]
    live, step = Live(animator, animator.read_face(photo), ear=ear), round(PIECE * SAMPLE_RATE)
    seconds = []
    for first in range(0, len(wave) - step + 1, step):
        began = time.perf_counter()
        shown = live.feed(SAMPLE_RATE, wave[first : first + step])
        if shown is not None:
            seconds.append(time.perf_counter() - began)
    if not seconds:
        return {}
    figures = summary(seconds)
    ahead = look_ahead(ear)
    latency = 1 / FPS + ahead + PIECE + figures["greatest"]
    return {"piece_seconds": PIECE, "look_ahead_seconds": ahead, **figures, "latency_seconds": latency}
