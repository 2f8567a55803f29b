"""How loud a voice is, frame by frame, as a head that follows it hears it.

Loudness is in tens of decibels about the usual one of speech, so that 1 is a stress and −2 a pause. Of pitch nothing is
kept: once loudness is known, it says next to nothing more about how a head moves.
"""

from collections import deque

import numpy as np

from atvg.config import ROWS_PER_FRAME
from atvg.voice.audio import speech_level
from atvg.voice.level import frame_levels
from atvg.voice.mel import mel_power

BEFORE, AFTER = 15, 6  # frames around one that say how its head moves: what is spoken live is known no further ahead
SPAN = BEFORE + 1 + AFTER

_LOUDEST, _QUIETEST = 5.0, -35.0  # dB, relative to the level of the speech; beyond lies nothing but noise
_USUAL = -12.7  # dB: mean over real clips
_UNIT = 10.0  # dB
SILENCE = (_QUIETEST - _USUAL) / _UNIT


def loudness(levels: np.ndarray, speech: float) -> np.ndarray:
    """RMS of frames (T,) and of the voice's speech, see `atvg.voice.audio.speech_level` → loudness (T,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = np.nan_to_num(20 * np.log10(np.asarray(levels) / speech), nan=_QUIETEST, neginf=_QUIETEST)
    return (np.clip(decibels, _QUIETEST, _LOUDEST) - _USUAL) / _UNIT


def loudness_of(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """Loudness of each video frame of a recording, (n_frames,)."""
    return loudness(frame_levels(wave, n_frames), speech_level(wave))


def loudness_of_rows(mfcc80: np.ndarray) -> np.ndarray:
    """The same of a pack's rows (4·T, 80), see `atvg.voice.mel`, → (T,); r = 0.99 with that of the samples."""
    levels = np.sqrt(mel_power(mfcc80).sum(axis=1).reshape(-1, ROWS_PER_FRAME).mean(axis=1))
    return loudness(levels, float(np.percentile(levels, 90)))


def around(loud: np.ndarray) -> np.ndarray:
    """Loudness (T,) → that of the frames around each, (T, `SPAN`), a view; before and after the voice it is silent."""
    padded = np.pad(loud, (BEFORE, AFTER), constant_values=SILENCE)
    return np.lib.stride_tricks.sliding_window_view(padded, SPAN)


class Prosody:
    """Loudness of a voice that is still being spoken; memory does not grow.

    Args:
        after: how many frames after one are heard when it is shown. Where those are fewer than `AFTER`, the last of
            them stands for the rest.
    """

    def __init__(self, after: int = AFTER):
        self._after = min(after, AFTER)
        self._loud = deque([SILENCE] * BEFORE)

    def hear(self, level: float, speech: float) -> None:
        """The RMS of the next frame, and of the voice's speech as far as it is known."""
        self._loud.append(float(loudness(np.array([level]), speech)[0]))

    def around(self, count: int) -> np.ndarray:
        """As `around`, of the next `count` frames to be shown, (count, `SPAN`); they are forgotten then."""
        windows = np.full((count, SPAN), SILENCE)
        for window in windows:
            known = [self._loud[i] for i in range(min(len(self._loud), BEFORE + 1 + self._after))]
            window[: len(known)] = known
            if len(known) == BEFORE + 1 + self._after:
                window[len(known) :] = known[-1]
            self._loud.popleft()
        return windows
