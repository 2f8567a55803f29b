"""An array on disk that grows with a run, and is whole when the run is."""

from pathlib import Path
from typing import Any

import numpy as np


class GrowingArray:
    """A .npy file to append to; its first axis is `expected` long until `finish` puts the true length there.

    Attributes:
        length: entries so far.
    """

    def __init__(self, path: Path, kind: Any, expected: int):
        self.length = 0
        self._kind, self._expected = np.dtype(kind), expected
        self._part: tuple[int, ...] = ()
        self._file = path.open("wb")

    def append(self, values: np.ndarray) -> None:
        """Adds T entries, (T, …)."""
        if not self._file.tell():
            self._part = values.shape[1:]
            self._write_header(self._expected)
        self._file.write(np.ascontiguousarray(values, self._kind).data)
        self.length += len(values)

    def finish(self) -> None:
        """Writes the true length, and closes the file."""
        self._file.seek(0)
        self._write_header(self.length)
        self.close()

    def close(self) -> None:
        """As it is."""
        self._file.close()

    def _write_header(self, length: int) -> None:
        """NumPy leaves room for a first axis of any length, so that the next header is as long as this one."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._kind),
            "fortran_order": False,
            "shape": (length, *self._part),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
