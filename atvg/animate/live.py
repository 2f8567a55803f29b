"""A face that follows a voice while somebody is speaking."""

import math
import sys
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atvg.animate.chunk import CHUNK, Chunk, join
from atvg.animate.performance import Performance
from atvg.animate.pipeline import Pipeline
from atvg.config import EARS, FPS, MFCC_HOP, MFCC_WINDOW, ROWS_PER_FRAME, SAMPLE_RATE, check_number
from atvg.errors import BadAudioError
from atvg.face.face import Face
from atvg.motion.turn import turn_face
from atvg.voice import audio as speech
from atvg.voice import level as loudness
from atvg.voice.hearing import LIVE_AFTER, LIVE_BEFORE, window
from atvg.voice.mel import mfcc80_rows
from atvg.voice.prosody import Prosody

_FRAME = SAMPLE_RATE // FPS  # samples
_RATES = (8_000, 192_000)  # Hz
# Frames before and after the new ones that are heard with them: the ear is nearly as good with these as with all.
_WINDOW = {"whisper": (LIVE_BEFORE, LIVE_AFTER), "none": (3, 3)}
_MEMORY = 10 * FPS  # frames over which the speaker's level is measured
_QUIETEST = 0.01  # level, RMS, of what is taken for a voice at once, ...
_ROOM = 1.1e-3  # and of what is not until somebody is heard
_SWAYS = 12.0  # dB between loud and soft frames of a second or more that somebody softer speaks in
_AROUND = (1, 3)  # frames before and after one that must all be silent for it to be at rest; the reach holds them
_CALMING = 0.4  # share of the way into or out of rest that a frame goes


def look_ahead(ear: str = EARS[0]) -> float:
    """Seconds from the end of a frame to that of the sound it waits for: AT-net's, and one frame more to smooth over.

    A microphone at another rate than 16 kHz adds what resampling holds back: 40 ms at 44.1 and 48 kHz, 115 at 8 kHz.
    """
    return _reach(ear) / SAMPLE_RATE


def _reach(ear: str) -> int:
    """Samples from the start of a frame to the end of the last row that is heard with it."""
    _, after = _WINDOW[ear]
    middle = MFCC_HOP // 2 if ear == "none" else 0  # of a row
    return (ROWS_PER_FRAME * (1 + after) - 1) * MFCC_HOP + middle + MFCC_WINDOW // 2


class Live:
    """AT-net and VG-net at work on a voice that is still being spoken.

    ::

        live = Live(animator, face, natural=True)
        while speaking:
            chunk = live.feed(*microphone())  # rate, samples
        chunk = live.finish()

    A frame is drawn as soon as the sound up to `look_ahead` seconds after its end has been fed. Its landmarks differ
    from those made of the finished recording in four ways: the ear hears 1.6 s before and 0.2 s after it, the speaker's
    level is that of the last ten seconds of speech (one below −40 dBFS is known after a second), silence is known
    only a little ahead, and smoothing looks one frame ahead. Memory does not grow.

    Args:
        animator: with weights.
        face: from `Animator.read_face`.
        settings: the fields of `atvg.animate.settings.Settings`.

    Raises:
        BadSettingError: a bad setting.
        CheckpointError: weights that are only loaded now, of the ear or of a VG-net, are missing or damaged.
    """

    def __init__(self, animator: Pipeline, face: Face, **settings: Any):
        self._settings = animator.settings(settings)
        face = turn_face(face, self._settings.pose)
        self._listener = animator.listener(face.crop_landmarks, self._settings.ear)
        self._reach = _reach(self._settings.ear)
        self._performance = Performance(animator, face, self._settings)
        # A frame is shown when the next one's codes are known.
        self._prosody = Prosody(after=_WINDOW[self._settings.ear][1] + 1)
        # A Gaussian over three frames, and no more of them: each one to wait for is 40 ms.
        bell = math.exp(-0.5 / self._settings.smoothing**2) if self._settings.smoothing > 0 else 0.0
        self._side = bell / (1 + 2 * bell)
        self._rate: float | None = None
        self._resampler: Any = None
        self._wave, self._begin = np.zeros(0, np.float32), 0  # the newest samples, 16 kHz, and the index of the first
        self._ended = False
        self._levels: deque[float] = deque(maxlen=_MEMORY)  # RMS of the newest frames
        self._details: deque[float] = deque(maxlen=_MEMORY)  # and their `details`
        self._loud: deque[float] = deque(maxlen=_MEMORY)  # and of the newest that may be speech
        self._known, self._understood, self._shown = 0, 0, 0  # frames whose level, whose codes are known; that are seen
        self._calm = 1.0
        self._codes = np.zeros((0, len(self._listener.rest)), np.float32)  # from the frame before the next to show on

    def feed(self, rate: float, samples: np.ndarray) -> Chunk | None:
        """Hears more of the voice, and shows the frames that this completes, if any.

        Args:
            rate: samples a second; the same every time.
            samples: floats in [−1, 1] or integers, (N,) or (N, channels), any number of them.

        Raises:
            BadAudioError: no samples, not finite, of another rate than before, or after the end.
            BadSettingError: a rate outside 8 to 192 kHz.
        """
        if self._ended:
            raise BadAudioError("this voice has ended; begin anew")
        self._hear(self._resampled(rate, speech.mono(samples, channels_last=True)))
        return self._show(last=False)

    def finish(self) -> Chunk | None:
        """The voice has ended: shows the frames that are missing, if any; in all they are round(25 · seconds)."""
        if self._ended:
            return None
        self._ended = True
        if self._resampler is not None:
            self._hear(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        self._hear(np.zeros(self._reach, np.float32), most=round(self._heard / _FRAME))
        return self._show(last=True)

    @property
    def _level(self) -> float:
        """RMS of the speech, as far as it is known."""
        return float(np.percentile(self._loud, 90)) if self._loud else _QUIETEST

    @property
    def _heard(self) -> int:
        """Samples, at 16 kHz."""
        return self._begin + len(self._wave)

    def _resampled(self, rate: float, samples: np.ndarray) -> np.ndarray:
        if self._rate is None:
            check_number("sample rate", rate, *_RATES)
            self._rate = rate
            if rate != SAMPLE_RATE:
                import soxr

                self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1)
        if rate != self._rate:
            raise BadAudioError(f"the sample rate changed from {self._rate} to {rate} Hz; begin anew")
        return samples if self._resampler is None else self._resampler.resample_chunk(samples)

    def _hear(self, samples: np.ndarray, most: int = sys.maxsize) -> None:
        """Takes in samples at 16 kHz and finds the codes of the frames they complete, of which there are `most`."""
        for first in range(0, len(samples), SAMPLE_RATE):
            self._wave = np.concatenate([self._wave, samples[first : first + SAMPLE_RATE]])
            while (self._known + 1) * _FRAME <= self._heard:
                start = self._known * _FRAME - self._begin
                frame = self._wave[start : start + _FRAME]
                self._levels.append(float(np.sqrt(np.mean(frame**2))))
                self._details.append(float(loudness.details(frame, 1)[0]))
                if self._levels[-1] > _QUIETEST:  # a long pause does not make a speaker quieter
                    self._loud.append(self._levels[-1])
                self._prosody.hear(self._levels[-1], self._level)
                self._known += 1
            self._understand(min(most, (self._heard - self._reach) // _FRAME + 1), max(0, self._known - most))

    def _understand(self, frames: int, added: int) -> None:
        """Up to so many frames; the newest `added` of the known ones are silence after the end."""
        first, count = self._understood, frames - self._understood
        if count <= 0:
            return
        level, hushed = self._speaker(added)
        before, after = _AROUND
        oldest = self._known - len(self._levels)
        silent = [t < 0 or hushed[t - oldest] for t in range(first - before, frames + after)]
        calm = np.empty(count)
        for t in range(count):
            self._calm += _CALMING * (all(silent[t : t + before + 1 + after]) - self._calm)
            calm[t] = self._calm
        heard = self._listener.hear(self._sound(first, frames, speech.even_gain(level)))
        codes = self._listener.moved(heard, calm, self._settings.mouth_gain)
        self._codes = np.concatenate([self._codes, codes.astype(np.float32)])
        self._understood = frames
        back = _WINDOW[self._settings.ear][0] + 1  # the first row reaches beyond the first frame
        begin = max(0, (frames - back) * _FRAME)
        self._wave, self._begin = self._wave[begin - self._begin :], begin

    def _speaker(self, added: int) -> tuple[float, np.ndarray]:
        """The level of who speaks, and which of the newest frames are silent beside it, as of `atvg.voice.audio`."""
        all_levels, all_details = np.array(self._levels), np.array(self._details)
        levels, details = (known[: len(known) - added] for known in (all_levels, all_details))
        level, below = self._level, _ROOM
        if self._loud:
            below = speech.silent_below(level)
        elif len(levels) >= FPS and (
            loudness.rare_words(details).any() or np.subtract(*np.percentile(details, [90, 10])) > _SWAYS
        ):
            level = loudness.loud_level(levels, details)
            below = speech.silent_below(level)
        steady = len(levels) >= FPS and loudness.is_steady(details)
        noise = loudness.noise_below(details) if len(details) else -np.inf
        return level, steady | (all_levels < below) | (all_details < noise)

    def _sound(self, first: int, last: int, gain: float) -> Tensor:
        """What AT-net wants for the frames first..last − 1, of which the sound is at hand."""
        net, begun = self._listener.net, self._begin // MFCC_HOP
        if net.config.ear == "none":
            start, count = ROWS_PER_FRAME * first - speech.LEAD_ROWS, net.length(last - first)
            plain = speech.plain_rows(self._wave, start - begun, count, gain, net.config.first_mfcc + net.config.n_mfcc)
            return torch.from_numpy(plain[:, net.config.first_mfcc :])[None].to(net.own.weight.device)

        def rows(start: int, count: int) -> np.ndarray:
            return mfcc80_rows(self._wave, start - begun, count, gain)

        assert self._listener.ear is not None  # every other network hears through one
        around = (LIVE_BEFORE, LIVE_AFTER)
        return window(self._listener.ear, rows, first, last, around, net.config.ear_layers).for_net(net)

    def _show(self, last: bool) -> Chunk | None:
        """Draws all frames whose neighbours are known."""
        known = self._codes if self._shown else np.concatenate([self._codes[:1], self._codes])
        if last:
            known = np.concatenate([known, known[-1:]])
        if len(known) < 3:
            return None
        codes = self._side * (known[:-2] + known[2:]) + (1 - 2 * self._side) * known[1:-1]
        self._codes = known[len(codes) :]
        self._shown += len(codes)
        heard = self._prosody.around(len(codes))
        pieces = [slice(first, first + CHUNK) for first in range(0, len(codes), CHUNK)]
        parts = [self._performance.show(codes[piece], heard[piece]) for piece in pieces]
        return Chunk(parts[0].start, **join(parts))
