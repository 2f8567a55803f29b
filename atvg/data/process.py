"""One clip, or all stills of a person → what a pack stores of it.

A face is found in every frame, so that the crop can be stabilised: what an expression does not move stands still.
"""

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from atvg.config import FPS, N_MFCC_STORED, ROWS_PER_FRAME, SAMPLE_RATE
from atvg.data.layouts import ClipInfo
from atvg.data.pack import LANDMARK_STEPS, encode_video
from atvg.data.storage import as_path, local_copy
from atvg.data.video import MAX_FRAMES, Unusable, read_frames
from atvg.errors import ATVGError, BadAudioError
from atvg.face import geometry
from atvg.face.crop import canonical_transform, stabilising_transforms, warp_to_crop
from atvg.face.landmarks import MESH_TO_68, RIGID
from atvg.voice.mel import clip_mfcc80, packed, silent_mfcc80

MIN_FOUND = 0.8  # share of frames in which the face must be found
MIN_EYE_DISTANCE = 12  # pixels between the eyes in the source
# Sound and picture of one clip may differ so much in length; more, and a recording was trimmed (as GRID's 25 kHz ones
# are) and no longer fits the lips.
MAX_APART = 0.2

_tracker = None


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
    frames: np.ndarray | list[np.ndarray],
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


def _fill_gaps(landmarks: np.ndarray) -> np.ndarray:
    """Interpolates frames in which the face was missed."""
    found = ~np.isnan(landmarks[:, 0, 0])
    if found.mean() < MIN_FOUND:
        raise Unusable(f"a face in only {found.mean():.0%} of the frames")
    times = np.arange(len(landmarks))
    flat = landmarks.reshape(len(landmarks), -1)
    filled = np.stack([np.interp(times, times[found], column[found]) for column in flat.T], axis=1)
    return filled.reshape(landmarks.shape).astype(np.float32)


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
