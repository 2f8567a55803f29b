"""Cartoon faces made by code: nobody's likeness and nobody's copyright, with places that are known."""

from collections.abc import Sequence

import cv2
import numpy as np

SKINS = ((255, 219, 172), (198, 134, 66), (141, 85, 36), (255, 217, 15), (120, 190, 230), (150, 200, 110))


class Drawing:
    """A flat-shaded cartoon face with big eyes: ovals and lines in plain colours, different for every seed.

    Attributes:
        picture: (400, 400, 3) uint8 RGB.
        points: (5, 2) eye centres, nose tip and mouth corners, pixels.
        box: x, y, width, height: from the brows to the chin, jaw to jaw.
    """

    def __init__(self, seed: int):
        random = np.random.default_rng(seed)
        self.picture = np.full((400, 400, 3), random.integers(120, 250, 3), np.uint8)
        skin, hair = SKINS[seed % len(SKINS)], random.integers(10, 160, 3).tolist()
        line = [value // 3 for value in skin]
        height = random.uniform(170, 300)
        width = height * random.uniform(0.72, 0.95)
        centre = np.array([200 + random.uniform(-20, 20), 215])
        self._oval(centre - [0, 0.12 * height], (0.58 * width, 0.52 * height), hair)
        self._oval(centre, (width / 2, height / 2), skin)
        self._oval(centre - [0, 0.28 * height], (0.47 * width, 0.24 * height), hair, arc=(180, 360))
        apart, size = width * random.uniform(0.19, 0.24), width * random.uniform(0.08, 0.14)
        eyes = centre + [[-apart, -0.04 * height], [apart, -0.04 * height]]
        iris = random.integers(20, 120, 3).tolist()
        for eye in eyes:
            self._oval(eye, (size, 1.2 * size), (255, 255, 255))
            self._oval(eye, (0.55 * size, 0.65 * size), iris)
            self._oval(eye, (0.25 * size, 0.25 * size), (0, 0, 0))
            self._oval(eye - [0, 1.4 * size], (1.2 * size, 0.5 * size), hair, 4, (190, 350))
        nose, mouth = centre + [0, 0.13 * height], centre + [0, random.uniform(0.25, 0.3) * height]
        self._oval(nose - [0, 0.03 * width], (0.06 * width, 0.05 * width), line, 3, (20, 160))
        corner = np.array([width * random.uniform(0.12, 0.2), 0])
        if seed % 2:
            self._oval(mouth, (corner[0], 0.35 * corner[0]), (120, 20, 30))
        else:
            self._oval(mouth, (corner[0], 0.3 * corner[0]), line, 4, (0, 180))
        self.points = np.stack([*eyes, nose, mouth - corner, mouth + corner])
        brows = eyes[0, 1] - 1.9 * size
        self.box = (centre[0] - width / 2, brows, width, centre[1] + height / 2 - brows)

    def _oval(
        self,
        centre: np.ndarray,
        axes: tuple[float, float],
        colour: Sequence[int],
        thickness: int = -1,
        arc: tuple[int, int] = (0, 360),
    ) -> None:
        middle, radii = np.round(centre).astype(int).tolist(), np.maximum(1, np.round(axes)).astype(int).tolist()
        cv2.ellipse(self.picture, middle, radii, 0, arc[0], arc[1], colour, thickness, cv2.LINE_AA)


class Robot:
    """A face only a person takes for one: ring eyes on a square head, and a grille; attributes as of `Drawing`."""

    def __init__(self) -> None:
        self.picture = np.full((300, 360, 3), (60, 80, 120), np.uint8)
        cv2.rectangle(self.picture, (90, 40), (270, 260), (190, 195, 200), -1)
        for x in (150, 210):
            cv2.circle(self.picture, (x, 110), 28, (240, 240, 240), -1)
            cv2.circle(self.picture, (x, 110), 28, (20, 20, 20), 3)
        for x in range(130, 230, 10):
            cv2.rectangle(self.picture, (x, 205), (x + 5, 222), (30, 30, 40), -1)
        self.points = np.array([[150, 110], [210, 110], [180, 165], [130, 213], [230, 213]], float)
        self.box = (90.0, 75.0, 180.0, 185.0)
