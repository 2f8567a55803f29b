"""Sound → shape codes of one face's landmarks: what AT-net hears, the recurrent state, rest in silence, smoothing."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from atvg.config import EXTRA_ROWS, N_MFCC_STORED, ROWS_PER_FRAME
from atvg.motion.shape import ShapeModel, normalise
from atvg.nets.at_net import ATNet
from atvg.voice import audio as speech
from atvg.voice.hearing import Listens, Rows, listen
from atvg.voice.mel import mfcc80_rows, silent_mfcc80

_BLOCK = 500  # frames that are heard at once without an ear
_REST_FRAMES = 50  # of silence, after which AT-net's mouth has come to rest
_SHORT_PAUSE = 5  # frames; a shorter silence is part of speech (the closure of a "p")
_CALM = 1.5  # standard deviation, in frames, of the way into and out of rest
_WIDE = 4  # standard deviations to either side at which a Gaussian ends


class Listener:
    """AT-net at work on one voice and one face, stretch by stretch: keeps the recurrent state.

    Args:
        net: what says how landmarks move.
        ear: what it hears through, if it does through one.
        shape: what its codes mean.
        photo_landmarks: (68, 3) crop pixels and depth.
        silence: what `hear` wants of silence, from `silence_for`.

    Attributes:
        rest: (K,) codes of the mouth after long silence.
    """

    def __init__(
        self, net: ATNet, ear: Listens | None, shape: ShapeModel, photo_landmarks: np.ndarray, silence: Tensor
    ):
        self.net, self.ear = net, ear
        self._device = net.own.weight.device
        normal = normalise(photo_landmarks, shape.frame_of(photo_landmarks))
        identity = np.ascontiguousarray(shape.identity_code(normal))
        self._identity = torch.tensor(identity, dtype=torch.float32, device=self._device)[None]
        self._state = net.initial_state()
        self.rest = self.hear(silence)[-1]
        self._state = net.initial_state()

    def codes(self, rows: Rows, frames: int) -> Iterator[np.ndarray]:
        """The codes of the next `frames` frames, stretch by stretch, (T, K) each.

        Args:
            rows: what `sound_rows` makes.
        """
        for heard in heard_by(self.net, self.ear, rows, frames):
            yield self.hear(heard)

    @torch.inference_mode()
    def hear(self, heard: Tensor) -> np.ndarray:
        """The codes of the next T frames, (T, K), from what AT-net wants of them, (1, `ATNet.length`, C)."""
        codes, self._state = self.net(heard, self._identity, self._state)
        return codes[0].cpu().numpy()

    def moved(self, codes: np.ndarray, calm: np.ndarray, gain: float) -> np.ndarray:
        """Codes (T, K), taken to rest where the voice is calm, 0..1 (T,), and their distance from rest times `gain`."""
        return self.rest + (1 - calm[:, None]) * gain * (codes - self.rest)

    def speak(self, wave: np.ndarray, gain: float = 1.0, smoothing: float = 0.8) -> Iterator[np.ndarray]:
        """Codes of all frames of a recording, (T, K) float32, stretch by stretch, so that the first need not wait."""
        frames = speech.n_video_frames(wave)
        calm, at = calmness(speech.silence(wave, frames)), 0

        def moving() -> Iterator[np.ndarray]:
            nonlocal at
            for codes in self.codes(sound_rows(self.net, wave), frames):
                at += len(codes)
                yield self.moved(codes, calm[at - len(codes) : at], gain)

        return smoothed(moving(), smoothing)


def heard_by(net: ATNet, ear: Listens | None, rows: Rows, frames: int) -> Iterator[Tensor]:
    """What `Listener.hear` wants of so many frames, stretch by stretch."""
    config = net.config
    if config.ear == "none":
        for first in range(0, frames, _BLOCK):
            length = net.length(min(_BLOCK, frames - first))
            block = rows(ROWS_PER_FRAME * first, length)[:, config.first_mfcc : config.first_mfcc + config.n_mfcc]
            yield torch.tensor(block, dtype=torch.float32, device=net.own.weight.device)[None]
    else:
        assert ear is not None  # every other network hears through one
        for stretch in listen(ear, rows, frames, config.ear_layers):
            yield stretch.for_net(net)


def silence_for(net: ATNet, ear: Listens | None) -> Tensor:
    """The same of silence that is long enough for a mouth to come to rest."""
    row = speech.silent_row(N_MFCC_STORED) if net.config.ear == "none" else silent_mfcc80()
    (silence,) = heard_by(net, ear, lambda first, count: np.tile(row, (count, 1)), _REST_FRAMES)
    return silence


def sound_rows(net: ATNet, wave: np.ndarray) -> Rows:
    """What AT-net, or its ear, reads of a recording whose level is evened out; row 0 is the first it wants."""
    gain = speech.gain_of(wave)
    if net.config.ear == "none":
        count = net.config.first_mfcc + net.config.n_mfcc
        return lambda first, rows: speech.plain_rows(wave, first - speech.LEAD_ROWS, rows, gain, count)
    return lambda first, rows: mfcc80_rows(wave, first, rows, gain)


def frames_of(net: ATNet, rows: np.ndarray) -> int:
    """How many frames stored rows are of."""
    return (len(rows) - (EXTRA_ROWS if net.config.ear == "none" else 0)) // ROWS_PER_FRAME


def calmness(silent: np.ndarray) -> np.ndarray:
    """How far each frame is at rest, (T,) in [0, 1], from which frames are silent; short pauses do not count."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(np.int8), [0]])))
    calm = np.zeros(len(silent))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= _SHORT_PAUSE:
            # Lips part before the voice is heard and close after it.
            calm[start + (start > 0) : end - (end < len(silent))] = 1
    return gaussian_filter1d(calm, _CALM, mode="nearest")


def smoothed(parts: Iterable[np.ndarray], deviation: float) -> Iterator[np.ndarray]:
    """Gaussian low-pass over time of codes that come in parts, (T, K) each; what comes out is float32."""
    reach = int(_WIDE * deviation + 0.5)
    known, done = None, 0  # codes that are still needed, and how many of them are smoothed already
    for part in parts:
        known = part if known is None else np.concatenate([known, part])
        if len(known) - reach > done:
            yield _smooth(known, deviation)[done : len(known) - reach]
            known, done = known[max(0, len(known) - 2 * reach) :], min(reach, len(known) - reach)
    if known is not None and done < len(known):
        yield _smooth(known, deviation)[done:]


def _smooth(codes: np.ndarray, deviation: float) -> np.ndarray:
    if deviation > 0:
        codes = gaussian_filter1d(codes, deviation, axis=0, mode="nearest", truncate=_WIDE)
    return codes.astype(np.float32)


def batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same rows, `size` at a time but for the last."""
    waiting = None
    for part in parts:
        waiting = part if waiting is None else np.concatenate([waiting, part])
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting is not None and len(waiting):
        yield waiting
