"""Photo + audio → a stream of frames with everything that was computed on the way."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from atvg import checkpoint
from atvg.animate.ear_engine import make_ear
from atvg.animate.engine import Engine, as_pixels, check_engine, make_engine
from atvg.animate.listener import Listener, batches, frames_of, silence_for, smoothed
from atvg.config import EARS, check_number, shown
from atvg.errors import BadSettingError
from atvg.face import geometry
from atvg.face.detector import FaceDetector, make_detector
from atvg.face.face import Face, read_face
from atvg.face.image import Photo
from atvg.face.placing import Numbers
from atvg.motion.carry import Carried
from atvg.motion.idle import IdleModel, blink
from atvg.motion.layers import Layers
from atvg.motion.monochrome import Monochrome
from atvg.motion.pose import Pose
from atvg.motion.shape import ShapeModel, denormalise_offset, press_lips, uncross_lips
from atvg.motion.teeth import Teeth, fit_teeth, load_donors
from atvg.motion.turn import HeadTurn
from atvg.motion.warp import CELLS
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.nets.vg_net import Ground, Turned, VGNet, turn
from atvg.voice import audio as speech
from atvg.voice.hearing import Listens, stored_rows

CHUNK = 10  # frames drawn at once: 0.4 s of video, a good batch for a CPU
_ENGINES = 4  # compiled networks kept, one for each β that was asked for: 75 MB each


@dataclass(frozen=True)
class Settings:
    """What a user can turn. β is the weights' training value (0..2), pose in degrees; `seed` is of the idle motion.

    Raises:
        BadSettingError: a value of the wrong type or out of range.
    """

    beta: float = 0.5
    pose: Pose = field(default_factory=Pose)
    mouth_gain: float = 1.0  # movement of the mouth about its rest, 0..3
    smoothing: float = 0.8  # standard deviation in frames, 0..5
    teeth: float = 1.0  # how much of the teeth shows that no photo of a shut mouth can tell, 0..1
    ear: str = EARS[0]  # "whisper": AT-net hears through the trained ear; "none": windows of MFCC, as in the paper
    natural: bool = False  # the head moves a little and the eyes blink, as real ones did
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("beta", self.beta, 0, 2)
        check_number("mouth gain", self.mouth_gain, 0, 3)
        check_number("smoothing", self.smoothing, 0, 5)
        check_number("teeth", self.teeth, 0, 1)
        if not isinstance(self.pose, Pose):
            raise BadSettingError(f"pose must be an atvg.Pose, not {type(self.pose).__name__}")
        if self.ear not in EARS:
            raise BadSettingError(f"ear is {shown(self.ear)}; choose from: {', '.join(EARS)}")
        if not isinstance(self.natural, bool):
            raise BadSettingError(f"natural is {self.natural!r}; give True or False")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise BadSettingError(f"seed is {shown(self.seed)}; give a whole number from 0 to {2**32 - 1}")


@dataclass(frozen=True)
class Chunk:
    """A stretch of T frames: ``frames = attention · motion + (1 − attention) · photos``.

    Attributes:
        start: index of the first frame in the clip.
        frames, motion: (T, 128, 128, 3) uint8 RGB.
        photos: (T, 128, 128, 3) uint8 RGB, the face's crop with its head turned; one and the same while it stays still.
        base: (T, 128, 128, 3) uint8 RGB, what motion was drawn over: ``motion = base + residual``.
        shift: (T, 64, 64, 2) float32 crop pixels, how far away each place of the warped photo has its source.
        attention: (T, 128, 128) float32 in [0, 1].
        landmarks: (T, 68, 2) float32 crop pixels.
        codes: (T, K) float32, AT-net's output after gain and smoothing.
        turns: T turns of the head beyond the face's own pose; none while it stays still.
        teeth: what lies behind the lips, of one photo; None if the network draws without layers.
    """

    start: int
    frames: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    photos: np.ndarray
    base: np.ndarray
    shift: np.ndarray
    landmarks: np.ndarray
    codes: np.ndarray
    turns: tuple[HeadTurn, ...]
    teeth: Teeth | None

    def __len__(self) -> int:
        return len(self.frames)

    def cut(self, first: int, last: int) -> "Chunk":
        """Frames first..last − 1 of this stretch."""
        parts = {name: getattr(self, name)[first:last] for name in (*_ARRAYS, "turns")}
        return Chunk(start=self.start + first, teeth=self.teeth, **parts)


_ARRAYS = ("frames", "attention", "motion", "photos", "base", "shift", "landmarks", "codes")


class Animator:
    """Holds the networks, read-only, and animates any number of faces with them.

    Args:
        at_nets, shape, vg_nets: from `atvg.checkpoint`; ``at_nets`` maps what a network hears through to it,
            ``vg_nets`` the β it was trained with.
        detector: how faces are found.
        device: where the networks run.
        engine: what ear and VG-net are computed with, see `atvg.animate.engine`.
        idle: real head movements and blinks; without them ``natural`` cannot be asked for.
        load_ear: gives the trained ear, when it is needed for the first time.
    """

    def __init__(
        self,
        at_nets: Mapping[str, ATNet],
        shape: ShapeModel,
        vg_nets: dict[float, VGNet],
        detector: FaceDetector,
        device: Any = "cpu",
        idle: IdleModel | None = None,
        engine: str = "auto",
        load_ear: Callable[[], Ear] = checkpoint.load_ear,
    ):
        self.device, self.idle = torch.device(device), idle
        self.at_nets = {ear: at_nets[ear].to(self.device) for ear in EARS if ear in at_nets}
        self.shape, self.detector = shape, detector
        self.vg_nets = {beta: net.to(self.device, memory_format=torch.channels_last) for beta, net in vg_nets.items()}
        self.engine_name, self._engines = engine, lru_cache(maxsize=_ENGINES)(self._make_engine)
        self._compiling = threading.Lock()
        self.load_ear = load_ear
        self._hearing: dict[str, tuple[Listens | None, Tensor]] = {}  # ears at work, and what they hear of silence
        for net in vg_nets.values():
            check_engine(engine, net)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike | None = None,
        detector: str = "auto",
        device: Any = None,
        engine: str = "auto",
    ) -> "Animator":
        """Loads weights: the shipped ones, those of a folder, or of a Hub repository ``owner/name``.

        Raises:
            CheckpointError: missing or damaged weights.
            BadSettingError: unknown detector or engine, or one that cannot be used here.
        """
        finder = make_detector(detector)
        folder = checkpoint.locate(source)
        at_nets, shape = checkpoint.load_at_nets(folder)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        has_idle = (folder / f"{checkpoint.IDLE}.safetensors").is_file()
        idle = checkpoint.load_idle(folder) if has_idle else None
        load_ear = partial(checkpoint.load_ear, folder)
        return cls(at_nets, shape, checkpoint.load_vg_nets(folder), finder, device, idle, engine, load_ear)

    @property
    def ears(self) -> tuple[str, ...]:
        """What the AT-nets hear through, of `EARS`, the better first."""
        return tuple(self.at_nets)

    def read_face(self, photo: Photo, *, box: Numbers | None = None, points: Numbers | None = None) -> Face:
        """Finds the face in a path, PIL image or uint8 RGB array, or takes the one placed by hand.

        See `atvg.face.face.read_face` for box, points and the errors.
        """
        return read_face(photo, self.detector, box=box, points=points, template=self.shape.mean)

    def stream(self, face: Face, audio: speech.Audio, chunk: int = CHUNK, **settings: Any) -> Iterator[Chunk]:
        """Animates a face, chunk by chunk; the frames do not depend on ``chunk`` and memory not on the length.

        Everything is checked before the iterator is returned. ``settings`` are the fields of `Settings`.

        Raises:
            BadAudioError, TooLongError, BadSettingError: what they say.
        """
        chosen = self.settings(settings)
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise BadSettingError(f"chunk is {shown(chunk)}; give a whole number of frames, at least 1")
        wave = speech.load_audio(audio)
        # Always drawn in the same stretches: sums of other lengths end in other last digits, and 8 bits round those up.
        face = face.turned(chosen.pose)
        chunks = self._stream(face, self.listener(face.crop_landmarks, chosen.ear), wave, chosen)
        return chunks if chunk == CHUNK else regroup(chunks, chunk)

    def __call__(self, photo: Photo | Face, audio: speech.Audio, **settings: Any) -> "Result":
        """Animates a photo and collects every frame; for long audio use `stream`, whose memory stays flat."""
        face = photo if isinstance(photo, Face) else self.read_face(photo)
        chosen = make_settings(settings)
        turned = face.turned(chosen.pose)
        chunks = list(self.stream(turned, audio, **settings | {"pose": Pose()}))
        return Result(face=turned, audio=audio, start=0, **join(chunks))

    def settings(self, values: dict[str, Any]) -> Settings:
        """`Settings` from keyword arguments, if these weights can do what they ask for.

        Raises:
            BadSettingError: an unknown name, a bad value, or an ear or natural motion that the weights lack.
        """
        chosen = make_settings(values)
        self._net(chosen.ear)
        if chosen.natural and self.idle is None:
            raise BadSettingError("these weights have no idle motion (idle.safetensors); make it with: atvg train idle")
        return chosen

    def _stream(self, face: Face, listener: Listener, wave: np.ndarray, settings: Settings) -> Iterator[Chunk]:
        performance = Performance(self, face, settings)
        for codes in batches(listener.speak(wave, settings.mouth_gain, settings.smoothing), CHUNK):
            yield performance.show(codes)

    # -- audio → landmarks ---------------------------------------------------------------------------------------

    def listener(self, photo_landmarks: np.ndarray, ear: str = EARS[0]) -> Listener:
        """AT-net ready to hear one voice for one face, (68, 3) crop pixels and depth.

        Raises:
            BadSettingError: the weights have no AT-net for this ear.
            CheckpointError: the ear's weights are missing or damaged.
        """
        net = self._net(ear)
        with self._compiling:
            if ear not in self._hearing:
                listens = None
                if ear != "none":
                    listens = make_ear(self.engine_name, self.load_ear().to(self.device), net.config.ear_layers)
                self._hearing[ear] = listens, silence_for(net, listens)
            listens, silence = self._hearing[ear]
        return Listener(net, listens, self.shape, photo_landmarks, silence)

    def _net(self, ear: str) -> ATNet:
        if ear not in self.at_nets:
            raise BadSettingError(f"these weights have no AT-net for ear {shown(ear)}; choose: {', '.join(self.ears)}")
        return self.at_nets[ear]

    def codes(
        self,
        photo_landmarks: np.ndarray,
        wave: np.ndarray,
        mouth_gain: float = 1.0,
        smoothing: float = 0.8,
        ear: str = EARS[0],
    ) -> np.ndarray:
        """Shape codes of every frame, (T, K) float32: AT-net, then rest in silence, gain and smoothing.

        Args:
            photo_landmarks: (68, 3) crop pixels and depth.
            wave: float32 samples, 16 kHz mono.
        """
        return np.concatenate(list(self.listener(photo_landmarks, ear).speak(wave, mouth_gain, smoothing)))

    def landmarks_from_rows(
        self, rows: np.ndarray, photo_landmarks: np.ndarray, smoothing: float = 0.8, ear: str = EARS[0]
    ) -> np.ndarray:
        """`Clip.heard` of a pack's clip and the photo's landmarks (68, 3) → landmarks (T, 68, 2), crop pixels."""
        return self.landmarks(self.codes_from_rows(rows, photo_landmarks, smoothing, ear), photo_landmarks)

    def codes_from_rows(
        self, rows: np.ndarray, photo_landmarks: np.ndarray, smoothing: float = 0.8, ear: str = EARS[0]
    ) -> np.ndarray:
        """The same, → shape codes (T, K)."""
        listener = self.listener(photo_landmarks, ear)
        parts = listener.codes(stored_rows(rows), frames_of(listener.net, rows))
        return np.concatenate(list(smoothed(parts, smoothing)))

    def landmarks(self, codes: np.ndarray, photo_landmarks: np.ndarray) -> np.ndarray:
        """Codes (T, K) → crop-space landmarks (T, 68, 2): the photo's own plus the offset, seen in its pose.

        The photo's are (68, 3), or (T, 68, 3) while its head turns.
        """
        offsets = denormalise_offset(self.shape.decode(codes), self.shape.frame_of(photo_landmarks))
        return press_lips(uncross_lips(photo_landmarks[..., :2] + offsets[..., :2])).astype(np.float32)

    # -- landmarks → frames --------------------------------------------------------------------------------------

    @torch.inference_mode()
    def drawer(
        self,
        photo_crop: np.ndarray,
        example: np.ndarray,
        beta: float = 0.5,
        recurrent: bool = True,
        teeth: float = 1.0,
    ) -> "Drawer":
        """VG-net ready to draw one photo, (128, 128, 3) uint8 with landmarks (68, 2+) in crop pixels; see `Drawer`."""
        return Drawer(self.engine(beta), photo_crop, example, recurrent, teeth)

    @torch.inference_mode()
    def draw(
        self,
        photo_crop: np.ndarray,
        example: np.ndarray,
        landmarks: np.ndarray,
        beta: float = 0.5,
        moved: Carried | None = None,
    ) -> np.ndarray:
        """VG-net alone.

        Args:
            photo_crop: (128, 128, 3) uint8.
            example: (68, 2+) its landmarks, crop pixels.
            landmarks: (T, 68, 2) those of the frames.
            moved: how the head moves, from `atvg.motion.carry`; it stays as in the photo if None.

        Returns:
            (T, 128, 128, 3) uint8.
        """
        drawer = self.drawer(photo_crop, example, beta)
        parts = []
        for first in range(0, len(landmarks), CHUNK):
            part = slice(first, first + CHUNK)
            turned = moved and drawer.carried(Carried(moved.sources[part], moved.targets[part]))
            parts.append(drawer.draw(landmarks[part], turned).frames)
        return np.concatenate(parts)

    def engine(self, beta: float = 0.5) -> Engine:
        """What draws with the weights for β; compiled when it is asked for the first time."""
        with self._compiling:  # one compiler at a time, and none for what another thread compiles already
            return self._engines(float(beta))

    def _make_engine(self, beta: float) -> Engine:
        return make_engine(self.engine_name, self._blend(beta))

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
        if not all((net.input_ranges[:, 1] > 0).all() for net in (self.vg_nets[below], self.vg_nets[above])):
            mixed["input_ranges"].zero_()  # half of a range is none
        blend.load_state_dict(mixed)
        return blend.eval().requires_grad_(False)


class Performance:
    """A face on its way through a clip: natural motion, landmarks, VG-net; `face` is turned already."""

    def __init__(self, animator: Animator, face: Face, settings: Settings):
        self._animator, self._face = animator, face
        self._drawer = animator.drawer(face.crop, face.crop_landmarks, settings.beta, teeth=settings.teeth)
        self._idle = animator.idle.sample(settings.seed) if settings.natural else None
        self._shown = 0

    def show(self, codes: np.ndarray) -> Chunk:
        """The next T frames, from their codes (T, K)."""
        face, count = self._face, len(codes)
        turns, turned, seen, closure = (), None, face.crop_landmarks, 0.0
        photos = np.broadcast_to(face.crop, (count, *face.crop.shape))
        if self._idle is not None:
            moments = list(islice(self._idle, count))
            turns = tuple(face.head_turn(moment.pose) for moment in moments)
            seen = np.stack([geometry.apply(face.matrix, turn.landmarks) for turn in turns])
            photos = np.stack([turn.of_crop(face.crop, face.matrix) for turn in turns])
            turned, closure = self._drawer.turned(photos, seen[..., :2]), np.array([m.closure for m in moments])
        landmarks = blink(self._animator.landmarks(codes, seen), closure)
        self._shown += count
        return self._drawer.draw(landmarks, turned).chunk(self._shown - count, photos, codes, turns)


class Drawing(NamedTuple):
    """T drawn frames; see `Chunk` for what each is."""

    frames: np.ndarray
    attention: np.ndarray
    motion: np.ndarray
    base: np.ndarray
    shift: np.ndarray
    landmarks: np.ndarray
    teeth: Teeth | None

    def chunk(self, start: int, photos: np.ndarray, codes: np.ndarray, turns: tuple[HeadTurn, ...] = ()) -> Chunk:
        """These frames, with what they were drawn from."""
        return Chunk(start=start, photos=photos, codes=codes, turns=turns, **self._asdict())


class Drawer:
    """VG-net at work on one photo, stretch by stretch: keeps the photo's code and the recurrent state.

    Args:
        engine: what draws.
        photo_crop: (128, 128, 3) uint8.
        example: (68, 2+) its landmarks, crop pixels.
        recurrent: if not, the MMCRNN forgets after every frame, as if each were the first.
        teeth: how much of them shows that the photo does not, 0..1.
    """

    def __init__(
        self,
        engine: Engine,
        photo_crop: np.ndarray,
        example: np.ndarray,
        recurrent: bool = True,
        teeth: float = 1.0,
    ):
        self._engine, self._recurrent = engine, recurrent
        self._device = next(engine.net.parameters()).device
        self._photo, marks = self._images(photo_crop[None]), self._tensor(example)[None]
        self._tone = Monochrome.of(photo_crop)
        self._teeth = None
        if engine.net.config.warp and engine.net.config.layers:
            self._teeth = fit_teeth(load_donors(device=self._device), self._photo, marks, teeth)
        self._code = engine.net.encode_photo(self._photo, marks[..., :2], self._teeth)
        self._state = self._code.start

    @torch.inference_mode()
    def draw(self, landmarks: np.ndarray, turned: Turned | None = None) -> Drawing:
        """The next T frames.

        Args:
            landmarks: (T, 68, 2) crop pixels.
            turned: from `turned` or `carried`; the head stays as in the photo if None.
        """
        marks = self._tensor(landmarks)
        ground = self._engine.net.ground(self._code, marks[None], turned)
        frames, attention, motion = self._paint(marks, ground)
        if ground.layers is None:
            base, shift = ground.photo, ground.photo.new_zeros(len(marks), CELLS, CELLS, 2)
        else:
            base, shift = ground.layers.base, ground.layers.shift
        if self._tone is not None:
            motion = self._tone(motion)
            frames = compose(attention[..., None], motion, as_pixels(ground.photo).cpu().numpy())
        base, shift = as_pixels(base).cpu().numpy(), shift.cpu().numpy()
        teeth = self._teeth and Teeth(*(part.cpu() for part in self._teeth))
        return Drawing(frames, attention, motion, base, shift, landmarks, teeth)

    def _paint(self, landmarks: Tensor, ground: Ground) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames, attention and motion."""
        if self._recurrent:
            drawn = self._engine.draw(self._code, landmarks, ground, self._state)
            self._state = drawn.states[-1:]
            return drawn[:3]
        parts = []
        for t in range(len(landmarks)):
            one = slice(t, t + 1)
            over = ground.layers and Layers(*(part[one] for part in ground.layers))
            alone = Ground(ground.photo[one], over)
            parts.append(self._engine.draw(self._code, landmarks[one], alone, self._code.start)[:3])
        frames, attention, motion = map(np.concatenate, zip(*parts, strict=True))
        return frames, attention, motion

    def turned(self, crops: np.ndarray, landmarks: np.ndarray) -> Turned:
        """Crops (T, 128, 128, 3) uint8 in which the head has been turned, and their landmarks (T, 68, 2)."""
        return Turned(self._images(crops)[None], self._tensor(landmarks)[None])

    def carried(self, moved: Carried) -> Turned:
        """The photo with its head moved by control points."""
        return turn(self._photo, self._tensor(moved.sources)[None], self._tensor(moved.targets)[None])

    def _images(self, pixels: np.ndarray) -> Tensor:
        """(T, H, W, 3) uint8 → (T, 3, H, W) in [−1, 1]."""
        return (self._tensor(pixels) / 127.5 - 1).permute(0, 3, 1, 2)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return _tensor(values, self._device)


@dataclass(frozen=True)
class Result(Chunk):
    """A whole clip: all frames, the (turned) face they were drawn from, and the audio they were drawn for."""

    face: Face
    audio: speech.Audio

    def save(self, path: str | os.PathLike, frame: str = "full", panels: str | os.PathLike | None = None) -> None:
        """Writes an MP4 with the sound; ``frame`` is ``"full"`` (the whole photo), ``"face"`` or ``"crop"``.

        See `atvg.film.render.render` for what those are.

        Raises:
            OutputError: the file cannot be written.
        """
        from atvg.film.render import render

        render(self.face, [self], self.audio, path, frame=frame, panels=panels)


def join(chunks: list[Chunk]) -> dict[str, Any]:
    """What consecutive chunks hold, by name, joined."""
    turns = tuple(turn for chunk in chunks for turn in chunk.turns)
    joined = {name: np.concatenate([getattr(c, name) for c in chunks]) for name in _ARRAYS if name != "photos" or turns}
    if not turns:  # one and the same picture
        photo = chunks[0].photos[0]
        joined["photos"] = np.broadcast_to(photo, (len(joined["frames"]), *photo.shape))
    return {**joined, "turns": turns, "teeth": chunks[0].teeth}


def regroup(chunks: Iterable[Chunk], size: int) -> Iterator[Chunk]:
    """The same frames, `size` at a time."""
    waiting: list[Chunk] = []
    for chunk in chunks:
        while chunk is not None:
            room = size - sum(map(len, waiting))
            waiting.append(chunk.cut(0, room))
            chunk = chunk.cut(room, len(chunk)) if room < len(chunk) else None
            if sum(map(len, waiting)) == size:
                yield Chunk(start=waiting[0].start, **join(waiting))
                waiting = []
    if waiting:
        yield Chunk(start=waiting[0].start, **join(waiting))


def compose(attention: np.ndarray, motion: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """α ⊙ m + (1 − α) ⊙ photo of uint8 pictures, rounded; α (…, 1) in [0, 1]."""
    return (attention * motion + (1 - attention) * photo + 0.5).astype(np.uint8)


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


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)
