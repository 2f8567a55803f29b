"""Which files of a folder are clips or stills, and whose, in each dataset's own tree."""

import csv
from pathlib import Path

import pytest

from atvg.data.layouts import GRID_VAL, find_clips, find_stills
from atvg.errors import BadSettingError, PackError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def table(path: Path, *rows: dict) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


class TestFolder:
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


class TestLRW:
    @pytest.fixture
    def tree(self, tmp_path) -> Path:
        folder = tmp_path / "lipread_mp4"
        for split, number in (("train", 1), ("train", 2), ("val", 1), ("test", 1)):
            touch(folder, f"ABOUT/{split}/ABOUT_{number:05d}.mp4", f"ABOUT/{split}/ABOUT_{number:05d}.txt")
        touch(folder, "YOUNG/test/YOUNG_00001.mp4", "YOUNG/test/OTHER_00001.mp4", "readme.mp4")
        return tmp_path

    def test_splits_are_the_published_ones(self, tree):
        assert [(clip.key, clip.split) for clip in find_clips(tree, "lrw")] == [
            ("ABOUT__test__ABOUT_00001", "test"),
            ("ABOUT__train__ABOUT_00001", "train"),
            ("ABOUT__train__ABOUT_00002", "train"),
            ("ABOUT__val__ABOUT_00001", "val"),
            ("YOUNG__test__YOUNG_00001", "test"),
        ]

    def test_every_clip_is_an_identity_because_nobody_is_named(self, tree):
        """Numbers start anew in every split: the same name is not the same person."""
        clips = find_clips(tree, "lrw")
        assert len({clip.identity for clip in clips}) == len(clips)
        assert {(clip.source, clip.language, clip.sync) for clip in clips} == {("lrw", "en", True)}

    def test_the_folder_above_or_the_folder_itself_give_the_same_clips(self, tree):
        assert find_clips(tree, "lrw") == find_clips(tree / "lipread_mp4", "lrw")


class TestGRID:
    @pytest.mark.parametrize(
        "place", ["s3", "s3/video", "s3/video/mpg_6000", "s3.mpg_vcd", "s3.mpg_vcd/s3", "video/s3", "s3/mpg_6000"]
    )
    def test_the_usual_trees_give_the_same_clip(self, tmp_path, place):
        touch(tmp_path, f"{place}/bbaf2n.mpg", "s3/align/bbaf2n.align")
        (clip,) = find_clips(tmp_path, "grid")
        assert (clip.key, clip.identity, clip.split) == ("s3__bbaf2n", "grid-s3", "train")
        assert (clip.source, clip.language, clip.audio) == ("grid", "en", "")

    def test_the_usual_unseen_speakers_are_val(self, tmp_path):
        touch(tmp_path, *(f"s{i}/a.mpg" for i in range(1, 35)))
        val = {clip.identity for clip in find_clips(tmp_path, "grid") if clip.split == "val"}
        assert val == {f"grid-s{i}" for i in GRID_VAL} and len(val) == 4

    @pytest.mark.parametrize("place", ["s3/audio", "audio_25k/s3", "audio/s3", "s3/audio_50k"])
    def test_a_recording_of_the_same_utterance_is_found(self, tmp_path, place):
        touch(tmp_path, "s3/video/a.mpg", "s4/video/a.mpg", f"{place}/a.wav", f"{place}/b.wav")
        third, fourth = find_clips(tmp_path, "grid")
        assert third.audio == str(tmp_path / place / "a.wav") and fourth.audio == ""

    def test_of_two_copies_the_better_counts(self, tmp_path):
        touch(tmp_path, "s3/a.mpg", "s3/video/mpg_6000/a.mpg", "s3/video/mpg_vcd/a.mpg")
        (clip,) = find_clips(tmp_path, "grid")
        assert "mpg_6000" in clip.path


class TestVoxCeleb:
    def test_dev_trains_and_test_tests(self, tmp_path):
        touch(tmp_path, *(f"dev/mp4/id{i:05d}/5abc_-d/00001.mp4" for i in range(100)))
        touch(tmp_path, "test/mp4/id00817/x/00001.mp4", "test/mp4/id00817/x/00002.mp4")
        clips = find_clips(tmp_path, "voxceleb")
        splits = {split: [clip for clip in clips if clip.split == split] for split in ("train", "val", "test")}
        assert [clip.key for clip in splits["test"]] == ["id00817__x__00001", "id00817__x__00002"]
        assert 3 <= len(splits["val"]) <= 20 and len(clips) == 102
        assert all(clip.identity.startswith("id") and clip.source == "voxceleb" for clip in clips)

    @pytest.mark.parametrize("above", ["", "mp4/", "dev/", "vox2/dev/mp4/"])
    def test_levels_may_be_missing(self, tmp_path, above):
        touch(tmp_path, f"{above}id00012/video/00001.mp4")
        (clip,) = find_clips(tmp_path, "voxceleb")
        assert (clip.key, clip.identity) == ("id00012__video__00001", "id00012")

    @pytest.mark.parametrize(("above", "kind", "end"), [("dev/mp4", "aac", "m4a"), ("dev", "wav", "wav")])
    def test_sound_that_lies_apart_is_found(self, tmp_path, above, kind, end):
        touch(tmp_path, f"{above}/id00012/v/00001.mp4", f"{above}/id00012/v/00002.mp4")
        touch(tmp_path, f"dev/{kind}/id00012/v/00001.{end}")
        first, second = find_clips(tmp_path, "voxceleb")
        assert first.audio == str(tmp_path / f"dev/{kind}/id00012/v/00001.{end}") and second.audio == ""


@pytest.mark.parametrize("layout", ["lrw", "grid", "voxceleb"])
def test_another_tree_is_refused_with_the_one_expected(tmp_path, layout, refuses):
    touch(tmp_path, "anna/1.mp4")
    with refuses(PackError, "expected"):
        find_clips(tmp_path, layout)


def test_an_unknown_layout_names_those_there_are(tmp_path, refuses):
    with refuses(BadSettingError, "folder, lrw, grid, voxceleb"):
        find_clips(tmp_path, "lrs3")


class TestStills:
    def test_all_pictures_of_a_person_are_one_clip(self, tmp_path):
        touch(tmp_path, "anna/2.jpg", "anna/1.PNG", "ben/1.webp", "notes.txt")
        anna, ben = find_stills(tmp_path)
        assert [Path(path).name for path in anna.pictures] == ["1.PNG", "2.jpg"]
        assert (anna.identity, ben.identity, len(ben.pictures)) == ("anna", "ben", 1)
        assert not anna.sync and not ben.sync

    def test_a_table_beside_the_folder_names_people(self, tmp_path):
        touch(tmp_path, "stills/london/1_n.jpg", "stills/london/1_s.jpg", "stills/london/2_n.jpg")
        about = {"source": "london", "split": "val", "expression": "neutral"}
        rows = [{"image": f"stills/london/{name}.jpg", "identity": f"p{name[0]}"} for name in ("1_n", "1_s", "2_n")]
        table(tmp_path / "stills.csv", *(row | about for row in rows))
        people = find_stills(tmp_path / "stills")
        assert [(person.identity, len(person.pictures)) for person in people] == [("p1", 2), ("p2", 1)]
        assert {(person.source, person.split) for person in people} == {("london", "val")}

    def test_a_person_in_two_splits_is_refused(self, tmp_path, refuses):
        touch(tmp_path, "1.jpg", "2.jpg")
        rows = [{"image": f"{i}.jpg", "identity": "zoe", "split": split} for i, split in ((1, "train"), (2, "val"))]
        table(tmp_path / "stills.csv", *rows)
        with refuses(PackError, "zoe"):
            find_stills(tmp_path)

    def test_one_more_picture_makes_another_clip(self, tmp_path):
        """Or the part that is already there would be taken for it."""
        touch(tmp_path, "anna/1.jpg", "ben/1.jpg")
        before = find_stills(tmp_path)
        touch(tmp_path, "anna/2.jpg")
        after = find_stills(tmp_path)
        assert before[0].key != after[0].key and before[1].key == after[1].key

    def test_no_key_is_a_clips(self, tmp_path):
        touch(tmp_path, "a b/1.jpg", "a_b/1.jpg", "a b/1.mp4", "a_b/1.mp4")
        keys = {clip.key for clip in find_stills(tmp_path) + find_clips(tmp_path)}
        assert len(keys) == 4 and not any("." in key for key in keys)

    def test_a_missing_or_empty_folder_is_refused(self, tmp_path, refuses):
        with refuses(PackError, "no such folder"):
            find_stills(tmp_path / "missing")
        with refuses(PackError, "holds no stills"):
            find_stills(tmp_path)
