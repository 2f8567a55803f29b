"""Landmarks → frames: VG-net at work on one photo."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg.animate.chunk import Chunk
from atvg.animate.engine import Engine
from atvg.animate.torch_engine import as_pixels
from atvg.motion.carry import Carried
from atvg.motion.filmed import Behind
from atvg.motion.layers import Layers
from atvg.motion.monochrome import Monochrome
from atvg.motion.teeth import Teeth, fit_teeth, load_donors
from atvg.motion.turn import HeadTurn
from atvg.motion.warp import CELLS
from atvg.nets.ground import Ground, Turned, turn


class Drawing(NamedTuple):
    """T drawn frames; see `Chunk` for what each is."""

    frames: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    base: np.ndarray
    shift: np.ndarray
    landmarks: np.ndarray
    teeth: Teeth | None

    def chunk(self, start: int, photos: np.ndarray, codes: np.ndarray, turns: tuple[HeadTurn, ...] = ()) -> Chunk:
        """These frames, with what they were drawn from."""
        return Chunk(start=start, photos=photos, codes=codes, turns=turns, **self._asdict())


class Drawer:
    """VG-net at work on one photo, stretch by stretch: keeps the photo's code and the recurrent state.

    Args:
        engine: what draws.
        photo_crop: (128, 128, 3) uint8.
        example: (68, 2+) its landmarks, crop pixels.
        recurrent: if not, the MMCRNN forgets after every frame, as if each were the first.
        teeth: how much of them shows that the photo does not, 0..1; or the teeth themselves.
    """

    def __init__(
        self,
        engine: Engine,
        photo_crop: np.ndarray,
        example: np.ndarray,
        recurrent: bool = True,
        teeth: float | Teeth = 1.0,
    ):
        self._engine, self._recurrent = engine, recurrent
        self._device = next(engine.net.parameters()).device
        self._photo, marks = self._images(photo_crop[None]), self._tensor(example)[None]
        self._tone = Monochrome.of(photo_crop)
        self._teeth = None
        if engine.net.config.warp and engine.net.config.layers:
            if not isinstance(teeth, Teeth):
                teeth = fit_teeth(load_donors(device=self._device), self._photo, marks, teeth)
            self._teeth = Teeth(*(part.to(self._device) for part in teeth))
        self._code = engine.net.encode_photo(self._photo, marks[..., :2], self._teeth)
        self._state = self._code.start

    @torch.inference_mode()
    def draw(self, landmarks: np.ndarray, turned: Turned | None = None) -> Drawing:
        """The next T frames.

        Args:
            landmarks: (T, 68, 2) crop pixels.
            turned: from `turned` or `carried`; the head stays as in the photo if None.
        """
        marks = self._tensor(landmarks)
        ground = self._engine.net.ground(self._code, marks[None], turned)
        frames, attention, motion = self._paint(marks, ground)
        if ground.layers is None:
            base, shift = ground.photo, ground.photo.new_zeros(len(marks), CELLS, CELLS, 2)
        else:
            base, shift = ground.layers.base, ground.layers.shift
        if self._tone is not None:
            motion = self._tone(motion)
            frames = compose(attention[..., None], motion, as_pixels(ground.photo).cpu().numpy())
        teeth = self._teeth and Teeth(*(part.cpu() for part in self._teeth))
        over = as_pixels(base).cpu().numpy()
        return Drawing(frames, attention, motion, over, shift.cpu().numpy(), landmarks, teeth)

    def _paint(self, landmarks: Tensor, ground: Ground) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames, attention and motion."""
        if self._recurrent:
            drawn = self._engine.draw(self._code, landmarks, ground, self._state)
            self._state = drawn.states[-1:]
            return drawn[:3]
        parts = []
        for t in range(len(landmarks)):
            one = slice(t, t + 1)
            over = ground.layers and Layers(*(part[one] for part in ground.layers))
            alone = Ground(ground.photo[one], over)
            parts.append(self._engine.draw(self._code, landmarks[one], alone, self._code.start)[:3])
        frames, attention, motion = map(np.concatenate, zip(*parts, strict=True))
        return frames, attention, motion

    def turned(self, crops: np.ndarray, landmarks: np.ndarray, behind: Behind | None = None) -> Turned:
        """Crops (T, 128, 128, 3) uint8 in which the head has been turned, and their landmarks (T, 68, 2).

        Or those of a film's frames, with what it tells of the mouth.
        """
        return Turned(self._images(crops)[None], self._tensor(landmarks)[None], behind)

    def carried(self, moved: Carried) -> Turned:
        """The photo with its head moved by control points."""
        return turn(self._photo, self._tensor(moved.sources)[None], self._tensor(moved.targets)[None])

    def _images(self, pixels: np.ndarray) -> Tensor:
        """(T, H, W, 3) uint8 → (T, 3, H, W) in [−1, 1]."""
        return (self._tensor(pixels) / 127.5 - 1).permute(0, 3, 1, 2)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=self._device)


def compose(attention: np.ndarray, motion: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """α ⊙ m + (1 − α) ⊙ photo of uint8 pictures, rounded; α (…, 1) in [0, 1]."""
    return (attention * motion + (1 - attention) * photo + 0.5).astype(np.uint8)
