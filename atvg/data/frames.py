"""A clip's file, in a box → its frames at 25 a second. Nothing but this asks OpenCV to open what a stranger made."""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import cv2
import numpy as np

from atvg.config import FPS

FEWEST_FPS, MOST_FPS = 5, 240  # of a file


def warm() -> None:
    """All is loaded; but a thread of OpenCV's own would not survive a fork."""
    cv2.setNumThreads(1)


def decode(file: BinaryIO, path: str, containers: str, most: int) -> tuple[dict[str, Any], Iterator[np.ndarray]]:
    """The first `most` frames of a clip, nearest in time, uint8 RGB (H, W, 3) each.

    What is said of them, once all are taken: ``fps`` of the file, None if it is no video, in which case there are none,
    as with one that is out of range; ``shape`` of the frames, (T, H, W, 3); ``read`` and ``announced``, how many frames
    of the file; ``ended``, whether there were no more.

    Args:
        path: of the file, for systems on which it has no other name.
        containers: kinds of file that may be opened, as ffmpeg names them.
    """
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"protocol_whitelist;file|format_whitelist;{containers}"
    opened = f"/proc/self/fd/{file.fileno()}"
    video = cv2.VideoCapture(opened if os.path.exists(opened) else path, cv2.CAP_FFMPEG)
    said: dict[str, Any] = {"fps": video.get(cv2.CAP_PROP_FPS) if video.isOpened() else None}
    return said, _frames(video, most, said)


def _frames(video: cv2.VideoCapture, most: int, said: dict[str, Any]) -> Iterator[np.ndarray]:
    fps = said["fps"]
    if fps is None or not FEWEST_FPS <= fps <= MOST_FPS:
        return
    said.update(announced=video.get(cv2.CAP_PROP_FRAME_COUNT), read=0, shape=[0, 0, 0, 3], ended=False)
    frame: Any = None
    while said["shape"][0] < most:
        wanted = int((said["shape"][0] + 0.5) / FPS * fps)
        while said["read"] <= wanted:
            ok, frame = video.read()
            if not ok:
                said["ended"] = True
                return
            said["read"] += 1
        picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        said["shape"] = [said["shape"][0] + 1, *picture.shape]
        yield picture
