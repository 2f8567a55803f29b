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
_OFTEN = 2.0  # seconds of which one calm face is kept
_FINER, _CALM_FINER = 4, 2  # pixels of a picture in a crop pixel
_HERE = 1.5  # how much more a mouth of the same shot is worth, in the same light and size
_OPEN = 0.10  # of the eyes' distance: lips that are less far apart show nothing
_SOFT = 0.5  # crop pixels: width of its edge, where lips begin


@dataclass(frozen=True, eq=False)
class Picture:
    """The face of a frame, cut out: its canonical crop, some times as fine."""

    frame: int
    opened: float  # the lips, by the distance of the eyes
    picture: np.ndarray  # (n·128, n·128, 3) uint8 RGB
    matrix: np.ndarray  # 2×3, frame's pixels → this picture

    @classmethod
    def of(cls, frame: int, opened: float, picture: np.ndarray, landmarks: np.ndarray, finer: int) -> "Picture":
        matrix = geometry.compose(geometry.enlarging(finer), canonical_transform(landmarks))
        return cls(frame, opened, warp_to_crop(picture, matrix, CROP_SIZE * finer), matrix)

    def place(self, subject: Subject) -> np.ndarray:
        """2×3, the steady crop → this picture."""
        return geometry.compose(self.matrix, geometry.invert(subject.matrices[self.frame]))

    def crop(self, subject: Subject) -> np.ndarray:
        """(128, 128, 3) uint8, the steady crop."""
        return warp_to_crop(self.picture, geometry.invert(self.place(subject)))


class Album:
    """Keeps faces of a film while its frames pass by: those with the most open mouths, and now and then a calm one."""

    def __init__(self, fps: float):
        self._apart, self._often = _APART * fps, max(1, round(_OFTEN * fps))
        self._open: list[Picture] = []
        self._calm: dict[int, Picture] = {}  # of each stretch of so many frames

    def see(self, frame: int, picture: np.ndarray, landmarks: np.ndarray) -> None:
        """Looks at a frame, (H, W, 3) uint8 RGB, with landmarks (68, 3) in its pixels."""
        opened = float(mouth_opening(landmarks) / max(eye_distance(landmarks), 1e-6))
        calm = self._calm.get(frame // self._often)
        if calm is None or opened < calm.opened:
            self._calm[frame // self._often] = Picture.of(frame, opened, picture, landmarks, _CALM_FINER)
        if opened < _OPEN:
            return
        near = [one for one in self._open if abs(one.frame - frame) < self._apart]
        rivals = near or (self._open if len(self._open) == _KEPT else [])
        least = min(rivals, key=lambda one: one.opened, default=None)
        if least is None or opened > least.opened:
            self._open = [one for one in self._open if one is not least and one not in near]
            self._open.append(Picture.of(frame, opened, picture, landmarks, _FINER))

    def calmest(self, subject: Subject, shot: int) -> Picture | None:
        """The face of a shot that is most like a photo of the person at rest, if one is kept that shows them well."""
        kept = {one.frame: one for one in self._calm.values() if subject.shots[one.frame] == shot}
        kept = {frame: one for frame, one in kept.items() if subject.share[frame] == 1}
        return kept[subject.calmest(np.array(list(kept)))] if kept else None

    def insides(self, subject: Subject) -> dict[int, Filmed]:
        """The insides of the most open mouths, by the numbers of their frames."""
        return {one.frame: _inside_of(one, subject) for one in self._open if subject.share[one.frame] == 1}


def find_inside(insides: dict[int, Filmed], subject: Subject, shot: int) -> Filmed | None:
    """The inside of the mouth that shows most: wide open, its teeth in the light, and rather of this shot; if any."""

    def worth(frame: int) -> float:
        return _worth(insides[frame]) * (_HERE if subject.shots[frame] == shot else 1)

    return insides[max(insides, key=worth)] if insides else None


def _inside_of(mouth: Picture, subject: Subject) -> Filmed:
    own, rest = (torch.from_numpy(points[mouth.frame]) for points in (subject.own, subject.rest))
    place = mouth.place(subject)
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
    edge = _incisors(colour, shows, own, ys)
    light = torch.from_numpy(light_of(mouth.crop(subject)[None], subject.own[[mouth.frame]])[0])
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


def light_of(crops: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """How much of each colour there is, by the skin: crops (B, 128, 128, 3) uint8, landmarks (B, 68, 2+) → (B, 3)."""
    pictures = torch.from_numpy(crops).permute(0, 3, 1, 2) / 127.5 - 1
    return read_tone(pictures, torch.from_numpy(landmarks)[..., :2]).skin.clamp(min=0.02).numpy()
