"""What the parts of the paper share: the request, the networks, the clips shown, and scores that are measured once."""

import importlib.util
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from atvg.animator import Animator
from atvg.checkpoint import load_sync_net, locate
from atvg.config import FPS
from atvg.data.pack import Clip, read_pack
from atvg.data.storage import AnyPath
from atvg.errors import PackError
from atvg.evaluation import ablations
from atvg.evaluation.baselines import BASELINES, load_baseline
from atvg.evaluation.dubbing import find_tasks
from atvg.evaluation.protocol import Measured, measure
from atvg.evaluation.rows import OURS, Row, audio_row, baseline_row, other_ears, standard_rows
from atvg.face.mediapipe import MediaPipeTracker
from atvg.lab.run import excerpt
from atvg.voice.audio import load_audio

STILL, ORACLE, TRUTH = "copy", "oracle", "truth"
VOICE = "cate_blanch_2.mp3"  # 4 s of English, in Gradio's wheel
FRAMES_ABLATED = 40  # of each clip
PEOPLE_SHOWN = 2  # of each source
FRAMES_SHOWN = 200  # of a clip


@dataclass(frozen=True)
class Study:
    """What was asked for, and what follows from it.

    Attributes:
        pack, split: what is measured on.
        weights: a folder of weights.
        folder: where figures and films are written.
        engine: what VG-net is drawn with, see `atvg.animate.engine`.
        frames: look at no more than the first so many frames of each clip and voice.
        workers: processes that measure.
        progress: show progress bars.
        clips: a folder of films that are dubbed, as `atvg.data.layouts.find_clips` reads it; None for none.
    """

    pack: AnyPath
    split: str
    weights: Path
    folder: Path
    engine: str = "auto"
    frames: int | None = None
    workers: int = 1
    progress: bool = True
    clips: AnyPath | None = None

    @cached_property
    def animator(self) -> Animator:
        return Animator.from_pretrained(self.weights, engine=self.engine)

    @cached_property
    def tracker(self) -> MediaPipeTracker:
        """One for everything that is drawn here: a new one costs a second."""
        return MediaPipeTracker()

    @cached_property
    def compared(self) -> list[Row]:
        """ATVG and the baselines."""
        return [audio_row(self.animator, OURS), *baseline_rows(self.weights)]

    @cached_property
    def measured(self) -> Measured:
        """Of all rows of the table."""
        return self.measure(partial(table_rows, self.weights, self.engine))

    def measure(self, make_rows: partial, frames: int | None = None) -> Measured:
        """The protocol with these rows, of no more than so many frames."""
        limit = min((x for x in (self.frames, frames) if x is not None), default=None)
        return measure(self.pack, self.split, make_rows, limit, self.workers, self.progress)

    @property
    def ablations(self) -> tuple[str, ...]:
        """Those that have been trained, and the one that all are compared with in any case."""
        return tuple(dict.fromkeys([ablations.REFERENCE, *ablations.trained(self.weights)]))

    @cached_property
    def ablated(self) -> Measured:
        """Of the ablations, which are many: of the beginnings of clips."""
        make_rows = partial(ablations.ablation_rows, self.weights, self.ablations)
        return self.measure(make_rows, FRAMES_ABLATED)

    @cached_property
    def examples(self) -> list[Clip]:
        """The clips that are shown: the first of each of the first two people of each source. Nobody chose them.

        Raises:
            PackError: no such pack or split, a corrupt shard, or no clip whose sound fits its lips.
        """
        found: dict[str, dict[str, Clip]] = defaultdict(dict)
        for clip in read_pack(self.pack, self.split):
            people = found[clip.source]
            if clip.sync and clip.identity not in people and len(people) < PEOPLE_SHOWN:
                people[clip.identity] = clip.first(min(FRAMES_SHOWN, self.frames or FRAMES_SHOWN))
        clips = [clip for people in found.values() for clip in people.values()]
        if not clips:
            raise PackError(f"no clip of split {self.split!r} of {self.pack} has sound that fits its lips")
        return clips

    @cached_property
    def stills(self) -> list[Clip]:
        """The first photograph of each source of still photographs in the split, of two people each."""
        found: dict[str, list[Clip]] = defaultdict(list)
        for clip in read_pack(self.pack, self.split):
            if not clip.sync and len(found[clip.source]) < PEOPLE_SHOWN:
                found[clip.source].append(clip.first(1))
        return [clip for clips in found.values() for clip in clips]

    @cached_property
    def voice(self) -> np.ndarray:
        """An example voice, float32 samples at 16 kHz.

        Raises:
            ModuleNotFoundError: Gradio, in whose wheel it lies, is not installed.
        """
        gradio = importlib.util.find_spec("gradio")
        if gradio is None or gradio.origin is None:
            raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
        wave = load_audio(Path(gradio.origin).parent / "media_assets" / "audio" / VOICE)
        return wave if self.frames is None else excerpt(wave, self.frames / FPS)

    def check(self, ablated: bool = False) -> None:
        """Loads what will be needed, so that hours of work do not end with a file that is missing.

        Args:
            ablated: also the ablations.

        Raises:
            CheckpointError, PackError: what they say.
        """
        load_sync_net(locate())
        _ = self.compared, self.examples
        if self.clips is not None:
            find_tasks(self.clips, self.split)
        if ablated:
            ablations.ablation_rows(self.weights, self.ablations)


def baseline_rows(weights: Path) -> list[Row]:
    """The compared systems.

    Raises:
        CheckpointError: missing or damaged weights.
    """
    return [baseline_row(load_baseline(name, weights)) for name in BASELINES]


def baseline_titles() -> Sequence[str]:
    """Names of their rows."""
    return [kind.title for kind in BASELINES.values()]


def table_rows(weights: Path, engine: str) -> list[Row]:
    """copy, oracle, ATVG, also without the ear that the compared systems lack, and those."""
    animator = Animator.from_pretrained(weights, engine=engine)
    return [*standard_rows(animator), *other_ears(animator), *baseline_rows(weights)]
