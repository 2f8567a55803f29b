"""Faces, voices and talking clips made by code, so that the tests need nothing but the installed wheels."""

import io
import json
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from scipy.io import wavfile

from atvg.config import FPS, SAMPLE_RATE
from atvg.data.pack import FORMAT, LANDMARK_STEPS, Clip, encode_video
from atvg.face.landmarks import FLIP
from atvg.paper.drawings import Drawing, Robot
from atvg.voice.mel import packed

__all__ = [
    "Drawing", "Robot", "face68", "opened", "portrait", "syllables", "talking_frames", "tone", "write_pack",
    "write_video",
]  # fmt: skip

CLIP_SIDE = 256


def face68() -> np.ndarray:
    """A hand-drawn frontal face with a closed mouth, (68, 3) float64 in crop pixels, mirror-symmetric about x = 64.

    Depth grows away from the viewer: the nose tip is nearest, the temples are farthest.
    """
    points = np.zeros((68, 3))
    angle = np.linspace(np.pi, 0, 17)  # jaw: temple, chin, temple
    points[0:17] = np.stack([64 + 34 * np.cos(angle), 52 + 58 * np.sin(angle), 30 * np.abs(np.cos(angle))], axis=1)
    points[17:22] = [(35, 42, 8), (40, 38, 4), (46, 37, 1), (52, 38, -1), (58, 41, -3)]
    points[27:31] = [(64, 50, -6), (64, 57, -11), (64, 64, -16), (64, 71, -20)]
    points[31:34] = [(57, 74, -8), (60, 76, -11), (64, 77, -13)]
    points[36:42] = [(42, 50, 6), (46, 47, 3), (50, 47, 2), (54, 50, 3), (50, 52, 2), (46, 52, 3)]
    points[48:52] = [(52, 89, 2), (56, 87, -3), (60, 86, -6), (64, 87, -7)]
    points[57:60] = [(64, 93, -6), (60, 92, -5), (56, 91, -2)]
    points[60:63] = [(54, 89, 1), (60, 89, -4), (64, 89, -5)]
    points[66:68] = [(64, 89, -5), (60, 89, -4)]
    mirrored = points[FLIP] * [-1, 1, 1] + [128, 0, 0]
    unset = (points == 0).all(axis=1)
    points[unset] = mirrored[unset]
    return points


def opened(landmarks: np.ndarray, gap: float) -> np.ndarray:
    """Landmarks (68, 2+) with the lower lip lower, `gap` between the lips of a mouth that was shut."""
    landmarks = landmarks.copy()
    landmarks[[*range(55, 60), *range(65, 68)], 1] += gap
    return landmarks


SKIN, LIPS, TEETH, THROAT, EYE = (200, 160, 140), (170, 70, 80), (250, 245, 235), (30, 15, 15), (245, 245, 250)


def portrait(gap: float = 0.0, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A face of few colours: the landmarks of `face68`, teeth in the upper half of the mouth, and whites of the eyes.

    Args:
        gap: between the lips, crop pixels.
        scale: photo pixels in a crop pixel.

    Returns:
        (128·scale, 128·scale, 3) uint8 RGB and (68, 3) landmarks in its pixels.
    """
    landmarks = opened(face68(), gap)
    landmarks[:, :2] = (landmarks[:, :2] + 0.5) * scale - 0.5
    landmarks[:, 2] *= scale
    picture = np.full((128 * scale, 128 * scale, 3), SKIN, np.uint8)

    def fill(points: np.ndarray, colour: tuple) -> None:
        fine = (points * 16).round().astype(np.int32)
        cv2.fillPoly(picture, [fine], colour, shift=4)

    fill(landmarks[48:60, :2], LIPS)
    if gap:
        inner = landmarks[60:68, :2]
        fill(inner, THROAT)
        # As wide as the mouth and down to its middle; every other crop pixel a little darker.
        left, right = round(inner[0, 0] + 3 * scale), round(inner[4, 0] - 3 * scale)
        top, middle = round(inner[2, 1] + 0.8 * scale), round(inner[2, 1] + gap / 2 * scale)
        stripes = np.where(np.arange(left, right) // scale % 2, 1.0, 0.85)[:, None] * TEETH
        picture[top:middle, left:right] = stripes.astype(np.uint8)
    for eye in (slice(36, 42), slice(42, 48)):
        points = landmarks[eye, :2]
        fill(points.mean(axis=0) + 0.6 * (points - points.mean(axis=0)), EYE)
    return picture, landmarks


def tone(seconds: float, loudness: np.ndarray, rate: int = SAMPLE_RATE) -> np.ndarray:
    """A buzzing voice whose level follows `loudness` (one value per video frame), float32 in [−1, 1]."""
    times = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    level = np.interp(times, (np.arange(len(loudness)) + 0.5) / FPS, loudness)
    return (0.25 * buzz * level).astype(np.float32)


def syllables(n_frames: int, every: float = 8.0) -> np.ndarray:
    """A mouth that opens and shuts every so many frames: (n_frames,) in [0, 1], beginning and ending shut."""
    envelope = np.sin(np.pi * np.arange(n_frames) / every) ** 2
    envelope[-1] = 0
    return envelope


def talking_frames(face: np.ndarray, mouth: tuple[float, float, float], opening: np.ndarray) -> np.ndarray:
    """Animates a still: the lower lip drops and what it uncovers is dark.

    Args:
        face: (H, W, 3) uint8 picture of one face.
        mouth: x and y of the mouth's centre and its width, in pixels of `face`.
        opening: (T,) in [0, 1].

    Returns:
        (T, 256, 256, 3) uint8.
    """
    scale = CLIP_SIDE / face.shape[0]
    face = cv2.resize(face, (CLIP_SIDE, CLIP_SIDE), interpolation=cv2.INTER_CUBIC)
    x0, y0, width = (value * scale for value in mouth)
    y, x = np.mgrid[:CLIP_SIDE, :CLIP_SIDE].astype(np.float32)
    frames = []
    for share in opening:
        gap = 0.45 * width * share * np.exp(-(((x - x0) / (0.42 * width)) ** 2))
        below = np.clip((y - y0) / 1.2 / width, 0, 1)
        source = np.where(y > y0, np.maximum(y0, y - gap * (1 - below)), y).astype(np.float32)
        frame = cv2.remap(face, x, source, cv2.INTER_LINEAR)
        frame[(y > y0) & (y < y0 + gap - 0.5)] = (60, 15, 20)
        frames.append(frame)
    return np.stack(frames)


def write_video(path: Path, frames: np.ndarray, wave: np.ndarray | None = None, fps: float = FPS) -> Path:
    """Encodes frames, with 16 kHz sound if there is any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sound = None
        if wave is not None:
            sound = str(Path(folder) / "sound.wav")
            wavfile.write(sound, SAMPLE_RATE, wave)
        writer = imageio_ffmpeg.write_frames(
            str(path), frames.shape[2:0:-1], fps=fps, codec="libx264", quality=None, audio_path=sound,
            output_params=["-crf", "14", "-preset", "veryfast"],
        )  # fmt: skip
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
    return path


def write_pack(folder: Path, clips: Sequence[Clip], shards: int = 1) -> Path:
    """A pack of clips of one split, as many in every shard; one without frames has no picture."""
    folder.mkdir(exist_ok=True)
    split, each, index = clips[0].split, len(clips) // shards, []
    for number in range(shards):
        some = clips[number * each : (number + 1) * each]
        index.append({"name": f"{split}-{number:05d}.tar", "split": split, "clips": len(some)})
        with tarfile.open(folder / index[-1]["name"], "w") as tar:
            for clip in some:
                for ending, data in _members(clip).items():
                    info = tarfile.TarInfo(f"{clip.key}.{ending}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    about = {"format": FORMAT, "shards": index, "totals": {f"{split}_clips": len(clips)}}
    (folder / "pack.json").write_text(json.dumps(about))
    return folder


def _members(clip: Clip) -> dict[str, bytes]:
    arrays = io.BytesIO()
    np.savez(
        arrays,
        landmarks=(clip.landmarks * LANDMARK_STEPS).round().astype(np.int16),
        transforms=clip.transforms.astype(np.float32),
        mfcc=clip.mfcc.astype(np.float16),
        log_mel=packed(clip.mfcc80),
    )
    about = {name: getattr(clip, name) for name in ("source", "identity", "split", "sync")}
    pictures = encode_video(clip.frames) if len(clip.frames) else b""
    return {"json": json.dumps(about).encode(), "mp4": pictures, "npz": arrays.getvalue()}
