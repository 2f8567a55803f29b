"""The figures of the evaluation protocol: pure functions of pictures and landmarks, each for one clip.

Frames are (T, H, W, 3) uint8 RGB, landmarks (T, 68, 2) crop pixels; `output` is compared with `truth`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from atvg.config import CROP_SIZE, N_LANDMARKS
from atvg.face.landmarks import INNER_LIP, JAW, MOUTH, NOSE_BASE, eye_distance, mouth_opening

ALL_POINTS = np.arange(N_LANDMARKS)
MOUTH_MARGIN = 0.35  # of the mouth box's sides; as in the training loss, so that lips and chin's edge are inside
PSNR_CEILING = 100.0  # dB; stands for "identical", which has no finite PSNR
LOWER_FACE = np.concatenate([JAW[3:14], NOSE_BASE])  # their hull holds chin, cheeks and lips
INSIDE_MARGIN = 0.04  # of the eyes' distance: around the inner lips, so that the edges of lips and teeth do not count
OPEN = 0.05  # of the eyes' distance: a mouth whose inner lips are farther apart is open
QUIET_SHARE = 0.25  # of the pixels, those that move least in the truth
QUIET_FLOOR = 0.05  # grey levels; clips of `val` have 0.13 to 1.2, only a frozen picture has less

_MIN_BOX = 12.0  # pixels; the window of SSIM needs 11
_BATCH = 64  # frames that torchmetrics gets at once: a minute of video would take gigabytes
_CPBD_BLOCK = 64  # pixels
_CPBD_EDGE_SHARE = 0.002  # a block with fewer edge pixels is background
_CPBD_CONTRAST = 50  # grey levels; above it a narrower blur is noticed
_CPBD_JNB = {"low": 5, "high": 3}  # just noticeable width of an edge, pixels, at low and high contrast


def landmark_distance(output: np.ndarray, truth: np.ndarray, points: np.ndarray = MOUTH) -> float:
    """LMD: mean distance per point in crop pixels, each frame's points centred on their own centroid.

    NaN if there are no frames.
    """
    output, truth = (x[:, points] - x[:, points].mean(axis=1, keepdims=True) for x in (output, truth))
    distance = np.linalg.norm(output - truth, axis=-1)  # (T, points)
    return float(distance.mean()) if distance.size else float("nan")


def mouth_box(landmarks: np.ndarray) -> tuple[slice, slice]:
    """One box for a whole clip: around all its mouth points (T, 68, 2+), with a margin → rows, columns."""
    points = landmarks[:, MOUTH, :2].reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    half = (high - low) / 2
    half[1] = max(half[1], half[0] / 2)  # the height of a closed mouth says little
    half = np.clip(half * (1 + MOUTH_MARGIN), _MIN_BOX / 2, CROP_SIZE / 2)
    low = np.clip((low + high) / 2 - half, 0, CROP_SIZE - 2 * half)  # moved, not cut, at the crop's edge
    high = np.minimum(np.ceil(low + 2 * half).astype(int), CROP_SIZE)
    low = np.floor(low).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def ssim(output: np.ndarray, truth: np.ndarray) -> float:
    """Mean structural similarity over frames and colours, in [−1, 1]; sides of at least 11 pixels.

    Gaussian window of 11 pixels, σ = 1.5; K₁ = 0.01, K₂ = 0.03.
    """
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    return _over_batches(StructuralSimilarityIndexMeasure(data_range=255.0), output, truth)


def psnr(output: np.ndarray, truth: np.ndarray) -> float:
    """PSNR of the clip in dB, from the squared error of all its frames together; at most `PSNR_CEILING`.

    Not a mean over frames: the first output frame may be the photo itself, and its infinite PSNR would rule the mean.
    """
    from torchmetrics.image import PeakSignalNoiseRatio

    if np.array_equal(output, truth):
        return PSNR_CEILING
    return min(_over_batches(PeakSignalNoiseRatio(data_range=255.0), output, truth), PSNR_CEILING)


def _over_batches(metric: Any, output: np.ndarray, truth: np.ndarray) -> float:
    for pair in _batches(output, truth):
        metric.update(*pair)
    return float(metric.compute())


def _batches(*videos: np.ndarray) -> Iterator[list[Any]]:
    """uint8 (T, H, W, 3) → float32 tensors (n, 3, H, W) in [0, 255], n ≤ `_BATCH`.

    The colours stay last in memory: on a CPU that makes SSIM three times faster.
    """
    import torch

    for first in range(0, len(videos[0]), _BATCH):
        pieces = (np.ascontiguousarray(video[first : first + _BATCH]) for video in videos)
        yield [torch.from_numpy(piece).permute(0, 3, 1, 2).float() for piece in pieces]


def psnr_released_script(output: np.ndarray, truth: np.ndarray) -> float:
    """What the authors' script calls PSNR: NOT comparable with a true PSNR, only with the paper's own figures.

    Grey uint8 pictures are subtracted and squared in uint8, so both wrap at 256 and even unrelated pictures score
    about 28 dB. Mean over frames; identical frames count 100, as in the script. Its enlargement to 256 px is left out.
    """
    error = ((_grey(output) - _grey(truth)) ** 2).mean(axis=(1, 2))  # uint8 wraps here; the mean is float
    return float(np.where(error == 0, 100.0, 20 * np.log10(255 / np.sqrt(np.maximum(error, 1e-12)))).mean())


def _grey(frames: np.ndarray) -> np.ndarray:
    """RGB frames → luma, (T, H, W) uint8."""
    return np.stack([cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames])


def sharpness(frames: np.ndarray) -> float:
    """Mean `cpbd` of the frames' luma."""
    return float(np.mean([cpbd(grey) for grey in _grey(frames)]))


def cpbd(grey: np.ndarray) -> float:
    """Cumulative probability of blur detection (Narvekar & Karam 2011): the share of edges that look sharp.

    The blur of an edge of width w is seen with P = 1 − exp(−(w / w_JNB)^3.6). An edge counts as sharp where
    P ≤ P_JNB = 63 %, which is w ≤ w_JNB: 5 pixels where a block's contrast is at most 50, else 3. Edges are vertical
    Sobel edges stronger than twice the root mean square, thinned along x, steeper than 67.5°; they alone decide which
    blocks have edges (implementations differ here, so compare only figures of one of them). Sides are cut into as many
    parts of 64 pixels or more as fit: the crop has four blocks, a mouth box is a single one. A box holds few such
    edges, and one frame's figure is coarse: only its mean over a clip or more says something.

    Args:
        grey: (H, W) uint8.

    Returns:
        share in [0, 1], higher is sharper; 0 for a picture without edges.
    """
    values = grey.astype(np.float32)
    along, down = (cv2.Sobel(values, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    strength = np.pad(along**2, ((0, 0), (1, 1)))
    here, left, right = strength[:, 1:-1], strength[:, :-2], strength[:, 2:]
    edges = (here > 4 * here.mean()) & (here >= left) & (here > right)
    edges &= np.abs(down) <= np.tan(np.pi / 8) * np.abs(along)
    steps = np.diff(values, axis=1)
    widths = np.where(along > 0, _run_lengths(steps > 0), _run_lengths(steps < 0))

    sharp = total = 0
    for rows in _parts(grey.shape[0]):
        for columns in _parts(grey.shape[1]):
            found = widths[rows, columns][edges[rows, columns]]
            block = values[rows, columns]
            if len(found) <= _CPBD_EDGE_SHARE * block.size:
                continue
            jnb = _CPBD_JNB["low" if block.max() - block.min() <= _CPBD_CONTRAST else "high"]
            sharp, total = sharp + int((found <= jnb).sum()), total + len(found)
    return sharp / total if total else 0.0


def _parts(side: int) -> list[slice]:
    bounds = np.linspace(0, side, max(1, side // _CPBD_BLOCK) + 1).round().astype(int)
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _run_lengths(steps: np.ndarray) -> np.ndarray:
    """How many true steps in a row touch each pixel: (H, W − 1) between neighbours → (H, W)."""
    stop = np.ones((len(steps), 1), bool)
    index = np.broadcast_to(np.arange(steps.shape[1] + 1), (len(steps), steps.shape[1] + 1))
    first = np.maximum.accumulate(np.where(np.hstack([stop, ~steps]), index, 0), axis=1)
    last = np.where(np.hstack([~steps, stop]), index, steps.shape[1])
    return np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1] - first


class Detail:
    """How much of a photo's fine structure is left in chin, cheeks and lips: `fine_structure`, picture ÷ photo.

    Every picture is measured in its own region, which goes along with an opening jaw. In a region that stayed where
    the photo's is, a lip that has come down would stand for skin, and the outline of the jaw would be missing: there,
    six photos whose jaws were opened without any loss had figures from 0.7 to 2, in their own regions from 0.85 to 1.0.
    """

    def __init__(self, photo: np.ndarray, landmarks: np.ndarray):
        """
        Args:
            photo: (H, W, 3) uint8, of any size.
            landmarks: (68, 2+) in its pixels, best found as those of the pictures are.
        """
        self._photo, structure = photo, fine_structure(photo, landmarks)
        self._structure = structure if structure > 0 else float("nan")

    def of(self, picture: np.ndarray, landmarks: np.ndarray) -> float:
        """Of a picture made from the photo, (H, W, 3) uint8, with landmarks (68, 2+) in its pixels.

        Returns:
            0 or more; exactly 1 for the photo itself, wherever its landmarks tremble to. NaN if the landmarks are, or
            if the photo has no structure.
        """
        same = np.array_equal(picture, self._photo)
        return 1.0 if same else fine_structure(picture, landmarks) / self._structure


def detail(pictures: np.ndarray, photo: np.ndarray, landmarks: np.ndarray, photo_landmarks: np.ndarray) -> float:
    """Mean `Detail` of pictures (T, H, W, 3) with landmarks (T, 68, 2+), without undefined ones; NaN if all are."""
    measure = Detail(photo, photo_landmarks)
    return mean_of_known([measure.of(*pair) for pair in zip(pictures, landmarks, strict=True)])


def fine_structure(picture: np.ndarray, landmarks: np.ndarray) -> float:
    """Variance of the luma's Laplacian (4 neighbours) over the lower face, without the mouth's inside.

    The region is the hull of `LOWER_FACE`, landmarks 3–13 and 31–35, without that of the inner lips, 60–67, widened by
    `INSIDE_MARGIN`: a lip line or teeth would rule the variance.

    Args:
        picture: (H, W, 3) uint8.
        landmarks: (68, 2+) in its pixels.

    Returns:
        grey levels squared; NaN for landmarks that are NaN, or if nothing of the region lies in the picture.
    """
    points = landmarks[:, :2]
    outline, lips = points[LOWER_FACE], points[INNER_LIP]
    if np.isnan(points).any():
        return float("nan")
    limit = np.array(picture.shape[1::-1])
    low = np.clip(np.floor(outline.min(axis=0)).astype(int) - 1, 0, limit)  # 1: the Laplacian's neighbours
    high = np.clip(np.ceil(outline.max(axis=0)).astype(int) + 2, 0, limit)
    if not (high > low).all():
        return float("nan")
    cut = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
    region = np.zeros(cut.shape[:2], np.uint8)
    outline, lips = (cv2.convexHull((part - low).round().astype(np.int32)) for part in (outline, lips))
    cv2.fillConvexPoly(region, outline, (1,))
    cv2.fillConvexPoly(region, lips, (0,))
    cv2.polylines(region, [lips], True, (0,), thickness=2 * round(INSIDE_MARGIN * float(eye_distance(points))) + 1)
    laplacian = cv2.Laplacian(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
    counted = laplacian[region > 0]
    return float(counted.var(dtype=np.float64)) if counted.size else float("nan")


def opening_share(landmarks: np.ndarray) -> float:
    """Share of the frames whose inner lips are apart by more than `OPEN` of the distance between the eyes' centres.

    Args:
        landmarks: (T, 68, 2+) of any size, NaN where no face was found; those frames are left out.

    Returns:
        in [0, 1]; NaN if no frame is left.
    """
    apart = mouth_opening(landmarks) / eye_distance(landmarks)
    return mean_of_known(np.where(np.isnan(apart), np.nan, apart > OPEN))


def mean_of_known(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if none is left."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def mouth_correlation(output: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> tuple[float, float]:
    """How well lip opening follows the truth, pooled over clips.

    Args:
        output, truth: one (T,) array of inner-lip openings per clip; each clip's own mean is subtracted first.

    Returns:
        Pearson's r, and the ratio of the standard deviations, output ÷ truth (1: moves as much as the truth). NaN
        where they are undefined: r for a mouth that never moves, both for a truth that never does.
    """
    pooled = [np.concatenate([[], *(x - x.mean() for x in clips if len(x))]) for clips in (output, truth)]
    if not len(pooled[0]):
        return float("nan"), float("nan")
    own, true = (float(values.std()) for values in pooled)
    covariance = float((pooled[0] * pooled[1]).mean())
    moves = min(own, true) > 1e-6
    return (covariance / (own * true) if moves else float("nan")), (own / true if true > 1e-6 else float("nan"))


def movement(frames: np.ndarray) -> np.ndarray:
    """Mean |difference of consecutive frames| of each pixel's luma, grey levels: (T ≥ 2, H, W, 3) → (H, W)."""
    grey = _grey(frames)
    return np.mean([cv2.absdiff(b, a) for a, b in zip(grey[:-1], grey[1:], strict=True)], axis=0)


def quiet_region(moved_in_truth: np.ndarray) -> np.ndarray:
    """The quarter of the pixels that move least in the truth, whose `movement` is given: (H, W) bool."""
    return moved_in_truth <= np.quantile(moved_in_truth, QUIET_SHARE)


def jitter(output: np.ndarray, truth: np.ndarray) -> float:
    """Unrest where nothing should move, as a multiple of the truth's own; 0 is still, 1 is like the truth.

    Mean `movement` in the `quiet_region` (one per clip of T ≥ 2 frames), output ÷ truth. The truth counts as at least
    `QUIET_FLOOR`: a frozen one would divide by zero.
    """
    moved, moved_in_truth = movement(output), movement(truth)
    quiet = quiet_region(moved_in_truth)
    return float(moved[quiet].mean() / max(moved_in_truth[quiet].mean(), QUIET_FLOOR))
