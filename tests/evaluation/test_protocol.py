"""The protocol on a pack made of three short clips: one of a still face, one that talks, one out of sync."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from atvg.data.pack import Clip, read_pack
from atvg.errors import OutputError, PackError
from atvg.evaluation import protocol, report, rows
from atvg.face import crop, geometry
from atvg.face.landmarks import RIGID
from atvg.motion.carry import Carried
from atvg.motion.pose import Pose, head_centre, turn_points
from atvg.voice.mel import silent_mfcc80
from tests import synthetic

FRAMES = 16


def write_pack(folder: Path, clips: list[tuple[str, str, bool, np.ndarray, np.ndarray]]) -> Path:
    """Packs (key, source, sync, frames, landmarks (68, 3)) as split "val"."""
    return synthetic.write_pack(folder, [made_clip(*clip) for clip in clips])


def made_clip(key: str, source: str, sync: bool, frames: np.ndarray, landmarks: np.ndarray) -> Clip:
    points = np.repeat(landmarks[None], len(frames), axis=0)
    transforms = np.repeat(np.array([[[0.5, 0, 0], [0, 0.5, 0]]], np.float32), len(frames), axis=0)
    silence = np.zeros((4 * len(frames) + 24, 20)), np.tile(silent_mfcc80(), (4 * len(frames), 1))
    return Clip(key, source, key, "val", sync, frames, points, transforms, *silence)


@pytest.fixture(scope="module")
def pack(tmp_path_factory, astronaut, astronaut_face) -> Path:
    matrix = crop.canonical_transform(astronaut_face.landmarks)
    face = crop.warp_to_crop(astronaut, matrix)
    landmarks = geometry.apply(matrix, astronaut_face.landmarks)
    x, y = landmarks[60:68, :2].mean(axis=0)
    big = synthetic.talking_frames(face, (x, y, 26.0), synthetic.syllables(FRAMES))
    talking = big.reshape(FRAMES, 128, 2, 128, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    still = np.repeat(face[None], FRAMES, axis=0)
    clips = [("a", "stills", True, still), ("b", "talks", True, talking), ("c", "talks", False, talking)]
    return write_pack(tmp_path_factory.mktemp("pack"), [(*clip, landmarks) for clip in clips])


class StandIn:
    """An animator that shows the photo and remembers what it was given."""

    ears = ("whisper",)

    def draw(
        self, photo_crop: np.ndarray, example: np.ndarray, landmarks: np.ndarray, moved: Carried | None = None
    ) -> np.ndarray:
        assert photo_crop.shape == (128, 128, 3) and photo_crop.dtype == np.uint8
        assert example.shape == (68, 3)
        self.example, self.drawn, self.moved = example, landmarks, moved
        return np.repeat(photo_crop[None], len(landmarks), axis=0)

    def landmarks_from_rows(self, rows: np.ndarray, photo_landmarks: np.ndarray, ear: str) -> np.ndarray:
        assert ear == "whisper" and rows.shape == (4 * FRAMES, 80)
        assert photo_landmarks.shape == (68, 3)
        return np.repeat(photo_landmarks[None, :, :2], FRAMES, axis=0)


STILL, HELD = 5, 35  # frames of `shaken` far from the moment when the head turns


@pytest.fixture(scope="module")
def shaken(face68) -> Clip:
    """A head that turns by 8° at frame 20 and speaks, while its source's background slides to the right."""
    clip = []
    for t in range(41):
        points = turn_points(face68, head_centre(face68), Pose(yaw=8 if t >= 20 else 0))
        points[60:68, 1] += t % 3
        clip.append(points)
    transforms = np.array([[[0.5, 0, 0.2 * t], [0, 0.5, 0]] for t in range(41)], np.float32)
    frames, rows = np.zeros((41, 128, 128, 3), np.uint8), np.zeros((4 * 41 + 24, 20), np.float32)
    return Clip(
        "s",
        "made",
        "nobody",
        "val",
        True,
        frames,
        np.stack(clip).astype(np.float32),
        transforms,
        rows,
        rows[:-24, :1].repeat(80, axis=1),
    )


def face_lost(clip) -> np.ndarray:
    """The truth for three frames, then noise."""
    frames = clip.frames.copy()
    frames[3:] = np.random.default_rng(0).integers(0, 256, frames[3:].shape, np.uint8)
    return frames


@pytest.fixture(scope="module")
def result(pack) -> dict:
    truth = rows.Row("truth", lambda clip: clip.frames)
    lost = rows.Row("lost", face_lost)
    shown = [*rows.standard_rows(StandIn()), rows.copy_row(rows.most_shut), truth, lost]
    return protocol.evaluate(pack, "val", lambda: shown, weights={"step": 7}, progress=False)


class TestRows:
    def test_copy_of_a_motionless_clip_has_no_landmark_distance(self, result):
        figures = result["rows"]["copy"]["stills"]
        assert figures["lmd_mouth"] == pytest.approx(0, abs=0.05)  # the video codec leaves a trace
        assert figures["lmd_68"] == pytest.approx(0, abs=0.05)
        assert figures["ssim"] > 0.99

    def test_copy_of_a_talking_clip_has_one_and_does_not_move(self, result):
        figures = result["rows"]["copy"]["talks"]
        assert figures["lmd_mouth"] > 0.2
        assert figures["mouth_std_ratio"] < 0.1
        assert figures["jitter"] == 0

    def test_the_truth_is_perfect(self, result):
        figures = result["rows"]["truth"]["talks"]
        assert figures["mouth_r"] == pytest.approx(1)
        assert figures["mouth_std_ratio"] == pytest.approx(1)
        assert figures["lmd_mouth"] == figures["lmd_68"] == 0
        assert figures["psnr"] == figures["psnr_mouth"] == 100
        assert figures["cpbd"] == figures["cpbd_truth"] and figures["cpbd_mouth"] == figures["cpbd_mouth_truth"]

    def test_detail_is_one_for_every_copy_and_for_the_truth_what_the_truth_says(self, result):
        found = result["rows"]
        assert [found[name]["talks"]["detail"] for name in ("copy", "copy, shut")] == [1, 1]
        figures = found["truth"]["talks"]
        assert figures["detail"] == figures["detail_truth"] > 1  # what was drawn into it has hard edges

    def test_the_share_of_open_mouths_is_that_of_the_row_beside_the_truths(self, result):
        figures = result["rows"]["copy"]["all"]  # she smiles, so that no frame of hers is shut
        assert figures["opening_share"] == figures["opening_share_truth"] == figures["opening_share_ratio"] == 1

    def test_undetected_frames_are_counted_and_left_out(self, result):
        figures = result["rows"]["lost"]["talks"]
        assert figures["undetected_frames"] >= FRAMES - 5  # the tracker holds on to a lost face for a frame or two
        assert result["rows"]["truth"]["all"]["undetected_frames"] == 0
        assert figures["psnr"] < 20

    def test_of_the_animator_draw_from_true_and_from_heard_landmarks(self, result):
        # The stand-in shows the photo whatever it is given, so both score what the copy scores.
        found = result["rows"]
        assert found["oracle"] == found["ATVG"] == found["copy"]

    def test_of_the_oracle_get_the_true_landmarks(self, pack):
        animator = StandIn()
        clip = next(read_pack(pack, "val"))
        rows.oracle_row(animator).draw(clip)
        assert np.array_equal(animator.drawn, clip.landmarks[..., :2])

    def test_of_the_oracle_get_the_true_movement_of_the_head(self, shaken, face68):
        animator = StandIn()
        rows.oracle_row(animator).draw(shaken)
        moved, photo = animator.moved, shaken.landmarks[0, :, :2]
        assert np.array_equal(animator.example[:, :2], photo)
        np.testing.assert_allclose(moved.sources[:, :68], np.broadcast_to(photo, (41, 68, 2)), atol=1e-4)
        for t in (STILL, HELD):
            np.testing.assert_allclose(moved.targets[t, RIGID], shaken.landmarks[t, RIGID, :2], atol=1e-3)
        # Without what it says: the inner lips of a turned head that keeps silent.
        silent = turn_points(face68, head_centre(face68), Pose(yaw=8))[60:68, :2]
        np.testing.assert_allclose(moved.targets[HELD, 60:68], silent, atol=1e-3)
        assert np.abs(shaken.landmarks[HELD, 60:68, :2] - silent).max() > 1

    def test_of_the_oracle_turn_the_head_no_faster_than_one_can(self, shaken):
        animator = StandIn()
        rows.oracle_row(animator).draw(shaken)
        smooth, abrupt = (np.abs(np.diff(nose)).max() for nose in (
            animator.moved.targets[:, 30, 0], shaken.landmarks[:, 30, 0]
        ))  # fmt: skip
        assert 0 < smooth < 0.5 * abrupt

    def test_of_the_oracle_get_the_movement_of_the_background(self, shaken):
        """It has gone 0.2·t to the right, so each place on the crop's edge shows what was 0.2·t to its left."""
        animator = StandIn()
        rows.oracle_row(animator).draw(shaken)
        sources, targets = animator.moved
        for t in (0, 20, 40):
            edge = np.isin(targets[t], [0, 127]).any(axis=1)
            by = sources[t, edge] - targets[t, edge]
            np.testing.assert_allclose(by, np.broadcast_to([-0.2 * t, 0], by.shape), atol=1e-4)
            assert edge.sum() > 20

    def test_from_sound_alone_the_head_stays(self, pack):
        animator = StandIn()
        rows.audio_row(animator).draw(next(read_pack(pack, "val")))
        assert animator.moved is None

    def test_that_draw_the_wrong_size_are_refused(self, pack):
        short = rows.Row("short", lambda clip: clip.frames[1:])
        with pytest.raises(ValueError, match="short"):
            protocol.evaluate(pack, "val", lambda: [short], progress=False)


class TestResult:
    def test_counts_clips_and_says_how_many_were_left_out(self, result):
        assert result["unsynced_clips_left_out"] == 1
        by_source = result["rows"]["copy"]
        assert list(by_source) == ["all", "stills", "talks"]
        assert (by_source["all"]["clips"], by_source["all"]["frames"]) == (2, 2 * FRAMES)

    def test_over_all_sources_is_the_mean_over_clips(self, result):
        for name in ("lmd_mouth", "ssim", "psnr_mouth", "cpbd", "jitter"):
            figures = result["rows"]["copy"]
            mean = (figures["stills"][name] + figures["talks"][name]) / 2
            assert figures["all"][name] == pytest.approx(mean)

    def test_can_be_of_the_first_frames_only(self, pack):
        result = protocol.evaluate(pack, "val", copy_only, frames=5, progress=False)
        figures = result["rows"]["copy"][protocol.ALL]
        assert result["at_most_frames"] == 5 and figures["frames"] == 5 * figures["clips"]

    def test_unknown_split_and_wrong_folder_are_refused(self, pack, tmp_path, refuses):
        with refuses(PackError, "no split 'test'"):
            protocol.evaluate(pack, "test", copy_only)
        with refuses(PackError, "not a pack"):
            protocol.evaluate(tmp_path, "val", copy_only)

    def test_a_split_without_sync_is_refused(self, tmp_path, astronaut, face68, refuses):
        frames = np.repeat(astronaut[None, :128, :128], 3, axis=0)
        write_pack(tmp_path, [("a", "dubbed", False, frames, face68)])
        with refuses(PackError, "no clip of split 'val'"):
            protocol.evaluate(tmp_path, "val", copy_only, progress=False)


class TestReport:
    def test_markdown_has_a_table_of_all_rows_for_everything_and_for_each_source(self, result):
        text = report.to_markdown(result)
        for name in result["rows"]:
            assert text.count(f"| {name} |") == 3
        assert "**all sources**: 2 clips, 32 frames" in text and "**talks**: 1 clips" in text
        assert "PSNR (released script)*" in text and "not with a true PSNR" in text
        assert "| detail ÷ photo (copy: 1) | opening share (÷ truth) |" in text and "most closed mouth" in text

    def test_markdown_shows_undefined_figures_as_a_dash(self, result):
        figures = dict.fromkeys(result["rows"]["copy"]["all"], math.nan) | {"clips": 1, "frames": 1}
        text = report.to_markdown(result | {"rows": {"copy": {"all": figures}}})
        assert "nan" not in text and "| – (–) |" in text

    def test_markdown_tells_of_photographs_and_why_some_were_left_out(self, result):
        left_out = {"a.jpg": "no face is found", "b.jpg": "several faces compete", "c.jpg": "no face is found"}
        found = {"detail": 0.456, "opening_share": 0.62, "photos": {"d.png": {}}, "left_out": left_out}
        text = report.to_markdown(result | {"photographs": found})
        assert "detail ÷ photo 0.46, opening share 0.62, means over 1 photograph(s); 3 left out: " in text
        assert "2 because no face is found; 1 because several faces compete." in text
        assert "hotograph" not in report.to_markdown(result)

    def test_json_carries_what_was_evaluated_and_how(self, result, tmp_path):
        path = tmp_path / "report.json"
        report.write_json(result | {"undefined": math.nan}, path)
        read = json.loads(path.read_text())
        assert read["split"] == "val" and read["weights"] == {"step": 7} and read["undefined"] is None
        assert read["pack_totals"] == {"val_clips": 3}
        assert {"torch", "mediapipe"} <= read["versions"].keys() and "jitter" in read["protocol"]
        assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]

    def test_json_that_cannot_be_written_leaves_nothing(self, result, tmp_path, refuses):
        with refuses(OutputError, "cannot write"):
            report.write_json(result, tmp_path / "missing" / "report.json")
        with refuses(OutputError, "it is a folder"):
            report.write_json(result, tmp_path)
        assert not list(tmp_path.iterdir())
        assert not tmp_path.with_name(tmp_path.name + ".half").exists()


@pytest.mark.long
class TestWorkers:
    def test_score_what_one_process_scores_in_the_same_order(self, pack):
        alone, together = (
            protocol.measure(pack, "val", copy_only, frames=6, workers=workers, progress=False) for workers in (1, 2)
        )
        assert [score.key for score in together.scores["copy"]] == ["a", "b"]
        assert together.unsynced == alone.unsynced == 1
        for one, other in zip(alone.scores["copy"], together.scores["copy"], strict=True):
            assert (one.source, one.identity, one.frames) == (other.source, other.identity, 6)
            assert one.values == pytest.approx(other.values, nan_ok=True)

    def test_two_rows_of_one_name_are_refused(self, pack):
        with pytest.raises(ValueError, match="same name"):
            protocol.measure(pack, "val", lambda: [*copy_only(), *copy_only()], progress=False)


def copy_only() -> list[rows.Row]:
    """What another process makes by its name."""
    return [rows.copy_row()]
