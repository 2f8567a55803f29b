"""Talking clips become a pack: what is kept, what is dropped and why, and that a second run redoes nothing."""

import csv
import json
import shutil

import numpy as np
import pytest

from atvg import audio
from atvg.data import prepare as prepare_module
from atvg.data.pack import read_pack, shard_paths
from atvg.data.prepare import find_clips, prepare, read_frames
from atvg.errors import PackError
from atvg.face.landmarks import RIGID, mouth_opening
from tests import synthetic


@pytest.fixture(scope="module")
def report(tiny_pack) -> dict:
    return json.loads((tiny_pack / "report.json").read_text())


class TestPack:
    def test_the_usable_clips_are_kept_in_their_splits(self, tiny_pack):
        keys = {split: [clip.key for clip in read_pack(tiny_pack, split)] for split in ("train", "val")}
        assert keys == {"train": ["astronaut__a", "astronaut__b"], "val": ["hopper__a"]}

    def test_the_index_counts_clips_and_frames(self, tiny_pack):
        index = json.loads((tiny_pack / "pack.json").read_text())
        assert (index["format"], index["fps"], index["crop"]) == (1, 25, 128)
        assert [(shard["split"], shard["clips"], shard["frames"]) for shard in index["shards"]] == [
            ("train", 2, 55),
            ("val", 1, 25),
        ]

    def test_the_report_says_what_was_dropped_and_why(self, report):
        assert report["clips"] == 6 and report["kept"] == 3
        assert set(report["dropped"]) == {"odd__broken", "odd__faceless", "odd__mute"}
        assert "not readable" in report["dropped"]["odd__broken"]
        assert "face in only" in report["dropped"]["odd__faceless"]
        assert "audio" in report["dropped"]["odd__mute"]

    def test_the_crop_holds_the_face_where_landmarks_say(self, tiny_pack, mediapipe):
        clip = next(read_pack(tiny_pack, "train"))
        found = mediapipe.detect(clip.frames[8])[0].landmarks[:, :2]
        assert np.linalg.norm(found - clip.landmarks[8, :, :2], axis=1).mean() < 2.5

    def test_stable_points_stand_still_while_the_mouth_moves(self, tiny_pack):
        clip = next(read_pack(tiny_pack, "val"))
        assert clip.landmarks[:, RIGID, :2].std(axis=0).mean() < 0.5
        assert np.ptp(mouth_opening(clip.landmarks)) > 4

    def test_sound_and_lips_stay_in_step(self, tiny_pack):
        clip = next(read_pack(tiny_pack, "val"))
        opening = mouth_opening(clip.landmarks)
        level = audio.windows(clip.mfcc)[:, 12:16, 0].mean(axis=1)  # the four rows of the frame itself
        agreement = {lag: np.corrcoef(opening[4:-4], np.roll(level, lag)[4:-4])[0, 1] for lag in range(-3, 4)}
        assert max(agreement, key=agreement.get) in (-1, 0, 1)
        assert agreement[0] > 0.7

    def test_no_half_written_files_are_left(self, tiny_pack):
        assert list(tiny_pack.rglob("*.half")) == []

    def test_nobody_is_in_two_splits(self, tiny_pack):
        people = {split: {clip.identity for clip in read_pack(tiny_pack, split, False)} for split in ("train", "val")}
        assert people["train"].isdisjoint(people["val"])


class TestAgain:
    def test_a_second_run_redoes_nothing_and_gives_the_same_bytes(self, tiny_clips, tiny_pack, tmp_path, monkeypatch):
        folder = shutil.copytree(tiny_pack, tmp_path / "pack")
        parts = {path.name: path.stat().st_mtime_ns for path in (folder / ".parts").iterdir()}
        shards = {path.name: path.read_bytes() for path in folder.glob("*.tar")}
        asked = []

        def work(clips, *args):
            asked.extend(clip.key for clip in clips)
            return {}

        monkeypatch.setattr(prepare_module, "_work", work)
        prepare(tiny_clips, folder, workers=1, progress=False)
        assert set(asked) == {"odd__broken", "odd__faceless", "odd__mute"}  # only what had failed is tried again
        assert {path.name: path.stat().st_mtime_ns for path in (folder / ".parts").iterdir()} == parts
        assert {path.name: path.read_bytes() for path in folder.glob("*.tar")} == shards

    def test_an_interrupted_run_goes_on_and_two_runs_give_the_same_bytes(self, tiny_clips, tiny_pack, tmp_path):
        """Only one clip is still to be done; its part and the shards come out as in the first run."""
        folder = shutil.copytree(tiny_pack, tmp_path / "pack")
        missing = folder / ".parts/astronaut__b.tar"
        before = missing.read_bytes()
        missing.unlink()
        (folder / ".parts/astronaut__b.half").write_bytes(b"what a killed run leaves")
        for shard in folder.glob("*.tar"):
            shard.unlink()
        prepare(tiny_clips, folder, workers=1, progress=False)
        assert missing.read_bytes() == before
        for split in ("train", "val"):
            for old, new in zip(shard_paths(tiny_pack, split), shard_paths(folder, split), strict=True):
                assert old.read_bytes() == new.read_bytes()

    def test_shards_end_at_their_limit(self, tiny_clips, tiny_pack, tmp_path, monkeypatch):
        folder = shutil.copytree(tiny_pack, tmp_path / "pack")
        monkeypatch.setattr(prepare_module, "_work", lambda *args: {})
        monkeypatch.setattr(prepare_module, "SHARD_BYTES", 1)
        prepare(tiny_clips, folder, workers=1, progress=False)
        assert [path.name for path in shard_paths(folder, "train")] == ["train-00000.tar", "train-00001.tar"]
        assert [clip.key for clip in read_pack(folder, "train")] == ["astronaut__a", "astronaut__b"]


def touch(folder, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def table(path, *rows: dict) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


class TestFindClips:
    def test_without_a_table_the_folder_is_the_identity(self, tmp_path):
        touch(tmp_path, "tv/anna/1.mp4", "tv/anna/2.MOV", "tv/ben/1.webm", "notes.txt")
        clips = find_clips(tmp_path)
        assert [(clip.key, clip.source, clip.identity) for clip in clips] == [
            ("tv__anna__1", "tv", "tv/anna"),
            ("tv__anna__2", "tv", "tv/anna"),
            ("tv__ben__1", "tv", "tv/ben"),
        ]
        assert all(clip.sync for clip in clips)

    def test_without_a_table_nobody_is_in_two_splits_and_a_tenth_is_val(self, tmp_path):
        touch(tmp_path, *(f"person{i}/{j}.mp4" for i in range(200) for j in range(2)))
        clips = find_clips(tmp_path)
        people = {split: {clip.identity for clip in clips if clip.split == split} for split in ("train", "val")}
        assert people["train"].isdisjoint(people["val"])
        assert 8 <= len(people["val"]) <= 35

    @pytest.mark.parametrize("place", ["clips/clips.csv", "clips.csv"])
    def test_a_table_inside_or_beside_the_folder_is_honoured(self, tmp_path, place):
        touch(tmp_path, "clips/a/1.mp4", "clips/a/2.mp4")
        row = {"source": "radio", "identity": "zoe", "split": "val", "language": "eo", "sync": "0"}
        table(tmp_path / place, {"clip": "a/1.mp4", **row})
        named, unnamed = find_clips(tmp_path / "clips")
        assert (named.source, named.identity, named.split, named.language) == ("radio", "zoe", "val", "eo")
        assert named.sync is False
        assert (unnamed.source, unnamed.identity, unnamed.sync) == ("a", "a", True)

    def test_a_subfolder_of_a_described_folder_can_be_prepared_alone(self, tmp_path):
        touch(tmp_path, "clips/a/1.mp4")
        table(tmp_path / "clips.csv", {"clip": "a/1.mp4", "identity": "zoe"})
        assert find_clips(tmp_path / "clips/a")[0].identity == "zoe"

    def test_a_person_whom_the_table_puts_into_two_splits_is_refused(self, tmp_path, refuses):
        touch(tmp_path, "1.mp4", "2.mp4")
        table(
            tmp_path / "clips.csv",
            {"clip": "1.mp4", "identity": "zoe", "split": "train"},
            {"clip": "2.mp4", "identity": "zoe", "split": "val"},
        )
        with refuses(PackError, "zoe"):
            find_clips(tmp_path)

    @pytest.mark.parametrize(
        "names", [("a.mp4", "a.avi"), ("a b.mp4", "a_b.mp4"), ("张.mp4", "李.mp4"), ("a b/x.mp4", "a_b/x.mp4")]
    )
    def test_every_clip_has_a_key_of_its_own(self, tmp_path, names):
        """Two clips with one key would overwrite each other's part."""
        touch(tmp_path, *names)
        assert len({clip.key for clip in find_clips(tmp_path)}) == 2

    def test_a_clip_that_joins_later_does_not_take_over_anothers_key(self, tmp_path):
        """Its part would be taken for done, and the other clip's for its own."""
        touch(tmp_path, "a.mp4")
        before = find_clips(tmp_path)[0].key
        touch(tmp_path, "a.avi")
        keys = {clip.path.rpartition("/")[2]: clip.key for clip in find_clips(tmp_path)}
        assert keys["a.avi"] != before

    def test_keys_have_no_dots_because_webdataset_cuts_there(self, tmp_path):
        touch(tmp_path, "v1.2 final.mp4")
        assert "." not in find_clips(tmp_path)[0].key

    def test_a_missing_or_empty_folder_is_refused(self, tmp_path, refuses):
        with refuses(PackError, "no such folder"):
            find_clips(tmp_path / "missing")
        with refuses(PackError, "holds no clips"):
            find_clips(tmp_path)

    def test_when_no_clip_can_be_used_the_reason_is_given(self, tmp_path, refuses):
        touch(tmp_path, "clips/a.mp4", "clips/b.mp4")
        with refuses(PackError, "not readable as a video"):
            prepare(tmp_path / "clips", tmp_path / "pack", workers=1, progress=False)


class TestReadFrames:
    """Each frame of a test video shows its own time as a brightness."""

    @pytest.mark.parametrize("fps", [12.5, 25, 29.97, 50])
    def test_any_rate_becomes_25(self, tmp_path, fps):
        count = round(2 * fps)
        brightness = 20 + 200 * np.arange(count) / count
        frames = np.broadcast_to(brightness[:, None, None, None], (count, 64, 64, 3)).astype(np.uint8)
        path = synthetic.write_video(tmp_path / "clip.mp4", frames, fps=fps)
        read = read_frames(str(path))
        assert abs(len(read) - 50) <= 1
        expected = 20 + 200 * (np.arange(len(read)) + 0.5) / 50  # what the clock shows at the frame's centre
        tolerance = 4 + 100 / fps  # codec, and the time a source frame lasts
        assert np.abs(read.mean(axis=(1, 2, 3)) - expected).max() < tolerance

    def test_too_few_frames_are_refused(self, tmp_path):
        path = synthetic.write_video(tmp_path / "clip.mp4", np.zeros((10, 64, 64, 3), np.uint8))
        with pytest.raises(prepare_module.Unusable, match="shorter"):
            read_frames(str(path))
