"""A split in memory, and how training windows are drawn from it."""

from collections import Counter

import numpy as np
import pytest
import torch

from atvg.data.bank import VideoBank, sqrt_chances
from atvg.data.pack import read_pack
from atvg.errors import PackError


@pytest.fixture(scope="module")
def bank(tiny_pack) -> VideoBank:
    return VideoBank(tiny_pack, "train", torch.device("cpu"))


def test_it_holds_all_frames_and_landmarks_of_the_split(bank, tiny_pack):
    assert bank.frames.shape == (55, 3, 128, 128) and bank.frames.dtype == torch.uint8
    assert bank.landmarks.shape == (55, 68, 2)
    second = list(read_pack(tiny_pack, "train"))[1]
    entry = bank.entries[1]
    assert (entry.key, entry.identity, entry.start, entry.length) == ("astronaut__b", "astronaut", 30, 25)
    np.testing.assert_array_equal(bank.frames[30:].permute(0, 2, 3, 1), second.frames)
    np.testing.assert_array_equal(bank.landmarks[30:], second.landmarks[..., :2])


def test_photo_and_window_come_from_one_clip(bank):
    photos, windows = bank.draw(np.random.default_rng(0), batch=200, steps=5)
    assert photos.shape == (200,) and windows.shape == (200, 5)
    clips = torch.cat([photos[:, None], windows], dim=1) >= 30
    assert (clips == clips[:, :1]).all()
    assert set((windows[:, 0]).tolist()) >= {0, 25, 30, 50}  # the first and the last possible starts


def test_windows_are_consecutive_frames(bank):
    _, windows = bank.draw(np.random.default_rng(0), batch=50, steps=5)
    assert (windows.diff(dim=1) == 1).all()


def test_a_window_longer_than_its_clip_rests_on_the_last_frame(bank):
    _, windows = bank.draw(np.random.default_rng(0), batch=20, steps=40)
    for window in windows:
        last = 29 if window[0] < 30 else 54
        assert window[-1] == last and (window.diff() >= 0).all()


def test_the_same_generator_draws_the_same(bank):
    first, second = (bank.draw(np.random.default_rng(7), 8, 3) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_a_persons_chance_grows_with_the_root_of_their_footage():
    """Anna has 300 + 100 frames and Ben 100: √400 to √100, which Anna's clips share 3 to 1."""
    chances = sqrt_chances([("anna", 300), ("anna", 100), ("ben", 100)])
    np.testing.assert_allclose(chances, [15 / 30, 5 / 30, 10 / 30])


def test_draws_follow_the_chances(bank):
    photos, _ = bank.draw(np.random.default_rng(0), batch=2000, steps=2)
    share = Counter((photos >= 30).tolist())[False] / 2000
    assert share == pytest.approx(30 / 55, abs=0.05)


def test_an_unknown_split_is_refused(tiny_pack, refuses):
    with refuses(PackError, "test"):
        VideoBank(tiny_pack, "test", torch.device("cpu"))
