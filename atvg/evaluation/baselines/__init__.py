"""Compact re-implementations of the systems that the paper compares itself with, trained by the same loop."""

from pathlib import Path

from atvg.checkpoint import load_net, locate
from atvg.config import BaselineConfig, SpeechConfig
from atvg.errors import BadSettingError
from atvg.evaluation.baselines.base import Baseline, Made, Seen
from atvg.evaluation.baselines.chung import Chung
from atvg.evaluation.baselines.layers import Speech
from atvg.evaluation.baselines.wiles import Wiles
from atvg.evaluation.baselines.zhou import Zhou

__all__ = ["BASELINES", "Baseline", "BaselineConfig", "Made", "Seen", "load_baseline", "load_speech", "make_baseline"]

BASELINES: dict[str, type[Baseline]] = {kind.name: kind for kind in (Chung, Zhou, Wiles)}
FOLDER = "baselines"  # beside the other weights
SPEECH = "speech"  # what all of them begin to hear and read lips with


def make_baseline(name: str) -> Baseline:
    """A new one of the usual size, by its short name.

    Raises:
        BadSettingError: there is none of this name.
    """
    return _kind(name)(_kind(name).sizes)


def load_baseline(name: str, weights: Path | None = None) -> Baseline:
    """Reads a trained one, ready to draw, from ``baselines/`` of a folder of weights (by default the shipped one).

    Raises:
        BadSettingError: there is none of this name.
        CheckpointError: its weights are missing, truncated, or of other sizes.
    """
    return load_net(locate(weights) / FOLDER, name, _kind(name), BaselineConfig)


def load_speech(weights: Path | None = None) -> Speech:
    """Reads what a training begins with, from the same folder.

    Raises:
        CheckpointError: as `load_baseline`.
    """
    return load_net(locate(weights) / FOLDER, SPEECH, Speech, SpeechConfig)


def _kind(name: str) -> type[Baseline]:
    if name not in BASELINES:
        raise BadSettingError(f"unknown baseline {name!r}; choose from: {', '.join(BASELINES)}")
    return BASELINES[name]
