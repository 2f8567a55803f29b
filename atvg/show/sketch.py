"""What is drawn into a photo before any work: the face that was found, the faces to choose from, points set by hand."""

import numpy as np
from PIL import Image, ImageDraw

from atvg.config import CROP_SIZE
from atvg.face.crop import warp_to_crop
from atvg.face.face import Face
from atvg.face.landmarks import MOUTH, OUTLINES
from atvg.face.placing import Box
from atvg.film.drawing import FACE, GROUND, LIPS, text_mask

_ZOOM = 4  # of the crop
_LINE = 3  # pixels
_SHARE = 0.006  # width of lines in a photo, as a share of its mean side


def sketch_face(face: Face) -> np.ndarray:
    """The crop, enlarged from the photo's own pixels, with its landmarks: (512, 512, 3) uint8 RGB."""
    picture = Image.fromarray(warp_to_crop(face.photo, face.matrix * _ZOOM, CROP_SIZE * _ZOOM))
    points = [tuple(point) for point in face.crop_landmarks[:, :2] * _ZOOM]
    for first, last, closed in OUTLINES:
        line = points[first : last + 1] + points[first : first + closed]
        ImageDraw.Draw(picture).line(line, LIPS if first in MOUTH else FACE, width=_LINE, joint="curve")
    return np.array(picture)


def sketch_boxes(photo: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """A copy of a uint8 RGB photo with numbered boxes (x, y, width, height)."""
    picture = Image.fromarray(photo)
    draw, line = ImageDraw.Draw(picture), _line(photo)
    for number, (x, y, width, height) in enumerate(boxes, 1):
        draw.rectangle((x, y, x + width, y + height), outline=FACE, width=line)
        digit = Image.fromarray(text_mask(str(number), 8 * line))
        spot = (round(x) + line, round(y) + line)
        draw.rectangle((x, y, x + digit.width + 3 * line, y + digit.height + line), fill=FACE)
        picture.paste(GROUND, (spot[0], spot[1] - line), digit)
    return np.array(picture)


def sketch_points(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A copy of a uint8 RGB photo with dots at points (N, 2), pixels."""
    picture = Image.fromarray(photo)
    radius = 2 * _line(photo)
    for x, y in points:
        ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), LIPS, GROUND)
    return np.array(picture)


def _line(photo: np.ndarray) -> int:
    return max(2, round(_SHARE * (photo.shape[0] * photo.shape[1]) ** 0.5))
