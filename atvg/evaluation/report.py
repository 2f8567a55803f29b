"""What a person reads of an evaluation (Markdown) and what a program reads (JSON)."""

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atvg.errors import OutputError
from atvg.evaluation.closures import THRESHOLDS
from atvg.evaluation.rows import SHUT
from atvg.evaluation.sync import TOLERANCE

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """A figure of the protocol as people read it.

    Attributes:
        title: with its unit, and an arrow that says what is better.
        name: of the figure.
        digits: after the point.
        share: add, in brackets, its share of the truth's own.
    """

    title: str
    name: str
    digits: int
    share: bool = False

    def show(self, figures: Figures) -> str:
        value = number(figures[self.name], self.digits)
        if not self.share:
            return value
        true = figures[f"{self.name}_truth"]
        return f"{value} ({number(figures[self.name] / true if true else math.nan, 2)})"


def number(value: float, digits: int) -> str:
    """A figure with so many digits after the point; – if it is undefined."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


COLUMNS = (
    Column("LMD mouth, px ↓", "lmd_mouth", 2),
    Column("LMD 68, px ↓", "lmd_68", 2),
    Column("SSIM ↑", "ssim", 3),
    Column("SSIM mouth ↑", "ssim_mouth", 3),
    Column("PSNR, dB ↑", "psnr", 2),
    Column("PSNR mouth, dB ↑", "psnr_mouth", 2),
    Column("CPBD (÷ truth)", "cpbd", 3, share=True),
    Column("CPBD mouth (÷ truth)", "cpbd_mouth", 3, share=True),
    Column("detail ÷ photo (copy: 1)", "detail", 2),
    Column("opening share (÷ truth)", "opening_share", 2, share=True),
    Column("mouth r ↑", "mouth_r", 2),
    Column("mouth std ÷ truth", "mouth_std_ratio", 2),
    Column("jitter ÷ truth ↓", "jitter", 2),
    Column("LSE-C ↑", "lse_c", 3),
    Column("LSE-D ↓", "lse_d", 3),
    Column("undetected frames", "undetected_frames", 0),
    Column("PSNR (released script)*", "psnr_released_script", 2),
)

DUB_COLUMNS = (
    Column("mouth r", "mouth_r", 2),
    Column("mouth std ÷ film", "mouth_std_ratio", 2),
    Column("LMD mouth, px (÷ photo's) ↓", "lmd_mouth", 2, share=True),
    Column("CPBD mouth (÷ film)", "cpbd_mouth", 3, share=True),
    Column("detail ÷ film", "detail", 2),
    Column("LSE-C (÷ film's) ↑", "lse_c", 3, share=True),
    Column("LSE-C, sound that it does not say ↓", "lse_c_unsaid", 3),
    Column("opening share (÷ film)", "opening_share", 2, share=True),
    Column("difference outside, levels (0)", "outside", 1),
    Column("flicker at the border ÷ film ↓", "flicker", 2),
    Column("frames left alone", "left_alone", 1),
)

FOOTNOTE = (
    "\\* the wrapped-uint8 figure of the authors' script: comparable with the paper's figures only, "
    "not with a true PSNR. – : undefined, for instance r of a mouth that never moves. Detail is that of chin, cheeks "
    "and lips, divided by that of the photo which the row itself was drawn from: exactly 1 for a copy, less for what "
    "is softer."
)
_SHUT_NOTE = (
    f"Rows that end in “{SHUT}” are drawn from the clip's frame with the most closed mouth, not from its first."
)


def to_markdown(result: Mapping[str, Any]) -> str:
    """One table over all clips and one per source; `result` is from `atvg.evaluation.protocol.evaluate`."""
    rows = result["rows"]
    everything, *sources = next(iter(rows.values()))
    parts = [f"## {result['pack']}, split {result['split']}", _table(rows, everything, "all sources")]
    if len(sources) > 1:  # of a single source the first table says it all
        parts += [_table(rows, source, source) for source in sources]
    left_out = result["unsynced_clips_left_out"]
    parts.append(f"Means over clips; {left_out} clip(s) without sound that fits their lips were left out.")
    parts.append(expert(result["sync_expert"]))
    if "photographs" in result:
        parts.append(_photographs(result["photographs"]))
    if "live" in result:
        parts.append(_live(result["live"]))
    if "closures" in result:
        parts.append(closures(result["closures"]))
    if any(name.endswith(SHUT) for name in rows):
        parts.append(_SHUT_NOTE)
    return "\n\n".join([*parts, FOOTNOTE]) + "\n"


def dubs(result: Mapping[str, Any]) -> str:
    """One table over all films and one per source; `result` is from `atvg.evaluation.dubbing.evaluate_dubs`."""
    rows, most = result["rows"], result["at_most_frames"]
    everything, *sources = next(iter(rows.values()))
    parts = [f"## {result['clips']}, split {result['split']}, dubbed" + (f", {most} frames of each" if most else "")]
    parts.append(_table(rows, everything, "all sources", DUB_COLUMNS))
    if len(sources) > 1:
        parts += [_table(rows, source, source, DUB_COLUMNS) for source in sources]
    parts.append(
        "Before label and encoder, means over clips. “photo” is the clip's calmest frame, animated with its sound. r "
        "and LMD are against the film. With another's sound, r tells what is left of the old mouth: 0 if nothing. "
        "So does LSE-C with the sound that the film had: then it is that of the film with the other sound."
    )
    if result["left_out"]:
        parts.append("Left out: " + "; ".join(f"{key}: {why}" for key, why in result["left_out"].items()) + ".")
    return "\n\n".join(parts) + "\n"


def expert(found: Mapping[str, Figures]) -> str:
    """In a sentence, how far the judge of LSE-C and LSE-D can be trusted."""
    told = [
        f"{source} {figures['within']:.0%} and {figures['steady']:.0%} of {figures['trials']} "
        f"(chance {figures['chance']:.0%})"
        for source, figures in found.items()
    ]
    return (
        f"Sync expert, real clips with their sound moved by a known number of frames, offset found within "
        f"±{TOLERANCE} frame, and within as much of what the same person's other trials say, as recordings are off "
        f"themselves: {'; '.join(told) or 'no clip is long enough'}."
    )


def _live(found: Mapping[str, Any]) -> str:
    """In a sentence, what a voice that is still being spoken costs."""
    told = [
        f"{source} {number(figures['live'], 2)} instead of {number(figures['whole'], 2)}"
        for source, figures in found["r"].items()
    ]
    return (
        f"Heard live, {found['before']:g} s before a frame and {found['after']:g} s after it, landmarks' lips open as "
        f"when the whole sound is heard with r = {number(found['agreement'], 3)}; with the truth: {'; '.join(told)}."
    )


def _photographs(found: Mapping[str, Any]) -> str:
    """In a sentence, what was measured on photographs, and how many were left out, by reason."""
    detail, share = (number(found[name], 2) for name in ("detail", "opening_share"))
    reasons = Counter(found["left_out"].values()).most_common()
    return (
        f"Photographs at their own resolution: detail ÷ photo {detail}, opening share {share}, means over "
        f"{len(found['photos'])} photograph(s); {len(found['left_out'])} left out"
        + "".join(f"{'; ' if i else ': '}{count} because {reason}" for i, (reason, count) in enumerate(reasons))
        + "."
    )


def closures(found: Mapping[str, Any]) -> str:
    """The table of `atvg.evaluation.closures.measure_closures`, and silence in a sentence."""
    lines = [
        f"**lips on p, b, m and in silence**: {found['clips']} clip(s) that spell a GRID sentence, "
        f"people: {found['identities']}\n",
        "| closures | lips | truth (ceiling) | net ↑ | chance, truth | chance, net |",
        "|---|---|" + "---:|" * 4,
    ]
    for place, figures in found["bilabials"].items():
        for name, most in THRESHOLDS.items():
            shares = (figures[name][column] for column in ("truth", "net", "chance_truth", "chance_net"))
            cells = " | ".join(_percent(share) for share in shares)
            lines.append(f"| {place}: {figures['count']} | {name}, up to {most:.0%} | {cells} |")
        cells = " | ".join(_percent(figures[f"opening_{who}"], 1) for who in ("truth", "net"))
        lines.append(f"| {place} | mean opening | {cells} | | |")
    silences = [
        f"{side} the sentence {_percent(figures['net'])} (truth {_percent(figures['truth'])}) of {figures['frames']}"
        for side, figures in found["silence"].items()
    ]
    lines.append(f"\nShare of silent frames in which the net's mouth is closed: {', '.join(silences)}.")
    lines.append(
        "Lips in parts of the distance between the eyes. Chance: how often they are as close at any time of the "
        "sentence; a mouth that hardly opens has much of it."
    )
    return "\n".join(lines)


def _percent(share: float, digits: int = 0) -> str:
    return "–" if math.isnan(share) else f"{share:.{digits}%}"


def _table(
    rows: Mapping[str, Mapping[str, Figures]], source: str, title: str, columns: Sequence[Column] = COLUMNS
) -> str:
    any_row = next(iter(rows.values()))[source]
    lines = [
        f"**{title}**: {any_row['clips']} clips, {any_row['frames']} frames\n",
        "| | " + " | ".join(column.title for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for name, by_source in rows.items():
        if source not in by_source:
            continue
        lines.append(f"| {name} | " + " | ".join(column.show(by_source[source]) for column in columns) + " |")
    return "\n".join(lines)


def write_json(result: Mapping[str, Any], path: Path) -> None:
    """Writes the result whole or not at all; undefined figures become null.

    Raises:
        OutputError: the file cannot be written there.
    """
    path = Path(path)
    half = path.with_name(path.name + ".half")
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        half.write_text(json.dumps(_without_nan(result), indent=1, allow_nan=False) + "\n")
        os.replace(half, path)
    except OSError as error:
        half.unlink(missing_ok=True)
        reason = error.strerror or error
        raise OutputError(f"cannot write {path} ({reason}); give a file in an existing folder") from None


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
