"""The clips that AT-net learns from, whole in memory or some at a time."""

import shutil

import numpy as np
import pytest

from atvg.config import ATNetConfig
from atvg.data import speech_bank
from atvg.data.heard import Rows
from atvg.data.pack import read_pack
from atvg.data.speech import fit_speech, sample_clips
from atvg.data.speech_bank import SpeechBank, SpeechStream
from atvg.errors import PackError

PLAIN = ATNetConfig(ear="none")


@pytest.fixture
def stream(tiny_pack):
    def make(pack=tiny_pack, split="train") -> SpeechStream:
        sample = sample_clips(tiny_pack, "train")
        return SpeechStream(pack, split, fit_speech(sample, 4, 3), Rows(PLAIN, sample, 0.0, 0.0), 4, seed=0)

    return make


def test_clips_in_memory_are_drawn_if_they_are_long_enough(tiny_pack):
    sample = sample_clips(tiny_pack, "train")
    model = fit_speech(sample, 4, 3)
    bank = SpeechBank([model.clip(clip) for clip in sample])
    assert bank.longest() == 30
    rng = np.random.default_rng(0)
    assert {len(clip) for clip in bank.draw(rng, 50, length=20)} == {25, 30}
    assert {len(clip) for clip in bank.draw(rng, 50, length=28)} == {30}


def test_a_stream_draws_the_same_clips(stream, tiny_pack):
    bank = stream()
    true = {len(clip): clip for clip in read_pack(tiny_pack, "train", with_frames=False)}
    for step in range(20):
        for clip in bank.draw(np.random.default_rng(step), 4, length=20):
            np.testing.assert_array_equal(clip.heard[0], true[len(clip)].mfcc)


def test_a_small_split_is_held_once(stream):
    assert sorted(len(clip) for clip in stream().clips) == [25, 30]


def test_it_holds_no_more_than_a_pool_and_lets_go_of_the_oldest(stream, tiny_pack, monkeypatch):
    (clip,) = read_pack(tiny_pack, "val", with_frames=False)
    monkeypatch.setattr(speech_bank, "_POOL", 10)
    monkeypatch.setattr("atvg.data.stream._Reader._clips", lambda self, shard, is_new: endless(clip))
    bank = stream()
    assert len(bank.clips) == 10
    before = list(bank.clips)
    bank.draw(np.random.default_rng(0), 4, length=5)
    assert len(bank.clips) == 10
    stayed = [any(item is other for other in bank.clips) for item in before]
    assert stayed == [False] * speech_bank._FRESH + [True] * (10 - speech_bank._FRESH)


def endless(clip):
    from dataclasses import replace

    number = 0
    while True:
        yield replace(clip, key=str(number))
        number += 1


def test_a_corrupt_shard_is_told(stream, tiny_pack, tmp_path, refuses):
    pack = shutil.copytree(tiny_pack, tmp_path / "pack")
    (shard,) = pack.glob("train-*.tar")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    with refuses(PackError, shard.name):
        stream(pack)


def test_a_missing_split_is_told(stream, refuses):
    with refuses(PackError, "nothing"):
        stream(split="nothing")
