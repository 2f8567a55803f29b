"""The face-alignment network (Bulat & Tzimiropoulos 2017), whose weights are downloaded at first use."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from atvg.errors import DetectorUnavailableError
from atvg.face.detection import Detection, FaceDetector
from atvg.face.landmarks import TEMPLES


class FaceAlignmentDetector(FaceDetector):
    """68 points with depth from the 3-D network of `face-alignment`.

    Args:
        network: anything with ``get_landmarks_from_image(image)`` → list of (68, 3) arrays, or None. By default
            the library's own, built when first needed.
    """

    name = "face-alignment"
    _FETCHED = ("3DFAN4-*", "depth-*", "s3fd-*")  # the network, its depth, and what finds faces for it

    def __init__(self, network: Any = None):
        self._network = network
        self._lock = threading.Lock()

    def is_here(self) -> bool:
        import torch

        folder = Path(torch.hub.get_dir(), "checkpoints")
        return self._network is not None or all(any(folder.glob(name)) for name in self._FETCHED)

    def detect(self, image: np.ndarray) -> list[Detection]:
        with self._lock:
            if self._network is None:
                self._network = _load_network()
            found = self._network.get_landmarks_from_image(image)
        faces = [_away_from_viewer(np.array(points, np.float32)) for points in found or []]
        detections = [Detection(landmarks=points, mesh=points) for points in faces]
        return sorted(detections, key=lambda d: -d.box[2] * d.box[3])


def _away_from_viewer(points: np.ndarray) -> np.ndarray:
    """Depth with the sign of `Detection`: the nose tip lies nearer than the temples, so its depth is smaller."""
    depth = points[:, 2] - points[TEMPLES, 2].mean()
    points[:, 2] = -depth if depth[30] > 0 else depth
    return points


def _load_network() -> Any:
    try:
        import face_alignment

        # compile=False: compiling costs 25 s and a visitor brings one photo. The downloader prints its progress.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _numbers_only():
            return face_alignment.FaceAlignment(face_alignment.LandmarksType.THREE_D, device="cpu", compile=False)
    except Exception as error:  # the library lets its downloader's many kinds of error through
        name = type(error).__name__
        todo = (
            "delete them, as they hold more than numbers"
            if name == "UnpicklingError"
            else "connect to the internet for the first use"
        )
        raise DetectorUnavailableError(
            f"face-alignment could not load its weights ({name}); {todo}, or choose --detector mediapipe"
        ) from error


@contextlib.contextmanager
def _numbers_only() -> Iterator[None]:
    """The library lets one of its three files run code when it is loaded; within this, torch refuses, for all threads.

    Beside tensors it may hold figures of its training, which are scalars of NumPy.
    """
    import torch

    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    figures: list[Any] = [np.float64(), np.float32(), np.int64()]
    makers: list[Any] = [np.float64().__reduce__()[0], np.dtype, *(type(figure.dtype) for figure in figures)]
    with torch.serialization.safe_globals(makers):
        os.environ[name] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
