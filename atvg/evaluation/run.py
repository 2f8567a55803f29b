"""``atvg evaluate``: all that is measured of weights on a split of a pack, as one report."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from atvg.checkpoint import AT_NET, VG_NET, locate, notes
from atvg.data.storage import AnyPath
from atvg.errors import BadSettingError
from atvg.evaluation.closures import evaluate_closures, measure_weights
from atvg.evaluation.dubbing import evaluate_dubs
from atvg.evaluation.hearing import measure_live
from atvg.evaluation.listening import evaluate_listening, table
from atvg.evaluation.photographs import Album, find_photographs, measure_photographs
from atvg.evaluation.protocol import evaluate
from atvg.evaluation.report import closures, dubs, to_markdown, write_json
from atvg.evaluation.rows import evaluated_rows
from atvg.film.output import check_output


def evaluate_weights(
    pack: str | AnyPath | None,
    output: Path,
    split: str = "val",
    frames: int | None = None,
    workers: int = 1,
    photos: str | os.PathLike | None = None,
    only_closures: bool = False,
    weights: str | os.PathLike | None = None,
    engine: str = "auto",
    only_motion: bool = False,
    dub: str | AnyPath | None = None,
) -> str:
    """Measures weights and writes the figures as JSON; returns what a person reads of them, as Markdown.

    Everything is checked before anything is measured.

    Args:
        pack, split, frames, workers: as of `atvg.evaluation.protocol.evaluate`; no pack if films are dubbed.
        output: the JSON file.
        photos: a folder of photographs that are animated and measured too; none if None.
        only_closures: measure only whether lips close where they must, see `atvg.evaluation.closures`.
        weights: folder or Hub id; the shipped ones if None.
        engine: what VG-net is drawn with, see `atvg.animate.engine`.
        only_motion: measure only whether natural motion follows the voice, see `atvg.evaluation.listening`.
        dub: measure only how films of a folder are dubbed, see `atvg.evaluation.dubbing`.

    Raises:
        BadSettingError: a number out of range, or what does not go together.
        PackError: no such pack, folder or split, a corrupt shard, or no clip that can be measured.
        CheckpointError: missing or damaged weights.
        OutputError: the file cannot be written.
    """
    if frames is not None and frames < 2:
        raise BadSettingError(f"--frames is {frames}; give at least 2")
    if workers < 1:
        raise BadSettingError(f"--workers is {workers}; give at least 1")
    for flag, alone in (("--closures", only_closures), ("--motion", only_motion)):
        if alone and (photos is not None or frames is not None or only_closures is only_motion):
            raise BadSettingError(
                f"{flag} measures nothing else, on whole clips; leave out --frames and other measures"
            )
    if (pack is None) is (dub is None) or (dub is not None and (photos is not None or only_closures or only_motion)):
        raise BadSettingError("give either a pack (-p), or films to be dubbed (--dub) without other measures")
    check_output(output, ".json")
    if dub is not None:
        result = evaluate_dubs(dub, split, locate(weights), engine, frames, workers)
        write_json(result, output)
        return dubs(result)
    assert pack is not None
    album = None if photos is None else find_photographs(photos)
    folder = locate(weights)
    if only_closures:
        result = evaluate_closures(pack, split, folder)
        write_json(result, output)
        return closures(result["closures"])
    if only_motion:
        result = evaluate_listening(pack, split, folder)
        write_json(result, output)
        return table(result)
    result = _everything(pack, split, frames, workers, album, folder, engine)
    write_json(result, output)
    return to_markdown(result)


def _everything(
    pack: str | AnyPath, split: str, frames: int | None, workers: int, album: Album | None, folder: Path, engine: str
) -> dict[str, Any]:
    """The protocol's figures, and whatever else these weights and this split allow to measure."""
    make_rows = partial(evaluated_rows, folder, engine)
    make_rows()  # what is wrong with the weights is said here, not by a process that ends
    trained = {name: notes(folder, name) for name in (AT_NET, VG_NET)}
    result = evaluate(pack, split, make_rows, trained, frames=frames, workers=workers)
    lips = measure_weights(pack, split, folder)
    if lips is not None:
        result["closures"] = lips
    live = measure_live(pack, split, folder) if frames is None else None
    if live is not None:
        result["live"] = live
    if album is not None:
        result["photographs"] = measure_photographs(album, pack, split, folder, engine, frames=frames, workers=workers)
    return result
