"""A clip for a pack, as the box hands it to OpenCV: the function that runs there, in this process."""

import json
from collections.abc import Iterator

import numpy as np

from atvg.box.decoders import Broken, Refused
from atvg.data import frames, video
from atvg.voice.decoding import containers
from tests.fuzz.doors import film
from tests.fuzz.harness import laid

SECONDS, EXAMPLES, NATIVE = 30, 8, True
MOST = 40  # frames
seeds = film.seeds


def one(data: bytes) -> None:
    """Decodes its frames, and believes what is said of them as `read_frames` does."""
    path = laid("clip", data)
    with path.open("rb") as file:
        said, pictures = frames.decode(file, path=str(path), containers=containers(), most=MOST)
        size = sum(_size(pictures))
    try:
        shape = video._checked(json.loads(json.dumps(said)), size)
    except (video.Unusable, Refused, Broken):
        return
    assert shape[0] <= MOST


def _size(pictures: Iterator[np.ndarray]) -> Iterator[int]:
    for picture in pictures:
        assert picture.dtype == np.uint8 and picture.shape[2:] == (3,)
        yield picture.nbytes
