"""Finished clips → the shards and the index of a pack, the same bytes whoever has finished them."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator

from atvg.config import CROP_SIZE, FPS
from atvg.data.layouts import ClipInfo
from atvg.data.pack import FORMAT, file_sha256
from atvg.data.storage import AnyPath, names, read_all, whole
from atvg.errors import PackError

SHARD_BYTES = 60_000_000

_Members = list[tuple[tarfile.TarInfo, bytes]]


def part_name(clip: ClipInfo) -> str:
    """Of the file that a finished clip is kept in."""
    return f"{clip.key}.tar"


def write_shards(clips: list[ClipInfo], parts: AnyPath, pack_dir: AnyPath) -> tuple[dict, dict[str, str]]:
    """Joins parts into shards of one split each, in the order of the clips; the same input gives the same bytes.

    Until all of them are whole there is no index, so nobody takes a mixture of old and new ones for a pack.

    Returns:
        The index, and the pictures that were left out of stills, by clip and name, with the reason.
    """
    old = names(pack_dir)
    for name in ["pack.json", *(name for name in old if name.endswith(".tar"))]:
        if name in old:
            (pack_dir / name).unlink()
    shards: list[dict[str, str | int]] = []
    totals: Counter[str] = Counter()
    left_out: dict[str, str] = {}
    for split in sorted({clip.split for clip in clips}):
        for group in _shards_of([clip for clip in clips if clip.split == split], parts):
            name, frames = f"{split}-{len(shards):05d}.tar", 0
            with whole(pack_dir / name) as file:
                with tarfile.open(fileobj=file, mode="w") as tar:
                    for clip, members in group:
                        for info, data in members:
                            tar.addfile(info, io.BytesIO(data))
                        meta = json.loads(next(data for info, data in members if info.name.endswith(".json")))
                        frames += meta["frames"]
                        for picture, reason in meta.get("left_out", {}).items():
                            left_out[f"{clip.key}/{picture}"] = reason
                digest = file_sha256(file)
            shards.append({"name": name, "split": split, "clips": len(group), "frames": frames, "sha256": digest})
            totals[f"{split}_clips"] += len(group)
            totals[f"{split}_frames"] += frames
    index = {"format": FORMAT, "fps": FPS, "crop": CROP_SIZE, "shards": shards, "totals": dict(totals)}
    write_json(pack_dir / "pack.json", index)
    return index, left_out


def _shards_of(clips: list[ClipInfo], parts: AnyPath) -> Iterator[list[tuple[ClipInfo, _Members]]]:
    """The clips of one shard after the other, with what their parts hold.

    Raises:
        PackError: a part is damaged.
    """
    group: list[tuple[ClipInfo, _Members]] = []
    written = 0
    for clip, data in zip(clips, read_all(parts / part_name(clip) for clip in clips), strict=True):
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as part:
                members = [(info, _content(part, info)) for info in part]
        except tarfile.TarError as error:
            raise PackError(
                f"{parts / part_name(clip)} is damaged ({error}); delete it and run the same again"
            ) from None
        size = sum(len(data) + 1024 for _, data in members)
        if group and written + size > SHARD_BYTES:
            yield group
            group, written = [], 0
        group.append((clip, members))
        written += size
    yield group


def _content(part: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = part.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name} is no file")
    return file.read()


def write_json(path: AnyPath, content: dict) -> None:
    """Writes it whole or not at all."""
    with whole(path) as file:
        file.write(json.dumps(content, indent=1).encode())
