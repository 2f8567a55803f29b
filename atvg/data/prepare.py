"""Talking clips → a training pack: stabilised 128×128 crops, landmarks, MFCC and metadata in tar shards.

A clip becomes three members of a shard: ``KEY.mp4`` (H.264 crops, 25 fps), ``KEY.npz`` (landmarks, MFCC rows) and
``KEY.json`` (identity, source, split, …). Clips are worked on in parallel; each finished one is kept under ``.parts``
until all are done, so an interrupted run goes on where it stopped.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from atvg.config import CROP_SIZE, FPS
from atvg.data.pack import FORMAT, LANDMARK_STEPS, encode_video
from atvg.errors import ATVGError, PackError
from atvg.face import geometry
from atvg.face.crop import stabilising_transforms, warp_to_crop

VIDEO_ENDINGS = {".mp4", ".mpg", ".mpeg", ".avi", ".mov", ".mkv", ".webm", ".m4v"}
SHARD_BYTES = 60_000_000
MIN_FRAMES = 15
MAX_FRAMES = 60 * FPS  # of a longer clip the first minute is kept
MIN_FOUND = 0.8  # share of frames in which the face must be found
MIN_EYE_DISTANCE = 12  # pixels between the eyes in the source
_VAL_SHARE = 10  # without a split in the table, one identity in ten is kept for validation


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before it is opened; ``sync`` says whether its sound fits its lips."""

    path: str
    key: str
    source: str
    identity: str
    split: str
    language: str = ""
    sync: bool = True


class Unusable(Exception):
    """Why a clip is left out; becomes a line of the report."""


def find_clips(clips_dir: Path) -> list[ClipInfo]:
    """Lists the clips of a folder, sorted by key.

    A table ``clips.csv`` in the folder or beside it names source, identity, split, language and sync. Without one,
    and for clips it does not name, the identity is the path of the clip's folder and the split follows from a hash
    of it, so that nobody is in two splits.

    Raises:
        PackError: no such folder, or no clips in it.
    """
    if not clips_dir.is_dir():
        raise PackError(f"no such folder of clips: {clips_dir}; check the path")
    rows = _read_table(clips_dir)
    clips = []
    for path in sorted(p for p in clips_dir.rglob("*") if p.suffix.lower() in VIDEO_ENDINGS):
        inside = path.relative_to(clips_dir)
        row = rows.get(path.resolve(), {})
        identity = row.get("identity") or inside.parent.as_posix()
        key = re.sub(r"[^A-Za-z0-9_-]+", "_", inside.with_suffix("").as_posix().replace("/", "__"))
        clips.append(
            ClipInfo(
                path=str(path),
                key=key,
                source=row.get("source") or (inside.parts[0] if len(inside.parts) > 1 else clips_dir.name),
                identity=identity,
                split=row.get("split") or _split_of(identity),
                language=row.get("language", ""),
                sync=row.get("sync", "1") == "1",
            )
        )
    # Names may differ only in their ending or in letters a key cannot have: then all of them get a longer key.
    count = Counter(clip.key for clip in clips)
    clips = [_with_longer_key(clip, clips_dir) if count[clip.key] > 1 else clip for clip in clips]
    _check_splits(clips)
    if not clips:
        raise PackError(f"{clips_dir} holds no clips; expected files ending in {', '.join(sorted(VIDEO_ENDINGS))}")
    return clips


def _with_longer_key(clip: ClipInfo, clips_dir: Path) -> ClipInfo:
    inside = Path(clip.path).relative_to(clips_dir).as_posix()
    return replace(clip, key=f"{clip.key}-{hashlib.sha256(inside.encode()).hexdigest()[:8]}")


def _check_splits(clips: list[ClipInfo]) -> None:
    splits: dict[str, str] = {}
    for clip in clips:
        if splits.setdefault(clip.identity, clip.split) != clip.split:
            both = f"{splits[clip.identity]} and {clip.split}"
            raise PackError(f"clips.csv puts {clip.identity!r} into {both}; a person must be in one split only")


def _read_table(clips_dir: Path) -> dict[Path, dict[str, str]]:
    for root in (clips_dir, clips_dir.parent, clips_dir.parent.parent):
        table = root / "clips.csv"
        if table.is_file():
            with table.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.DictReader(file) if row.get("clip")]
            found = {}
            for row in rows:
                for base in (root, root / "clips"):
                    found[(base / row["clip"]).resolve()] = row
            return found
    return {}


def _split_of(identity: str) -> str:
    return "val" if int(hashlib.sha256(identity.encode()).hexdigest(), 16) % _VAL_SHARE == 0 else "train"


def prepare(clips_dir: Path, pack_dir: Path, workers: int | None = None, progress: bool = True) -> dict:
    """Makes or completes a pack; returns the report, which is also written to ``report.json``.

    Raises:
        PackError: no clips, or none of them usable.
    """
    clips = find_clips(clips_dir)
    is_new, parts = not pack_dir.exists(), pack_dir / ".parts"
    parts.mkdir(parents=True, exist_ok=True)
    todo = [clip for clip in clips if not (parts / f"{clip.key}.tar").exists()]
    dropped = _work(todo, parts, workers or os.cpu_count() or 1, progress)
    kept = [clip for clip in clips if (parts / f"{clip.key}.tar").exists()]
    if not kept:
        if is_new:
            shutil.rmtree(pack_dir)
        reasons = Counter(dropped.values()).most_common(1)
        raise PackError(f"none of the {len(clips)} clips can be used; most often: {reasons[0][0]}")
    index = _write_shards(kept, parts, pack_dir)
    report = {"clips": len(clips), "kept": len(kept), "dropped": dict(sorted(dropped.items())), **index["totals"]}
    (pack_dir / "report.json").write_text(json.dumps(report, indent=1))
    return report


def _work(clips: list[ClipInfo], parts: Path, workers: int, progress: bool) -> dict[str, str]:
    from tqdm import tqdm

    dropped: dict[str, str] = {}
    # 'spawn': MediaPipe's threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        jobs = {pool.submit(_make_part, clip, parts): clip for clip in clips}
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="clip", disable=not progress):
            reason = job.result()
            if reason:
                dropped[jobs[job].key] = reason
    return dropped


_tracker = None


def _start_worker() -> None:
    from atvg.face.mediapipe import silence_native_logs

    silence_native_logs()  # they would tear the progress bar
    cv2.setNumThreads(1)


def _make_part(clip: ClipInfo, parts: Path) -> str | None:
    """Writes one finished clip, whole or not at all; returns why it was dropped."""
    try:
        members = process_clip(clip)
    except (Unusable, ATVGError) as reason:
        return str(reason)
    half = parts / f"{clip.key}.half"
    with tarfile.open(half, "w") as tar:
        for ending, data in members.items():
            info = tarfile.TarInfo(f"{clip.key}.{ending}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    half.replace(parts / f"{clip.key}.tar")
    return None


def process_clip(clip: ClipInfo) -> dict[str, bytes]:
    """One clip → its three members, by file ending.

    Raises:
        Unusable: with the reason.
    """
    from atvg import audio
    from atvg.face.landmarks import MESH_TO_68
    from atvg.face.mediapipe import MediaPipeTracker

    global _tracker
    _tracker = _tracker or MediaPipeTracker()
    frames = read_frames(clip.path)
    landmarks = _fill_gaps(_tracker.track(frames)[:, MESH_TO_68])
    transforms = stabilising_transforms(landmarks)
    eye_distance = np.linalg.norm(landmarks[:, 36, :2] - landmarks[:, 45, :2], axis=1).mean()
    if eye_distance < MIN_EYE_DISTANCE:
        raise Unusable("the face is too small")
    crops = np.stack([warp_to_crop(frame, matrix) for frame, matrix in zip(frames, transforms, strict=True)])
    points = geometry.apply(transforms, landmarks)
    rows = audio.mfcc_rows(audio.load_audio(clip.path), len(frames))
    arrays = io.BytesIO()
    np.savez_compressed(
        arrays, landmarks=np.round(points * LANDMARK_STEPS).astype(np.int16), mfcc=rows.astype(np.float16)
    )
    meta = {**asdict(clip), "frames": len(frames), "scale": float(geometry.scale_of(transforms).mean())}
    del meta["path"]
    return {"json": json.dumps(meta).encode(), "mp4": encode_video(crops), "npz": arrays.getvalue()}


def read_frames(path: str) -> np.ndarray:
    """Decodes a clip at 25 fps (nearest frame in time), uint8 RGB (T, H, W, 3)."""
    video = cv2.VideoCapture(path)
    fps = video.get(cv2.CAP_PROP_FPS)
    if not video.isOpened() or not 5 <= fps <= 240:
        raise Unusable("not readable as a video")
    frames: list[np.ndarray] = []
    read = 0
    frame = None
    while len(frames) < MAX_FRAMES:
        wanted = int((len(frames) + 0.5) / FPS * fps)
        while read <= wanted:
            ok, frame = video.read()
            if not ok:
                break
            read += 1
        if not ok:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    video.release()
    if len(frames) < MIN_FRAMES:
        raise Unusable(f"shorter than {MIN_FRAMES} frames")
    return np.stack(frames)


def _fill_gaps(landmarks: np.ndarray) -> np.ndarray:
    """Interpolates frames in which the face was missed."""
    found = ~np.isnan(landmarks[:, 0, 0])
    if found.mean() < MIN_FOUND:
        raise Unusable(f"a face in only {found.mean():.0%} of the frames")
    times = np.arange(len(landmarks))
    flat = landmarks.reshape(len(landmarks), -1)
    filled = np.stack([np.interp(times, times[found], column[found]) for column in flat.T], axis=1)
    return filled.reshape(landmarks.shape).astype(np.float32)


def _write_shards(clips: list[ClipInfo], parts: Path, pack_dir: Path) -> dict:
    """Joins parts into shards of one split each, in the order of the keys; the same input gives the same bytes."""
    for old in pack_dir.glob("*.tar"):
        old.unlink()
    shards, totals = [], Counter()
    for split in sorted({clip.split for clip in clips}):
        tar, written = None, SHARD_BYTES
        for clip in (c for c in clips if c.split == split):
            with tarfile.open(parts / f"{clip.key}.tar") as part:
                members = [(info, part.extractfile(info).read()) for info in part]
            size = sum(len(data) + 1024 for _, data in members)
            if written + size > SHARD_BYTES:
                if tar:
                    tar.close()
                shards.append({"name": f"{split}-{len(shards):05d}.tar", "split": split, "clips": 0, "frames": 0})
                tar, written = tarfile.open(pack_dir / shards[-1]["name"], "w"), 0
            for info, data in members:
                tar.addfile(info, io.BytesIO(data))
            written += size
            frames = json.loads(next(data for info, data in members if info.name.endswith(".json")))["frames"]
            shards[-1]["clips"] += 1
            shards[-1]["frames"] += frames
            totals[f"{split}_clips"] += 1
            totals[f"{split}_frames"] += frames
        tar.close()
    index = {"format": FORMAT, "fps": FPS, "crop": CROP_SIZE, "shards": shards, "totals": dict(totals)}
    (pack_dir / "pack.json").write_text(json.dumps(index, indent=1))
    return index
