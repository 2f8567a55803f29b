"""The regression-based discriminator: landmarks per frame and one score per sequence, of any length."""

import pytest
import torch

from atvg.config import DiscriminatorConfig
from atvg.nets.discriminator import Discriminator


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(DiscriminatorConfig(widths=(8, 16, 16, 16), hidden=32)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.rand(2, 4, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def example(face68) -> torch.Tensor:
    face = torch.tensor(face68[:, :2], dtype=torch.float32)
    return torch.stack([face, face + 3])


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_sequences_of_any_length_are_judged(judge, frames, example, steps):
    judged = judge(frames[:, :steps], example)
    assert judged.landmarks.shape == (2, steps, 68, 2)
    assert judged.score.shape == (2,)


def test_a_plain_one_says_the_score_alone(frames, example):
    judge = Discriminator(DiscriminatorConfig(widths=(8, 16, 16, 16), hidden=32, regression=False))
    judged = judge(frames, example)
    assert judged.landmarks is None and judged.score.shape == (2,)
    judged.score.sum().backward()
    assert all(p.grad is not None for p in judge.parameters())


def test_score_and_landmarks_depend_on_the_frames(judge, frames, example):
    before, after = judge(frames, example), judge(-frames, example)
    assert (before.score - after.score).abs().min() > 1e-5
    assert (before.landmarks - after.landmarks).abs().amax(dim=(1, 2, 3)).min() > 1e-4


def test_a_frame_changes_its_own_landmarks_and_later_ones_only(judge, frames, example):
    changed = frames.clone()
    changed[:, 2] *= -1
    before, after = judge(frames, example).landmarks, judge(changed, example).landmarks
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert (before[:, 2] - after[:, 2]).abs().max() > 1e-4
    assert (before[:, 3] - after[:, 3]).abs().max() > 1e-6


def test_landmarks_are_offsets_from_the_example(judge, frames, example):
    untrained = judge(frames, example).landmarks - example[:, None]
    assert untrained.abs().max() < 3  # pixels: before any training the guess is the example itself


def test_samples_of_a_batch_do_not_meet(judge, frames, example):
    whole, alone = judge(frames, example), judge(frames[1:], example[1:])
    torch.testing.assert_close(whole.score[1:], alone.score)
    torch.testing.assert_close(whole.landmarks[1:], alone.landmarks)
