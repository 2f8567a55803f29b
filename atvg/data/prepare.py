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
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from atvg.config import CROP_SIZE, FPS, N_MFCC_STORED, ROWS_PER_FRAME, SAMPLE_RATE
from atvg.data.cluster import connected, work_on_cluster
from atvg.data.layouts import ClipInfo, check_splits, find_clips, find_stills
from atvg.data.pack import FORMAT, LANDMARK_STEPS, encode_video, file_sha256
from atvg.data.storage import (
    HALF,
    AnyPath,
    as_path,
    local_copy,
    make_folder,
    names,
    read_all,
    remove_abandoned_copies,
    remove_tree,
    whole,
)
from atvg.data.workers import work_on
from atvg.errors import ATVGError, BadAudioError, OutputError, PackError
from atvg.face import geometry
from atvg.face.crop import canonical_transform, stabilising_transforms, warp_to_crop
from atvg.face.landmarks import MESH_TO_68, RIGID
from atvg.voice.mel import clip_mfcc80, packed, silent_mfcc80

SHARD_BYTES = 60_000_000
MIN_FRAMES = 15
MAX_FRAMES = 60 * FPS  # of a longer clip the first minute is kept
MIN_FOUND = 0.8  # share of frames in which the face must be found
MIN_EYE_DISTANCE = 12  # pixels between the eyes in the source
# Sound and picture of one clip may differ so much in length; more, and a recording was trimmed (as GRID's 25 kHz ones
# are) and no longer fits the lips.
MAX_APART = 0.2
BREAKS_OFF = 0.9  # share of the announced frames and seconds; a decoder that ends before has met damage
CLIP_SECONDS = 600.0  # how long a clip may take; a minute of video takes one or two
PICTURE_SECONDS = 20.0  # and each picture of a person's stills


class Unusable(Exception):
    """Why a clip is left out; becomes a line of the report."""


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
    folders = [None if place is None else as_path(place) for place in (clips_dir, pack_dir, stills_dir)]
    if ray:  # its workers may have been started somewhere else
        folders = [folder and folder.absolute() for folder in folders]
    clips_dir, pack_dir, stills_dir = folders
    try:
        with connected(ray, workers) if ray else nullcontext():
            return _prepare(clips_dir, pack_dir, workers, progress, layout, stills_dir, bool(ray))
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or pack_dir} ({error.strerror or error}); run the same again when it can be"
        ) from None


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
    todo = [clip for clip in clips if _part(clip) not in there or not _is_whole(parts / _part(clip))]
    dropped = _work(todo, parts, workers, progress, on_cluster)
    there = names(parts)
    kept = [clip for clip in clips if _part(clip) in there]
    if not kept:
        if is_new:
            remove_tree(pack_dir)
        reasons = Counter(dropped.values()).most_common(1)
        raise PackError(f"none of the {len(clips)} clips can be used; most often: {reasons[0][0]}")
    index, left_out = _write_shards(kept, parts, pack_dir)
    dropped = dict(sorted((dropped | left_out).items()))
    report = {"clips": len(clips), "kept": len(kept), "dropped": dropped, **index["totals"]}
    _write_json(pack_dir / "report.json", report)
    return report


def _format_of(pack_dir: AnyPath) -> int | None:
    """The format of the pack that lies there already, if one does."""
    index = pack_dir / "pack.json"
    try:
        return json.loads(index.read_bytes())["format"] if index.is_file() else None
    except (ValueError, KeyError, TypeError):
        return None


def _part(clip: ClipInfo) -> str:
    return f"{clip.key}.tar"


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
            made.add(_part(clip))
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


_tracker = None


def _start_worker() -> None:
    from atvg.face.mediapipe import silence_native_logs

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
    with whole(parts / _part(clip)) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for ending, data in members.items():
            info = tarfile.TarInfo(f"{clip.key}.{ending}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return None


def process_clip(clip: ClipInfo) -> dict[str, bytes]:
    """One clip, or one person's stills → its three members, by file ending.

    Raises:
        Unusable: with the reason.
        BadAudioError: no usable sound, in the clip or beside it.
        PackError: one of its files cannot be fetched.
    """
    from atvg.voice import audio

    if clip.pictures:
        return _process_stills(clip)
    with local_copy(clip.path) as path:
        frames = read_frames(str(path))
        landmarks = _fill_gaps(_track(frames))
        _check_size(landmarks)
        wave = _load_sound(path, clip.audio, len(frames))
    rows, rows80 = audio.mfcc_rows(wave, len(frames)), clip_mfcc80(wave, len(frames))
    return _members(clip, frames, landmarks, stabilising_transforms(landmarks), rows, rows80)


def _process_stills(clip: ClipInfo) -> dict[str, bytes]:
    """Each picture is found and stabilised on its own; those that cannot be used are named in the metadata."""
    from atvg.face.image import load_image
    from atvg.voice.audio import EXTRA_ROWS, silent_row

    pictures, found, left_out = [], [], {}
    for place in clip.pictures:
        try:
            with local_copy(place) as path:
                picture = load_image(path)
            points = _track(picture[None])
            if np.isnan(points).any():
                raise Unusable("no face found")
            _check_size(points)
        except (Unusable, ATVGError) as reason:
            left_out[as_path(place).name] = str(reason)
        else:
            pictures.append(picture)
            found.append(points[0])
    if not pictures:
        raise Unusable(next(iter(left_out.values())))
    landmarks = np.stack(found)
    count = ROWS_PER_FRAME * len(found)
    rows, rows80 = np.tile(silent_row(N_MFCC_STORED), (count + EXTRA_ROWS, 1)), np.tile(silent_mfcc80(), (count, 1))
    return _members(clip, pictures, landmarks, _aligning_transforms(landmarks), rows, rows80, left_out)


def _aligning_transforms(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks of pictures that have nothing to do with each other in time (T, 68, 3) → (T, 2, 3), picture → crop.

    As with a clip, points that an expression does not move are fitted to where the person's median shape has them, so
    that between two pictures only the expression changes.
    """
    in_crop = np.stack([geometry.apply(canonical_transform(points), points) for points in landmarks])
    reference = np.median(in_crop, axis=0)
    target = geometry.apply(canonical_transform(reference), reference)[RIGID]
    return np.stack([geometry.fit_similarity(points[RIGID], target) for points in landmarks])


def _members(
    clip: ClipInfo,
    frames: Sequence[np.ndarray],
    landmarks: np.ndarray,
    transforms: np.ndarray,
    rows: np.ndarray,
    rows80: np.ndarray,
    left_out: dict[str, str] | None = None,
) -> dict[str, bytes]:
    """What is stored of source frames (T of H×W×3), their landmarks, transforms and both kinds of MFCC rows."""
    crops = np.stack([warp_to_crop(frame, matrix) for frame, matrix in zip(frames, transforms, strict=True)])
    points = geometry.apply(transforms, landmarks)
    arrays = io.BytesIO()
    np.savez_compressed(
        arrays,
        landmarks=np.round(points * LANDMARK_STEPS).astype(np.int16),
        transforms=transforms.astype(np.float32),
        mfcc=rows.astype(np.float16),
        log_mel=packed(rows80),
    )
    meta = {**asdict(clip), "frames": len(frames), "scale": float(geometry.scale_of(transforms).mean())}
    for place in ("path", "audio", "pictures"):  # the pack is the same wherever its sources lay
        del meta[place]
    if left_out:
        meta["left_out"] = left_out
    return {"json": json.dumps(meta).encode(), "mp4": encode_video(crops), "npz": arrays.getvalue()}


def _track(frames: np.ndarray) -> np.ndarray:
    """uint8 RGB (T, H, W, 3) → landmarks (T, 68, 3), NaN where there is no face."""
    from atvg.face.mediapipe import MediaPipeTracker

    global _tracker
    _tracker = _tracker or MediaPipeTracker()
    return _tracker.track(frames)[:, MESH_TO_68]


def _check_size(landmarks: np.ndarray) -> None:
    if np.linalg.norm(landmarks[:, 36, :2] - landmarks[:, 45, :2], axis=1).mean() < MIN_EYE_DISTANCE:
        raise Unusable("the face is too small")


def _load_sound(video: Path, apart: str, n_frames: int) -> np.ndarray:
    """The video's own sound; if it has none, the recording that lies apart, which must then be as long."""
    from atvg.voice import audio

    try:
        return audio.load_audio(video)
    except BadAudioError:
        if not apart:
            raise
    with local_copy(apart) as path:
        wave = audio.load_audio(path)
    seconds = (len(wave) / SAMPLE_RATE, n_frames / FPS)
    if n_frames < MAX_FRAMES and abs(seconds[0] - seconds[1]) > MAX_APART:
        raise Unusable(f"its separate sound lasts {seconds[0]:.1f} s but its picture {seconds[1]:.1f} s")
    return wave


def read_frames(path: str) -> np.ndarray:
    """Decodes a clip at 25 fps (nearest frame in time), uint8 RGB (T, H, W, 3)."""
    _check_file(path)
    video = cv2.VideoCapture(path)
    fps = video.get(cv2.CAP_PROP_FPS)
    if not video.isOpened():
        raise Unusable("not readable as a video")
    if not 5 <= fps <= 240:
        raise Unusable(f"not readable as a video of {fps:g} frames a second; 5 to 240 are")
    announced = video.get(cv2.CAP_PROP_FRAME_COUNT)
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
    # Of a clip that was cut without encoding it anew, frames before the cut are counted that nobody is to see.
    if not ok and read < BREAKS_OFF * announced and read / fps < BREAKS_OFF * _announced_seconds(path):
        raise Unusable(f"damaged: it breaks off after {read} of {announced:.0f} frames")
    return np.stack(frames)


def _check_file(path: str) -> None:
    """OpenCV says of nothing why it cannot be read, and waits for ever for somebody to write into a pipe."""
    if not os.path.isfile(path):
        raise Unusable("not readable as a video: it is not a file")
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise Unusable("not readable as a video: it is empty")
    except OSError as error:
        raise Unusable(f"not readable as a video: {error.strerror}") from None


def _announced_seconds(path: str) -> float:
    """How long a clip says that it is, 0 if it does not."""
    import imageio_ffmpeg

    frames = imageio_ffmpeg.read_frames(path)
    try:
        return next(frames).get("duration", 0.0)
    except (OSError, RuntimeError, StopIteration):
        return 0.0
    finally:
        frames.close()


def _fill_gaps(landmarks: np.ndarray) -> np.ndarray:
    """Interpolates frames in which the face was missed."""
    found = ~np.isnan(landmarks[:, 0, 0])
    if found.mean() < MIN_FOUND:
        raise Unusable(f"a face in only {found.mean():.0%} of the frames")
    times = np.arange(len(landmarks))
    flat = landmarks.reshape(len(landmarks), -1)
    filled = np.stack([np.interp(times, times[found], column[found]) for column in flat.T], axis=1)
    return filled.reshape(landmarks.shape).astype(np.float32)


def _write_shards(clips: list[ClipInfo], parts: AnyPath, pack_dir: AnyPath) -> tuple[dict, dict[str, str]]:
    """Joins parts into shards of one split each, in the order of the clips; the same input gives the same bytes.

    Until all of them are whole there is no index, so nobody takes a mixture of old and new ones for a pack.

    Returns:
        The index, and the pictures that were left out of stills, by clip and name, with the reason.
    """
    old = names(pack_dir)
    for name in ["pack.json", *(name for name in old if name.endswith(".tar"))]:
        if name in old:
            (pack_dir / name).unlink()
    shards, totals, left_out = [], Counter(), {}
    for split in sorted({clip.split for clip in clips}):
        for group in _shards_of([clip for clip in clips if clip.split == split], parts):
            shard = {"name": f"{split}-{len(shards):05d}.tar", "split": split, "clips": len(group), "frames": 0}
            with whole(pack_dir / shard["name"]) as file:
                with tarfile.open(fileobj=file, mode="w") as tar:
                    for clip, members in group:
                        for info, data in members:
                            tar.addfile(info, io.BytesIO(data))
                        meta = json.loads(next(data for info, data in members if info.name.endswith(".json")))
                        shard["frames"] += meta["frames"]
                        for name, reason in meta.get("left_out", {}).items():
                            left_out[f"{clip.key}/{name}"] = reason
                shard["sha256"] = file_sha256(file)
            shards.append(shard)
            totals[f"{split}_clips"] += shard["clips"]
            totals[f"{split}_frames"] += shard["frames"]
    index = {"format": FORMAT, "fps": FPS, "crop": CROP_SIZE, "shards": shards, "totals": dict(totals)}
    _write_json(pack_dir / "pack.json", index)
    return index, left_out


_Members = list[tuple[tarfile.TarInfo, bytes]]


def _shards_of(clips: list[ClipInfo], parts: AnyPath) -> Iterator[list[tuple[ClipInfo, _Members]]]:
    """The clips of one shard after the other, with what their parts hold.

    Raises:
        PackError: a part is damaged.
    """
    group, written = [], 0
    for clip, data in zip(clips, read_all(parts / _part(clip) for clip in clips), strict=True):
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as part:
                members = [(info, part.extractfile(info).read()) for info in part]
        except tarfile.TarError as error:
            raise PackError(f"{parts / _part(clip)} is damaged ({error}); delete it and run the same again") from None
        size = sum(len(data) + 1024 for _, data in members)
        if group and written + size > SHARD_BYTES:
            yield group
            group, written = [], 0
        group.append((clip, members))
        written += size
    yield group


def _write_json(path: AnyPath, content: dict) -> None:
    with whole(path) as file:
        file.write(json.dumps(content, indent=1).encode())
