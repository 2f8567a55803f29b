"""A training pack: its format, and reading it back, whole into memory or as a stream.

A pack is a folder, here or in a store, with ``pack.json`` and tar shards that any WebDataset reader understands. See
`prepare`.
"""

import contextlib
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np

from atvg.config import CROP_SIZE, EXTRA_ROWS, FPS, N_MFCC_EAR, N_MFCC_STORED, ROWS_PER_FRAME
from atvg.data.storage import AnyPath, as_path, names, opened
from atvg.errors import PackError
from atvg.voice.mel import unpacked

FORMAT = 3  # 1 had no transforms, 2 nothing for the ear
LANDMARK_STEPS = 64  # landmarks are stored as whole 64ths of a crop pixel
NO_FRAMES = np.zeros((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)
_CRF = 16  # H.264 quality: visually lossless at 128×128, about 15 KB a second


@dataclass(frozen=True)
class Clip:
    """One clip of a pack.

    Attributes:
        frames: (T, 128, 128, 3) uint8 RGB stabilised crops; `NO_FRAMES` when only the features were read.
        landmarks: (T, 68, 3) float32 crop pixels and depth.
        transforms: (T, 2, 3) float32, source pixels → crop pixels of each frame; between two of them lies how what
            stands still in the source moves in the stabilised crop.
        mfcc: (4·T + 24, 20) float32 rows, see `atvg.voice.audio`.
        mfcc80: (4·T, 80) float32 rows that the ear reads, see `atvg.voice.mel`.
    """

    key: str
    source: str
    identity: str
    split: str
    sync: bool
    frames: np.ndarray
    landmarks: np.ndarray
    transforms: np.ndarray
    mfcc: np.ndarray
    mfcc80: np.ndarray

    def __len__(self) -> int:
        return len(self.landmarks)

    def heard(self, ear: str) -> np.ndarray:
        """The rows that an AT-net reads which hears through this ear."""
        return self.mfcc if ear == "none" else self.mfcc80

    def first(self, frames: int) -> "Clip":
        """Its first frames, or all if it has no more."""
        count = min(frames, len(self))
        return replace(
            self,
            frames=self.frames[:count],
            landmarks=self.landmarks[:count],
            transforms=self.transforms[:count],
            mfcc=self.mfcc[: ROWS_PER_FRAME * count + EXTRA_ROWS],
            mfcc80=self.mfcc80[: ROWS_PER_FRAME * count],
        )


def encode_video(frames: np.ndarray) -> bytes:
    """uint8 RGB (T, H, W, 3) → H.264 in MP4."""
    import imageio_ffmpeg

    # It would run Python between fork and exec, to keep Ctrl-C from ffmpeg. In a process of many threads that has
    # waited for ever, for a lock that another thread held.
    os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "clip.mp4")
        writer = imageio_ffmpeg.write_frames(
            path, frames.shape[2:0:-1], fps=FPS, codec="libx264", quality=None, macro_block_size=1,
            output_params=["-crf", str(_CRF), "-preset", "medium", "-threads", "1", "-map_metadata", "-1"],
        )  # fmt: skip
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return Path(path).read_bytes()


def decode_video(data: bytes) -> np.ndarray:
    """MP4 bytes → uint8 RGB (T, H, W, 3). OpenCV only reads files, so the bytes pass through one."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(data)
        file.flush()
        video = cv2.VideoCapture(file.name)
        frames = []
        while True:
            ok, frame = video.read()
            if not ok:
                break
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        video.release()
    return np.stack(frames) if frames else NO_FRAMES


def shard_paths(pack_dir: str | AnyPath, split: str) -> list[AnyPath]:
    """The shards of a split, in order.

    Raises:
        PackError: not a pack, another format, no such split, or a shard is missing.
        BadSettingError: a URL that cannot be used.
    """
    return [shard.path for shard in shards(pack_dir, split)]


def read_pack(pack_dir: str | AnyPath, split: str, with_frames: bool = True) -> Iterator[Clip]:
    """Yields the clips of a split in order, one at a time.

    Raises:
        PackError: see `shard_paths`; also a corrupt or shortened shard, by name.
    """
    for shard in shards(pack_dir, split):
        yield from read_shard(shard, with_frames)


def read_shard(shard: "Shard", with_frames: bool = True) -> Iterator[Clip]:
    """Yields the clips of one shard, errors as of `read_pack`."""
    with shard.checked(), opened(shard.path) as file:
        shard.compare_checksum(file)
        count = 0
        with tarfile.open(fileobj=file, mode="r:") as tar:
            clip = ""
            members: dict[str, bytes] = {}
            for info in tar:
                key, _, ending = info.name.partition(".")
                if members and key != clip:
                    raise ValueError(f"{clip} has only {', '.join(sorted(members))}")
                member = tar.extractfile(info)
                if member is None:
                    raise ValueError(f"{info.name} is no file")
                clip, members[ending] = key, member.read()
                if len(members) == 3:
                    yield unpack_clip(key, members, with_frames)
                    members, count = {}, count + 1
        shard.compare_count(count)


@dataclass(frozen=True)
class Shard:
    """One file of a pack, and what the index says of it; packs made before there were checksums have none."""

    path: AnyPath
    clips: int
    sha256: str | None = None

    @contextlib.contextmanager
    def checked(self) -> Iterator[None]:
        """Whatever reading it raises becomes a `PackError` with its name.

        Damage shows as an error of the tar, the zip, the arrays, the JSON or the video inside, and no list of these
        would be whole.
        """
        try:
            yield
        except Exception as error:
            what = " ".join(str(error).split()) or type(error).__name__
            raise PackError(f"shard {self.path} is corrupt ({what}); copy it again or prepare the pack again") from None

    def compare_checksum(self, file: BinaryIO) -> None:
        """Raises ValueError where the bytes are others than those that were written."""
        if self.sha256 is not None and file_sha256(file) != self.sha256:
            raise ValueError("its checksum differs from the one in pack.json")

    def compare_count(self, count: int) -> None:
        """Raises ValueError where clips lack: to a tar's reader one cut off between two members is a whole one."""
        if count != self.clips:
            raise ValueError(f"{count} whole clips instead of {self.clips}")


def file_sha256(file: BinaryIO) -> str:
    """Of all that a file holds; it is at its beginning afterwards."""
    found = hashlib.sha256()
    file.seek(0)
    while block := file.read(1 << 20):
        found.update(block)
    file.seek(0)
    return found.hexdigest()


def shards(pack_dir: str | AnyPath, split: str) -> list[Shard]:
    """The shards of a split, in order.

    Raises:
        PackError, BadSettingError: see `shard_paths`.
    """
    pack_dir = as_path(pack_dir)
    index_path = pack_dir / "pack.json"
    if not index_path.is_file():
        raise PackError(f"{pack_dir} is not a pack (no pack.json); make one with: atvg prepare CLIPS_DIR -o {pack_dir}")
    try:
        index = json.loads(index_path.read_bytes())
        if index["format"] != FORMAT:
            raise PackError(f"{pack_dir} has pack format {index['format']}, not {FORMAT}; prepare it again")
        found = [
            Shard(pack_dir / _plain(shard["name"]), _counted(shard["clips"]), _summed(shard.get("sha256")))
            for shard in index["shards"]
            if shard["split"] == split
        ]
        splits = sorted({str(shard["split"]) for shard in index["shards"]})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PackError(f"{index_path} is damaged; prepare the pack again") from None
    if not found:
        raise PackError(f"{pack_dir} has no split {split!r}; it has: {', '.join(splits)}")
    there = names(pack_dir)
    for shard in found:
        if shard.path.name not in there:
            raise PackError(f"shard {shard.path} is missing; copy it back or prepare the pack again")
    return found


def _plain(name: str) -> str:
    """The name of a file in the pack; one that leads out of it is refused."""
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not the name of a shard")
    return name


def _counted(clips: Any) -> int:
    """How many clips a shard has; JSON knows infinity, and truth is a number to Python."""
    if type(clips) is not int or clips < 0:
        raise ValueError(f"{clips!r} is no number of clips")
    return clips


def _summed(sha256: Any) -> str | None:
    """A shard's checksum, if it has one."""
    if sha256 is not None and not isinstance(sha256, str):
        raise ValueError(f"{sha256!r} is no checksum")
    return sha256


def unpack_clip(key: str, members: dict[str, bytes], with_frames: bool = True) -> Clip:
    """The three members of a clip, by file ending → `Clip`.

    Raises:
        Exception: of many kinds, for damaged or missing members; see `Shard.checked`.
    """
    meta = json.loads(members["json"])
    with np.load(io.BytesIO(members["npz"])) as arrays:
        landmarks = arrays["landmarks"].astype(np.float32) / LANDMARK_STEPS
        transforms = arrays["transforms"].astype(np.float32)
        mfcc, mfcc80 = arrays["mfcc"].astype(np.float32), unpacked(arrays["log_mel"])
    frames = decode_video(members["mp4"]) if with_frames else NO_FRAMES
    if with_frames and len(frames) != len(landmarks):
        raise ValueError(f"{key} has {len(frames)} pictures but {len(landmarks)} sets of landmarks")
    if frames.shape[1:] != NO_FRAMES.shape[1:]:
        raise ValueError(f"{key} has pictures of {frames.shape[1:]}")
    if landmarks.shape[1:] != (68, 3) or transforms.shape != (len(landmarks), 2, 3):
        raise ValueError(f"{key} has landmarks {landmarks.shape} and transforms {transforms.shape}")
    if mfcc80.shape != (ROWS_PER_FRAME * len(landmarks), N_MFCC_EAR):
        raise ValueError(f"{key} has {len(landmarks)} sets of landmarks but a log-mel of {mfcc80.shape}")
    if mfcc.shape != (ROWS_PER_FRAME * len(landmarks) + EXTRA_ROWS, N_MFCC_STORED):
        raise ValueError(f"{key} has {len(landmarks)} sets of landmarks but MFCC of {mfcc.shape}")
    if not all(np.isfinite(array).all() for array in (transforms, mfcc, mfcc80)):
        raise ValueError(f"{key} holds NaN or infinite values")
    if [type(meta[name]) for name in ("source", "identity", "split", "sync")] != [str, str, str, bool]:
        raise ValueError(f"{key} does not say whose it is")
    about = (key, meta["source"], meta["identity"], meta["split"], meta["sync"])
    return Clip(*about, frames, landmarks, transforms, mfcc, mfcc80)
