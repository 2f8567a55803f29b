"""The quantitative table with intervals, the verdict on it, and the table of ablations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atvg.evaluation import ablations
from atvg.evaluation.intervals import LEVEL, RESAMPLES, Interval, differences, draws, intervals
from atvg.evaluation.protocol import ALL, Measured, Score, by_source, summarise
from atvg.evaluation.report import COLUMNS, FOOTNOTE, Column, expert, number
from atvg.paper.parts import Cell, Part, Table
from atvg.paper.study import FRAMES_ABLATED, OURS, STILL, TRUTH, Study, baseline_titles
from atvg.paper.verdict import CONTESTS, EVERYWHERE, Verdict, headline, judge

_MAIN = ("mouth_r", "lmd_mouth", "jitter")  # the contests that the paper is about
_MARKS = {"wins": "good", "loses": "bad"}
_TRUE = {"mouth_r": 1.0, "mouth_std_ratio": 1.0, "jitter": 1.0, "lmd_mouth": 0.0, "lmd_68": 0.0, "ssim": 1.0,
         "ssim_mouth": 1.0}  # fmt: skip
_HOW = (
    f"In square brackets: {LEVEL:.0%} intervals of {RESAMPLES} bootstrap resamples. People are resampled within each "
    "source, and clips within each person, because clips of one person are alike; resampling clips alone would make "
    "the intervals too narrow. With so few people they still are somewhat too narrow, and of a source with one person "
    "they say nothing about others."
)


def quantitative(study: Study) -> Part:
    """Every figure of the protocol for all rows, with intervals, and where ATVG wins and where not."""
    measured = study.measured
    result = summarise(measured, study.pack, study.split, study.frames)
    bounds = _intervals(measured)
    result["intervals"] = {"level": LEVEL, "resamples": RESAMPLES, "rows": _as_lists(bounds)}
    people = _people(measured)
    verdicts = _verdicts(measured, baseline_titles())
    result["people"] = {source: len(names) for source, names in people.items()}
    result["verdict"] = [
        {
            "figure": v.contest.name, "against": v.other, "source": v.source, "outcome": v.outcome,
            "difference": v.difference.value, "interval": list(v.difference[1:]),
        }
        for v in verdicts
    ]  # fmt: skip
    return Part(
        "table",
        "The table",
        (
            headline(verdicts, _MAIN),
            _HOW,
            f"People: {', '.join(f'{_title(source)} {len(names)}' for source, names in people.items())}. "
            f"{measured.unsynced} clips without sound that fits their lips were left out.",
            expert(result["sync_expert"]),
            FOOTNOTE.replace("\\*", "*"),
        ),
        _sentences(verdicts, result),
        (*_tables(result["rows"], bounds, COLUMNS), _verdict_table(verdicts)),
        data=result,
    )


def ablation(study: Study) -> Part:
    """The same figures for a small family of VG-nets, each trained with one change."""
    measured = study.ablated
    bounds = _intervals(measured)
    frames = min(FRAMES_ABLATED, study.frames or FRAMES_ABLATED)
    result = summarise(measured, study.pack, study.split, frames)
    known = {ablations.ABLATIONS[name].title: ablations.ABLATIONS[name] for name in study.ablations}
    untrained = [a for a in ablations.ABLATIONS.values() if a.name not in study.ablations]
    notes = {a.name: dict(ablations.training_notes(a.name, study.weights)) for a in known.values()}
    result["training"] = notes
    result["changes"] = {a.name: list(a.change) for a in known.values()}
    reference = notes[ablations.REFERENCE]
    others = [title for title in measured.scores if title in known and known[title].name != ablations.REFERENCE]
    verdicts = _verdicts(measured, others, known[ablations.REFERENCE].title)
    rows = tuple((a.title, (Cell(" ".join(a.change) or "–"), Cell(*_trained(notes[a.name])))) for a in known.values())
    training = Table("How they were trained", ("--set, beside what all share", "steps"), rows)
    return Part(
        "ablations",
        "Ablations",
        (
            "A small VG-net was trained from scratch for each row, alike but for the one change; they compare with "
            f"“{known[ablations.REFERENCE].title}” of the same family and not with ATVG. Rows named “oracle” are "
            f"driven by the true landmarks, the others by the sound. “wins” means that the full network does. Of each "
            f"clip the first {frames} frames are measured.",
            f"What all share: {_settings(reference)}.",
            *(
                f"Not measured for want of weights: “{a.title}”; atvg train vg {a.settings} trains it."
                for a in untrained
            ),
        ),
        (),
        (*_tables(result["rows"], bounds, COLUMNS, [ALL]), _verdict_table(verdicts), training),
        data=result,
    )


def figure_cell(column: Column, figures: Mapping[str, float], bounds: Mapping[str, Interval]) -> Cell:
    """A figure with its interval, as far as it has one."""
    known = bounds.get(column.name)
    if known is None or np.isnan(known).any():
        return Cell(column.show(figures))
    low, high = (number(x, column.digits).replace("-", "−") for x in known)
    return Cell(column.show(figures), f"[{low} to {high}]" if known.low < 0 else f"[{low}–{high}]")


def _tables(
    rows: Mapping[str, Mapping[str, Mapping[str, float]]],
    bounds: Mapping[str, Mapping[str, Mapping[str, Interval]]],
    columns: Sequence[Column],
    sources: Sequence[str] | None = None,
) -> list[Table]:
    everything = next(iter(rows.values()))
    if sources is None:  # of a single source the first table says it all
        sources = list(everything) if len(everything) > 2 else [ALL]
    return [
        Table(
            f"{_title(source)}: {everything[source]['clips']} clips, {everything[source]['frames']} frames",
            tuple(column.title for column in columns),
            (
                *(
                    (name, tuple(figure_cell(column, by_name[source], bounds[name][source]) for column in columns))
                    for name, by_name in rows.items()
                ),
                (TRUTH, tuple(_true_cell(column, everything[source]) for column in columns)),
            ),
        )
        for source in sources
    ]


def _true_cell(column: Column, figures: Mapping[str, float]) -> Cell:
    """What the real videos have: by themselves, or compared with themselves."""
    value = figures.get(f"{column.name}_truth", _TRUE.get(column.name, np.nan))
    return Cell(number(value, column.digits))


def _intervals(measured: Measured) -> dict[str, dict[str, dict[str, Interval]]]:
    found: dict[str, dict[str, dict[str, Interval]]] = {name: {} for name in measured.scores}
    counts: dict[str, np.ndarray] = {}
    for name, scores in measured.scores.items():
        for source, some in by_source(scores).items():
            if source not in counts:
                counts[source] = draws(some)
            found[name][source] = intervals(some, counts[source])
    return found


def _verdicts(measured: Measured, others: Sequence[str], one: str = OURS) -> list[Verdict]:
    own = by_source(measured.scores[one])
    sources = list(own) if len(own) > 2 else [ALL]
    counts = {source: draws(own[source]) for source in sources}
    compared = {
        (other, source): differences(own[source], by_source(measured.scores[other])[source], counts[source])
        for other in others
        for source in sources
    }
    return [
        judge(
            contest, one, other, _title(source), compared[other, source][contest.name],
            len(own[source]), len(_identities(own[source])),
        )
        for contest in CONTESTS
        for other in others
        for source in sources
    ]  # fmt: skip


def _sentences(verdicts: Sequence[Verdict], result: Mapping[str, Any]) -> list[str]:
    """What is not won: over all sources, and of a single one where it is not the same there."""
    rows = result["rows"]
    overall = {(v.contest.name, v.other): v.outcome for v in verdicts if v.source == EVERYWHERE}
    said = []
    for v in verdicts:
        known = v.source != EVERYWHERE and v.outcome == overall[v.contest.name, v.other]
        if v.outcome != "wins" and not known:
            source = ALL if v.source == EVERYWHERE else v.source
            own, theirs, still = (rows[name][source] for name in (v.one, v.other, STILL))
            said.append(v.sentence(own, theirs, still, result["sync_expert"].get(source, {})))
    return said


def _verdict_table(verdicts: Sequence[Verdict]) -> Table:
    sources = list(dict.fromkeys(v.source for v in verdicts))
    lines: dict[str, list[Cell]] = {}
    for v in verdicts:
        lines.setdefault(f"{v.contest.title}: {v.one} − {v.other}", []).append(
            Cell(*v.cell(), _MARKS.get(v.outcome, ""))
        )
    rows = tuple((name, tuple(cells)) for name, cells in lines.items())
    return Table("Paired differences", tuple(sources), rows)


def _people(measured: Measured) -> dict[str, set[str]]:
    return {source: _identities(scores) for source, scores in by_source(next(iter(measured.scores.values()))).items()}


def _identities(scores: Sequence[Score]) -> set[str]:
    return {score.identity for score in scores}


def _title(source: str) -> str:
    return EVERYWHERE if source == ALL else source


def _as_lists(bounds: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> dict[str, Any]:
    return {
        name: {source: {figure: list(interval) for figure, interval in found.items()} for source, found in some.items()}
        for name, some in bounds.items()
    }


def _trained(notes: Mapping[str, Any]) -> tuple[str, str]:
    minutes = notes.get("minutes")
    return str(notes.get("step", "–")), f"({minutes:g} min)" if minutes is not None else ""


def _settings(notes: Mapping[str, Any]) -> str:
    known = notes.get("settings", {})
    return ", ".join(f"{name} {value}" for name, value in known.items()) or "not noted"
