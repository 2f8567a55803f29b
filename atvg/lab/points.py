"""The points of a sweep, and what a person sees of them: faces side by side, curves and a table."""

import math
from dataclasses import dataclass

import numpy as np

from atvg.lab import tiles
from atvg.lab.measure import LABELS, Quality, shown


@dataclass(frozen=True)
class Point:
    """One value of a sweep.

    Attributes:
        face: (128, 128, 3) uint8 RGB, the frame in which the lips should be widest apart, the same one at every point.
        under: (S, S, 3) uint8 RGB, what explains it: attention, or the landmarks that were asked for.
    """

    value: float
    face: np.ndarray
    under: np.ndarray
    quality: Quality


@dataclass(frozen=True)
class Sweep:
    """The points so far.

    Attributes:
        name, unit: of what is turned.
        reference: what similarity and change are measured against; empty if nothing.
        measures: the fields of `Quality` that say something about it; the first two go under the faces.
        votes: what people said, by label and value; read off the poster.
    """

    name: str
    unit: str
    reference: str
    points: tuple[Point, ...]
    measures: tuple[str, ...]
    votes: dict[str, dict[float, float]]

    def strip(self) -> np.ndarray:
        """All faces with captions, uint8 RGB (H, W, 3); in several rows where there are more than six."""
        return tiles.sheet(
            [
                tiles.Tile(
                    (point.face, point.under),
                    f"{self.name} {_number(point.value)}{self.unit}".strip(),
                    self._notes(point),
                )
                for point in self.points
            ]
        )

    def series(self) -> tuple[list[float], dict[str, list[float]]]:
        """The values, and for each label one figure per value; NaN where undefined."""
        values = [point.value for point in self.points]
        figures = {self.label(name): [getattr(point.quality, name) for point in self.points] for name in self.measures}
        votes = {name: [known.get(value, math.nan) for value in values] for name, known in self.votes.items()}
        return values, figures | votes

    def rows(self) -> list[list[str]]:
        """The same as a table's rows: value, then one column per label."""
        names = [*self.measures, *self.votes]
        values, figures = self.series()
        columns = [
            [shown(value, name) for value in column] for name, column in zip(names, figures.values(), strict=True)
        ]
        return [[_number(value), *cells] for value, cells in zip(values, zip(*columns, strict=True), strict=True)]

    def label(self, name: str) -> str:
        """What people read for a field of `Quality`; it names the reference."""
        return LABELS[name].replace("the reference", self.reference or "the reference")

    def _notes(self, point: Point) -> tuple[str, ...]:
        return tuple(f"{self.label(name)}: {shown(getattr(point.quality, name), name)}" for name in self.measures[:2])


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
