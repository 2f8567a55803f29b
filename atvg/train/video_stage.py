"""What the trainings that draw frames share: batches of photos and frames, augmentation, losses of pictures."""

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from atvg.config import CROP_SIZE, N_LANDMARKS
from atvg.data.augment import mirror, move, shift_colours
from atvg.data.bank import Driver, VideoBank, Windows, sound_statistics
from atvg.data.storage import AnyPath
from atvg.data.stream import StreamBank
from atvg.face.landmarks import SPEAKING
from atvg.motion.carry import background_movement, carry
from atvg.nets.ground import Turned, turn
from atvg.train import losses
from atvg.train.settings import VideoSettings
from atvg.train.stage import N, Stage


class Batch(NamedTuple):
    """B samples: a photo, and T frames of the same clip."""

    photo: Tensor  # (B, 3, 128, 128) in [−1, 1]
    example: Tensor  # (B, 68, 2) crop pixels
    real: Tensor  # (B, T, 3, 128, 128)
    landmarks: Tensor  # (B, T, 68, 2), some with noise
    turned: Turned | None
    sound: Tensor | None  # (B, T, 28, 20) MFCC windows with noise, if the stage hears
    people: np.ndarray | None  # (B,) a number for each identity, likewise


V = TypeVar("V", bound=VideoSettings)


class VideoStage(Stage[N, V]):
    """Photo = a frame of a clip; target = a window of the same clip, in a share of the samples one unlike the photo.

    Attributes:
        sound_mean, sound_std: (20,) statistics of the MFCC, if the stage hears.
    """

    bank: VideoBank | StreamBank

    def __init__(
        self,
        fabric: Fabric,
        pack_dir: str | AnyPath,
        settings: V,
        hears: bool,
        driver: Driver | None = None,
    ):
        self.fabric, self.settings = fabric, settings
        if hears:
            statistics = sound_statistics(pack_dir, "train")
            self.sound_mean, self.sound_std = (torch.as_tensor(x, dtype=torch.float32) for x in statistics)
        self._speaking = torch.zeros(N_LANDMARKS, 1, dtype=torch.bool, device=fabric.device)
        self._speaking[SPEAKING] = True
        where = (pack_dir, "train", fabric.device, driver)
        if settings.stream:
            rank, world = fabric.global_rank, fabric.world_size
            self.bank = StreamBank(*where, rank, world, sound=hears, contrast=settings.contrast)
        else:
            self.bank = VideoBank(*where, sound=hears, contrast=settings.contrast)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draws and augments; one draw serves the photo, the turned photos and the frames of a sample."""
        settings = self.settings
        windows = self.bank.batch(rng, settings.batch, settings.frames, settings.stride)
        images = windows.images.float() / 127.5 - 1
        seen = windows.landmarks[..., :2].copy()
        if windows.errors is not None:
            share = settings.at_errors * rng.random(settings.batch) * (rng.random(settings.batch) < 0.5)
            seen[:, 1:] += share[:, None, None, None] * windows.errors[:, 1:]
        landmarks = torch.as_tensor(seen, dtype=torch.float32, device=images.device)
        if settings.turn:
            turned = self._turn(images[:, 0], windows)
            images = torch.cat([images, turned.photo], dim=1)
            landmarks = torch.cat([landmarks, turned.landmarks], dim=1)
        flips = torch.as_tensor(rng.random(settings.batch) < 0.5, device=images.device)
        images, landmarks = mirror(images, landmarks, flips)
        images, landmarks = move(images, landmarks, rng, settings.affine)
        images = shift_colours(images, rng, settings.colour, settings.grey, settings.toned)
        split = [1, settings.frames, len(images[0]) - 1 - settings.frames]
        (photo, real, base), (example, target, carried) = images.split(split, 1), landmarks.split(split, 1)
        noise = rng.normal(0, settings.landmark_noise, target.shape) * (rng.random((settings.batch, 1, 1, 1)) < 0.5)
        target = target + torch.as_tensor(noise, dtype=target.dtype, device=target.device)
        still = torch.as_tensor(rng.random(settings.batch) < settings.speech_only, device=target.device)
        at_rest = carried if settings.turn else example.expand_as(target)
        still = still[:, None, None, None] & ~self._speaking
        target = torch.where(still, at_rest, target)
        heard = self._heard(windows.sound, rng) if windows.sound is not None else None
        given = Turned(base, carried) if settings.turn else None
        return Batch(photo[:, 0], example[:, 0], real, target, given, heard, windows.people)

    def _heard(self, sound: np.ndarray, rng: np.random.Generator) -> Tensor:
        """The sound of photo and frames, (B, 1 + T, 28, 20) → that of the frames, with noise."""
        heard = torch.as_tensor(sound[:, 1:], device=self.fabric.device)
        noise = torch.as_tensor(rng.standard_normal(heard.shape, np.float32), device=heard.device)
        return heard + self.settings.sound_noise * self.sound_std.to(heard.device) * noise

    def _turn(self, photo: Tensor, windows: Windows) -> Turned:
        """The photos with their heads moved as in the frames, so that training and use agree."""
        transforms = windows.transforms
        background = background_movement(transforms[:, 1:], transforms[:, 0])
        moved = carry(windows.landmarks[:, 0], windows.landmarks[:, 1:], background)
        return turn(photo, *(torch.as_tensor(points, device=photo.device) for points in moved))


def picture_terms(
    real: Tensor, fake: Tensor, landmarks: Tensor, settings: VideoSettings, attention: Tensor | None = None
) -> dict[str, Tensor]:
    """The weighted losses of frames (B, T, 3, 128, 128); of pixels the dynamic one, or plain L1 without `attention`."""
    weight = 1 + (settings.mouth_weight - 1) * losses.mouth_box(landmarks, CROP_SIZE)  # (B, T, 1, H, W)
    lips = losses.mouth_box(landmarks, CROP_SIZE, margin=0.0)
    weight = torch.where(lips > 0, settings.lips_weight, weight)
    if attention is None:
        pixel = losses.pixel_loss(real, fake, weight)
    else:
        pixel = losses.dynamic_pixel_loss(real, fake, attention, settings.beta, weight)
    flat = (real.flatten(0, 1), fake.flatten(0, 1), weight.flatten(0, 1))
    return {
        "pixel": settings.pixel * pixel,
        "gradient": settings.gradient * losses.gradient_loss(*flat),
        "texture": settings.texture * losses.texture_loss(*flat),
    }
