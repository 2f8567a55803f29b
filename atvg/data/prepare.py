"""Talking clips and stills → a training pack: stabilised 128×128 crops, landmarks, MFCC and metadata in tar shards.

A clip becomes three members of a shard: ``KEY.mp4`` (H.264 crops, 25 fps), ``KEY.npz`` (landmarks, transforms, MFCC
rows, log-mel) and ``KEY.json`` (identity, source, split, …). All stills of a person become one silent clip that is out
of sync. Clips are worked on in parallel, on this machine or on many; each finished one is kept under ``.parts``, so an
interrupted run goes on where it stopped, and what joins later is all that has to be done. A clip that breaks its
decoder, or on which it never ends, costs that clip only. The pack is the same, whoever has worked on it, and wherever
clips and pack lie (`atvg.data.storage`).
"""

import errno
import io
import json
import os
import tarfile
from collections import Counter
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import cv2

from atvg.data.cluster import connected, work_on_cluster
from atvg.data.layouts import ClipInfo, check_splits, find_clips, find_stills
from atvg.data.pack import FORMAT
from atvg.data.process import process_clip
from atvg.data.shards import part_name, write_json, write_shards
from atvg.data.storage import (
    HALF,
    AnyPath,
    as_path,
    make_folder,
    names,
    remove_abandoned_copies,
    remove_tree,
    whole,
)
from atvg.data.video import Unusable
from atvg.data.workers import work_on
from atvg.errors import ATVGError, OutputError, PackError

CLIP_SECONDS = 600.0  # how long a clip may take; a minute of video takes one or two
PICTURE_SECONDS = 20.0  # and each picture of a person's stills


def prepare(
    clips_dir: str | AnyPath | None,
    pack_dir: str | AnyPath,
    workers: int | None = None,
    progress: bool = True,
    layout: str = "folder",
    stills_dir: str | AnyPath | None = None,
    ray: str | None = None,
) -> dict:
    """Makes or completes a pack of clips, of stills or of both; returns the report, also written to ``report.json``.

    The shards hold what the two folders hold: name both again when one of them has grown.

    Args:
        workers: how many clips are worked on at a time; by default one per core.
        progress: show a progress bar.
        ray: the cluster that works on the clips, see `atvg.data.cluster`; by default this machine does. All its
            machines must see the three folders by the same names.

    Raises:
        BadSettingError: unknown layout, a URL that cannot be used, or no such cluster.
        PackError: no clips, none of them usable, or a person in two splits.
        OutputError: the pack cannot be written, for instance because the disk is full.
    """
    on_cluster = bool(ray)
    clips = None if clips_dir is None else _place(clips_dir, on_cluster)
    pack = _place(pack_dir, on_cluster)
    stills = None if stills_dir is None else _place(stills_dir, on_cluster)
    try:
        with connected(ray, workers) if ray else nullcontext():
            return _prepare(clips, pack, workers, progress, layout, stills, on_cluster)
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or pack} ({error.strerror or error}); run the same again when it can be"
        ) from None


def _place(folder: str | AnyPath, on_cluster: bool) -> AnyPath:
    """Where a folder is, for a cluster's workers too, which may have been started somewhere else."""
    path = as_path(folder)
    return path.absolute() if on_cluster else path


def _prepare(
    clips_dir: AnyPath | None,
    pack_dir: AnyPath,
    workers: int | None,
    progress: bool,
    layout: str,
    stills_dir: AnyPath | None,
    on_cluster: bool,
) -> dict:
    clips = find_clips(clips_dir, layout) if clips_dir else []
    if stills_dir:
        clips = clips + find_stills(stills_dir)
        check_splits(clips)
    is_new, parts = not pack_dir.exists(), pack_dir / ".parts"
    if _format_of(pack_dir) not in (None, FORMAT):
        remove_tree(parts)  # what an older version has made lacks something
    for folder in (pack_dir, parts):
        make_folder(folder)
        for name in names(folder):
            if name.endswith(HALF):  # what a killed run was writing
                (folder / name).unlink()
    there = names(parts)
    todo = [clip for clip in clips if part_name(clip) not in there or not _is_whole(parts / part_name(clip))]
    dropped = _work(todo, parts, workers, progress, on_cluster)
    there = names(parts)
    kept = [clip for clip in clips if part_name(clip) in there]
    if not kept:
        if is_new:
            remove_tree(pack_dir)
        reasons = Counter(dropped.values()).most_common(1)
        raise PackError(f"none of the {len(clips)} clips can be used; most often: {reasons[0][0]}")
    index, left_out = write_shards(kept, parts, pack_dir)
    dropped = dict(sorted((dropped | left_out).items()))
    report = {"clips": len(clips), "kept": len(kept), "dropped": dropped, **index["totals"]}
    write_json(pack_dir / "report.json", report)
    return report


def _format_of(pack_dir: AnyPath) -> int | None:
    """The format of the pack that lies there already, if one does."""
    index = pack_dir / "pack.json"
    try:
        return json.loads(index.read_bytes())["format"] if index.is_file() else None
    except (ValueError, KeyError, TypeError):
        return None


def _is_whole(part: AnyPath) -> bool:
    """Whether a part can be used; one that is damaged is taken away, to be made again."""
    if not isinstance(part, Path):
        return True  # a store has what it was given, or nothing; to read half a million anew would take hours
    try:
        with tarfile.open(part, "r:") as tar:
            if len(tar.getmembers()) == 3:
                return True
    except tarfile.TarError:
        pass
    part.unlink()
    return False


def _work(
    clips: list[ClipInfo], parts: AnyPath, workers: int | None, progress: bool, on_cluster: bool
) -> dict[str, str]:
    """Makes the parts of clips; returns why some were dropped, by key.

    Raises:
        PackError: other machines have written parts where this one does not see them.
    """
    from tqdm import tqdm

    task = partial(_make_part, parts=parts)
    if on_cluster:
        done = work_on_cluster(task, clips, _time_limit, _start_worker, workers)
    else:
        done = work_on(task, clips, workers or os.cpu_count() or 1, _time_limit, _start_worker)
    made, dropped = set(), {}
    for clip, reason in tqdm(done, total=len(clips), unit="clip", disable=not progress):
        if reason:
            dropped[clip.key] = _in_one_line(reason)
        else:
            made.add(part_name(clip))
    if lacking := made - names(parts):
        raise PackError(
            f"{len(lacking)} parts are not in {parts} as this machine sees it; PACK_DIR must be a folder that all "
            "machines share, or a URL: run the same again"
        )
    return dropped


def _time_limit(clip: ClipInfo) -> float:
    return CLIP_SECONDS + PICTURE_SECONDS * len(clip.pictures)


def _in_one_line(reason: object) -> str:
    return " ".join(str(reason).split())


def _start_worker() -> None:
    from atvg.face.silence import silence_native_logs

    silence_native_logs()  # they would tear the progress bar
    cv2.setNumThreads(1)
    remove_abandoned_copies()


def _make_part(clip: ClipInfo, parts: AnyPath) -> str | None:
    """Writes one finished clip, whole or not at all; returns why it was dropped.

    Raises:
        ImportError, OSError, OutputError: something is missing that no clip can do without: a library, or space.
    """
    try:
        members = process_clip(clip)
    except (Unusable, ATVGError) as reason:
        return str(reason)
    except ImportError:
        raise
    except Exception as error:  # what OpenCV, NumPy and others say of a clip that nobody has foreseen
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return f"{type(error).__name__}: {error}"
    with whole(parts / part_name(clip)) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for ending, data in members.items():
            info = tarfile.TarInfo(f"{clip.key}.{ending}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return None
