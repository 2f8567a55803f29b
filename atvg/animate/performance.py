"""Codes → chunks: a face on its way through a clip, with natural motion."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

import numpy as np

from atvg.animate.chunk import Chunk
from atvg.animate.pipeline import Pipeline
from atvg.animate.settings import Settings
from atvg.face import geometry
from atvg.face.face import Face
from atvg.motion.idle import IdleFrame, blink
from atvg.motion.turn import HeadTurn, turn_of


class Performance:
    """A face on its way through a clip: natural motion, landmarks, VG-net; `face` is turned already."""

    def __init__(self, pipeline: Pipeline, face: Face, settings: Settings):
        self._pipeline, self._face = pipeline, face
        self._drawer = pipeline.drawer(face.crop, face.crop_landmarks, settings.beta, teeth=settings.teeth)
        self._idle: Iterator[IdleFrame] | None = None
        if settings.natural:
            assert pipeline.idle is not None  # or the pipeline would not have made these settings
            self._heard: deque[np.ndarray] = deque()
            self._idle = pipeline.idle.sample(settings.seed, self._voice(), settings.liveliness)
        self._shown = 0

    def show(self, codes: np.ndarray, heard: np.ndarray | None = None) -> Chunk:
        """The next T frames.

        Args:
            codes: (T, K) of their landmarks.
            heard: (T, `SPAN`) loudness around each, from `atvg.voice.prosody`; only natural motion needs it.
        """
        face, count = self._face, len(codes)
        turns: tuple[HeadTurn, ...] = ()
        closure: float | np.ndarray = 0.0
        turned, seen = None, face.crop_landmarks
        photos = np.broadcast_to(face.crop, (count, *face.crop.shape))
        if self._idle is not None:
            assert heard is not None
            self._heard.extend(heard)
            moments = list(islice(self._idle, count))
            turns = tuple(turn_of(face, moment.pose) for moment in moments)
            seen = np.stack([geometry.apply(face.matrix, turn.landmarks) for turn in turns])
            photos = np.stack([turn.of_crop(face.crop, face.matrix) for turn in turns])
            turned, closure = self._drawer.turned(photos, seen[..., :2]), np.array([m.closure for m in moments])
        landmarks = blink(self._pipeline.landmarks(codes, seen), closure)
        self._shown += count
        return self._drawer.draw(landmarks, turned).chunk(self._shown - count, photos, codes, turns)

    def _voice(self) -> Iterator[np.ndarray]:
        """What `show` has been told of the voice, frame by frame."""
        while True:
            yield self._heard.popleft()
