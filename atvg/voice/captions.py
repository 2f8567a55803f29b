"""When which words of a spoken text are heard, and how players are told: SubRip (SRT) and WebVTT."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Cue(NamedTuple):
    """Words that are shown together, while they are heard."""

    start: float  # seconds since the first sample
    end: float
    text: str


def within(cues: Iterable[Cue], start: float, end: float) -> list[Cue]:
    """Those of a stretch of the sound, in seconds; their times count from its start."""
    moved = (Cue(max(0.0, cue.start - start), min(cue.end, end) - start, cue.text) for cue in cues)
    return [cue for cue in moved if cue.end > cue.start]


def to_srt(cues: Sequence[Cue]) -> str:
    """SubRip, as most players and video sites take it."""
    blocks = (f"{i}\n{_span(cue, ',')}\n{cue.text}\n" for i, cue in enumerate(cues, 1))
    return "\n".join(blocks)


def to_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT, as browsers take it; no letter of the text is read as mark-up."""
    blocks = (f"\n{_span(cue, '.')}\n{_escaped(cue.text)}\n" for cue in cues)
    return "WEBVTT\n" + "".join(blocks)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _span(cue: Cue, mark: str) -> str:
    return f"{_clock(cue.start, mark)} --> {_clock(cue.end, mark)}"


def _clock(seconds: float, mark: str) -> str:
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}{mark}{thousandths % 1000:03}"
