"""The ablations: a family of small VG-nets trained alike, each but for one change, and their rows in the protocol.

One is trained in minutes by ``atvg train vg -p PACK -o RUN`` with ``--set`` for all of `FAMILY` and of the change.
What that leaves in RUN, ``vg_net.safetensors`` or ``direct_net.safetensors``, is the one file that is read here, from
``compared/`` of a folder of weights, where it is named `Ablation.stored`. Shipped are those that show a difference
after so short a training; ``make ablations`` trains the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atvg.checkpoint import compared_file, compared_notes, load_at_nets, load_compared
from atvg.config import VGNetConfig
from atvg.errors import BadSettingError, CheckpointError
from atvg.evaluation.rows import Row, audio_row, oracle_row
from atvg.face.detection import NoDetector
from atvg.nets.direct_net import DirectNet
from atvg.nets.vg_net import VGNet

FAMILY = (  # what all of them are trained with: a third of the size, from nothing, for a few minutes each
    "net.photo_widths=24,48,72,112", "net.landmark_widths=32,40,56", "net.decoder_widths=24,48,80", "net.hidden=104",
    "net.layers=false", "steps=280", "warmup=30", "ema=0.98",
)  # fmt: skip
REFERENCE = "full"  # what the others are compared with
ORACLE = ", oracle"  # ends the name of a row that is driven by the true landmarks


@dataclass(frozen=True)
class Ablation:
    """One change.

    Attributes:
        name: short, of letters that a file may be named by.
        title: what is read in the table.
        change: what ``atvg train vg --set`` is given after `FAMILY`.
        landmarks: whether frames are driven by landmarks; by the sound itself otherwise.
    """

    name: str
    title: str
    change: tuple[str, ...] = ()
    landmarks: bool = True

    @property
    def stored(self) -> str:
        """Name of its file among the weights that are compared."""
        return f"ablation_{self.name}"

    @property
    def settings(self) -> str:
        """What trains it, as options of ``atvg train vg``."""
        return " ".join(f"--set {setting}" for setting in (*FAMILY, *self.change))


ABLATIONS = {
    ablation.name: ablation
    for ablation in (
        Ablation(REFERENCE, "full"),
        # Of a loss that is 1 + β everywhere, plain L1 of the usual weight at rest is the fair version.
        Ablation("no_attention", "no attention: α = 1", ("net.attention=none", "loss=l1", "pixel=6")),
        Ablation("static_attention", "one α for all frames", ("net.attention=static",)),
        Ablation("plain_l1", "plain L1 instead of the dynamic loss", ("loss=l1", "pixel=6")),
        Ablation("beta0", "β = 0", ("beta=0",)),
        Ablation("no_recurrence", "no recurrence", ("net.recurrence=none",)),
        Ablation("batch_recurrence", "recurrence over the batch, as released", ("net.recurrence=batch",)),
        Ablation("plain_discriminator", "with a plain discriminator", ("discriminator=0.1", "regression=0")),
        Ablation("regression_discriminator", "with the regression-based discriminator", ("discriminator=0.1",)),
        Ablation("layers", "mouth in layers, more people", ("net.layers=true",)),
        Ablation("one_sheet", "one sheet instead of layers, more people"),
        Ablation(
            "direct",
            "sound → frames, no landmarks",
            ("net.driver=audio", "net.warp=false", "steps=500"),
            landmarks=False,
        ),
    )
}


def trained(weights: Path) -> list[str]:
    """Names of the ablations that `weights` hold, in the order of `ABLATIONS`."""
    return [name for name, ablation in ABLATIONS.items() if compared_file(weights, ablation.stored).exists()]


def known(name: str, weights: Path) -> Ablation:
    """The ablation of this name, of which there are weights.

    Raises:
        BadSettingError: there is none of this name.
        CheckpointError: there are no weights of it.
    """
    if name not in ABLATIONS:
        raise BadSettingError(f"unknown ablation {name!r}; choose from: {', '.join(ABLATIONS)}")
    ablation = ABLATIONS[name]
    path = compared_file(weights, ablation.stored)
    if not path.exists():
        raise CheckpointError(f"no weights of the ablation {name!r} at {path}; train it, or leave the ablations out")
    return ablation


def training_notes(name: str, weights: Path) -> Mapping[str, Any]:
    """What was written beside an ablation about its training.

    Raises:
        BadSettingError, CheckpointError: as `known`; also damaged notes.
    """
    return compared_notes(weights, known(name, weights).stored)


def ablation_rows(weights: Path, names: Sequence[str]) -> list[Row]:
    """For each ablation a row from the sound, and one from the true landmarks if it is driven by landmarks.

    All hear with the AT-net of `weights`, and are drawn by PyTorch.

    Raises:
        BadSettingError, CheckpointError: as `known`; also missing or damaged weights.
    """
    at_nets, shape = load_at_nets(weights)
    rows = []
    for name in names:
        ablation = known(name, weights)
        rows += (
            _landmark_rows(ablation, weights, at_nets, shape) if ablation.landmarks else _direct_rows(ablation, weights)
        )
    return rows


def _landmark_rows(ablation: Ablation, weights: Path, at_nets: Any, shape: Any) -> list[Row]:
    from atvg.animator import Animator

    nets = {0.5: load_compared(weights, ablation.stored, VGNet, VGNetConfig)}
    animator = Animator(at_nets, shape, nets, NoDetector(), engine="torch")
    return [oracle_row(animator, ablation.title + ORACLE), audio_row(animator, ablation.title)]


def _direct_rows(ablation: Ablation, weights: Path) -> list[Row]:
    from atvg.animate.torch_engine import draw_direct

    net = load_compared(weights, ablation.stored, DirectNet, VGNetConfig)
    return [Row(ablation.title, lambda clip: draw_direct(net, clip.frames[0], clip.mfcc))]
