"""Reading a pack back, and one clear error, with the shard's name, for each way in which packs go wrong."""

import io
import json
import shutil
import tarfile

import imageio_ffmpeg
import numpy as np
import pytest

from atvg.data.pack import decode_video, encode_video, read_pack, shard_paths
from atvg.errors import PackError


@pytest.fixture
def pack(tiny_pack, tmp_path):
    """A copy that may be damaged; as packs once had none, it has no checksums, which would notice anything first."""
    folder = shutil.copytree(tiny_pack, tmp_path / "pack", ignore=shutil.ignore_patterns(".parts"))
    index = json.loads((folder / "pack.json").read_text())
    for shard in index["shards"]:
        del shard["sha256"]
    (folder / "pack.json").write_text(json.dumps(index))
    return folder


def read_all(pack, split="train", with_frames=True):
    return list(read_pack(pack, split, with_frames))


def rewrite(shard, change) -> None:
    """Replaces each member's bytes by ``change(name, bytes)``; None leaves the member out."""
    with tarfile.open(shard) as tar:
        members = [(info.name, tar.extractfile(info).read()) for info in tar]
    with tarfile.open(shard, "w") as tar:
        for name, data in members:
            data = change(name, data)
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


class TestReading:
    def test_a_clip_has_what_is_documented(self, tiny_pack):
        clip = read_all(tiny_pack)[0]
        assert len(clip) == 30
        assert clip.frames.shape == (30, 128, 128, 3) and clip.frames.dtype == np.uint8
        assert clip.landmarks.shape == (30, 68, 3) and clip.landmarks.dtype == np.float32
        assert clip.transforms.shape == (30, 2, 3) and clip.transforms.dtype == np.float32
        assert clip.mfcc.shape == (4 * 30 + 24, 20) and clip.mfcc.dtype == np.float32
        assert clip.mfcc80.shape == (4 * 30, 80) and clip.mfcc80.dtype == np.float32
        assert clip.heard("whisper") is clip.mfcc80 and clip.heard("none") is clip.mfcc
        assert (clip.source, clip.identity, clip.split, clip.sync) == ("made", "astronaut", "train", True)

    def test_features_can_be_read_without_pictures(self, tiny_pack):
        with_frames, without = read_all(tiny_pack), read_all(tiny_pack, with_frames=False)
        assert [clip.key for clip in with_frames] == [clip.key for clip in without]
        assert len(without[0].frames) == 0
        np.testing.assert_array_equal(without[0].landmarks, with_frames[0].landmarks)
        np.testing.assert_array_equal(without[0].transforms, with_frames[0].transforms)

    def test_the_first_frames_of_a_clip_are_a_clip(self, tiny_pack):
        clip = read_all(tiny_pack)[0]
        short = clip.first(10)
        assert (len(short), short.key) == (10, clip.key)
        np.testing.assert_array_equal(short.frames, clip.frames[:10])
        np.testing.assert_array_equal(short.transforms, clip.transforms[:10])
        np.testing.assert_array_equal(short.mfcc80, clip.mfcc80[:40])
        np.testing.assert_array_equal(short.mfcc, clip.mfcc[:64])  # 4 rows a frame and 12 on either side
        assert len(clip.first(1000)) == 30
        assert len(read_all(tiny_pack, with_frames=False)[0].first(10).frames) == 0

    def test_clips_come_one_at_a_time_in_order(self, tiny_pack):
        clips = read_pack(tiny_pack, "train")
        assert next(clips).key == "astronaut__a"
        assert next(clips).key == "astronaut__b"
        with pytest.raises(StopIteration):
            next(clips)

    def test_any_webdataset_reader_understands_the_shards(self, tiny_pack):
        webdataset = pytest.importorskip("webdataset")
        samples = list(webdataset.WebDataset(str(shard_paths(tiny_pack, "train")[0]), shardshuffle=False))
        assert [sample["__key__"] for sample in samples] == ["astronaut__a", "astronaut__b"]
        assert {"mp4", "npz", "json"} <= set(samples[0])


class TestVideo:
    def test_frames_survive_encoding(self, astronaut):
        frames = np.stack([astronaut[i : i + 128, 150:278] for i in range(0, 40, 4)])
        decoded = decode_video(encode_video(frames))
        assert decoded.shape == frames.shape
        assert np.abs(decoded.astype(float) - frames).mean() < 4

    def test_the_order_of_colours_is_kept(self):
        red = np.zeros((5, 128, 128, 3), np.uint8)
        red[..., 0] = 200
        assert np.abs(decode_video(encode_video(red)).mean(axis=(0, 1, 2)) - [200, 0, 0]).max() < 8

    def test_the_same_frames_give_the_same_bytes(self, astronaut):
        frames = np.repeat(astronaut[None, :128, :128], 5, axis=0)
        assert encode_video(frames) == encode_video(frames)

    def test_bytes_that_are_no_video_hold_no_frames(self):
        assert len(decode_video(b"not a video")) == 0


class TestRefusals:
    def test_a_folder_that_is_no_pack(self, tmp_path, refuses):
        with refuses(PackError, "no pack.json"):
            read_all(tmp_path)
        with refuses(PackError, "no pack.json"):
            read_all(tmp_path / "missing")

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 3}', '{"format": 3, "shards": [{}]}'])
    def test_a_damaged_index(self, pack, text, refuses):
        (pack / "pack.json").write_text(text)
        with refuses(PackError, "pack.json"):
            read_all(pack)

    @pytest.mark.parametrize("said", [{"clips": float("inf")}, {"clips": True}, {"clips": -1}, {"sha256": 7}])
    def test_an_index_of_no_numbers(self, pack, said, refuses):
        """JSON of Python knows infinity, and a checksum of another kind would differ from every file's."""
        index = json.loads((pack / "pack.json").read_text())
        index["shards"] = [shard | said for shard in index["shards"]]
        (pack / "pack.json").write_text(json.dumps(index))
        with refuses(PackError, "pack.json is damaged"):
            read_all(pack)

    @pytest.mark.parametrize("number", [1, 99])
    def test_another_format(self, pack, number, refuses):
        index = json.loads((pack / "pack.json").read_text())
        (pack / "pack.json").write_text(json.dumps(index | {"format": number}))
        with refuses(PackError, f"format {number}"):
            read_all(pack)

    def test_an_unknown_split_names_those_there_are(self, pack, refuses):
        with refuses(PackError, "train, val"):
            read_all(pack, "test")

    def test_a_missing_shard_is_named(self, pack, refuses):
        shard = shard_paths(pack, "train")[0]
        shard.unlink()
        with refuses(PackError, shard.name):
            read_all(pack)

    @pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.8])  # beyond lies nothing but padding
    def test_a_truncated_shard_is_named(self, pack, keep, refuses):
        shard = shard_paths(pack, "train")[0]
        shard.write_bytes(shard.read_bytes()[: int(keep * shard.stat().st_size)])
        with refuses(PackError, shard.name):
            read_all(pack)

    @pytest.mark.parametrize("member", [3, 4])
    def test_a_shard_cut_between_two_members_is_named(self, pack, member, refuses):
        """tarfile takes such a file for a whole, shorter one."""
        shard = shard_paths(pack, "train")[0]
        with tarfile.open(shard) as tar:
            start = tar.getmembers()[member].offset
        shard.write_bytes(shard.read_bytes()[:start])
        with refuses(PackError, shard.name):
            read_all(pack)

    @pytest.mark.parametrize(
        ("ending", "damage"),
        [
            ("json", "garbage"), ("json", "halved"), ("mp4", "garbage"), ("mp4", "halved"),
            ("npz", "garbage"), ("npz", "halved"), ("npz", "one byte"),
        ],
    )  # fmt: skip
    def test_a_damaged_member(self, pack, ending, damage, refuses):
        def change(name: str, data: bytes) -> bytes:
            if not name.endswith(ending):
                return data
            if damage == "garbage":
                return b"\xff garbage" * 9
            if damage == "halved":
                return data[: len(data) // 2]
            middle = len(data) // 2
            return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]

        shard = shard_paths(pack, "train")[0]
        rewrite(shard, change)
        with refuses(PackError, shard.name):
            read_all(pack)

    @pytest.mark.parametrize("ending", ["json", "mp4", "npz"])
    def test_a_clip_that_lacks_a_member(self, pack, ending, refuses):
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: None if name == f"astronaut__b.{ending}" else data)
        with refuses(PackError, shard.name):
            read_all(pack)

    @pytest.mark.parametrize(
        ("shape", "message"), [((7, 128, 128, 3), "7 pictures but 30"), ((30, 64, 128, 3), "pictures of (64, 128, 3)")]
    )
    def test_pictures_that_do_not_belong_to_its_landmarks(self, pack, shape, message, refuses):
        shard = shard_paths(pack, "train")[0]
        other = encode_video(np.zeros(shape, np.uint8))
        rewrite(shard, lambda name, data: other if name == "astronaut__a.mp4" else data)
        with refuses(PackError, message):
            read_all(pack)

    def test_sound_that_is_not_of_its_frames(self, pack, refuses):
        """Rows are found by counting: a clip with others would shift the sound of all that come after it."""
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: rearranged(data, mfcc=lambda rows: rows[:-4]) if "npz" in name else data)
        with refuses(PackError, "MFCC of"):
            read_all(pack)

    @pytest.mark.parametrize("array", ["transforms", "mfcc"])
    def test_values_that_are_none(self, pack, array, refuses):
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: rearranged(data, **{array: not_a_number}) if "npz" in name else data)
        with refuses(PackError, "NaN"):
            read_all(pack)

    @pytest.mark.parametrize("about", [{"identity": ["a"]}, {"source": None}, {"sync": "false"}, {"split": 1}])
    def test_words_of_another_kind(self, pack, about, refuses):
        """A list is no name of anybody, and the text "false" would be taken for true."""
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: json.dumps(json.loads(data) | about).encode() if "json" in name else data)
        with refuses(PackError, "whose it is"):
            read_all(pack)

    def test_a_pickle_inside_is_never_run(self, pack, refuses, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "sprung"), "w"))

        file = io.BytesIO()
        np.savez(file, landmarks=np.array([Trap()], object), transforms=np.zeros(1), mfcc=np.zeros(1))
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: file.getvalue() if name.endswith("npz") else data)
        with refuses(PackError, shard.name):
            read_all(pack)
        assert not (tmp_path / "sprung").exists()


def rearranged(data: bytes, **changes) -> bytes:
    """An NPZ with some of its arrays changed."""
    file = io.BytesIO()
    with np.load(io.BytesIO(data)) as arrays:
        np.savez(file, **{name: changes.get(name, lambda array: array)(arrays[name]) for name in arrays})
    return file.getvalue()


def not_a_number(array: np.ndarray) -> np.ndarray:
    array[0] = np.nan
    return array


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


class TestFuzz:
    def test_any_flipped_byte_is_read_over_or_named(self, pack):
        """Without checksums nothing but a `PackError` may come out, whatever part of tar, zip, JSON or MP4 is hit."""
        shard = shard_paths(pack, "train")[0]
        whole = shard.read_bytes()
        rng = np.random.default_rng(0)
        with tarfile.open(shard) as tar:
            places = [info.offset + i for info in tar for i in rng.integers(0, 512, 6)]  # headers
            places += [info.offset_data + i for info in tar for i in rng.integers(0, info.size, 6)]
            places += [info.offset_data + i for info in tar if info.name.endswith("json") for i in range(0, 60, 3)]
        refused = 0
        for place in places:
            shard.write_bytes(flipped(whole, place))
            try:
                read_all(pack)
            except PackError as error:
                assert shard.name in str(error) and "\n" not in str(error)
                refused += 1
        assert refused > len(places) / 4

    @pytest.mark.parametrize("meta", ["[]", "7", "null", '"text"', "{}", "[" * 100_000])
    def test_json_of_another_kind(self, pack, meta, refuses):
        shard = shard_paths(pack, "train")[0]
        rewrite(shard, lambda name, data: meta.encode() if name.endswith("json") else data)
        with refuses(PackError, shard.name):
            read_all(pack)


class TestChecksums:
    @pytest.fixture
    def sealed(self, tiny_pack, tmp_path):
        return shutil.copytree(tiny_pack, tmp_path / "sealed", ignore=shutil.ignore_patterns(".parts"))

    @pytest.mark.parametrize("with_frames", [True, False])
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.8])
    def test_one_flipped_byte_anywhere_is_noticed(self, sealed, share, with_frames, refuses):
        shard = shard_paths(sealed, "train")[0]
        data = shard.read_bytes()
        shard.write_bytes(flipped(data, int(share * len(data))))
        with refuses(PackError, f"{shard} is corrupt (its checksum differs"):
            read_all(sealed, with_frames=with_frames)

    def test_bytes_behind_the_end_are_noticed(self, sealed, refuses):
        shard = shard_paths(sealed, "train")[0]
        shard.write_bytes(shard.read_bytes() + b"more")
        with refuses(PackError, shard.name):
            read_all(sealed)

    def test_an_undamaged_pack_without_any_is_read_as_ever(self, pack, tiny_pack):
        for old, new in zip(read_all(pack), read_all(tiny_pack), strict=True):
            np.testing.assert_array_equal(old.frames, new.frames)


def test_no_python_runs_between_fork_and_exec():
    """A child of a process with many threads has waited there for ever, and whoever wanted the video with it."""
    encode_video(np.zeros((1, 128, 128, 3), np.uint8))
    assert imageio_ffmpeg._utils._popen_kwargs(prevent_sigint=True)["preexec_fn"] is None
