"""What a film shows of the inside of its talker's mouth: pictures of it while it was open, and the teeth in them."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from atvg.config import CROP_SIZE
from atvg.dub.subject import Subject
from atvg.face import geometry
from atvg.face.crop import canonical_transform, warp_to_crop
from atvg.face.landmarks import eye_distance, mouth_opening
from atvg.motion.filmed import Filmed
from atvg.motion.openings import MOUTH, between, columns
from atvg.motion.tone import luma, read_tone

_KEPT = 10  # pictures
_APART = 0.3  # seconds between two of them
_FINER = 4  # pixels of a picture in a crop pixel
_OPEN = 0.10  # of the eyes' distance: lips that are less far apart show nothing
_SOFT = 0.5  # crop pixels: width of its edge, where lips begin


@dataclass(frozen=True, eq=False)
class Mouth:
    """The face of a frame whose mouth is open."""

    frame: int
    opened: float
    picture: np.ndarray  # (512, 512, 3) uint8 RGB: the canonical crop, `_FINER` times as fine
    matrix: np.ndarray  # 2×3, frame's pixels → this picture


class Album:
    """Keeps the faces of a film with the most open mouths, while its frames pass by."""

    def __init__(self, fps: float):
        self._apart, self.mouths = _APART * fps, list[Mouth]()

    def see(self, frame: int, picture: np.ndarray, landmarks: np.ndarray) -> None:
        """Looks at a frame, (H, W, 3) uint8 RGB, with landmarks (68, 3) in its pixels."""
        opened = float(mouth_opening(landmarks) / max(eye_distance(landmarks), 1e-6))
        if opened < _OPEN:
            return
        near = [mouth for mouth in self.mouths if abs(mouth.frame - frame) < self._apart]
        rivals = near or (self.mouths if len(self.mouths) == _KEPT else [])
        least = min(rivals, key=lambda mouth: mouth.opened, default=None)
        if least is not None and opened <= least.opened:
            return
        # A pixel's centre lies half a pixel inside it, in every size.
        matrix = geometry.compose(np.eye(2, 3) * _FINER + [[0, 0, (_FINER - 1) / 2]], canonical_transform(landmarks))
        cut = warp_to_crop(picture, matrix, CROP_SIZE * _FINER)
        self.mouths = [mouth for mouth in self.mouths if mouth is not least and mouth not in near]
        self.mouths.append(Mouth(frame, opened, cut, matrix))


def find_inside(album: Album, subject: Subject) -> Filmed | None:
    """The inside of the mouth in the frame that shows most of it: wide open, from the front, its teeth in the light."""
    mouths = [mouth for mouth in album.mouths if subject.share[mouth.frame] > 0]
    made = [_inside_of(mouth, subject) for mouth in mouths]
    return max(made, key=_worth, default=None)


def _inside_of(mouth: Mouth, subject: Subject) -> Filmed:
    own, rest = (torch.from_numpy(points[mouth.frame]) for points in (subject.own, subject.rest))
    place = geometry.compose(mouth.matrix, geometry.invert(subject.matrices[mouth.frame]))
    low, high = own[60:68, :2].amin(dim=0).floor() - 1, own[60:68, :2].amax(dim=0).ceil() + 1
    xs, ys = (
        columns(int(end - start + 1) * _FINER, _FINER, float(start)) for start, end in zip(low, high, strict=True)
    )
    spots = geometry.apply(place, np.stack(np.meshgrid(xs, ys), axis=-1)).astype(np.float32)
    picture = cv2.remap(mouth.picture, spots[..., 0], spots[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shows = between(own[None, :, :2], MOUTH, xs, ys, _SOFT)[0]
    colour = torch.from_numpy(picture).permute(2, 0, 1) / 255
    to_picture = torch.tensor([[_FINER, 0, 0], [0, _FINER, 0]]) * 1.0
    to_picture[:, 2] = -_FINER * low + (_FINER - 1) / 2
    crop = warp_to_crop(mouth.picture, geometry.invert(place))
    edge = _incisors(colour, shows, own, ys)
    light = light_of(torch.from_numpy(crop).permute(2, 0, 1)[None] / 127.5 - 1, own[None])[0]
    filmed = torch.cat([colour * shows, shows[None]])
    return Filmed(filmed, to_picture, own[:, :2].contiguous(), rest[:, :2].contiguous(), edge, light)


def _incisors(colour: torch.Tensor, shows: torch.Tensor, own: torch.Tensor, ys: torch.Tensor) -> torch.Tensor:
    """How far down the edge of the upper incisors lies: where it becomes darker below the upper lip."""
    weight = shows.sum(dim=1).clamp(min=1e-3)
    bright = (luma(colour, 0) * shows).sum(dim=1) / weight
    top, bottom = own[61:64, 1].mean(), own[65:68, 1].mean()
    inside = (ys > top + 0.2 * (bottom - top)) & (ys < top + 0.7 * (bottom - top))
    fall = torch.where(inside, bright - bright.roll(-_FINER), -1.0)
    return ys[fall.argmax()] + 0.5


def _worth(filmed: Filmed) -> float:
    """How much of a mouth is seen, and how light it is by the light there is."""
    return float((luma(filmed.picture[:3], 0) / luma(filmed.light)).sum())


def light_of(crops: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """How much of each colour there is, by the skin: crops (B, 3, 128, 128), landmarks (B, 68, 2+) → (B, 3)."""
    return read_tone(crops, landmarks[..., :2]).skin.clamp(min=0.02)
