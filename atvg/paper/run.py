"""``atvg paper``: measures, draws and writes the table, the figures and the page, all at once at the end."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atvg.checkpoint import AT_NET, SYNC_NET, VG_NET, compared_notes, locate, notes
from atvg.config import VERSION
from atvg.data.storage import AnyPath, as_path
from atvg.errors import BadSettingError, OutputError
from atvg.evaluation.baselines import BASELINES
from atvg.evaluation.report import write_json
from atvg.film.output import unwritable
from atvg.paper.dubbing import dubbing
from atvg.paper.identities import identities
from atvg.paper.jitter import pixel_jitter
from atvg.paper.page import page
from atvg.paper.parts import Part
from atvg.paper.robustness import noise, pose
from atvg.paper.side_by_side import side_by_side
from atvg.paper.study import Study
from atvg.paper.table import ablation, quantitative
from atvg.scratch import remove_abandoned, under_way

PARTS: dict[str, Callable[[Study], Part]] = {
    "table": quantitative,
    "ablations": ablation,
    "fig1": pixel_jitter,
    "fig5a": noise,
    "fig5b": pose,
    "fig6": identities,
    "fig7": side_by_side,
    "dub": dubbing,
}
PAGE, EVERYTHING = "index.html", "paper.json"
_LIBRARIES = ("torch", "torchmetrics", "mediapipe", "openvino", "numpy", "matplotlib")
_LEAD = (
    "The table and the figures of “Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss” "
    "(Chen, Maddox, Duan and Xu, CVPR 2019), measured again with this re-implementation. Every number, and every "
    "sentence about a winner, was computed from the clips named below. Faces are AI-generated wherever they are not "
    "called truth, photo or given."
)


def paper(
    pack: str | AnyPath,
    output: Path,
    split: str = "val",
    frames: int | None = None,
    workers: int = 1,
    parts: Sequence[str] = tuple(PARTS),
    weights: str | os.PathLike | None = None,
    engine: str = "auto",
    progress: bool = True,
    clips: str | AnyPath | None = None,
) -> list[Path]:
    """Writes the parts asked for into a folder, and returns the files; nothing is written before all is made.

    Args:
        pack, split, frames, workers, engine, progress, clips: see `Study`.
        output: a folder; it is made if it does not exist, and what else lies in it stays.
        parts: keys of `PARTS`.
        weights: folder or Hub id; the shipped ones if None.

    Raises:
        BadSettingError: unknown parts, or a number out of range.
        PackError, CheckpointError: as the evaluation.
        OutputError: the folder cannot be written.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise BadSettingError(f"unknown part {', '.join(unknown)!r}; choose from: {', '.join(PARTS)}")
    if frames is not None and frames < 2:
        raise BadSettingError(f"--frames is {frames}; give at least 2")
    if workers < 1:
        raise BadSettingError(f"--workers is {workers}; give at least 1")
    if clips is not None and "dub" not in parts:
        raise BadSettingError("--clips are films for the part dub; add it to --parts, or leave them out")
    folder = locate(weights)
    output = Path(os.path.abspath(output))
    made = _make(output)
    try:
        # Within it, so that at the end files only have to be renamed.
        remove_abandoned(output, ".atvg-*")
        with tempfile.TemporaryDirectory(prefix=".atvg-", dir=output) as scratch, under_way(scratch):
            films = None if clips is None else as_path(clips)
            study = Study(as_path(pack), split, folder, Path(scratch), engine, frames, workers, progress, films)
            study.check(ablated="ablations" in parts)
            chosen = [PARTS[name](study) for name in PARTS if name in parts]
            written = _write(study, chosen, _about(study, parts))
            for path in written:
                os.replace(path, output / path.name)
            return [output / path.name for path in written]
    except BaseException as error:
        if made:
            shutil.rmtree(output, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritable(output, error) from None
        raise


def _make(output: Path) -> bool:
    """Whether the folder had to be made."""
    try:
        made = not output.exists()
        output.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise unwritable(output, error) from None
    if not os.access(output, os.W_OK | os.X_OK):
        raise OutputError(f"{output} is not writable; choose another folder")
    return made


def _write(study: Study, parts: Sequence[Part], about: dict[str, str]) -> list[Path]:
    """Tables, everything as JSON, and the page, beside the figures and films that are there already."""
    folder = study.folder
    title = "ATVG: the paper, measured again"
    (folder / PAGE).write_text(page(title, _LEAD, about, parts), encoding="utf-8")
    write_json({"about": about, **{part.name: part.data for part in parts}}, folder / EVERYTHING)
    for part in parts:
        if part.name in ("table", "ablations"):
            points = "\n".join(f"- {point}" for point in part.points)
            blocks = [*part.text, *(table.markdown() for table in part.tables), points]
            (folder / f"{part.name}.md").write_text(
                f"# {part.title}\n\n" + "\n\n".join(blocks).rstrip() + "\n", "utf-8"
            )
            write_json(part.data, folder / f"{part.name}.json")
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _about(study: Study, parts: Sequence[str]) -> dict[str, str]:
    """What was run, in words."""
    pack = study.pack.resolve().name
    command = f"atvg paper -p {pack} -o DIR --split {study.split}"
    command += "" if study.weights == locate() else f" --weights {study.weights.name}"
    command += "" if study.clips is None else f" --clips {study.clips.name}"
    command += f" --frames {study.frames}" if study.frames else ""
    command += "" if set(parts) == set(PARTS) else f" --parts {','.join(name for name in PARTS if name in parts)}"
    versions = {"atvg": VERSION, **{name: version(name) for name in _LIBRARIES}}
    trained = {name: notes(study.weights, name) for name in (AT_NET, VG_NET)}
    trained |= {name: compared_notes(study.weights, name) for name in BASELINES}
    trained[SYNC_NET] = notes(locate(), SYNC_NET)
    return {
        "pack": f"{pack}, split {study.split}"
        + (f", the first {study.frames} frames of each clip only" if study.frames else ""),
        "command": command,
        "engine": study.animator.engine().name,
        "weights": "; ".join(f"{name}: {_training(said)}" for name, said in trained.items()),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _training(notes: dict[str, Any]) -> str:
    known = {name: notes[name] for name in ("step", "minutes", "device") if name in notes}
    return ", ".join(f"{name} {value}" for name, value in known.items()) or "no notes on its training"
