"""The offline default: MediaPipe face detector and 478-point face mesh, whose models lie in the wheel."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from atvg.face import geometry
from atvg.face.detection import Detection, FaceDetector
from atvg.face.landmarks import MESH_TO_68
from atvg.face.looks import close_up, look_again

_SEARCH_SIDE = 1024  # the detector's input is 192 px; a larger picture only costs time
_MARGIN = 0.9  # of the box, on every side, when a found face is cut out for the mesh
_MESH_SIDE = 512
# On a new face the tracker takes some frames to settle: on stills the lip opening moves by half a pixel of a 128 px
# crop (median) from its first to its later frames.
_SETTLE = 8
# Score of a finder. Measured: 24 of 25 faces that are large in their picture have 0.88 or more; upside down they are
# taken for upright ones, with wrong points, but with 0.79 at most. So who scores less is looked at from all four sides.
_SURE = 0.83


@contextlib.contextmanager
def _without_pyplot() -> Iterator[None]:
    """MediaPipe imports it for plots that nobody asks for: 16 MB, and half of its own import's time."""
    name = "matplotlib.pyplot"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]


def _solution(name: str, **options: Any) -> Any:
    with _without_pyplot():
        from mediapipe.python.solutions import face_detection, face_mesh

    return {"FaceMesh": face_mesh.FaceMesh, "FaceDetection": face_detection.FaceDetection}[name](**options)


def _to_pixels(face: Any, width: float, height: float) -> np.ndarray:
    # MediaPipe counts from the picture's edge, pixels here from their centres. Its depth has the scale of x.
    return np.array([(p.x * width - 0.5, p.y * height - 0.5, p.z * width) for p in face.landmark], np.float32)


class MediaPipeDetector(FaceDetector):
    """Finds boxes (far and near models), then fits the 478-point mesh in a cut-out of each; if none, looks again."""

    name = "mediapipe"

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the graphs are not re-entrant
        self._finders: list[Any] = []
        self._mesh: Any = None

    def __del__(self) -> None:
        for graph in (*self._finders, self._mesh):
            with contextlib.suppress(Exception):  # it was never built, or Python is ending
                graph.close()  # or its threads stay for ever, and some of their memory

    def detect(self, image: np.ndarray) -> list[Detection]:
        with self._lock:
            self._load()
            faces, score = self._see(image)
            if faces and score >= _SURE:
                return faces
            faces = faces or look_again(image, lambda seen: self._see(seen)[0])
            if faces:
                return _distinct([self._righted(image, face) or face for face in faces])
            lying = [self._righted(image, face) for side in (1, 2, 3) for face in self._see(image, side)[0]]
            return _distinct([face for face in lying if face])

    def glance(self, image: np.ndarray) -> list[Detection]:
        """As `detect`, at first sight only: tiny, drawn or lying faces are missed, and it never takes a second."""
        with self._lock:
            self._load()
            return self._see(image)[0]

    def _load(self) -> None:
        if self._mesh is None:
            self._finders = [
                _solution("FaceDetection", model_selection=far, min_detection_confidence=0.4) for far in (1, 0)
            ]
            self._mesh = _solution(
                "FaceMesh", static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.4
            )

    def _righted(self, image: np.ndarray, face: Detection) -> Detection | None:
        """The face as a close-up shows it, from the side from which it is most surely one; None if from none."""

        def surest(seen: np.ndarray) -> list[Detection]:
            faces, score = max((self._see(seen, side) for side in range(4)), key=lambda view: view[1])
            middle = np.array(seen.shape[1::-1]) / 2
            faces = sorted(faces, key=lambda face: np.linalg.norm(face.landmarks[:, :2].mean(axis=0) - middle))
            return faces[:1] if score >= _SURE else []

        return next(iter(close_up(face.box).find(image, surest)), None)

    def _see(self, image: np.ndarray, side: int = 0) -> tuple[list[Detection], float]:
        """The faces of a picture, looked at when turned by so many quarters, and the score of the surest one."""
        turned = np.ascontiguousarray(np.rot90(image, side))
        boxes, scores = self._boxes(turned)
        fitted = [self._fit(turned, box) for box in boxes]
        faces = [_turned_back(face, image.shape, side) for face in fitted if face is not None]
        return _distinct(faces), max(scores, default=0.0)

    def _boxes(self, image: np.ndarray) -> tuple[list[tuple[float, float, float, float]], list[float]]:
        height, width = image.shape[:2]
        shrink = min(1.0, _SEARCH_SIDE / max(height, width))
        small = image if shrink == 1 else cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        boxes, scores = [], []
        for finder in self._finders:
            for found in finder.process(small).detections or []:
                box = found.location_data.relative_bounding_box
                boxes.append((box.xmin * width, box.ymin * height, box.width * width, box.height * height))
                scores.append(found.score[0])
        return boxes, scores

    def _fit(self, image: np.ndarray, box: tuple[float, float, float, float]) -> Detection | None:
        x, y, w, h = box
        side = max(w, h) * (1 + 2 * _MARGIN)
        scale = _MESH_SIDE / side
        matrix = np.array([[scale, 0, (side / 2 - x - w / 2) * scale], [0, scale, (side / 2 - y - h / 2) * scale]])
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        cut = cv2.warpAffine(image, matrix, (_MESH_SIDE, _MESH_SIDE), flags=interpolation, borderValue=(127, 127, 127))
        faces = self._mesh.process(cut).multi_face_landmarks
        if not faces:
            return None
        mesh = _to_pixels(faces[0], _MESH_SIDE, _MESH_SIDE) / scale
        mesh[:, :2] += (np.array([x + w / 2, y + h / 2]) - side / 2).astype(np.float32)
        return Detection(landmarks=mesh[MESH_TO_68], mesh=mesh)


def _turned_back(face: Detection, shape: tuple[int, ...], quarters: int) -> Detection:
    """A face of a picture that was turned so many quarters counter-clockwise, in pixels of it as it was."""
    height, width = shape[:2]
    inverse = {  # (x, y) of the turned picture → of the picture
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, -1, width - 1], [1, 0, 0]],
        2: [[-1, 0, width - 1], [0, -1, height - 1]],
        3: [[0, 1, 0], [-1, 0, height - 1]],
    }[quarters]
    matrix = np.array(inverse, np.float64)
    return Detection(*(geometry.apply(matrix, p).astype(np.float32) for p in (face.landmarks, face.mesh)))


def _distinct(faces: list[Detection]) -> list[Detection]:
    """Largest first, each face once (the far and the near model often find the same one)."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda f: -f.box[2] * f.box[3]):
        centre = face.landmarks[:, :2].mean(axis=0)
        if all(np.linalg.norm(centre - k.landmarks[:, :2].mean(axis=0)) > 0.5 * k.box[2] for k in kept):
            kept.append(face)
    return kept


class MediaPipeTracker:
    """Follows one face through a clip; about five times faster than detecting it in every frame."""

    def __init__(self) -> None:
        self._mesh = _solution("FaceMesh", static_image_mode=False, max_num_faces=1, refine_landmarks=True)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # it was never built, or Python is ending
            self._mesh.close()  # or its graph, 37 MB, and its threads stay for ever

    def track(self, frames: np.ndarray) -> np.ndarray:
        """uint8 RGB (T, H, W, 3) → (T, 478, 3) float32 pixels, NaN where the face was not found.

        The first frame is shown a few times before it counts, so that its points are as settled as the others'.
        """
        self.begin(frames[0])
        return np.stack([self.look(frame) for frame in frames])

    def begin(self, frame: np.ndarray) -> None:
        """Forgets whom it followed and settles on the face of a frame, (H, W, 3) uint8 RGB, to be looked at next."""
        self._mesh.reset()
        for _ in range(_SETTLE):
            self._mesh.process(frame)

    def look(self, frame: np.ndarray) -> np.ndarray:
        """The next frame, (H, W, 3) uint8 RGB → (478, 3) float32 pixels, NaN if the face is not found."""
        faces = self._mesh.process(frame).multi_face_landmarks
        return _to_pixels(faces[0], *frame.shape[1::-1]) if faces else np.full((478, 3), np.nan, np.float32)
