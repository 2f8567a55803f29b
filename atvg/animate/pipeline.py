"""The networks of one set of weights, and each step between a photo, a voice and frames."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from atvg.animate.drawer import Drawer
from atvg.animate.ear_engine import make_ear
from atvg.animate.engine import Engine, check_engine, make_engine
from atvg.animate.family import Family, Nets, blend
from atvg.animate.listener import Listener, silence_for
from atvg.animate.settings import Settings, make_settings
from atvg.checkpoint import IDLE, find_vg_nets, load_at_nets, load_ear, load_idle, locate
from atvg.config import EARS, shown
from atvg.errors import BadSettingError
from atvg.face.detection import FaceDetector
from atvg.face.detector import make_detector
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel, denormalise_offset, press_lips, uncross_lips
from atvg.motion.teeth import Teeth
from atvg.nets.at_net import ATNet
from atvg.nets.ear import Ear
from atvg.nets.vg_net import VGNet
from atvg.voice.hearing import Listens

_ENGINES = 4  # compiled networks kept, one for each β that was asked for: 75 MB each

P = TypeVar("P", bound="Pipeline")


class Pipeline:
    """Holds the networks, read-only, and makes them ready for a face and a voice; any number may be at work at once.

    Args:
        at_nets, shape, vg_nets: from `atvg.checkpoint`; ``at_nets`` maps what a network hears through to it,
            ``vg_nets`` the β it was trained with, also to what loads it.
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
        vg_nets: Nets,
        detector: FaceDetector,
        device: Any = "cpu",
        idle: IdleModel | None = None,
        engine: str = "auto",
        load_ear: Callable[[], Ear] = load_ear,
    ):
        self.device, self.idle = torch.device(device), idle
        self.at_nets = {ear: at_nets[ear].to(self.device) for ear in EARS if ear in at_nets}
        self.shape, self.detector = shape, detector
        self.vg_nets = Family(vg_nets, self.device)
        self.engine_name = engine
        # Of no method: the cycle would keep some 300 MB until the collector happens to come by.
        self._engines = lru_cache(maxsize=_ENGINES)(partial(_compiled, engine, self.vg_nets))
        self._compiling = threading.Lock()
        self.load_ear = load_ear
        self._hearing: dict[str, tuple[Listens | None, Tensor]] = {}  # ears at work, and what they hear of silence
        for net in self.vg_nets.loaded:
            check_engine(engine, net)

    @classmethod
    def from_pretrained(
        cls: type[P],
        source: str | os.PathLike | None = None,
        detector: str = "auto",
        device: Any = None,
        engine: str = "auto",
    ) -> P:
        """Loads weights. The ear, and VG-nets of other β than the first, are loaded when they are asked for.

        Args:
            source: a folder, or a Hub repository ``"owner/name"``, which is downloaded; the shipped weights if None.
            detector: how faces are found: one of `atvg.face.detector.DETECTORS`.
            device: a `torch.device` or its name; a GPU, if CUDA has one, or else the CPU if None.
            engine: what the ear hears and VG-net draws with: one of `atvg.animate.engine.ENGINES`.

        Raises:
            CheckpointError: missing or damaged weights, or no such repository.
            BadSettingError: unknown detector or engine, or one that cannot be used here.
        """
        finder = make_detector(detector)
        folder = locate(source)
        at_nets, shape = load_at_nets(folder)
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        has_idle = (folder / f"{IDLE}.safetensors").is_file()
        idle = load_idle(folder) if has_idle else None
        vg_nets: dict[float, Any] = find_vg_nets(folder)
        first = next(iter(vg_nets))
        vg_nets[first] = vg_nets[first]()
        return cls(at_nets, shape, vg_nets, finder, device, idle, engine, partial(load_ear, folder))

    @property
    def ears(self) -> tuple[str, ...]:
        """What the AT-nets hear through, of `EARS`, the better first."""
        return tuple(self.at_nets)

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

    def landmarks(self, codes: np.ndarray, photo_landmarks: np.ndarray) -> np.ndarray:
        """Codes (T, K) → crop-space landmarks (T, 68, 2): the photo's own plus the offset, seen in its pose.

        The photo's are (68, 3), or (T, 68, 3) while its head turns.
        """
        offsets = denormalise_offset(self.shape.decode(codes), self.shape.frame_of(photo_landmarks))
        return press_lips(uncross_lips(photo_landmarks[..., :2] + offsets[..., :2])).astype(np.float32)

    @torch.inference_mode()
    def drawer(
        self,
        photo_crop: np.ndarray,
        example: np.ndarray,
        beta: float = 0.5,
        recurrent: bool = True,
        teeth: float | Teeth = 1.0,
    ) -> "Drawer":
        """VG-net ready to draw one photo, (128, 128, 3) uint8 with landmarks (68, 2+) in crop pixels; see `Drawer`."""
        return Drawer(self.engine(beta), photo_crop, example, recurrent, teeth)

    def engine(self, beta: float = 0.5) -> Engine:
        """What draws with the weights for β; compiled when it is asked for the first time."""
        with self._compiling:  # one compiler at a time, and none for what another thread compiles already
            return self._engines(float(beta))


def _compiled(name: str, nets: Mapping[float, VGNet], beta: float) -> Engine:
    return make_engine(name, blend(nets, beta))
