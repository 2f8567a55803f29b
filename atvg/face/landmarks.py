"""iBUG-68 index sets, the mapping from the 478-point face mesh, and how landmarks flip."""

import numpy as np

JAW = np.arange(0, 17)
RIGHT_BROW, LEFT_BROW = np.arange(17, 22), np.arange(22, 27)
NOSE_BRIDGE, NOSE_BASE = np.arange(27, 31), np.arange(31, 36)
RIGHT_EYE, LEFT_EYE = np.arange(36, 42), np.arange(42, 48)
MOUTH = np.arange(48, 68)
SPEAKING = np.concatenate([JAW[1:-1], MOUTH])  # the points that AT-net moves
OUTER_LIP, INNER_LIP = np.arange(48, 60), np.arange(60, 68)
EYE_CORNERS = np.array([36, 39, 42, 45])
TEMPLES = np.array([0, 16])

# Points that speech and blinking do not move.
STABLE = np.concatenate([NOSE_BRIDGE, EYE_CORNERS])
RIGID = np.concatenate([STABLE, TEMPLES])

# Inner lip, upper and lower, left to right as seen; pairs lie one above the other.
INNER_UPPER, INNER_LOWER = np.array([61, 62, 63]), np.array([67, 66, 65])
OUTER_UPPER, OUTER_LOWER = np.array([49, 50, 51, 52, 53]), np.array([59, 58, 57, 56, 55])

# Polylines for drawing: (first, last, closed).
OUTLINES = (
    (0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False),
    (36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True),
)  # fmt: skip

# The widely used 68 of the 468/478 mesh points, in iBUG order.
MESH_TO_68 = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
])  # fmt: skip

# Where each point goes when the picture is mirrored: FLIP[i] is the point that lands on i.
FLIP = np.array([
    *range(16, -1, -1),
    *range(26, 16, -1),
    27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
])  # fmt: skip


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance of the inner lips, (..., 68, 2 or 3) → (...), in the landmarks' unit."""
    gap = landmarks[..., INNER_LOWER, :2] - landmarks[..., INNER_UPPER, :2]
    return np.linalg.norm(gap, axis=-1).mean(axis=-1)


def eye_distance(landmarks: np.ndarray) -> np.ndarray:
    """Distance of the eyes' centres, each the mean of its six points, (..., 68, 2 or 3) → (...), in their unit."""
    right, left = (landmarks[..., eye, :2].mean(axis=-2) for eye in (RIGHT_EYE, LEFT_EYE))
    return np.linalg.norm(left - right, axis=-1)


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Right eye, left eye, nose base, right and left mouth corner as seen: (..., 68, D) → (..., 5, D)."""
    return np.stack(
        [
            landmarks[..., RIGHT_EYE, :].mean(axis=-2),
            landmarks[..., LEFT_EYE, :].mean(axis=-2),
            landmarks[..., 33, :],
            landmarks[..., 48, :],
            landmarks[..., 54, :],
        ],
        axis=-2,
    )
