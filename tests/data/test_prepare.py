"""Talking clips become a pack: what is kept, what is dropped and why, and that a second run redoes nothing."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from atvg.cli import main
from atvg.data import prepare as prepare_module
from atvg.data import shards as shards_module
from atvg.data.bank import VideoBank
from atvg.data.pack import FORMAT, read_pack, shard_paths
from atvg.data.prepare import prepare
from atvg.data.speech import sample_clips
from atvg.data.stream import StreamBank
from atvg.data.video import read_frames
from atvg.errors import PackError
from atvg.evaluation.protocol import evaluate
from atvg.evaluation.rows import Row
from atvg.face import geometry
from atvg.face.landmarks import RIGID, mouth_opening
from atvg.voice import audio
from atvg.voice.mel import silent_mfcc80
from tests import synthetic


def work_here(clips, parts, *args) -> dict[str, str]:
    """In place of `prepare_module._work`, whose processes take seconds to start; those made the tiny pack."""
    reasons = {clip.key: prepare_module._make_part(clip, parts) for clip in clips}
    return {key: reason for key, reason in reasons.items() if reason}


@pytest.fixture(scope="module")
def report(tiny_pack) -> dict:
    return json.loads((tiny_pack / "report.json").read_text())


class TestPack:
    def test_the_usable_clips_are_kept_in_their_splits(self, tiny_pack):
        keys = {split: [clip.key for clip in read_pack(tiny_pack, split)] for split in ("train", "val")}
        assert keys == {"train": ["astronaut__a", "astronaut__b"], "val": ["hopper__a"]}

    def test_the_index_counts_clips_and_frames(self, tiny_pack):
        index = json.loads((tiny_pack / "pack.json").read_text())
        assert (index["format"], index["fps"], index["crop"]) == (FORMAT, 25, 128)
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

    def test_transforms_lead_from_the_source_to_the_crop(self, tiny_pack, tiny_clips, mediapipe):
        clip = next(read_pack(tiny_pack, "train"))
        source = mediapipe.detect(read_frames(str(tiny_clips / "astronaut/a.mp4"))[8])[0].landmarks
        moved = geometry.apply(clip.transforms[8].astype(float), source)[:, :2]
        assert np.linalg.norm(moved - clip.landmarks[8, :, :2], axis=1).mean() < 1.5

    def test_sound_and_lips_stay_in_step(self, tiny_pack):
        clip = next(read_pack(tiny_pack, "val"))
        opening = mouth_opening(clip.landmarks)
        level = audio.windows(clip.mfcc)[:, 12:16, 0].mean(axis=1)  # the four rows of the frame itself
        for heard in (level, clip.mfcc80[:, 0].reshape(-1, 4).mean(axis=1)):
            agreement = {lag: np.corrcoef(opening[4:-4], np.roll(heard, lag)[4:-4])[0, 1] for lag in range(-3, 4)}
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

    def test_an_interrupted_run_goes_on_and_two_runs_give_the_same_bytes(
        self, tiny_clips, tiny_pack, tmp_path, monkeypatch
    ):
        """Only one clip is still to be done; its part and the shards come out as in the first run."""
        monkeypatch.setattr(prepare_module, "_work", work_here)
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
        monkeypatch.setattr(shards_module, "SHARD_BYTES", 1)
        prepare(tiny_clips, folder, workers=1, progress=False)
        assert [path.name for path in shard_paths(folder, "train")] == ["train-00000.tar", "train-00001.tar"]
        assert [clip.key for clip in read_pack(folder, "train")] == ["astronaut__a", "astronaut__b"]


@pytest.fixture(scope="module")
def stills(astronaut, hopper, tmp_path_factory):
    """Two pictures of one person, which differ in size, place and mouth, one of another, and two of no use."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    for name in ("collins", "grace", "nobody"):
        (folder / name).mkdir(parents=True)
    speaking = synthetic.talking_frames(astronaut[50:200, 150:300], (74.0, 94.0, 40.0), np.ones(1))[0]
    Image.fromarray(astronaut).save(folder / "collins/1.png")
    Image.fromarray(speaking).save(folder / "collins/2.png")
    (folder / "collins/3.jpg").write_text("this is not a picture")
    Image.fromarray(hopper).save(folder / "grace/1.jpg")
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(folder / "nobody/1.png")
    train, val = {"identity": "astronaut", "split": "train"}, {"identity": "hopper", "split": "val"}
    images = {"collins/1.png": train, "collins/2.png": train, "collins/3.jpg": train, "grace/1.jpg": val}
    with (folder / "stills.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["image", "source", "identity", "split"])
        table.writeheader()
        table.writerows({"image": image, "source": "photos", **who} for image, who in images.items())
    return folder


@pytest.fixture(scope="module")
def pack_with_stills(tiny_clips, tiny_pack, stills, tmp_path_factory):
    """The tiny pack, to which stills were added later."""
    folder = shutil.copytree(tiny_pack, tmp_path_factory.mktemp("pack") / "pack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_module, "_work", work_here)
        prepare(tiny_clips, folder, workers=1, progress=False, stills_dir=stills)
    return folder


class TestStills:
    def test_they_join_the_clips_and_only_they_are_worked_on(self, pack_with_stills, tiny_pack):
        people = [(clip.key.split("-")[0], len(clip)) for clip in read_pack(pack_with_stills, "train")]
        assert people == [("astronaut__a", 30), ("astronaut__b", 25), ("stills+photos__astronaut", 2)]
        for part in (tiny_pack / ".parts").iterdir():
            assert (pack_with_stills / ".parts" / part.name).stat().st_mtime_ns == part.stat().st_mtime_ns

    def test_a_persons_pictures_are_one_silent_clip_out_of_sync(self, pack_with_stills):
        clip = list(read_pack(pack_with_stills, "train"))[-1]
        assert (clip.source, clip.identity, clip.sync) == ("photos", "astronaut", False)
        assert clip.frames.shape == (2, 128, 128, 3) and clip.transforms.shape == (2, 2, 3)
        assert clip.mfcc.shape == (4 * 2 + 24, 20)
        np.testing.assert_allclose(clip.mfcc, np.repeat(audio.silent_row(20)[None], 32, axis=0), rtol=1e-3)
        np.testing.assert_allclose(clip.mfcc80, np.tile(silent_mfcc80(), (8, 1)), atol=1e-4)

    def test_between_them_only_the_expression_changes(self, pack_with_stills):
        clip = list(read_pack(pack_with_stills, "train"))[-1]
        assert np.linalg.norm(np.diff(clip.landmarks[:, RIGID, :2], axis=0), axis=-1).mean() < 1.5
        assert np.diff(mouth_opening(clip.landmarks))[0] > 2

    def test_the_crop_holds_the_face_where_landmarks_say(self, pack_with_stills, mediapipe):
        clip = list(read_pack(pack_with_stills, "train"))[-1]
        found = mediapipe.detect(clip.frames[0])[0].landmarks[:, :2]
        assert np.linalg.norm(found - clip.landmarks[0, :, :2], axis=1).mean() < 2.5

    def test_one_picture_is_a_clip_of_one_frame(self, pack_with_stills):
        """Training rests on it, at random or in a stream; a window of it is as long as any other."""
        clip = list(read_pack(pack_with_stills, "val"))[-1]
        assert (len(clip), clip.identity) == (1, "hopper")
        for bank in (VideoBank, StreamBank):
            images = bank(pack_with_stills, "val", torch.device("cpu")).batch(np.random.default_rng(0), 40, 3)[0]
            still = (images == torch.from_numpy(clip.frames[0]).permute(2, 0, 1)).flatten(1).all(dim=1)
            assert images.shape == (40, 4, 3, 128, 128) and still.any()

    def test_what_cannot_be_used_is_reported(self, pack_with_stills):
        dropped = json.loads((pack_with_stills / "report.json").read_text())["dropped"]
        nobody, broken = sorted((key, reason) for key, reason in dropped.items() if key.startswith("stills+"))
        assert nobody[0].startswith("stills+nobody__nobody-") and "no face" in nobody[1]
        assert broken[0].startswith("stills+photos__astronaut-") and broken[0].endswith("/3.jpg")
        assert "not an image" in broken[1]

    def test_at_net_and_evaluation_leave_them_out(self, pack_with_stills):
        assert [len(clip) for clip in sample_clips(pack_with_stills, "train")] == [30, 25]
        row = Row("none", lambda clip: clip.frames)
        result = evaluate(pack_with_stills, "val", lambda: [row], progress=False)
        assert result["unsynced_clips_left_out"] == 1 and result["rows"]["none"]["all"]["clips"] == 1

    def test_who_is_in_one_split_with_clips_and_in_another_with_stills_is_refused(self, stills, tiny_clips, tmp_path):
        moved = shutil.copytree(stills, tmp_path / "photos")
        table = moved / "stills.csv"
        table.write_text(table.read_text().replace("train", "val"))
        with pytest.raises(PackError, match="astronaut"):
            prepare(tiny_clips, tmp_path / "pack", workers=1, progress=False, stills_dir=moved)
        assert not (tmp_path / "pack").exists()


def test_when_no_clip_can_be_used_the_reason_is_given(tmp_path, refuses):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").write_bytes(b"")
    with refuses(PackError, "not readable as a video"):
        prepare(tmp_path / "clips", tmp_path / "pack", workers=1, progress=False)


class TestCommand:
    def test_layout_and_stills_reach_prepare(self, tmp_path, monkeypatch, capsys):
        called = {}
        monkeypatch.setattr(prepare_module, "prepare", lambda *args, **more: called.update(more, args=args) or {})
        assert main(["prepare", "-o", "P", "--stills", "S"]) == 0
        assert called == {"args": (None, Path("P"), None), "layout": "folder", "stills_dir": Path("S"), "ray": None}
        assert main(["prepare", "C", "-o", "P", "--layout", "grid", "--ray", "auto"]) == 0
        assert called["args"][0] == Path("C") and called["layout"] == "grid" and called["ray"] == "auto"

    @pytest.mark.parametrize("arguments", [[], ["C", "--layout", "lrs3"], ["C"], ["--stills", "S"]])
    def test_nothing_to_prepare_is_one_line(self, tmp_path, monkeypatch, capsys, arguments):
        monkeypatch.chdir(tmp_path)
        assert main(["prepare", *arguments, "-o", "P"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
