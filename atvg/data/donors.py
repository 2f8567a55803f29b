"""Photographs of smiling people → the rows of teeth that are painted behind other people's lips.

Of each smile the upper row is cut out along its incisal edge, freed of gums, lips, the lower teeth and most of the
shading, and lengthened upwards under the lip. The row of the jaw is made from it, since few smiles show one: upside
down, its incisors narrower and cut off more evenly.
"""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.signal import medfilt

from atvg.errors import ATVGError, OutputError, PackError
from atvg.face import geometry
from atvg.face.detection import FaceDetector
from atvg.face.face import Face, read_face
from atvg.motion.donors import FINE, INDEX, LOWER_ROWS, UPPER_ROWS, WIDTH, nose_width

ABOUT = {
    "title": "Rows of teeth cut out of portraits, recoloured, lengthened under the lip and turned over for the jaw",
    "source": "Face Research Lab London Set, https://doi.org/10.6084/m9.figshare.5047666",
    "authors": "Lisa DeBruine and Benedict Jones (2017)",
    "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
}
_ABOVE, _BELOW = 6, 12  # crop pixels that are looked at above and below the upper lip's inner edge
_LEVEL = 0.93  # luma of a row's bright parts, relative to white
_OWN = 0.5  # how much of what tells one row's level and tint from the others' it keeps
_CONTRAST = 0.8  # power by which lines between teeth are made darker
_USUAL_TINT = np.array([1.055, 0.985, 0.935])  # of teeth under white light, RGB ÷ luma
_CROWN = 7.5  # crop pixels from the edge of an upper incisor to its neck, and on under the gum
_LUMA = np.array([0.299, 0.587, 0.114])

# Half widths of upper teeth as they stand in the row, crop pixels, and of the jaw's: its incisors are narrower.
_UPPER_STOPS, _LOWER_STOPS = [0.0, 4.2, 7.3, 10.6, 18.0], [0.0, 2.6, 5.4, 8.6, 15.0]
_LOWER_BEND = 0.012  # crop pixels⁻¹: the jaw's row seems to rise to the sides, as it is seen from above


class Smile(NamedTuple):
    """A mouth cut out at `FINE` texture pixels per crop pixel, and what was found in it."""

    picture: np.ndarray  # (H, W, 3) float RGB in [0, 1] relative to the photo's white
    tooth: np.ndarray  # (H, W) in [0, 1], how much a pixel looks like a tooth
    edge: np.ndarray  # (W,) the row's incisal edge, texture pixels down
    middle: float  # texture pixels, between the two central incisors


def make_donors(folder: Path, output: Path, detector: FaceDetector, skip: tuple[str, ...] = ()) -> list[str]:
    """Cuts the rows out of a folder of portraits; writes one RGBA picture each and an index with the attribution.

    Args:
        skip: names of photos, without ending, that are left out because their lower teeth close up to the upper ones.

    Returns:
        names of the donors.

    Raises:
        PackError: no such folder, or no photo in it shows a row of teeth.
        OutputError: the output cannot be written.
    """
    rows, noses = {}, {}
    for path in _photos(folder, skip):
        try:
            face = read_face(path, detector)
            rows[path.stem] = cut_rows(find_smile(face))
            noses[path.stem] = round(float(nose_width(torch.from_numpy(face.crop_landmarks))), 4)
        except ATVGError:  # a photo that shows no face or no teeth is no donor
            continue
    if not rows:
        raise PackError(f"no photo in {folder} shows a row of teeth; give portraits of people who smile")
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, picture in rows.items():
            Image.fromarray(picture).save(output / f"{name}.png", optimize=True)
        (output / INDEX).write_text(json.dumps(ABOUT | {"fine": FINE, "nose_widths": noses}, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write {output} ({error.strerror}); choose another folder") from None
    return sorted(rows)


def _photos(folder: Path, skip: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise PackError(f"no such folder of photos: {folder}; check the path")
    return sorted(path for path in folder.iterdir() if path.is_file() and path.stem not in skip)


def find_smile(face: Face) -> Smile:
    """Finds the upper row of a smile.

    Raises:
        PackError: no teeth can be seen.
    """
    marks = face.crop_landmarks[:, :2].astype(np.float64)
    left, top = marks[[48, 54], 0].mean() - WIDTH / 2, marks[61:64, 1].mean() - _ABOVE
    enlarge = np.array([[FINE, 0, FINE * (0.5 - left) - 0.5], [0, FINE, FINE * (0.5 - top) - 0.5]])
    size = WIDTH * FINE, (_ABOVE + _BELOW) * FINE
    white = np.percentile(face.photo.reshape(-1, 3), 90, axis=0)
    picture = cv2.warpAffine(face.photo, geometry.compose(enlarge, face.matrix), size, flags=cv2.INTER_CUBIC)
    tooth = _tooth(picture, geometry.apply(enlarge, marks))
    columns = np.flatnonzero(tooth.sum(axis=0) > 2 * FINE)
    if len(columns) < WIDTH * FINE / 3:
        raise PackError("no row of teeth can be seen")
    picture = picture / white
    bright = np.log(np.maximum(picture @ _LUMA, 0.03))
    edge = _edge(bright, tooth, columns)
    return Smile(picture, tooth, edge, _middle(bright, edge))


def _tooth(picture: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Bright and not red, between the inner lips or close to them: landmarks cut a little off the teeth."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inner: np.ndarray = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inner, [marks[60:68].round().astype(np.int32)], (1,))
    inner = cv2.dilate(inner, np.ones((9, 5), np.uint8))
    if not inner.any():
        raise PackError("the mouth is shut")
    usual = np.percentile(lab[..., 0][inner > 0], 85)
    return inner / (1 + np.exp((0.62 * usual - lab[..., 0]) / 3)) / (1 + np.exp((lab[..., 1] - 7.5) / 1.2))


def _edge(bright: np.ndarray, tooth: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where bright teeth end above something darker, by the best path through all columns."""
    height, width = bright.shape
    over, teeth = (np.cumsum(np.pad(part, ((1, 0), (0, 0))), axis=0) for part in (bright, tooth))
    gain = np.zeros((height, width))
    for y in range(10, height - 6):
        step = (over[y] - over[y - 7]) / 7 - bright[y : y + 5].min(axis=0)
        gain[y] = step.clip(-0.2, 0.6) * (teeth[y] - teeth[y - 10]) / 10
    first, last = columns[0], columns[-1]
    best, came = gain.copy(), np.zeros((height, width), int)
    moves = np.arange(-3, 4)
    for x in range(first + 1, last + 1):
        options = np.stack([np.roll(best[:, x - 1], move) - 0.03 * abs(move) for move in moves])
        came[:, x] = moves[options.argmax(axis=0)]
        best[:, x] = gain[:, x] + options.max(axis=0)
    edge = np.zeros(width)
    y = int(best[5:-5, last].argmax()) + 5
    for x in range(last, first - 1, -1):
        edge[x] = y
        y -= came[y, x]
    edge[:first], edge[last + 1 :] = edge[first], edge[last]
    edge = medfilt(edge, 2 * FINE + 1)  # without spurs into the lower teeth
    return cv2.GaussianBlur(edge[None], (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)[0]


def _middle(bright: np.ndarray, edge: np.ndarray) -> float:
    """The dark line between the central incisors: the darkest column near the middle of the mouth."""
    rows = (edge[None] - FINE * np.arange(0.8, 4, 0.2)[:, None]).astype(np.float32)
    columns = np.broadcast_to(np.arange(len(edge), dtype=np.float32), rows.shape)
    column = cv2.remap(bright.astype(np.float32), columns, rows, cv2.INTER_LINEAR).mean(axis=0)
    line = cv2.GaussianBlur(column[None], (0, 0), 1)[0] - cv2.GaussianBlur(column[None], (0, 0), FINE)[0]
    away = (np.arange(len(edge)) - len(edge) / 2 + 0.5) / FINE
    return float((line + 0.01 * away**2).argmin())


def cut_rows(smile: Smile) -> np.ndarray:
    """A smile → its upper row above the row of the jaw, RGBA uint8 as `atvg.motion.donors.load_donors` reads it.

    Raises:
        PackError: nothing is surely a tooth.
    """
    middle = int(round(smile.middle))
    tilt = np.polyfit(np.arange(len(smile.edge)), smile.edge, 2)
    slope = np.polyval(np.polyder(tilt), middle)
    centre = (middle, float(np.median(smile.edge[middle - 2 * FINE : middle + 2 * FINE])))
    # Upright, and deep enough for what lies under the lip.
    turn: np.ndarray = cv2.getRotationMatrix2D(centre, np.degrees(np.arctan(slope)), 1)
    turn[:, 2] += [WIDTH * FINE / 2 - centre[0], -UPPER_ROWS[0] * FINE - centre[1]]
    size = WIDTH * FINE, (UPPER_ROWS[1] - UPPER_ROWS[0]) * FINE
    rows = np.arange(smile.tooth.shape[0])[:, None]
    alpha = smile.tooth / (1 + np.exp((rows - smile.edge + 0.5) / 0.5))
    alpha = _largest(alpha)
    picture, alpha = (cv2.warpAffine(part.astype(np.float32), turn, size) for part in (smile.picture, alpha))
    if not _seen(alpha).any():
        raise PackError("no row of teeth can be seen")
    edge = cv2.transform(np.stack([np.arange(len(smile.edge)), smile.edge], -1)[None], turn)[0]
    edge = np.interp(np.arange(size[0]), edge[:, 0], edge[:, 1])

    colour, alpha = _lengthen(_even(picture, alpha), alpha, edge)
    upper = np.concatenate([colour, alpha[..., None]], axis=-1)
    both = np.concatenate([upper, _lower(upper, edge)])
    both[..., :3] *= both[..., 3:] > 1 / 255
    return (both.clip(0, 1) * 255).round().astype(np.uint8)


def _largest(alpha: np.ndarray) -> np.ndarray:
    """Without specks beside the row."""
    count, labels, areas, _ = cv2.connectedComponentsWithStats((alpha > 0.3).astype(np.uint8))
    kept = [i for i in range(1, count) if areas[i, cv2.CC_STAT_AREA] > 1.5 * FINE**2]
    near = cv2.dilate(np.isin(labels, kept).astype(np.uint8), np.ones((3, 3), np.uint8))
    return alpha * near


def _even(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Most of the shading divided out, and the row's level and tint brought halfway to what is usual."""
    luma = picture @ _LUMA.astype(np.float32)
    sure = np.where(alpha > 0.8, 1, 0).astype(np.float32) + 1e-4
    broad = cv2.GaussianBlur(luma * sure, (0, 0), 2 * FINE) / cv2.GaussianBlur(sure, (0, 0), 2 * FINE)
    level = np.percentile(luma[alpha > 0.8], 80)
    picture = picture * (level / broad.clip(0.3 * level, None))[..., None] ** 0.75
    mean = np.median(picture[alpha > 0.8], axis=0)
    tint = _USUAL_TINT * (mean / (mean @ _LUMA) / _USUAL_TINT) ** _OWN
    level = np.percentile((picture @ _LUMA)[alpha > 0.8], 80)
    wanted = _LEVEL * (level / _LEVEL) ** _OWN if level < _LEVEL else _LEVEL
    picture = picture * (tint / (mean / (mean @ _LUMA)) * wanted / level)
    # Studio light from all sides hides the lines between teeth that lips' shadow shows.
    luma = cv2.GaussianBlur((picture @ _LUMA).astype(np.float32), (0, 0), 0.8)  # no grain
    near = cv2.GaussianBlur(luma * sure, (0, 0), 0.8 * FINE) / cv2.GaussianBlur(sure, (0, 0), 0.8 * FINE)
    picture = picture * ((luma / near).clip(0.5, 1.1) ** _CONTRAST)[..., None]
    # Gums and lips end where the row begins: their colour stays out of it.
    around = [cv2.GaussianBlur(part, (0, 0), 0.3 * FINE) for part in (picture * sure[..., None], sure)]
    return np.where(sure[..., None] > 0.5, picture, around[0] / around[1][..., None])


def _lengthen(colour: np.ndarray, alpha: np.ndarray, edge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each column goes on upwards from where lip or gum covers it; gaps between teeth close, the row's ends fade."""
    height, width = alpha.shape
    rows, ticks = np.arange(height)[:, None], np.arange(width)
    seen = _seen(alpha)
    first, last = _longest(seen, gap=FINE)
    columns = first + np.flatnonzero(seen[first:last])
    top = np.interp(ticks, columns, (alpha > 0.85).argmax(axis=0)[columns])
    # Papillae come down between teeth, and lips shade their necks: colours are taken from further in.
    start = np.minimum(top + 0.3 * FINE, edge - 1.5 * FINE)
    x = np.broadcast_to(ticks.clip(first, last - 1), alpha.shape).astype(np.float32)
    y = np.maximum(rows, start).astype(np.float32)
    calm = cv2.GaussianBlur(colour.astype(np.float32), (0, 0), sigmaX=1, sigmaY=0.8 * FINE)
    covered = 1 / (1 + np.exp((rows - start - 0.2 * FINE) / (0.2 * FINE)))
    long, calm = (cv2.remap(part, x, y, cv2.INTER_LINEAR) for part in (colour.astype(np.float32), calm))
    long = long + (calm - long) * covered[..., None].astype(np.float32)
    within = 1 / (1 + np.exp((rows - edge + 1.2 * FINE) / (0.2 * FINE)))  # notches are at the edge alone
    ends = np.minimum((ticks - first) / FINE, (last - 1 - ticks) / FINE).clip(0, 1)
    neck = 1 / (1 + np.exp(((-UPPER_ROWS[0] - _CROWN) * FINE - rows) / 2))
    below = 1 / (1 + np.exp((rows - edge) / 0.5))
    return long, np.maximum(alpha, within) * below * neck * ends**2 * (3 - 2 * ends)


def _seen(alpha: np.ndarray) -> np.ndarray:
    """Columns (W,) in which a tooth is surely seen."""
    return (alpha > 0.85).sum(axis=0) > FINE / 2


def _longest(seen: np.ndarray, gap: int) -> tuple[int, int]:
    """First and last + 1 of the longest run of columns, over gaps that are no wider than `gap`."""
    columns = np.flatnonzero(seen)
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > gap) + 1)
    run = max(runs, key=len)
    return int(run[0]), int(run[-1]) + 1


def _lower(upper: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """The row of the jaw from the upper one."""
    height, width = (LOWER_ROWS[1] - LOWER_ROWS[0]) * FINE, upper.shape[1]
    away = (np.arange(width) + 0.5) / FINE - WIDTH / 2
    stand = np.sign(away) * np.interp(np.abs(away), _LOWER_STOPS, _UPPER_STOPS)
    x = (stand + WIDTH / 2) * FINE - 0.5
    down = ((np.arange(height) + 0.5) / FINE + LOWER_ROWS[0])[:, None] + _LOWER_BEND * away**2
    y = np.interp(x, np.arange(width), edge) - down * FINE
    x = np.broadcast_to(x, y.shape)
    return cv2.remap(upper.astype(np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
