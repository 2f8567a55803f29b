"""Every picture of a film is drawn once, for all files that show it."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import repeat

import numpy as np

from atvg.animate.chunk import Chunk
from atvg.config import CROP_SIZE, FPS
from atvg.face.face import Face
from atvg.film.animations import GifWriter, WebpWriter
from atvg.film.close_up import CloseUp, close_up_of
from atvg.film.colour import Colour
from atvg.film.composition import Composition
from atvg.film.cutout import Cutout, CutoutWriter
from atvg.film.label import label, stamp
from atvg.film.output import Outputs
from atvg.film.panels import PanelRenderer
from atvg.film.paste import Paster
from atvg.film.video import Sound, VideoWriter


class Reel:
    """The writers of all files but the arrays, which are to be opened, and the drawing of what they write."""

    def __init__(
        self, face: Face, wanted: Outputs, sound: Sound, fps: Fraction = Fraction(FPS), colour: Colour | None = None
    ):
        self._face, self._close_up = face, CloseUp.of(face)
        side = self._close_up.side
        square = (side, side)
        height, width = face.photo.shape[:2]
        kinds: dict[str, tuple[type[VideoWriter], tuple[int, int]]] = {
            "full": (VideoWriter, (width, height)), "face": (VideoWriter, square),
            "crop": (VideoWriter, (CROP_SIZE, CROP_SIZE)), "panels": (VideoWriter, PanelRenderer.size),
            "gif": (GifWriter, square), "webp": (WebpWriter, square), "webm": (CutoutWriter, square),
        }  # fmt: skip
        asked = [(name, path) for name, path in vars(wanted).items() if path and name in kinds]
        self.writers: dict[str, VideoWriter] = {
            name: kinds[name][0](path, kinds[name][1], sound, fps=fps, colour=colour) for name, path in asked
        }
        self._cutout: Cutout | None = None
        self._panels = PanelRenderer(face) if wanted.panels else None
        self._paster = Paster(face) if self.writers.keys() - {"crop"} else None

    def write(self, chunk: Chunk) -> np.ndarray:
        """Draws a chunk; returns its newest picture: the close-up, or else the whole photo, or the crop."""
        crops = zip(chunk.frames, repeat(None), strict=False)
        composing: Iterable[tuple[np.ndarray, Composition | None]]
        composing = self._paster.frames(chunk) if self._paster else crops
        for t, (pasted, composed) in enumerate(composing):
            shown = self._draw(chunk, t, pasted, composed)
            for name, picture in shown.items():
                if name in self.writers:
                    self.writers[name].write(picture[None])
        return next(shown[name] for name in ("face", "full", "crop") if name in shown)

    def _draw(self, chunk: Chunk, t: int, pasted: np.ndarray, composed: Composition | None) -> dict[str, np.ndarray]:
        """A frame for each writer, labelled but for those who label it themselves."""
        shown = {}
        if self._panels:
            shown["panels"] = label(self._panels.render(chunk, t, pasted, composed)[None])[0]
        if self.writers.keys() & {"face", "gif", "webp", "webm"}:
            close_up = close_up_of(self._close_up, chunk, t)
            square = close_up.shrunk(pasted).copy()
            shown |= {"gif": square, "webp": square, "face": label(square[None])[0]}
            if "webm" in self.writers:
                if self._cutout is None:  # the crop lies in all squares of a film alike
                    matrix = chunk.scenes[t].matrix if chunk.scenes else self._face.matrix
                    self._cutout = Cutout(close_up, matrix)
                shown["webm"] = self._cutout.cut(square, chunk.landmarks[t])
        if "crop" in self.writers:
            shown["crop"] = label(chunk.frames[t][None])[0]
        if "full" in self.writers:
            stamp(pasted[None])  # not a copy, of a large photo; and at last, for the others are made of it
            shown["full"] = pasted
        elif not shown.keys() & {"face", "crop"}:
            shown["full"] = label(pasted[None])[0]
        return shown
