"""What the ear heard of a pack, kept for the next run: it takes minutes, and depends on few settings."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg.config import ATNetConfig
from atvg.data.heard import Features
from atvg.data.pack import Clip, file_sha256, shards
from atvg.data.speech_bank import versions_of
from atvg.data.storage import AnyPath, opened
from atvg.errors import CheckpointError, OutputError
from atvg.nets.ear import Ear
from atvg.tensors import load_state, save_state

_FORMAT = 3  # to be counted up whenever the same settings come to be heard in another way


def hear_pack(
    pack_dir: str | AnyPath,
    clips: list[Clip],
    ear: Ear,
    config: ATNetConfig,
    sample: list[Clip],
    distort: float,
    noise: float,
    seed: int,
    versions: int,
    cache: Path | None = None,
    write: bool = True,
) -> tuple[Features, list[np.ndarray]]:
    """The ear, and what it hears of all clips of ``train``: of each (V, 2·T, squeezed), half precision.

    Args:
        sample, config, distort, noise, seed: as of `Features`.
        versions: of each clip, the first clean.
        cache: folder from which it is taken if it is there, and to which it is written unless not `write`.

    Raises:
        OutputError: it cannot be written.
    """
    path = cache and cache / f"heard-{_key(pack_dir, ear, config, distort, versions, seed)}.safetensors"
    lengths = [2 * len(clip) for clip in clips]
    kept = path and _kept(path, sum(lengths))
    if kept:
        features = Features(ear, config, sample, distort, noise, seed, (kept.mean, kept.basis), kept.silences)
        return features, _split(kept.tracks, lengths)
    features = Features(ear, config, sample, distort, noise, seed)
    tracks = np.concatenate(versions_of(features, clips, versions, seed), axis=1)
    if path and write:
        tensors = {"mean": features.mean, "basis": features.basis, "silences": features.silences, "tracks": tracks}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_state(path, {name: torch.as_tensor(value) for name, value in tensors.items()}, {})
        except OSError as error:
            raise OutputError(
                f"cannot write {error.filename or path} ({error.strerror or error}); make room, or leave cache out"
            ) from None
    return features, _split(tracks, lengths)


class _Kept(NamedTuple):
    mean: Tensor
    basis: Tensor
    silences: np.ndarray
    tracks: np.ndarray


def _kept(path: Path, length: int) -> _Kept | None:
    """What an earlier run has kept; None if there is none, or a damaged one, which will be written again."""
    if not path.is_file():
        return None
    try:
        tensors, _ = load_state(path)
        whole = tensors["tracks"].shape[1] == length and all(bool(t.isfinite().all()) for t in tensors.values())
        silences, tracks = tensors["silences"].numpy(), tensors["tracks"].numpy()
        return _Kept(tensors["mean"], tensors["basis"], silences, tracks) if whole else None
    except (CheckpointError, KeyError, IndexError):
        return None


def _split(tracks: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return np.split(tracks, np.cumsum(lengths)[:-1], axis=1)


def _key(pack_dir: str | AnyPath, ear: Ear, config: ATNetConfig, distort: float, versions: int, seed: int) -> str:
    """Names all that what is heard depends on."""
    sums = []
    for shard in shards(pack_dir, "train"):
        if shard.sha256 is not None:
            sums.append(shard.sha256)
            continue
        with opened(shard.path) as file:
            sums.append(file_sha256(file))
    weights = zlib.crc32(b"".join(value.cpu().numpy().tobytes() for value in ear.state_dict().values()))
    about = [_FORMAT, sums, weights, config.ear_layers, config.squeezed, distort, versions, seed]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
