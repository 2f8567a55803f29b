"""A shard of a pack: tar, and in it JSON, NPZ and MP4."""

import tarfile
import zipfile
from functools import cache
from unittest.mock import patch

import numpy as np

from atvg.config import CROP_SIZE, EXTRA_ROWS, N_MFCC_EAR, N_MFCC_STORED, ROWS_PER_FRAME
from atvg.data.pack import Clip, Shard, read_shard
from tests import synthetic
from tests.fuzz.harness import laid, own

SECONDS, EXAMPLES = 15, 50
FRAMES = 2


@cache
def seeds() -> list[bytes]:
    """A clip with pictures, one without, and two of these in one shard."""
    shards = []
    for count, seen in ((1, True), (1, False), (2, False)):
        folder = synthetic.write_pack(own() / "pack", [_clip(str(number), seen) for number in range(count)])
        shards.append((folder / "train-00000.tar").read_bytes())
    return shards


def one(data: bytes) -> None:
    """Reads it with and without pictures; checksums stop nothing, as whoever means harm computes them anew."""
    path, anything = laid("shard.tar", data), _Anything()
    with (
        patch.object(tarfile, "calc_chksums", lambda block: anything),
        patch.object(zipfile.ZipExtFile, "_update_crc", lambda self, data: None),
    ):
        for clip in read_shard(Shard(path, 1), with_frames=False):
            _check(clip)
        for clip in read_shard(Shard(path, 1)):
            _check(clip)
            assert clip.frames.shape == (len(clip), CROP_SIZE, CROP_SIZE, 3), clip.frames.shape


def _check(clip: Clip) -> None:
    """What `Clip` says of itself."""
    count = len(clip)
    assert clip.landmarks.shape == (count, 68, 3) and clip.transforms.shape == (count, 2, 3)
    assert clip.mfcc.shape == (ROWS_PER_FRAME * count + EXTRA_ROWS, N_MFCC_STORED), clip.mfcc.shape
    assert clip.mfcc80.shape == (ROWS_PER_FRAME * count, N_MFCC_EAR)
    assert all(type(value) is str for value in (clip.key, clip.source, clip.identity, clip.split)), clip.source
    assert type(clip.sync) is bool, clip.sync
    for array in (clip.landmarks, clip.transforms, clip.mfcc, clip.mfcc80):
        assert array.dtype == np.float32 and np.isfinite(array).all()


class _Anything:
    """A collection in which everything is."""

    def __contains__(self, value: object) -> bool:
        return True


def _clip(key: str, seen: bool) -> Clip:
    rows = ROWS_PER_FRAME * FRAMES
    frames = np.full((FRAMES if seen else 0, 128, 128, 3), 90, np.uint8)
    return Clip(
        key, "made", "nobody", "train", True, frames, np.tile(synthetic.face68().astype(np.float32), (FRAMES, 1, 1)),
        np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1)),
        np.zeros((rows + EXTRA_ROWS, N_MFCC_STORED), np.float32), np.zeros((rows, N_MFCC_EAR), np.float32),
    )  # fmt: skip
