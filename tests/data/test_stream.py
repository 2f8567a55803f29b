"""A split that is read while training goes on."""

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


def test_a_missing_split_is_named(tiny_pack):
    with pytest.raises(PackError, match="nothing"):
        StreamBank(tiny_pack, "nothing", torch.device("cpu"))


def test_a_corrupt_shard_stops_training_with_a_clear_error(tiny_pack, tmp_path):
    import shutil

    pack = tmp_path / "pack"
    shutil.copytree(tiny_pack, pack)
    (shard,) = pack.glob("train-*.tar")
    shard.write_bytes(shard.read_bytes()[:20_000])
    with pytest.raises(PackError, match=shard.name):
        StreamBank(pack, "train", torch.device("cpu"))
