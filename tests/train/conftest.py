"""How the tests train: the real entry point, with networks small enough for a few steps to take no time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atvg.data import heard
from atvg.train import loop, vg_stage
from atvg.train.run import train

SMALL_VG = {
    "net.photo_widths": "8,12,16,16", "net.landmark_widths": "8,12,16", "net.decoder_widths": "8,12,16",
    "net.hidden": "16", "batch": "2", "frames": "2", "warmup": "2",
}  # fmt: skip
SMALL_AT = {
    "net.ear": "none", "net.first_mfcc": "1", "net.n_mfcc": "12", "net.hidden": "16", "net.identity_codes": "4",
    "net.motion_codes": "3", "batch": "4", "short": "8", "long": "16", "warmup": "2",
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def little_beside_the_steps() -> Iterator[None]:
    """The ear hears seconds of silence before a training, and weights are calibrated with one batch at every save."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heard, "_SILENCES", 2)
        patch.setattr(vg_stage, "_CALIBRATION", 1)
        yield


@pytest.fixture
def run_vg(tiny_pack) -> Callable:
    """``run_vg(folder, key=value, …)``: trains VG-net on the tiny pack and returns the last mean losses."""
    return _runner("vg", tiny_pack, SMALL_VG)


@pytest.fixture
def run_at(tiny_pack) -> Callable:
    """The same for AT-net."""
    return _runner("at", tiny_pack, SMALL_AT)


def _runner(stage: str, pack: Path, small: dict[str, str]) -> Callable:
    def run(
        folder: Path,
        minutes: float | None = None,
        resume: bool = False,
        init: Path | None = None,
        **overrides: object,
    ) -> dict[str, float]:
        texts = {name.replace("__", "."): str(value) for name, value in overrides.items()}
        return train(stage, pack, folder, minutes, resume, small | texts, init=init)

    return run


@pytest.fixture
def one_minute_per_step(monkeypatch) -> None:
    """The loop's clock: each step takes a minute, so that ``minutes=3`` stops after three."""
    now = [0.0]
    log_free = loop.Loop._update_ema

    def step_done(self) -> None:
        log_free(self)
        now[0] += 60

    monkeypatch.setattr(loop.Loop, "_update_ema", step_done)
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
