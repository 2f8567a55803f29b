"""Clips and packs behind a URL are those of a folder, byte for byte; what cannot be reached is one line."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from scipy.io import wavfile

from atvg.cli import main
from atvg.data import prepare as prepare_module
from atvg.data.bank import VideoBank
from atvg.data.layouts import ClipInfo, find_clips, find_stills
from atvg.data.pack import read_pack, shard_paths
from atvg.data.prepare import prepare
from atvg.data.process import process_clip
from atvg.data.speech import sample_clips
from atvg.data.storage import StoredPath, as_path, files, local_copy, names, read_all, whole
from atvg.data.stream import StreamBank
from atvg.errors import OutputError, PackError
from atvg.evaluation.protocol import evaluate
from atvg.evaluation.rows import Row
from tests import synthetic


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.rm("/", recursive=True)


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """What lies in this folder is also at ``dir://``, a store that other processes see too."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    settings = {"path": str(folder), "target_protocol": "file"}
    monkeypatch.setitem(fsspec.config.conf, "dir", settings)
    monkeypatch.setenv("FSSPEC_DIR", json.dumps(settings))
    return folder


@pytest.fixture
def denied() -> None:
    """``denied://``: a store for which one has no key."""

    class Denied(AbstractFileSystem):
        protocol = "denied"

        def info(self, path, **options):
            raise PermissionError("403 Forbidden\n<xml>")

        ls = find = cat_file = pipe_file = mkdir = info

    fsspec.register_implementation("denied", Denied, clobber=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestPath:
    def test_what_is_on_this_machine_stays_a_path(self, tmp_path):
        assert as_path("clips") == Path("clips") == as_path(Path("clips"))
        assert as_path(f"file://{tmp_path}/a b") == tmp_path / "a b"

    def test_a_stored_one_has_names_as_a_path_has(self, memory):
        clips = as_path("memory://data/clips/")
        inside = clips / "a/1.MP4"
        assert str(inside) == "memory://data/clips/a/1.MP4" == str(as_path(str(inside)))
        assert (inside.name, inside.suffix, inside.parent.name) == ("1.MP4", ".MP4", "a")
        assert inside.relative_to(clips).as_posix() == "a/1.MP4"
        assert clips.parent == as_path("memory://data") and clips.parent.parent == clips.parent
        assert inside in {as_path("memory://data/clips/a/1.MP4")}

    def test_they_are_sorted_as_paths_are(self, memory, tmp_path):
        inside = ["b/1", "a b/1", "a/2", "a/1/x", "a.b"]
        stored = sorted(as_path("memory://x") / name for name in inside)
        there = [path.relative_to(as_path("memory://x")).as_posix() for path in stored]
        assert there == [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path / name for name in inside)]

    def test_files_and_names_of_a_folder(self, memory):
        for name in ("/x/b.txt", "/x/a/c.txt", "/xy.txt"):
            memory.pipe_file(name, b"")
        folder = as_path("memory://x")
        assert sorted(map(str, files(folder))) == ["memory://x/a/c.txt", "memory://x/b.txt"]
        assert names(folder) == {"b.txt"}
        assert folder.is_dir() and not folder.is_file() and not (folder / "nothing").exists()

    def test_many_are_read_in_order(self, memory, tmp_path):
        for i in range(100):
            memory.pipe_file(f"/x/{i}", str(i).encode())
            (tmp_path / str(i)).write_text(str(i))
        for folder in (as_path("memory://x"), tmp_path):
            assert [int(data) for data in read_all(folder / str(i) for i in range(100))] == list(range(100))


class TestWhole:
    @pytest.mark.parametrize("kind", ["local", "stored"])
    def test_what_is_not_finished_gets_no_name(self, memory, tmp_path, kind):
        path = tmp_path / "a.json" if kind == "local" else as_path("memory://x/a.json")
        with pytest.raises(KeyboardInterrupt), whole(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt
        assert not path.exists() and list(tmp_path.iterdir()) == []
        with whole(path) as file:
            file.write(b"all")
            file.seek(0)
            assert file.read() == b"all" and not path.exists()
        assert path.read_bytes() == b"all"

    def test_a_copy_has_the_files_name_and_is_gone_afterwards(self, memory, tmp_path):
        name = "a b;$(touch x) '\"*?.mp4"
        memory.pipe_file(f"/x/{name}", b"video")
        with local_copy(f"memory://x/{name}") as copy:
            assert copy.name == name and copy.read_bytes() == b"video"
        assert not copy.parent.exists()
        (tmp_path / "a").write_text("here")
        with local_copy(str(tmp_path / "a")) as copy:
            assert copy == tmp_path / "a"


TREES = {
    "folder": ["tv/anna/1.mp4", "tv/anna/2.MOV", "tv/ben/1.webm", "a b/x.mp4", "a_b/x.mp4", "y.mp4", "notes.txt"],
    "lrw": ["l/ABOUT/train/ABOUT_00001.mp4", "l/ABOUT/val/ABOUT_00001.mp4", "l/ABOUT/train/OTHER_00001.mp4"],
    "grid": ["s3/a.mpg", "s3/video/mpg_6000/a.mpg", "s1/video/b.mpg", "audio_25k/s1/b.wav"],
    "voxceleb": ["dev/mp4/id00012/v/00001.mp4", "dev/aac/id00012/v/00001.m4a", "test/mp4/id00817/x/00001.mp4"],
}


class TestLayouts:
    @pytest.mark.parametrize("layout", TREES)
    def test_a_tree_gives_the_same_clips_as_in_a_folder(self, memory, tmp_path, layout):
        for name in TREES[layout]:
            (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / name).touch()
            memory.pipe_file(f"/data/clips/{name}", b"")
        here = find_clips(tmp_path / "clips", layout)

        def there(path: str) -> str:
            return path.replace(str(tmp_path), "memory://data")

        expected = [replace(clip, path=there(clip.path), audio=there(clip.audio)) for clip in here]
        assert find_clips("memory://data/clips", layout) == expected and expected

    @pytest.mark.parametrize("place", ["/data/clips/clips.csv", "/data/clips.csv"])
    def test_a_table_is_honoured(self, memory, place):
        memory.pipe_file("/data/clips/a/1.mp4", b"")
        memory.pipe_file(place, b"\xef\xbb\xbfclip,identity,sync\na/1.mp4,zoe,0\n")
        (clip,) = find_clips("memory://data/clips")
        assert (clip.identity, clip.sync) == ("zoe", False)

    def test_stills_and_their_table(self, memory, tmp_path):
        for name in ("anna/1.jpg", "anna/2.png", "ben/1.jpg"):
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "photos" / name).touch()
            memory.pipe_file(f"/photos/{name}", b"")
        table = "image,source,identity\nanna/1.jpg,album,zoe\nanna/2.png,album,zoe\n"
        (tmp_path / "photos/stills.csv").write_text(table)
        memory.pipe_file("/photos/stills.csv", table.encode())
        here, there = find_stills(tmp_path / "photos"), find_stills("memory://photos")
        assert [clip.key for clip in here] == [clip.key for clip in there]
        assert there[-1].pictures == ("memory://photos/anna/1.jpg", "memory://photos/anna/2.png")


class TestClip:
    def test_one_of_a_store_with_its_sound_apart(self, memory, tiny_clips, tmp_path):
        wavfile.write(tmp_path / "a.wav", 16_000, synthetic.tone(0.8, np.ones(20)))
        memory.put_file(str(tiny_clips / "odd/mute.mp4"), "/x/mute.mp4")
        memory.put_file(str(tmp_path / "a.wav"), "/x/a.wav")
        here = ClipInfo(
            str(tiny_clips / "odd/mute.mp4"), "k", "grid", "grid-s3", "train", audio=str(tmp_path / "a.wav")
        )
        there = replace(here, path="memory://x/mute.mp4", audio="memory://x/a.wav")
        assert process_clip(there) == process_clip(here)

    def test_pictures_of_a_store(self, memory, astronaut_path, tmp_path):
        (tmp_path / "2.jpg").write_text("this is not a picture")
        memory.put_file(str(astronaut_path), "/x/1.png")
        memory.put_file(str(tmp_path / "2.jpg"), "/x/2.jpg")
        places = (str(astronaut_path), str(tmp_path / "2.jpg"))
        here = ClipInfo(places[0], "k", "s", "i", "train", sync=False, pictures=places)
        there = replace(here, path="memory://x/1.png", pictures=("memory://x/1.png", "memory://x/2.jpg"))
        assert process_clip(there) == process_clip(here)

    def test_one_that_is_gone_is_dropped_with_the_reason(self, memory, tmp_path):
        clip = ClipInfo("memory://x/gone.mp4", "k", "s", "i", "train")
        assert "memory://x/gone.mp4 cannot be read (not there)" in prepare_module._make_part(clip, tmp_path)


@pytest.fixture
def stored_pack(shelf, tiny_pack) -> str:
    shutil.copytree(tiny_pack, shelf / "pack")
    return "dir://pack"


class TestPack:
    @pytest.mark.long
    def test_one_made_from_a_store_into_a_store_has_the_same_bytes(self, shelf, tiny_clips, tiny_pack):
        shutil.copytree(tiny_clips, shelf / "clips")
        assert main(["prepare", "dir://clips", "-o", "dir://pack", "--workers", "1"]) == 0
        assert files_of(shelf / "pack") == files_of(tiny_pack)

    def test_an_interrupted_run_goes_on(self, stored_pack, shelf, tiny_clips, tiny_pack, monkeypatch):
        (shelf / "pack/.parts/astronaut__b.tar").unlink()
        (shelf / "pack/pack.json").unlink()
        asked = []

        def work(clips, parts, *args):
            asked.extend(clip.key for clip in clips)
            reasons = {clip.key: prepare_module._make_part(clip, parts) for clip in clips}
            return {key: reason for key, reason in reasons.items() if reason}

        monkeypatch.setattr(prepare_module, "_work", work)
        prepare(tiny_clips, stored_pack, progress=False)
        assert asked == ["astronaut__b", "odd__broken", "odd__faceless", "odd__mute"]
        assert files_of(shelf / "pack") == files_of(tiny_pack)

    def test_it_is_read_as_one_of_a_folder(self, stored_pack, tiny_pack):
        for there, here in zip(read_pack(stored_pack, "train"), read_pack(tiny_pack, "train"), strict=True):
            assert there.key == here.key
            np.testing.assert_array_equal(there.frames, here.frames)
        assert [path.name for path in shard_paths(stored_pack, "val")] == ["val-00001.tar"]
        assert all(isinstance(path, StoredPath) for path in shard_paths(stored_pack, "val"))

    def test_training_and_evaluation_read_it(self, stored_pack, tiny_pack):
        draws = [
            Bank(pack, "train", torch.device("cpu")).batch(np.random.default_rng(0), 4, 3).images
            for Bank in (VideoBank, StreamBank)
            for pack in (stored_pack, tiny_pack)
        ]
        assert torch.equal(draws[0], draws[1]) and torch.equal(draws[2], draws[3])
        assert [len(clip) for clip in sample_clips(stored_pack, "train")] == [30, 25]
        row = Row("same", lambda clip: clip.frames)
        assert evaluate(stored_pack, "val", lambda: [row], progress=False)["pack"] == "pack"

    @pytest.mark.parametrize("bank", [VideoBank, StreamBank])
    def test_its_checksums_are_compared(self, stored_pack, shelf, bank, refuses):
        shard = shelf / "pack/train-00000.tar"
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 0xFF
        shard.write_bytes(data)
        with refuses(PackError, "shard dir://pack/train-00000.tar is corrupt (its checksum"):
            bank(stored_pack, "train", torch.device("cpu"))

    def test_a_shard_that_is_missing_is_named(self, stored_pack, shelf, refuses):
        (shelf / "pack/train-00000.tar").unlink()
        with refuses(PackError, "dir://pack/train-00000.tar is missing"):
            list(read_pack(stored_pack, "train"))

    def test_a_part_that_was_damaged_there_is_named(self, stored_pack, shelf, tiny_clips, monkeypatch, refuses):
        (shelf / "pack/.parts/astronaut__a.tar").write_bytes(b"garbage")
        monkeypatch.setattr(prepare_module, "_work", lambda *args: {})
        with refuses(PackError, "dir://pack/.parts/astronaut__a.tar is damaged"):
            prepare(tiny_clips, stored_pack, progress=False)

    def test_none_is_left_where_no_clip_can_be_used(self, shelf, refuses):
        (shelf / "clips").mkdir()
        (shelf / "clips/a.mp4").write_bytes(b"")
        with refuses(PackError, "it is empty"):
            prepare("dir://clips", "dir://pack", workers=1, progress=False)
        assert not (shelf / "pack").exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("url", "words"),
        [("nope://x", "nope"), ("zip://a::memory://x.zip", "unpack it"), ("s3://bucket/x", "Install s3fs")],
    )
    def test_a_protocol_that_cannot_be_used(self, monkeypatch, capsys, url, words):
        monkeypatch.setitem(sys.modules, "s3fs", None)
        for command in (
            ["prepare", url, "-o", "P"],
            ["prepare", "C", "-o", url],
            ["train", "at", "-p", url, "-o", "R"],
            ["evaluate", "-p", url, "-o", "r.json"],
        ):
            assert main(command) == 2
            said = capsys.readouterr().err
            assert said.startswith("error: ") and words in said and said.count("\n") == 1

    def test_what_is_not_there(self, memory, tmp_path, refuses):
        with refuses(PackError, "no such folder of clips: memory://nowhere"):
            prepare("memory://nowhere", tmp_path / "pack")
        with refuses(PackError, "memory://nowhere is not a pack"):
            list(read_pack("memory://nowhere", "train"))

    def test_what_one_may_not_see_or_write(self, denied, tiny_clips, refuses):
        with refuses(PackError, "denied://bucket/clips cannot be read (PermissionError: 403 Forbidden <xml>)"):
            find_clips("denied://user:word@bucket/clips")
        with refuses(PackError, "denied://bucket/pack/pack.json cannot be read"):
            shard_paths("denied://bucket/pack", "train")
        with refuses(OutputError, "denied://bucket/a.tar cannot be written"), whole(as_path("denied://bucket/a.tar")):
            pass

    def test_a_pack_is_not_put_where_nothing_is(self, shelf, tiny_clips, refuses):
        """In an object store, a bucket of a mistyped name would be made."""
        with refuses(OutputError, "dir://no/such/pack cannot be made (not there)"):
            prepare(tiny_clips, "dir://no/such/pack", workers=1, progress=False)
        assert list(shelf.iterdir()) == []


class TestTraps:
    @pytest.fixture
    def trapped(self, tiny_pack, tmp_path, monkeypatch) -> Path:
        folder = shutil.copytree(tiny_pack, tmp_path / "pack")
        monkeypatch.chdir(folder)
        return folder

    def rename(self, pack: Path, name: str) -> None:
        index = json.loads((pack / "pack.json").read_text())
        index["shards"][0]["name"] = name
        (pack / "pack.json").write_text(json.dumps(index))

    def test_a_shards_name_is_never_run(self, trapped):
        """WebDataset would."""
        shutil.move(trapped / "train-00000.tar", trapped / "pipe:touch sprung")
        self.rename(trapped, "pipe:touch sprung")
        StreamBank(".", "train", torch.device("cpu")).batch(np.random.default_rng(0), 2, 2)
        assert not (trapped / "sprung").exists()

    @pytest.mark.parametrize("name", ["../train-00000.tar", "/etc/passwd", "memory://x/a.tar", 7])
    def test_a_shard_outside_the_pack_is_refused(self, trapped, name, refuses):
        shutil.copy(trapped / "train-00000.tar", trapped.parent)
        self.rename(trapped, name)
        with refuses(PackError, "pack.json is damaged"):
            shard_paths(trapped, "train")
