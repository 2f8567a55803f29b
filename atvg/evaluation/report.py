"""What a person reads of an evaluation (Markdown) and what a program reads (JSON)."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from atvg.errors import OutputError
from atvg.evaluation.sync import TOLERANCE

Figures = Mapping[str, float]


def _number(name: str, digits: int) -> Callable[[Figures], str]:
    return lambda figures: _text(figures[name], digits)


def _with_share(name: str) -> Callable[[Figures], str]:
    """A figure, and in brackets its share of the truth's own."""

    def show(figures: Figures) -> str:
        true = figures[f"{name}_truth"]
        share = figures[name] / true if true else math.nan
        return f"{_text(figures[name], 3)} ({_text(share, 2)})"

    return show


def _text(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


COLUMNS: dict[str, Callable[[Figures], str]] = {
    "LMD mouth, px ↓": _number("lmd_mouth", 2),
    "LMD 68, px ↓": _number("lmd_68", 2),
    "SSIM ↑": _number("ssim", 3),
    "SSIM mouth ↑": _number("ssim_mouth", 3),
    "PSNR, dB ↑": _number("psnr", 2),
    "PSNR mouth, dB ↑": _number("psnr_mouth", 2),
    "CPBD (÷ truth)": _with_share("cpbd"),
    "CPBD mouth (÷ truth)": _with_share("cpbd_mouth"),
    "mouth r ↑": _number("mouth_r", 2),
    "mouth std ÷ truth": _number("mouth_std_ratio", 2),
    "jitter ÷ truth ↓": _number("jitter", 2),
    "LSE-C ↑": _number("lse_c", 3),
    "LSE-D ↓": _number("lse_d", 3),
    "undetected frames": _number("undetected_frames", 0),
    "PSNR (released script)*": _number("psnr_released_script", 2),
}

_FOOTNOTE = (
    "\\* the wrapped-uint8 figure of the authors' script: comparable with the paper's figures only, "
    "not with a true PSNR. – : undefined, for instance r of a mouth that never moves."
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
    parts.append(_expert(result["sync_expert"]))
    return "\n\n".join([*parts, _FOOTNOTE]) + "\n"


def _expert(found: Mapping[str, Figures]) -> str:
    """How far the judge of LSE-C and LSE-D can be trusted."""
    told = [
        f"{source} {figures['within']:.0%} of {figures['trials']} (chance {figures['chance']:.0%})"
        for source, figures in found.items()
    ]
    return (
        f"Sync expert, real clips with their sound moved by a known number of frames, offset found within "
        f"±{TOLERANCE} frame: {'; '.join(told) or 'no clip is long enough'}."
    )


def _table(rows: Mapping[str, Mapping[str, Figures]], source: str, title: str) -> str:
    any_row = next(iter(rows.values()))[source]
    lines = [
        f"**{title}**: {any_row['clips']} clips, {any_row['frames']} frames\n",
        "| | " + " | ".join(COLUMNS) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for name, by_source in rows.items():
        lines.append(f"| {name} | " + " | ".join(show(by_source[source]) for show in COLUMNS.values()) + " |")
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
    return None if isinstance(value, float) and not math.isfinite(value) else value
