"""A split in memory, and how training windows are drawn from it."""

import copy

import numpy as np
import pytest
import torch

from atvg.data.bank import VideoBank, sqrt_chances
from atvg.data.pack import read_pack
from atvg.errors import PackError


@pytest.fixture(scope="module")
def bank(tiny_pack) -> VideoBank:
    return VideoBank(tiny_pack, "train", torch.device("cpu"))


def drawn(bank: VideoBank, seed: int, batch: int, steps: int) -> np.ndarray:
    """Which frames of the bank a batch is made of, (batch, 1 + steps), the photo first."""
    counting = copy.copy(bank)
    counting.frames = bank.frames[:, :, :1, :1]  # thousands of whole pictures would be gigabytes
    counting.landmarks = np.broadcast_to(np.arange(55)[:, None, None], (55, 68, 3))
    return counting.batch(np.random.default_rng(seed), batch, steps).landmarks[:, :, 0, 0]


def test_it_holds_all_of_the_split(bank, tiny_pack):
    assert bank.frames.shape == (55, 3, 128, 128) and bank.frames.dtype == torch.uint8
    assert bank.landmarks.shape == (55, 68, 3) and bank.transforms.shape == (55, 2, 3)
    second = list(read_pack(tiny_pack, "train"))[1]
    entry = bank.entries[1]
    assert (entry.key, entry.identity, entry.start, entry.length) == ("astronaut__b", "astronaut", 30, 25)
    np.testing.assert_array_equal(bank.frames[30:].permute(0, 2, 3, 1), second.frames)
    np.testing.assert_array_equal(bank.landmarks[30:], second.landmarks)
    np.testing.assert_array_equal(bank.transforms[30:], second.transforms)


def test_pictures_landmarks_and_transforms_of_a_batch_belong_together(bank):
    windows = bank.batch(np.random.default_rng(3), batch=4, steps=2)
    chosen = drawn(bank, 3, 4, 2)
    assert torch.equal(windows.images, bank.frames[torch.as_tensor(chosen)])
    np.testing.assert_array_equal(windows.landmarks, bank.landmarks[chosen])
    np.testing.assert_array_equal(windows.transforms, bank.transforms[chosen])


def test_photo_and_window_come_from_one_clip(bank):
    chosen = drawn(bank, 0, batch=200, steps=5)
    assert chosen.shape == (200, 6)
    clips = chosen >= 30
    assert (clips == clips[:, :1]).all()
    assert set(chosen[:, 1].tolist()) >= {0, 25, 30, 50}  # the first and the last possible starts


def test_windows_are_consecutive_frames(bank):
    assert (np.diff(drawn(bank, 0, batch=50, steps=5)[:, 1:]) == 1).all()


def test_a_window_longer_than_its_clip_rests_on_the_last_frame(bank):
    for window in drawn(bank, 0, batch=20, steps=40)[:, 1:]:
        last = 29 if window[0] < 30 else 54
        assert window[-1] == last and (np.diff(window) >= 0).all()


def test_the_same_generator_draws_the_same(bank):
    assert np.array_equal(drawn(bank, 7, 8, 3), drawn(bank, 7, 8, 3))


def test_a_persons_chance_grows_with_the_root_of_their_footage():
    """Anna has 300 + 100 frames and Ben 100: √400 to √100, which Anna's clips share 3 to 1."""
    chances = sqrt_chances([("anna", 300), ("anna", 100), ("ben", 100)])
    np.testing.assert_allclose(chances, [15 / 30, 5 / 30, 10 / 30])


def test_draws_follow_the_chances(bank):
    share = (drawn(bank, 0, batch=2000, steps=2)[:, 0] < 30).mean()
    assert share == pytest.approx(30 / 55, abs=0.05)


def test_an_unknown_split_is_refused(tiny_pack, refuses):
    with refuses(PackError, "test"):
        VideoBank(tiny_pack, "test", torch.device("cpu"))
