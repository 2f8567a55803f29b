"""Photo + audio → a stream of frames with everything that was computed on the way."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from atvg import audio as speech
from atvg import checkpoint
from atvg.config import WINDOW_ROWS
from atvg.errors import BadSettingError
from atvg.face.detector import FaceDetector, make_detector
from atvg.face.face import Face, read_face
from atvg.face.image import Photo
from atvg.nets.at_net import ATNet
from atvg.nets.vg_net import VGNet
from atvg.pose import Pose
from atvg.shape import ShapeModel, denormalise_offset, normalise, uncross_lips

CHUNK = 10  # frames drawn at once: 0.4 s of video, a good batch for a CPU
_AT_BLOCK = 500  # frames AT-net hears at once
_REST_FRAMES = 50  # of silence, after which AT-net's mouth has come to rest
_SHORT_PAUSE = 5  # frames; a shorter silence is part of speech (the closure of a "p")
_CALM = 1.5  # standard deviation, in frames, of the way into and out of rest


@dataclass(frozen=True)
class Settings:
    """What a user can turn. β is the weights' training value (0..2), pose in degrees, gain and smoothing as named.

    Raises:
        BadSettingError: a value of the wrong type or out of range.
    """

    beta: float = 0.5
    pose: Pose = field(default_factory=Pose)
    mouth_gain: float = 1.0  # movement of the mouth about its rest, 0..3
    smoothing: float = 0.8  # standard deviation in frames, 0..5
    seed: int = 0

    def __post_init__(self) -> None:
        _in_range("beta", self.beta, 0, 2)
        _in_range("mouth gain", self.mouth_gain, 0, 3)
        _in_range("smoothing", self.smoothing, 0, 5)
        if not isinstance(self.pose, Pose):
            raise BadSettingError(f"pose must be an atvg.Pose, not {type(self.pose).__name__}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise BadSettingError(f"seed is {self.seed!r}; give a whole number from 0 to {2**32 - 1}")


def _in_range(name: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise BadSettingError(f"{name} is {value!r}; give a number from {low:g} to {high:g}")


@dataclass(frozen=True)
class Chunk:
    """A stretch of T frames: ``frames = attention · motion + (1 − attention) · face.crop``.

    Attributes:
        start: index of the first frame in the clip.
        frames, motion: (T, 128, 128, 3) uint8 RGB.
        attention: (T, 128, 128) float32 in [0, 1].
        landmarks: (T, 68, 2) float32 crop pixels.
        codes: (T, K) float32, AT-net's output after gain and smoothing.
    """

    start: int
    frames: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    landmarks: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


class Animator:
    """Holds the networks, read-only, and animates any number of faces with them.

    Args:
        at_net, shape, vg_nets: from `atvg.checkpoint`; ``vg_nets`` maps the β a network was trained with to it.
        detector: how faces are found.
        device: where the networks run.
    """

    def __init__(
        self, at_net: ATNet, shape: ShapeModel, vg_nets: dict[float, VGNet], detector: FaceDetector, device: Any = "cpu"
    ):
        self.device = torch.device(device)
        self.at_net, self.shape, self.detector = at_net.to(self.device), shape, detector
        self.vg_nets = {beta: net.to(self.device, memory_format=torch.channels_last) for beta, net in vg_nets.items()}
        self._blended = lru_cache(maxsize=4)(self._blend)

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike | None = None, detector: str = "auto", device: Any = None
    ) -> "Animator":
        """Loads weights: the shipped ones, those of a folder, or of a Hub repository ``owner/name``.

        Raises:
            CheckpointError: missing or damaged weights.
            BadSettingError: unknown detector.
        """
        finder = make_detector(detector)
        folder = checkpoint.locate(source)
        at_net, shape = checkpoint.load_at_net(folder)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(at_net, shape, checkpoint.load_vg_nets(folder), finder, device)

    def read_face(self, photo: Photo) -> Face:
        """Finds the face in a path, PIL image or uint8 RGB array; see `atvg.face.face.read_face` for the errors."""
        return read_face(photo, self.detector)

    def stream(self, face: Face, audio: speech.Audio, chunk: int = CHUNK, **settings: Any) -> Iterator[Chunk]:
        """Animates a face, chunk by chunk; the frames do not depend on ``chunk`` and memory not on the length.

        Everything is checked before the iterator is returned. ``settings`` are the fields of `Settings`.

        Raises:
            BadAudioError, TooLongError, BadSettingError: what they say.
        """
        chosen = make_settings(settings)
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise BadSettingError(f"chunk is {chunk!r}; give a whole number of frames, at least 1")
        wave = speech.load_audio(audio)
        return self._stream(face.turned(chosen.pose), wave, chunk, chosen)

    def __call__(self, photo: Photo | Face, audio: speech.Audio, **settings: Any) -> "Result":
        """Animates a photo and collects every frame; for long audio use `stream`, whose memory stays flat."""
        face = photo if isinstance(photo, Face) else self.read_face(photo)
        chosen = make_settings(settings)
        turned = face.turned(chosen.pose)
        chunks = list(self.stream(turned, audio, **settings | {"pose": Pose()}))
        return Result(face=turned, audio=audio, start=0, **join(chunks))

    @torch.inference_mode()
    def _stream(self, face: Face, wave: np.ndarray, chunk: int, settings: Settings) -> Iterator[Chunk]:
        codes = self.codes(face.crop_landmarks, wave, settings.mouth_gain, settings.smoothing)
        landmarks = self._landmarks(codes, face.crop_landmarks)
        drawn = self._draw(face.crop, face.crop_landmarks[:, :2], landmarks, chunk, settings.beta)
        for start, (frames, attention, motion) in zip(range(0, len(codes), chunk), drawn, strict=True):
            stretch = slice(start, start + len(frames))
            yield Chunk(start, frames, attention, motion, landmarks[stretch], codes[stretch])

    # -- audio → landmarks ---------------------------------------------------------------------------------------

    def codes(
        self, photo_landmarks: np.ndarray, wave: np.ndarray, mouth_gain: float = 1.0, smoothing: float = 0.8
    ) -> np.ndarray:
        """Shape codes of every frame, (T, K) float32: AT-net, then rest in silence, gain and smoothing.

        Args:
            photo_landmarks: (68, 3) crop pixels and depth.
            wave: float32 samples, 16 kHz mono.
        """
        n_frames = speech.n_video_frames(wave)
        rows = speech.mfcc_rows(wave, n_frames, self.at_net.config.first_mfcc + self.at_net.config.n_mfcc)
        codes, rest = self._hear(rows, photo_landmarks)
        calm = _calm(speech.silence(wave, n_frames))[:, None]
        codes = rest + (1 - calm) * mouth_gain * (codes - rest)
        return _smooth(codes, smoothing)

    def landmarks_from_rows(self, rows: np.ndarray, photo_landmarks: np.ndarray, smoothing: float = 0.8) -> np.ndarray:
        """MFCC rows (4·T + 24, ≥ n_mfcc + 1) and the photo's landmarks (68, 3) → landmarks (T, 68, 2), crop pixels."""
        codes, _ = self._hear(rows, photo_landmarks)
        return self._landmarks(_smooth(codes, smoothing), photo_landmarks)

    @torch.inference_mode()
    def _hear(self, rows: np.ndarray, photo_landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """AT-net over all frames → codes (T, K), and the code its mouth rests at, (K,)."""
        config = self.at_net.config
        windows = speech.windows(rows[:, config.first_mfcc : config.first_mfcc + config.n_mfcc])
        normal = normalise(photo_landmarks, self.shape.frame_of(photo_landmarks))
        identity = self._tensor(self.shape.identity_code(normal))[None]
        state = self.at_net.initial_state()
        parts = []
        for first in range(0, len(windows), _AT_BLOCK):
            block = self._tensor(windows[first : first + _AT_BLOCK])[None]
            part, state = self.at_net(block, identity, state)
            parts.append(part[0].cpu().numpy())
        silence = self._tensor(speech.silent_row(config.first_mfcc + config.n_mfcc)[config.first_mfcc :])
        silence = silence.expand(1, _REST_FRAMES, WINDOW_ROWS, config.n_mfcc)
        at_rest, _ = self.at_net(silence, identity, self.at_net.initial_state())
        return np.concatenate(parts), at_rest[0, -1].cpu().numpy()

    def _landmarks(self, codes: np.ndarray, photo_landmarks: np.ndarray) -> np.ndarray:
        """Codes (T, K) → crop-space landmarks (T, 68, 2): the photo's own plus the offset, seen in its pose."""
        offsets = denormalise_offset(self.shape.decode(codes), self.shape.frame_of(photo_landmarks))
        return uncross_lips(photo_landmarks[:, :2] + offsets[..., :2]).astype(np.float32)

    # -- landmarks → frames --------------------------------------------------------------------------------------

    def draw(self, photo_crop: np.ndarray, example: np.ndarray, landmarks: np.ndarray, beta: float = 0.5) -> np.ndarray:
        """VG-net alone: crop (128, 128, 3) uint8, its landmarks (68, 2), targets (T, 68, 2) → frames (T, …) uint8."""
        with torch.inference_mode():
            return np.concatenate([frames for frames, _, _ in self._draw(photo_crop, example, landmarks, CHUNK, beta)])

    def _draw(
        self, photo_crop: np.ndarray, example: np.ndarray, landmarks: np.ndarray, chunk: int, beta: float
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        net = self._blended(float(beta))
        photo = (self._tensor(photo_crop) / 127.5 - 1).permute(2, 0, 1)[None]
        code, state = net.encode_photo(photo, self._tensor(example)[None]), None
        for first in range(0, len(landmarks), chunk):
            made, state = net(code, self._tensor(landmarks[first : first + chunk])[None], state)
            yield _pixels(made.frame[0]), made.attention[0, :, 0].cpu().numpy(), _pixels(made.motion[0])

    def _blend(self, beta: float) -> VGNet:
        """The network for β: between the two nearest trained values the weights are interpolated."""
        trained = sorted(self.vg_nets)
        below = max((b for b in trained if b <= beta), default=trained[0])
        above = min((b for b in trained if b >= beta), default=trained[-1])
        if below == above:
            return self.vg_nets[below]
        share = (beta - below) / (above - below)
        low, high = self.vg_nets[below].state_dict(), self.vg_nets[above].state_dict()
        blend = VGNet(self.vg_nets[below].config).to(self.device, memory_format=torch.channels_last)
        mixed = {k: v if not v.is_floating_point() else v.lerp(high[k], share) for k, v in low.items()}
        blend.load_state_dict(mixed)
        return blend.eval().requires_grad_(False)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=self.device)


@dataclass(frozen=True)
class Result(Chunk):
    """A whole clip: all frames, the (turned) face they were drawn from, and the audio they were drawn for."""

    face: Face
    audio: speech.Audio

    def save(self, path: str | os.PathLike, frame: str = "full", panels: str | os.PathLike | None = None) -> None:
        """Writes an MP4 with the sound; ``frame`` is ``"full"`` (the whole photo) or ``"crop"``.

        Raises:
            OutputError: the file cannot be written.
        """
        from atvg.render import render

        render(self.face, [self], self.audio, path, frame=frame, panels=panels)


def join(chunks: list[Chunk]) -> dict[str, np.ndarray]:
    """What consecutive chunks hold, by name, as one array each."""
    names = ("frames", "attention", "motion", "landmarks", "codes")
    return {name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names}


def make_settings(values: dict[str, Any]) -> Settings:
    """`Settings` from keyword arguments.

    Raises:
        BadSettingError: an unknown name or a bad value.
    """
    unknown = sorted(set(values) - set(Settings.__dataclass_fields__))
    if unknown:
        raise BadSettingError(
            f"unknown setting {unknown[0]!r}; choose from: {', '.join(Settings.__dataclass_fields__)}"
        )
    return Settings(**values)


def _pixels(images: Tensor) -> np.ndarray:
    """(T, 3, H, W) in [−1, 1] → (T, H, W, 3) uint8."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().contiguous().numpy()


def _calm(silent: np.ndarray) -> np.ndarray:
    """How far each frame is at rest, (T,) in [0, 1], from which frames are silent; short pauses do not count."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(np.int8), [0]])))
    calm = np.zeros(len(silent))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= _SHORT_PAUSE:
            # Lips part before the voice is heard and close after it.
            calm[start + (start > 0) : end - (end < len(silent))] = 1
    return gaussian_filter1d(calm, _CALM, mode="nearest")


def _smooth(codes: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian low-pass over time, (T, K)."""
    if deviation > 0:
        codes = gaussian_filter1d(codes, deviation, axis=0, mode="nearest")
    return codes.astype(np.float32)
