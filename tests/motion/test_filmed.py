"""The inside of a mouth as it was filmed, laid behind lips that say something else."""

import pytest
import torch
from torch import Tensor

from atvg.motion.filmed import Behind, Filmed, behind_lips
from atvg.motion.teeth import fit_teeth, load_donors, unseen
from tests.synthetic import face68, opened, portrait

TICKS = torch.arange(128.0)
SHUT = torch.from_numpy(face68()[:, :2]).float()
OPEN = torch.from_numpy(opened(face68(), 12.0)[:, :2]).float()
EDGE = 95.0  # where the incisors of `filmed` end, between lips at 89 and 101
TEETH, BELOW = (0.1, 0.9, 0.1), (0.1, 0.1, 0.9)
LIGHT = torch.ones(3)


@pytest.fixture(scope="module")
def teeth():
    photo = torch.from_numpy(portrait()[0]).permute(2, 0, 1)[None] / 127.5 - 1
    return fit_teeth(load_donors(), photo, SHUT[None])


def filmed(alpha: float = 1.0, light: Tensor = LIGHT) -> Filmed:
    """Green above the edge, blue below it, everywhere."""
    picture = torch.empty(4, 128, 128)
    picture[:3] = torch.tensor(BELOW)[:, None, None]
    picture[:3, : int(EDGE)] = torch.tensor(TEETH)[:, None, None]
    picture[3] = 1
    return Filmed(picture * alpha, torch.eye(2, 3), OPEN, SHUT, torch.tensor(EDGE), light)


def behind(one: Filmed | None, light: Tensor = LIGHT, rest: Tensor = SHUT) -> Behind:
    return Behind(rest[None, None], light[None, None], one)


def laid(teeth, one: Filmed | None, asked: Tensor = OPEN, **how) -> Tensor:
    """One frame, (3, 128, 128) in [0, 1]."""
    return (behind_lips(teeth, behind(one, **how), asked[None, None], TICKS, TICKS)[0] + 1) / 2


def end_of_teeth(picture: Tensor, x: int = 64) -> int:
    """The first row that is bluer than green."""
    return int((picture[2, 90:, x] > picture[1, 90:, x]).float().argmax()) + 90


def test_in_the_frame_itself_it_is_what_was_filmed(teeth):
    picture = laid(teeth, filmed())
    assert picture[:, 93, 64].tolist() == pytest.approx(TEETH, abs=0.02)
    assert picture[:, 98, 64].tolist() == pytest.approx(BELOW, abs=0.02)
    assert abs(end_of_teeth(picture) - EDGE) <= 1


def test_without_it_or_where_it_shows_nothing_all_is_painted(teeth):
    painted = unseen(teeth, SHUT[None, None], OPEN[None, None], TICKS, TICKS, LIGHT[None, None])[0]
    assert torch.allclose(laid(teeth, None) * 2 - 1, painted, atol=1e-5)
    assert torch.allclose(laid(teeth, filmed(alpha=0.0)) * 2 - 1, painted, atol=1e-5)


def test_upper_teeth_stay_with_the_skull_when_the_jaw_does_not_drop_as_far(teeth):
    less = torch.from_numpy(opened(face68(), 8.0)[:, :2]).float()
    assert abs(end_of_teeth(laid(teeth, filmed(), less)) - EDGE) <= 1


def test_they_move_with_the_head(teeth):
    """Six pixels down, as the face at rest."""
    down = torch.tensor([0.0, 6.0])
    picture = laid(teeth, filmed(), OPEN + down, rest=SHUT + down)
    assert abs(end_of_teeth(picture) - (EDGE + 6)) <= 1


@pytest.mark.parametrize("asked, film", [(0.5, 1.0), (1.0, 2.0), (1.2, 2.4)])
def test_it_has_the_light_of_the_frame(teeth, asked, film):
    """Half of that it was filmed in, whatever the photo's."""
    picture = laid(teeth, filmed(light=film * LIGHT), light=asked * LIGHT)
    assert picture[:, 93, 64].tolist() == pytest.approx([0.5 * value for value in TEETH], abs=0.02)


def test_a_narrower_gap_is_darker_and_a_wider_one_no_lighter(teeth):
    """The lips let in less light; how light teeth can become, the film has shown."""
    narrow, wide = (torch.from_numpy(opened(face68(), gap)[:, :2]).float() for gap in (2.0, 20.0))
    seen = {gap: laid(teeth, filmed(), asked)[1, 90:95, 64] for gap, asked in (("narrow", narrow), ("wide", wide))}
    assert (seen["narrow"] < 0.95 * laid(teeth, filmed())[1, 90:95, 64]).all()
    assert seen["wide"].max() <= TEETH[1] + 1e-3


def test_several_frames_are_those_of_each(teeth):
    both = Behind(torch.stack([SHUT, SHUT])[None], torch.stack([LIGHT, 0.5 * LIGHT])[None], filmed())
    picture = behind_lips(teeth, both, torch.stack([OPEN, OPEN])[None], TICKS, TICKS)
    assert torch.allclose((picture[0] + 1) / 2, laid(teeth, filmed()), atol=1e-3)
    assert torch.allclose((picture[1] + 1) / 2, laid(teeth, filmed(), light=0.5 * LIGHT), atol=1e-3)
