"""A split in memory, and how training windows are drawn from it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from atvg.data.bank import VideoBank, sound_statistics, sqrt_chances
from atvg.data.pack import read_pack
from atvg.data.stream import StreamBank
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


class TestSound:
    def test_without_being_asked_for_there_is_none(self, bank):
        assert bank.batch(np.random.default_rng(3), 4, 2).sound is None

    def test_each_frame_comes_with_its_window(self, bank, tiny_pack):
        hearing = VideoBank(tiny_pack, "train", torch.device("cpu"), sound=True)
        windows, chosen = hearing.batch(np.random.default_rng(3), 4, 2), drawn(bank, 3, 4, 2)
        assert windows.sound.shape == (4, 3, 28, 20) and windows.sound.dtype == np.float32
        clips = list(read_pack(tiny_pack, "train"))
        for window, frame in zip(windows.sound.reshape(-1, 28, 20), chosen.flatten(), strict=True):
            clip, t = (clips[0], frame) if frame < 30 else (clips[1], frame - 30)
            np.testing.assert_array_equal(window, clip.mfcc[4 * t : 4 * t + 28])
        assert len(set(windows.sound[..., 0, 0].flatten().tolist())) > 4

    def test_a_stream_has_the_same(self, tiny_pack):
        stream = StreamBank(tiny_pack, "train", torch.device("cpu"), sound=True)
        clips = list(read_pack(tiny_pack, "train"))
        windows = stream.batch(np.random.default_rng(3), 4, 2)
        for points, heard in zip(windows.landmarks, windows.sound, strict=True):
            (clip,) = [clip for clip in clips if (clip.landmarks == points[0]).all(axis=(1, 2)).any()]
            for point, window in zip(points, heard, strict=True):
                t = int((clip.landmarks == point).all(axis=(1, 2)).argmax())
                np.testing.assert_array_equal(window, clip.mfcc[4 * t : 4 * t + 28])

    @pytest.mark.parametrize("make", [VideoBank, StreamBank])
    def test_clips_whose_sound_does_not_fit_are_left_out(self, tiny_pack, monkeypatch, make, refuses):
        from atvg.data import bank as bank_module
        from atvg.data import pack as pack_module
        from atvg.data import stream as stream_module

        real = pack_module.unpack_clip

        def without_sync(which):
            def unpack(key, members, *rest, **named):
                clip = real(key, members, *rest, **named)
                return replace(clip, sync=clip.sync and clip.key not in which)

            for module in (pack_module, stream_module):
                monkeypatch.setattr(module, "unpack_clip", unpack)

        without_sync({"astronaut__b"})
        bank = make(tiny_pack, "train", torch.device("cpu"), sound=True)
        first = list(read_pack(tiny_pack, "train"))[0]
        known = {points.tobytes() for points in first.landmarks}
        assert all(points.tobytes() in known for points in bank.batch(np.random.default_rng(0), 20, 1).landmarks[:, 0])
        mean, std = bank_module.sound_statistics(tiny_pack, "train")
        np.testing.assert_allclose(mean, first.mfcc.mean(axis=0), atol=1e-4)
        without_sync({clip.key for clip in read_pack(tiny_pack, "train")})
        with refuses(PackError, "no train clip whose sound fits"):
            make(tiny_pack, "train", torch.device("cpu"), sound=True)

    def test_statistics_are_of_all_rows(self, tiny_pack):
        rows = np.concatenate([clip.mfcc for clip in read_pack(tiny_pack, "train")])
        mean, std = sound_statistics(tiny_pack, "train")
        np.testing.assert_allclose(mean, rows.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(std, rows.std(axis=0), atol=1e-4)


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
