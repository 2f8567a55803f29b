"""Who finds faces: MediaPipe for real, face-alignment with a stand-in for its network."""

import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import rescale

from atvg.errors import BadSettingError, DetectorUnavailableError
from atvg.face import detector as detectors
from atvg.face.detection import Detection, FaceDetector
from atvg.face.detector import FirstThatFinds, make_detector
from atvg.face.face_alignment import FaceAlignmentDetector
from atvg.face.landmarks import MESH_TO_68, five_points
from atvg.face.mediapipe import MediaPipeDetector, MediaPipeTracker

TASKS = Path("/proc/self/task")

# Read off the picture by eye: pupils, mouth corners, chin.
PUPILS = np.array([[203.7, 100.8], [246.7, 103.0]])
MOUTH_CORNERS = np.array([[204.0, 140.5], [243.8, 141.7]])
CHIN = np.array([223.0, 178.0])


class TestMediaPipe:
    def test_finds_one_face_where_there_is_one(self, mediapipe, astronaut):
        faces = mediapipe.detect(astronaut)
        assert len(faces) == 1
        assert faces[0].landmarks.shape == (68, 3) and faces[0].landmarks.dtype == np.float32
        assert faces[0].mesh.shape == (478, 3)

    def test_points_lie_where_the_eye_sees_them(self, astronaut_face):
        points = astronaut_face.landmarks[:, :2]
        assert np.linalg.norm(five_points(points)[:2] - PUPILS, axis=1).max() < 3
        assert np.linalg.norm(points[[48, 54]] - MOUTH_CORNERS, axis=1).max() < 4
        assert np.linalg.norm(points[8] - CHIN) < 4

    def test_the_nose_is_nearer_than_the_temples(self, astronaut_face):
        depth = astronaut_face.landmarks[:, 2]
        assert depth[30] < depth[[36, 45]].min() < depth[[0, 16]].min()

    def test_the_box_holds_the_landmarks(self, astronaut_face):
        x, y, width, height = astronaut_face.box
        points = astronaut_face.landmarks[:, :2]
        np.testing.assert_allclose([x, y], points.min(axis=0))
        np.testing.assert_allclose([x + width, y + height], points.max(axis=0), rtol=1e-5)

    def test_finds_both_of_two_people(self, mediapipe, astronaut, hopper):
        both = np.concatenate([astronaut, hopper[:512]], axis=1)
        faces = mediapipe.detect(both)
        assert len(faces) == 2
        first, second = (face.landmarks[:, 0].mean() for face in faces)
        assert first > 512 > second  # Hopper's face is the larger one, so it comes first

    def test_finds_nobody_in_noise(self, mediapipe):
        noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
        assert mediapipe.detect(noise) == []

    def test_a_glance_finds_what_needs_no_second_look(self, mediapipe, astronaut, astronaut_face):
        (face,) = mediapipe.glance(astronaut)
        assert np.array_equal(face.landmarks, astronaut_face.landmarks)
        small = np.full((2000, 2000, 3), 127, np.uint8)
        small[900:1000, 900:1000] = rescale(astronaut[50:200, 150:300], 100 / 150, channel_axis=2) * 255
        assert mediapipe.glance(small) == [] and len(mediapipe.detect(small)) == 1

    def test_points_scale_with_the_picture(self, mediapipe, astronaut, astronaut_face):
        large = (rescale(astronaut, 3, channel_axis=2) * 255).astype(np.uint8)
        found = mediapipe.detect(large)[0].landmarks[:, :2]
        assert np.linalg.norm(found / 3 - astronaut_face.landmarks[:, :2], axis=1).mean() < 2


class TestTracker:
    @pytest.fixture(scope="class")
    def tracker(self) -> MediaPipeTracker:
        return MediaPipeTracker()

    def test_it_follows_a_face_that_moves(self, tracker, astronaut, astronaut_face):
        frames = np.stack([np.roll(astronaut, 4 * t, axis=1) for t in range(6)])
        found = tracker.track(frames)[:, MESH_TO_68]
        assert found.shape == (6, 68, 3)
        for t in range(6):
            off = np.linalg.norm(found[t, :, :2] - astronaut_face.landmarks[:, :2] - [4 * t, 0], axis=1)
            assert off.mean() < 3

    def test_frames_without_a_face_are_nan(self, tracker, astronaut):
        frames = np.stack([astronaut, np.full_like(astronaut, 128), astronaut])
        found = np.isnan(tracker.track(frames)).all(axis=(1, 2))
        assert found.tolist() == [False, True, False]

    def test_the_first_frames_of_a_still_are_as_settled_as_the_others(self, tracker, astronaut):
        points = tracker.track(np.repeat(astronaut[None], 12, axis=0))[:, MESH_TO_68, :2]
        off = np.linalg.norm(points - points[-1], axis=-1).mean(axis=1)
        assert off[:4].max() < 1.3 * off[4:].max()

    def test_every_clip_is_tracked_from_scratch(self, tracker, astronaut, hopper):
        frames = np.repeat(astronaut[None], 3, axis=0)
        first = tracker.track(frames)
        tracker.track(np.repeat(hopper[None], 3, axis=0))
        np.testing.assert_array_equal(tracker.track(frames), first)


def test_a_program_can_silence_mediapipe_and_keep_its_own_voice():
    """Its C++ threads like to report to stderr, where the command line prints one line and no more."""
    code = (
        "import sys\n"
        "from skimage import data\n"
        "from atvg.face.mediapipe import MediaPipeDetector, MediaPipeTracker\n"
        "from atvg.face.silence import silence_native_logs\n"
        "silence_native_logs()\n"
        "assert MediaPipeDetector().detect(data.astronaut())\n"
        "MediaPipeTracker().track(data.astronaut()[None])\n"
        "print('error: my own line', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "error: my own line\n")


class StandIn:
    """Stands in for face-alignment's network, whose weights must be downloaded: returns what it is told to."""

    def __init__(self, found: list[np.ndarray] | None):
        self.found = found

    def get_landmarks_from_image(self, image: np.ndarray) -> list[np.ndarray] | None:
        return self.found


IMAGE = np.zeros((100, 100, 3), np.uint8)


class TestFaceAlignment:
    def test_none_means_no_face(self):
        assert FaceAlignmentDetector(StandIn(None)).detect(IMAGE) == []
        assert FaceAlignmentDetector(StandIn([])).detect(IMAGE) == []

    def test_landmarks_are_handed_on(self, face68):
        face = FaceAlignmentDetector(StandIn([face68])).detect(IMAGE)[0]
        np.testing.assert_allclose(face.landmarks[:, :2], face68[:, :2])
        np.testing.assert_array_equal(face.mesh, face.landmarks)
        assert face.landmarks.dtype == np.float32

    @pytest.mark.parametrize("sign", [1, -1])
    def test_depth_grows_away_from_the_viewer_whatever_the_networks_sign(self, face68, sign):
        """The nose tip at −20 and the temples at 30 differ by 50, with depth counted from the temples."""
        face = FaceAlignmentDetector(StandIn([face68 * [1, 1, sign]])).detect(IMAGE)[0]
        assert face.landmarks[30, 2] == pytest.approx(-50)
        assert face.landmarks[[0, 16], 2] == pytest.approx([0, 0])

    def test_the_largest_face_comes_first(self, face68):
        small, large = face68 * 0.5, face68 * 2
        faces = FaceAlignmentDetector(StandIn([small, large, face68])).detect(IMAGE)
        widths = [face.box[2] for face in faces]
        np.testing.assert_allclose(widths, [136, 68, 34])

    def test_the_networks_own_array_is_not_changed(self, face68):
        given = -face68
        FaceAlignmentDetector(StandIn([given])).detect(IMAGE)
        np.testing.assert_array_equal(given, -face68)

    def test_weights_that_cannot_be_downloaded_are_reported_in_one_line(self, monkeypatch, refuses, capfd):
        def offline(*args, **kwargs):
            print("Downloading: …", file=sys.stderr)
            raise OSError("<urlopen error [Errno -3]\nTemporary failure in name resolution>")

        stub = types.SimpleNamespace(FaceAlignment=offline, LandmarksType=types.SimpleNamespace(THREE_D=3))
        monkeypatch.setitem(sys.modules, "face_alignment", stub)
        with refuses(DetectorUnavailableError, "--detector mediapipe"):
            FaceAlignmentDetector().detect(IMAGE)
        assert capfd.readouterr().err == ""

    def test_a_library_that_is_not_installed_is_reported_in_one_line(self, monkeypatch, refuses):
        monkeypatch.setitem(sys.modules, "face_alignment", None)
        with refuses(DetectorUnavailableError):
            FaceAlignmentDetector().detect(IMAGE)

    def test_the_network_is_built_at_first_use_and_kept(self, monkeypatch, face68):
        built = []

        def build(*args, **kwargs):
            built.append(kwargs)
            return StandIn([face68])

        stub = types.SimpleNamespace(FaceAlignment=build, LandmarksType=types.SimpleNamespace(THREE_D=3))
        monkeypatch.setitem(sys.modules, "face_alignment", stub)
        detector = FaceAlignmentDetector()
        assert built == []
        detector.detect(IMAGE)
        detector.detect(IMAGE)
        assert len(built) == 1


def test_it_is_here_when_all_that_it_fetches_is(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    detector = FaceAlignmentDetector()
    assert not detector.is_here()
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("3DFAN4-7835d9f11d.pth.tar", "depth-2a464da4ea.pth.tar"):
        (folder / name).touch()
    assert not detector.is_here()
    (folder / "s3fd-619a316812.pth").touch()
    assert detector.is_here()
    assert FaceAlignmentDetector(StandIn(None)).is_here()


class Ran:
    """Pickled, it runs code when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("it-ran",)


class TestNoCodeInWeights:
    """The library loads its depth with ``weights_only=False``."""

    def load(self, monkeypatch, path: Path, saved: Any) -> None:
        torch.save(saved, path)

        def build(*args, **kwargs):
            assert torch.load(path, weights_only=False)["state_dict"]["weight"].sum() == 3
            return StandIn(None)

        stub = types.SimpleNamespace(FaceAlignment=build, LandmarksType=types.SimpleNamespace(THREE_D=3))
        monkeypatch.setitem(sys.modules, "face_alignment", stub)
        monkeypatch.chdir(path.parent)
        FaceAlignmentDetector().detect(IMAGE)

    def test_numbers_are_loaded(self, monkeypatch, tmp_path):
        figures = {"epoch": 4, "best": np.float64(0.5), "steps": np.int64(3), "rate": np.float32(0.1)}
        self.load(monkeypatch, tmp_path / "w", {"state_dict": {"weight": torch.ones(3)}, **figures})
        assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ

    def test_code_is_not_run(self, monkeypatch, tmp_path, refuses):
        with refuses(DetectorUnavailableError, "more than numbers"):
            self.load(monkeypatch, tmp_path / "w", {"state_dict": {"weight": torch.ones(3)}, "more": Ran()})
        assert not (tmp_path / "it-ran").exists()


class Fake(FaceDetector):
    """Finds what it is told to, and counts how often it is asked."""

    name = "fake"

    def __init__(self, finds: list[Detection] | Exception, here: bool = True):
        self.finds, self.asked, self.here = finds, 0, here

    def is_here(self) -> bool:
        return self.here

    def detect(self, image: np.ndarray) -> list[Detection]:
        self.asked += 1
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds


@pytest.fixture
def someone(face68) -> list[Detection]:
    return [Detection(face68, face68)]


class TestAuto:
    def test_the_second_is_not_asked_when_the_first_finds(self, someone):
        first, second = Fake(someone), Fake([])
        assert FirstThatFinds(first, second).detect(IMAGE) is someone
        assert second.asked == 0

    def test_the_second_is_asked_when_the_first_finds_nobody(self, someone):
        first, second = Fake([]), Fake(someone)
        assert FirstThatFinds(first, second).detect(IMAGE) is someone
        assert first.asked == 1

    def test_one_that_cannot_be_loaded_is_passed_over(self):
        assert FirstThatFinds(Fake([]), Fake(DetectorUnavailableError("offline"))).detect(IMAGE) == []

    def test_one_that_would_fetch_something_is_not_asked(self, someone):
        second = Fake(someone, here=False)
        assert FirstThatFinds(Fake([]), second).detect(IMAGE) == []
        assert second.asked == 0

    def test_the_first_must_work(self):
        with pytest.raises(DetectorUnavailableError):
            FirstThatFinds(Fake(DetectorUnavailableError("broken wheel")), Fake([])).detect(IMAGE)

    def test_auto_asks_mediapipe_first(self):
        assert [detector.name for detector in make_detector("auto").detectors] == ["mediapipe", "face-alignment"]


def test_every_name_builds_its_detector():
    assert [make_detector(name).name for name in detectors.DETECTORS] == ["auto", "mediapipe", "face-alignment"]


def test_an_unknown_name_is_refused_with_the_choices(refuses):
    with refuses(BadSettingError, "auto, mediapipe, face-alignment"):
        make_detector("dlib")


@pytest.mark.skipif(not TASKS.is_dir(), reason="this system does not count threads")
@pytest.mark.parametrize(
    "look", [lambda frame: MediaPipeTracker().track(frame[None]), lambda frame: MediaPipeDetector().glance(frame)]
)
def test_graphs_go_with_who_has_them(look):
    """Each has threads of its own, which would pile up in a server."""
    frame = np.zeros((64, 64, 3), np.uint8)
    look(frame)
    before = _threads()
    for _ in range(3):
        look(frame)
    assert _threads() <= before


def _threads() -> int:
    """Of this process, those of C++ libraries too."""
    return len(list(TASKS.iterdir()))
