"""A split that is read while training goes on."""

import gc
import io
import json
import shutil
import tarfile
import threading

import numpy as np
import pytest
import torch

from atvg.data.bank import VideoBank
from atvg.data.stream import StreamBank
from atvg.errors import PackError


def test_it_draws_what_belongs_together_as_the_bank_in_memory_holds_them(tiny_pack):
    stream = StreamBank(tiny_pack, "train", torch.device("cpu"))
    bank = VideoBank(tiny_pack, "train", torch.device("cpu"))
    for step in range(5):  # longer than the split: the shards are read again
        windows = stream.batch(np.random.default_rng(step), batch=4, steps=3)
        assert windows.images.shape == (4, 4, 3, 128, 128) and windows.images.dtype == torch.uint8
        assert windows.errors is None  # nobody drives
        for images, points, transforms in zip(*windows[:3], strict=True):
            places = [int((bank.frames == image).flatten(1).all(dim=1).nonzero()[0]) for image in images]
            np.testing.assert_array_equal(bank.landmarks[places], points)
            np.testing.assert_array_equal(bank.transforms[places], transforms)
            assert np.diff(places[1:]).tolist() == [1, 1]


def test_a_driver_is_asked_for_each_clip(tiny_pack):
    stream = StreamBank(tiny_pack, "train", torch.device("cpu"), driver=lambda clip: clip.landmarks[..., :2] / 2)
    windows = stream.batch(np.random.default_rng(0), batch=3, steps=2)
    np.testing.assert_array_equal(windows.errors, windows.landmarks[..., :2] / 2)


def test_one_that_is_let_go_takes_its_thread_along(tiny_pack):
    before = set(threading.enumerate())
    stream = StreamBank(tiny_pack, "train", torch.device("cpu"))
    (reader,) = set(threading.enumerate()) - before
    del stream
    gc.collect()
    reader.join(10)
    assert not reader.is_alive()


def test_a_missing_split_is_named(tiny_pack):
    with pytest.raises(PackError, match="nothing"):
        StreamBank(tiny_pack, "nothing", torch.device("cpu"))


@pytest.fixture
def pack(tiny_pack, tmp_path):
    """A copy without checksums, each of whose two shards of ``train`` holds one clip."""
    folder = shutil.copytree(tiny_pack, tmp_path / "pack", ignore=shutil.ignore_patterns(".parts"))
    index = json.loads((folder / "pack.json").read_text())
    with tarfile.open(folder / "train-00000.tar") as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]
    shards = []
    for number in (0, 1):
        shards.append({"name": f"train-{number:05d}.tar", "split": "train", "clips": 1})
        with tarfile.open(folder / shards[-1]["name"], "w") as tar:
            for info, data in members[3 * number : 3 * number + 3]:
                tar.addfile(info, io.BytesIO(data))
    (folder / "pack.json").write_text(json.dumps(index | {"shards": shards}))
    return folder


def without_last_member(shard):
    with tarfile.open(shard) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar][:-1]
    with tarfile.open(shard, "w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "damage",
    [
        lambda shard: shard.write_bytes(shard.read_bytes()[:20_000]),
        lambda shard: shard.write_bytes(b""),
        lambda shard: shard.write_bytes(b"\0" * 10_240),  # a tar without members
        lambda shard: shard.write_bytes(b"garbage" * 9999),
        without_last_member,
    ],
    ids=["cut", "zero bytes", "empty tar", "garbage", "a member less"],
)
def test_a_corrupt_shard_stops_training_with_its_name(pack, damage, which):
    shard = sorted(pack.glob("train-*.tar"))[which]
    damage(shard)
    with pytest.raises(PackError, match=shard.name) as caught:
        bank = StreamBank(pack, "train", torch.device("cpu"))
        for step in range(50):
            bank.batch(np.random.default_rng(step), batch=1, steps=2)
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_noticed_by_the_checksum(tiny_pack, tmp_path):
    pack = shutil.copytree(tiny_pack, tmp_path / "pack")
    (shard,) = pack.glob("train-*.tar")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    with pytest.raises(PackError, match=f"{shard.name} is corrupt .its checksum"):
        StreamBank(pack, "train", torch.device("cpu"))
