"""What a run writes of itself as it goes on: lines of JSON, and curves and pictures for TensorBoard."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG_FILE = "log.jsonl"


class RunLog:
    """The log in a run's folder.

    Raises:
        OSError: from every method that writes: the disk is full, or the folder cannot be written.
    """

    def __init__(self, run_dir: Path):
        self._run_dir, self._began = run_dir, 0
        self._writer: SummaryWriter | None = None

    def begin(self, step: int) -> None:
        """Takes out what a killed run did after `step`, its last save, and the line in which it was killed."""
        self._began = step
        path = self._run_dir / LOG_FILE
        if not path.is_file():
            return
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and 0 <= _step_of(line) <= step]
        if kept == lines:
            return
        half = path.with_name(f"{path.name}.half")
        half.write_text("".join(kept))
        os.replace(half, path)

    def add(self, step: int, line: dict[str, float], losses: dict[str, float]) -> None:
        """What is known after a step, as a line; its losses, and the learning rate ``lr``, as curves too."""
        with (self._run_dir / LOG_FILE).open("a") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in losses.items():
            self._board().add_scalar(f"loss/{name}", value, step)
        self._board().add_scalar("lr", line["lr"], step)

    def add_picture(self, picture: Tensor, step: int) -> None:
        """A picture (3, H, W) in [0, 1]."""
        self._board().add_image("sample", picture.cpu(), step)

    def flush(self) -> None:
        """Writes what TensorBoard has not written yet."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Ends TensorBoard's thread; what cannot be written any more was told by whatever was written last."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None

    def _board(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run had drawn beyond its last save is drawn again.
            self._writer = SummaryWriter(str(self._run_dir / "tensorboard"), purge_step=self._began + 1)
        return self._writer


@contextlib.contextmanager
def quiet_threads() -> Iterator[None]:
    """TensorBoard's thread hands a full disk to the next caller, who tells it in one line; a traceback is too much."""
    usual = threading.excepthook

    def quiet(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, OSError):
            usual(args)

    threading.excepthook = quiet
    try:
        yield
    finally:
        threading.excepthook = usual


def _step_of(line: str) -> int:
    """The step that a line of the log is about, −1 if it is no whole line."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1
