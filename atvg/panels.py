"""What a person looks at to understand a result: side-by-side panels, strips of maps, and the lips as a figure."""

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atvg.config import CROP_SIZE, FPS, SAMPLE_RATE
from atvg.face.landmarks import INNER_LIP, MOUTH, OUTER_LIP, OUTLINES, mouth_opening
from atvg.video import text_mask

# One dark theme for panels, strips and the figure.
GROUND, PLATE = (17, 19, 24), (27, 30, 37)
TEXT, MUTED = (232, 234, 239), (147, 153, 166)
FACE, LIPS = (112, 200, 232), (255, 176, 66)

CAPTIONS = ("Landmarks", "Attention", "Motion", "Result")
SIDE = 256  # of a panel, pixels
_MARGIN, _GAP, _CAPTION = 16, 12, 42  # round the panels, between them, and the height kept for the captions
_CAPTION_SIZE, _SMALL_SIZE = 16, 12
_THUMB_GAP = 8
_STAMP = 26  # height kept for the time under a thumbnail
_DIM = 0.28  # brightness of the photo behind drawings, low enough for lines and colours to stand out
_FINE = 2  # lines are drawn so many times larger, then shrunk: cv2 knows only whole widths
_SHIFT = 4  # and places them to 1/16 of a pixel

# Inferno is perceptually uniform and starts at black: twice the attention looks twice the attention.
_HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


class PanelRenderer:
    """Landmarks, attention, motion and result side by side, 256 px each, with captions.

    It keeps nothing between calls: chunk by chunk gives what one pass gives.

    Args:
        photo_crop: uint8 RGB (128, 128, 3).
        example_landmarks: (68, 2) crop pixels, the photo's own; drawn in grey behind the moving ones.
    """

    size = (2 * _MARGIN + 4 * SIDE + 3 * _GAP, _CAPTION + SIDE + _MARGIN)  # (width, height) of what it returns, pixels

    def __init__(self, photo_crop: np.ndarray, example_landmarks: np.ndarray):
        grey = cv2.cvtColor(_enlarge(photo_crop), cv2.COLOR_RGB2GRAY)
        self._dimmed = np.repeat((grey[..., None] * _DIM + 0.5).astype(np.uint8), 3, axis=2)
        self._canvas = np.full((self.size[1], self.size[0], 3), GROUND, np.uint8)
        for caption, x in zip(CAPTIONS, self._lefts(), strict=True):
            _write(self._canvas, caption, x, _CAPTION / 2, _CAPTION_SIZE, TEXT)
        _scale_bar(self._canvas, right=self._lefts()[1] + SIDE, middle=_CAPTION // 2)
        self._ground = _draw_face(self._dimmed, example_landmarks, MUTED, MUTED, width=1)

    def render(
        self, frames: np.ndarray, attention: np.ndarray, motion: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """One chunk → uint8 RGB (T, 314, 1092, 3).

        Args:
            frames: uint8 RGB (T, 128, 128, 3), the animated crop.
            attention: float (T, 128, 128) in [0, 1]; the colours always span 0..1, so that they do not flicker.
            motion: uint8 RGB (T, 128, 128, 3).
            landmarks: (T, 68, 2) crop pixels, what the network was asked for.
        """
        out = np.repeat(self._canvas[None], len(frames), axis=0)
        for t, picture in enumerate(out):
            drawn = _draw_face(self._ground, landmarks[t], FACE, LIPS, width=1.5)
            panels = (drawn, self._attention(attention[t]), motion[t], frames[t])
            for x, panel in zip(self._lefts(), panels, strict=True):
                picture[_CAPTION : _CAPTION + SIDE, x : x + SIDE] = _enlarge(panel)
        return out

    @staticmethod
    def _lefts() -> list[int]:
        return [_MARGIN + i * (SIDE + _GAP) for i in range(len(CAPTIONS))]

    def _attention(self, attention: np.ndarray) -> np.ndarray:
        """The heat is light added to the dimmed photo, which fades out where the heat is strong."""
        attention = _enlarge(attention.astype(np.float32))
        ground = self._dimmed * (1 - attention[..., None])
        return np.minimum(heat_map(attention) + ground, 255).astype(np.uint8)


def heat_map(attention: np.ndarray) -> np.ndarray:
    """Attention (...) in [0, 1] → uint8 RGB (..., 3) in matplotlib's inferno."""
    return _HEAT[(np.clip(attention, 0, 1) * 255 + 0.5).astype(np.uint8)]


def attention_strip(values: np.ndarray, n: int = 8, times: Sequence[float] | None = None) -> np.ndarray:
    """Attention maps at `n` evenly spread moments in one row, with time stamps and a scale.

    Args:
        values: float (T, 128, 128) in [0, 1], T ≥ 1; all T are shown if there are fewer than `n`.
        times: seconds of each map, (T,); left out, they are consecutive frames.

    Returns:
        uint8 RGB (H, W, 3).
    """
    shown, seconds = _spread(values, n, times)
    return _strip(heat_map(shown), seconds, with_scale=True)


def motion_strip(values: np.ndarray, n: int = 8, times: Sequence[float] | None = None) -> np.ndarray:
    """The same for motion maps, uint8 RGB (T, 128, 128, 3)."""
    return _strip(*_spread(values, n, times), with_scale=False)


def landmark_trajectory(landmarks: np.ndarray, fps: float = FPS, wave: np.ndarray | None = None) -> Figure:
    """How far the lips open over time, above the sound that opens them, and the paths of the mouth's points.

    Args:
        landmarks: (T, 68, 2) crop pixels, T ≥ 1.
        wave: float32 (N,) in [−1, 1] at 16 kHz; left out, only the lips are drawn.

    Returns:
        A figure that belongs to nobody's pyplot: it is freed with its last reference, and users cannot mix.
    """
    figure = Figure(figsize=(11, 4.2), dpi=100, facecolor=_hex(GROUND), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    rows = 1 if wave is None else 2
    grid = figure.add_gridspec(rows, 2, width_ratios=(2.1, 1), height_ratios=(1.6, 1)[:rows])
    seconds = np.arange(len(landmarks)) / fps

    lips = _styled(figure.add_subplot(grid[0, 0]), "Lip opening", "px at 128")
    opening = mouth_opening(landmarks)
    lips.plot(seconds, opening, color=_hex(LIPS), linewidth=1.6)
    lips.fill_between(seconds, opening, color=_hex(LIPS), alpha=0.15, linewidth=0)
    lips.set_ylim(0, max(2.0, opening.max() * 1.1))
    lips.set_xlim(0, max(seconds[-1], 1 / fps))
    bottom = lips
    if wave is not None:
        bottom = _styled(figure.add_subplot(grid[1, 0], sharex=lips), "Sound", "peak")
        peaks = _envelope(wave, len(landmarks), fps)
        bottom.fill_between(seconds, -peaks, peaks, color=_hex(FACE), alpha=0.8, linewidth=0)
        bottom.set_ylim(-1.05 * max(peaks.max(), 0.01), 1.05 * max(peaks.max(), 0.01))
        lips.tick_params(labelbottom=False)
    bottom.set_xlabel("seconds", color=_hex(MUTED), fontsize=9)

    _draw_paths(_styled(figure.add_subplot(grid[:, 1]), "Paths of the mouth", "px at 128"), landmarks)
    return figure


def _draw_paths(axes: Axes, landmarks: np.ndarray) -> None:
    for group, colour, name in ((OUTER_LIP, FACE, "outer lip"), (INNER_LIP, LIPS, "inner lip")):
        mean = landmarks[:, group, :2].mean(axis=0)
        closed = np.concatenate([mean, mean[:1]])
        axes.plot(*landmarks[:, group, :2].transpose(2, 0, 1), color=_hex(colour), linewidth=0.8, alpha=0.75)
        axes.plot(*closed.T, color=_hex(TEXT), linewidth=0.8, alpha=0.35)
        axes.plot(*mean.T, "o", color=_hex(colour), markersize=3, label=name)
    axes.margins(0.08)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_yaxis()  # y grows downwards, as in pictures
    axes.legend(loc="lower right", fontsize=8, frameon=False, labelcolor=_hex(TEXT))


def _styled(axes: Axes, title: str, unit: str) -> Axes:
    axes.set_facecolor(_hex(PLATE))
    axes.set_title(title, color=_hex(TEXT), fontsize=11, loc="left")
    axes.set_ylabel(unit, color=_hex(MUTED), fontsize=9)
    axes.tick_params(colors=_hex(MUTED), labelsize=8, length=0)
    axes.grid(color=_hex(MUTED), alpha=0.15, linewidth=0.6)
    axes.spines[:].set_visible(False)
    return axes


def _envelope(wave: np.ndarray, n_frames: int, fps: float) -> np.ndarray:
    """Peak of each video frame's own samples, (n_frames,)."""
    edges = np.round(np.arange(n_frames + 1) * SAMPLE_RATE / fps).astype(int)
    padded = np.zeros(max(edges[-1], 1), np.float32)
    padded[: min(len(wave), len(padded))] = np.abs(wave[: len(padded)])
    return np.maximum.reduceat(padded, edges[:-1])


def _spread(values: np.ndarray, n: int, times: Sequence[float] | None) -> tuple[np.ndarray, np.ndarray]:
    index = np.linspace(0, len(values) - 1, min(n, len(values))).round().astype(int)
    seconds = np.arange(len(values)) / FPS if times is None else np.asarray(times)
    return values[index], seconds[index]


def _strip(pictures: np.ndarray, seconds: np.ndarray, with_scale: bool) -> np.ndarray:
    step = CROP_SIZE + _THUMB_GAP
    width = 2 * _MARGIN - _THUMB_GAP + step * len(pictures) + (52 if with_scale else 0)
    canvas = np.full((_MARGIN + CROP_SIZE + _STAMP, width, 3), GROUND, np.uint8)
    for i, (picture, time) in enumerate(zip(pictures, seconds, strict=True)):
        x = _MARGIN + i * step
        canvas[_MARGIN : _MARGIN + CROP_SIZE, x : x + CROP_SIZE] = picture
        _write(canvas, f"{time:.2f} s", x, _MARGIN + CROP_SIZE + _STAMP / 2, _SMALL_SIZE, MUTED)
    if with_scale:
        x = _MARGIN + len(pictures) * step + 4
        canvas[_MARGIN : _MARGIN + CROP_SIZE, x : x + 10] = heat_map(np.linspace(1, 0, CROP_SIZE))[:, None]
        for value, y in (("1", 6), ("0.5", CROP_SIZE / 2), ("0", CROP_SIZE - 6)):
            _write(canvas, value, x + 16, _MARGIN + y, _SMALL_SIZE, MUTED)
    return canvas


def _scale_bar(canvas: np.ndarray, right: int, middle: int) -> None:
    """0 ▬▬▬ 1 in the heat map's colours, ending at `right`."""
    length = 72
    _write(canvas, "1", right - 8, middle, _SMALL_SIZE, MUTED)
    canvas[middle - 4 : middle + 4, right - 14 - length : right - 14] = heat_map(np.linspace(0, 1, length))
    _write(canvas, "0", right - 14 - length - 14, middle, _SMALL_SIZE, MUTED)


def _draw_face(panel: np.ndarray, landmarks: np.ndarray, face: tuple, lips: tuple, width: float) -> np.ndarray:
    """A copy of `panel` with the outlines on it. A pixel's centre lies half a pixel inside it, in every size."""
    large = cv2.resize(panel, (SIDE * _FINE, SIDE * _FINE), interpolation=cv2.INTER_NEAREST)
    points = (landmarks[:, :2] + 0.5) * (SIDE * _FINE / CROP_SIZE) - 0.5
    points = (points * (1 << _SHIFT)).round().astype(np.int32)
    for first, last, closed in OUTLINES:
        colour, line = lips if first in MOUTH else face, points[first : last + 1]
        cv2.polylines(large, [line], closed, colour, round(width * _FINE), cv2.LINE_AA, _SHIFT)
    return cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _enlarge(picture: np.ndarray) -> np.ndarray:
    """To a panel's side; cubic for pictures, linear for maps, which must not overshoot."""
    if picture.shape[0] == SIDE:
        return picture
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC if picture.ndim == 3 else cv2.INTER_LINEAR)


def _write(canvas: np.ndarray, text: str, x: int, middle: float, size: int, colour: tuple) -> None:
    """Writes a line into `canvas`, its left at `x` and its height centred on `middle`."""
    mask = text_mask(text, size)[..., None] / 255
    y = round(middle - len(mask) / 2)
    spot = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    spot[:] = (spot * (1 - mask) + np.array(colour) * mask + 0.5).astype(np.uint8)


def _hex(colour: tuple) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
