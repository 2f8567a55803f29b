"""Faces, voices and talking clips made by code, so that the tests need nothing but the installed wheels."""

import tempfile
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from scipy.io import wavfile

from atvg.config import FPS, SAMPLE_RATE
from atvg.face.landmarks import FLIP
from atvg.paper.drawings import Drawing, Robot

__all__ = ["Drawing", "Robot", "face68", "syllables", "talking_frames", "tone", "write_video"]

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
