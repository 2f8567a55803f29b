"""The report, line by line: what a machine is, and whether ATVG works on it. Nothing is fetched or sent."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from atvg.doctor import machine, work
from atvg.doctor.finding import Check, Finding, look

_INSTALL = "run: pip install . (in a clone of ATVG)"
_AGAIN = "run: pip install --force-reinstall "


def examine(weights: str | None = None) -> Iterator[Finding]:
    """Looks at one thing after the other; `weights` is a folder, or None for the shipped ones."""
    checks: list[tuple[str, Check, str]] = [
        ("ATVG", machine.atvg, _INSTALL),
        ("Python", machine.python, _INSTALL),
        ("system", machine.system, ""),
        ("processor", machine.processor, _INSTALL),
        ("memory", machine.memory, _INSTALL),
        ("packages", machine.packages, _INSTALL),
        ("OpenCV", machine.opencv, machine.how_to_mend_opencv()),
        ("weights", partial(work.weights, weights), "copy checkpoints/ again, or name others: --weights DIR"),
        ("engine", partial(work.engine, weights), _AGAIN + "openvino, once the weights are well"),
        ("ffmpeg", work.film, _AGAIN + "imageio-ffmpeg"),
        ("decoders", work.box, _AGAIN + "pillow pi-heif"),
        ("detector", work.detector, _AGAIN + "mediapipe==0.10.21"),
        ("detector 2", work.second_detector, _INSTALL),
        ("speech", work.speech, _AGAIN + "espeakng-loader"),
        ("folder", machine.folder, "set GRADIO_TEMP_DIR to a folder that can be written"),
        ("port", machine.port, "atvg app --port 8000"),
    ]  # fmt: skip
    for name, check, todo in checks:
        yield look(name, check, todo)


def to_line(finding: Finding) -> str:
    """One line, and a second one with what to do; the home folder, which names its owner, is ``~``."""
    line = f"{finding.state:<5} {finding.name:<11} {finding.said}"
    if finding.todo and finding.state != "ok":
        line += f"\n{'':<17} → {finding.todo}"
    home = str(Path.home()).rstrip("/\\")
    return re.sub(re.escape(home) + r"(?![\w.-])", "~", line) if home else line
