"""A film forwards, backwards and forwards again, in blocks."""

import errno

import numpy as np
import pytest

from atvg.dub import to_and_fro as module
from atvg.dub.footage import frames, open_footage
from atvg.dub.to_and_fro import to_and_fro
from atvg.errors import BadFilmError, DiskFullError
from tests.dub.test_footage import B_FRAMES, film


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    return open_footage(film(tmp_path_factory.mktemp("film") / "a.mp4", *B_FRAMES, "-g", "250", seconds=0.4))


@pytest.fixture(scope="module")
def pictures(footage) -> list[np.ndarray]:
    return list(frames(footage))


def expected(n: int, count: int) -> list[int]:
    round_trip = [*range(n), *range(n - 2, 0, -1)]
    return [round_trip[k % len(round_trip)] for k in range(count)]


@pytest.mark.parametrize("block", [1, 3, 5, 9, 10, 11, 100], ids=lambda n: f"{n} frames a block")
@pytest.mark.parametrize("n", [10, 7, 2, 1])
def test_runs_to_and_fro(footage, pictures, monkeypatch, tmp_path, block, n):
    monkeypatch.setattr(module, "BLOCK", block * pictures[0].nbytes)
    assert len(pictures) == 10
    got = list(to_and_fro(footage, n, 25, scratch=tmp_path))
    assert [number for number, _ in got] == expected(n, 25)
    assert all(np.array_equal(frame, pictures[number]) for number, frame in got)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [0, 4, 10, 14])
def test_or_holds_the_last_frame(footage, pictures, count):
    got = []
    for number, frame in to_and_fro(footage, 10, count, hold=True):
        assert np.array_equal(frame, pictures[number])
        got.append(number)
    assert got == [min(k, 9) for k in range(count)]


def test_a_film_of_fewer_frames_than_it_says_turns_round_earlier(footage):
    assert [number for number, _ in to_and_fro(footage, 13, 25)] == expected(10, 25)


def test_a_film_that_fits_into_a_block_is_decoded_once(footage, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "frames", lambda *of: calls.append(of) or frames(*of))
    list(to_and_fro(footage, 10, 60))
    assert sum(count > 0 for _, _, count in calls) == 1


def test_a_block_is_never_larger_than_allowed(footage, pictures, monkeypatch, tmp_path):
    sizes = []
    monkeypatch.setattr(module, "BLOCK", 4 * pictures[0].nbytes)
    put = module._Block.put
    monkeypatch.setattr(
        module._Block, "put", lambda self, *of: (put(self, *of), sizes.append(self._file.seek(0, 2)))[0]
    )
    list(to_and_fro(footage, 10, 40, scratch=tmp_path))
    assert max(sizes) == 4 * pictures[0].nbytes


def test_a_film_that_is_gone_or_a_full_disk_is_told(footage, tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", seconds=0.4)
    gone = open_footage(path)
    path.write_bytes(b"nothing" * 100)
    for hold in (True, False):
        with pytest.raises(BadFilmError, match="no frame"):
            list(to_and_fro(gone, 10, 20, hold))

    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module._Block, "put", full)
    with pytest.raises(DiskFullError, match="full"):
        list(to_and_fro(footage, 10, 20))
