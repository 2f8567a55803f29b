"""What a part of the paper consists of, whatever it is written as: Markdown, HTML or JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A figure, and how sure it is; `mark` says what stands out: ``"good"``, ``"bad"`` or nothing."""

    text: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A caption, the names of the columns but the first, and rows of a name and cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    def markdown(self) -> str:
        lines = [
            f"**{self.caption}**\n",
            f"| | {' | '.join(self.columns)} |",
            "|---|" + "---:|" * len(self.columns),
        ]
        for name, cells in self.rows:
            shown = (f"{cell.text} {cell.note}".strip() for cell in cells)
            lines.append(f"| {name} | {' | '.join(shown)} |")
        return "\n".join(lines)


@dataclass(frozen=True)
class Picture:
    """A PNG, and beside it a PDF of the same name; `alt` says what is seen, for who cannot see it."""

    path: Path
    alt: str
    caption: str


@dataclass(frozen=True)
class Film:
    """An MP4."""

    path: Path
    caption: str
    sound: bool = False


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        name: as ``--parts`` has it.
        text: paragraphs.
        points: sentences of a list, below the tables.
        data: everything that is shown as numbers, for the JSON.
    """

    name: str
    title: str
    text: Sequence[str] = ()
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    films: Sequence[Film] = ()
    data: dict[str, Any] = field(default_factory=dict)
