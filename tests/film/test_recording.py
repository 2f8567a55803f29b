"""What a run leaves on disk: every frame as it was, whole or not at all."""

import errno
import json
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from atvg.animate.chunk import Chunk, Scene
from atvg.config import FPS, SAMPLE_RATE
from atvg.errors import BadSettingError, DiskFullError, OutputError, RecordingError
from atvg.face.face import Face
from atvg.film.recording import Recorder, Recording, envelope
from atvg.film.replay import replayed
from atvg.motion.filmed import Filmed
from atvg.motion.teeth import Teeth
from atvg.motion.turn import GRID, HeadTurn
from atvg.motion.warp import CELLS

T, K = 23, 4


def make_chunks(n_frames: int = T, size: int = 10, turning: bool = False):
    """Chunks of noise, composed as VG-net composes: frame and motion map are rounded apart."""
    random = np.random.default_rng(0)
    teeth = Teeth(*torch.rand(10, 1, 4, 5, 6, generator=torch.Generator().manual_seed(0)))
    still = random.integers(0, 256, (128, 128, 3), np.uint8)
    for start in range(0, n_frames, size):
        n = min(size, n_frames - start)
        photos = np.broadcast_to(still, (n, 128, 128, 3))
        if turning:
            photos = random.integers(0, 256, (n, 128, 128, 3), np.uint8)
        attention = random.random((n, 128, 128), np.float32)
        motion = random.uniform(0, 255, (n, 128, 128, 3))
        frames = attention[..., None] * motion + (1 - attention[..., None]) * photos
        turns = tuple(
            HeadTurn(
                np.array([3, start + i]), np.array([90, 80]), random.uniform(-9, 9, (GRID, GRID, 2)).astype(np.float32),
                random.uniform(0, 300, (68, 3)),
            )
            for i in range(n if turning else 0)
        )  # fmt: skip
        yield Chunk(
            start, frames.round().astype(np.uint8), attention, motion.round().astype(np.uint8), photos,
            random.integers(0, 256, (n, 128, 128, 3), np.uint8),
            random.uniform(-9, 9, (n, CELLS, CELLS, 2)).astype(np.float32),
            random.uniform(0, 128, (n, 68, 2)).astype(np.float32), random.standard_normal((n, K)).astype(np.float32),
            turns=turns, teeth=teeth,
        )  # fmt: skip


@pytest.fixture
def wave():
    return np.random.default_rng(1).uniform(-1, 1, T * SAMPLE_RATE // FPS).astype(np.float32)


@pytest.fixture
def face(face68) -> Face:
    """In a photo of noise."""
    photo = np.random.default_rng(2).integers(0, 256, (140, 150, 3), np.uint8)
    return Face(photo, face68, np.concatenate([face68, face68 + 1]))


@pytest.fixture
def record(tmp_path, wave, face):
    """Writes chunks down and opens the recording."""

    def record(chunks, expected: int = T) -> Recording:
        for _ in Recorder(tmp_path / "run", wave, 0.5, expected, face).watch(chunks):
            pass
        return Recording.open(tmp_path / "run")

    return record


@pytest.mark.parametrize("turning", [False, True])
def test_every_frame_comes_back(record, turning):
    recording = record(make_chunks(turning=turning))
    assert len(recording) == T and recording.beta == 0.5
    for chunk in make_chunks(turning=turning):
        for i in range(len(chunk)):
            moment = recording[chunk.start + i]
            assert moment.seconds == (chunk.start + i) / FPS
            for name, values in (("photo", chunk.photos), ("motion", chunk.motion), ("frame", chunk.frames)):
                assert np.array_equal(getattr(moment, name), values[i]) and getattr(moment, name).dtype == np.uint8
            assert np.array_equal(moment.landmarks, chunk.landmarks[i])
            assert moment.attention.dtype == np.float32
            assert np.abs(moment.attention - chunk.attention[i]).max() <= 1 / 4096


def test_the_composition_still_gives_the_frame(record):
    recording = record(make_chunks(turning=True))
    for t in range(T):
        moment = recording[t]
        alpha = moment.attention[..., None]
        composed = (alpha * moment.motion + (1 - alpha) * moment.photo).round()
        assert np.abs(composed - moment.frame).max() <= 1


def test_what_is_known_of_the_whole_run(record, wave, face):
    recording, chunks = record(make_chunks()), list(make_chunks())
    assert np.array_equal(recording.landmarks, np.concatenate([chunk.landmarks for chunk in chunks]))
    assert np.array_equal(recording.codes, np.concatenate([chunk.codes for chunk in chunks]))
    assert np.array_equal(recording.envelope, envelope(wave, T))
    assert np.array_equal(recording.example, face.crop_landmarks[:, :2])
    for name in ("photo", "landmarks", "mesh"):
        assert np.array_equal(getattr(recording.face, name), getattr(face, name))
    assert all(torch.equal(kept, part) for kept, part in zip(recording.teeth, chunks[0].teeth, strict=True))


@pytest.mark.parametrize("turning", [False, True])
def test_a_frame_comes_back_as_the_chunk_it_was(record, turning):
    recording = record(make_chunks(turning=turning))
    for chunk in make_chunks(turning=turning):
        kept, meant = recording.chunk(chunk.start + 2), chunk.cut(2, 3)
        assert kept.start == meant.start and len(kept) == 1 and len(kept.turns) == len(meant.turns)
        for name in ("frames", "motion", "photos", "base", "landmarks", "codes"):
            assert np.array_equal(getattr(kept, name), getattr(meant, name)), name
        assert np.abs(kept.attention - meant.attention).max() <= 1 / 4096
        assert np.abs(kept.shift - meant.shift).max() <= 1 / 128
        for turn, other in zip(kept.turns, meant.turns, strict=True):
            assert all(np.array_equal(getattr(turn, name), getattr(other, name)) for name in vars(turn))


def test_a_network_without_layers_leaves_no_teeth(record):
    assert record(replace(chunk, teeth=None) for chunk in make_chunks()).teeth is None


def test_the_chunks_pass_unchanged_and_one_by_one(tmp_path, wave, face):
    source = make_chunks()
    watched = Recorder(tmp_path / "run", wave, 0.5, T, face).watch(source)
    first = next(watched)
    assert first.start == 0 and next(source).start == 10, "nothing is fetched ahead"


def test_a_still_photo_is_stored_once(record, tmp_path):
    record(make_chunks())
    still = (tmp_path / "run" / "photos.npy").stat().st_size
    assert still < 1.01 * 128 * 128 * 3
    record(make_chunks(turning=True))
    assert (tmp_path / "run" / "photos.npy").stat().st_size > T * 128 * 128 * 3


@pytest.mark.parametrize("expected", [1, T, 10**9])
def test_the_true_number_of_frames_counts(record, expected):
    assert len(record(make_chunks(), expected)) == T


def test_any_program_can_read_the_arrays(record, tmp_path):
    record(make_chunks())
    assert np.load(tmp_path / "run" / "frames.npy").shape == (T, 128, 128, 3)
    assert np.load(tmp_path / "run" / "codes.npy").shape == (T, K)


def test_one_frame_is_read_and_no_more(record):
    recording = record(make_chunks(turning=True))
    recording[0]
    tracemalloc.start()
    recording[T - 1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 128 * 128 * (4 * 3 + 4)


def test_moments_outlive_their_files(record, tmp_path):
    moment = record(make_chunks())[3]
    before = moment.frame.copy()
    record(make_chunks(turning=True))
    assert np.array_equal(moment.frame, before)


@pytest.mark.parametrize("there_before", [False, True])
def test_stopping_early_leaves_nothing(tmp_path, wave, face, there_before):
    folder = tmp_path / "run"
    if there_before:
        folder.mkdir()
        (folder / "video.mp4").write_text("somebody's")
    watched = Recorder(folder, wave, 0.5, T, face).watch(make_chunks())
    next(watched)
    assert (folder / "frames.npy").exists()
    watched.close()
    assert [path.name for path in tmp_path.rglob("*")] == (["run", "video.mp4"] if there_before else [])


def test_an_error_on_the_way_leaves_nothing(tmp_path, wave, face):
    def failing():
        yield from make_chunks(10)
        raise BadSettingError("no")

    with pytest.raises(BadSettingError):
        list(Recorder(tmp_path / "run", wave, 0.5, T, face).watch(failing()))
    assert list(tmp_path.iterdir()) == []


def test_no_chunks_leave_nothing(tmp_path, wave, face):
    assert list(Recorder(tmp_path / "run", wave, 0.5, T, face).watch(iter(()))) == []
    assert list(tmp_path.iterdir()) == []


def test_a_failed_second_run_does_not_pass_for_the_first(record, tmp_path, wave, face68, refuses):
    record(make_chunks())
    watched = Recorder(tmp_path / "run", wave, 0.5, T, face).watch(make_chunks())
    next(watched)
    watched.close()
    with refuses(RecordingError):
        Recording.open(tmp_path / "run")


def test_an_older_recording_stays_readable_while_it_is_replaced(record):
    older = record(make_chunks(turning=True))
    before = older[T - 1].frame
    record(make_chunks(5))
    assert np.array_equal(older[T - 1].frame, before)


def test_a_file_in_the_folders_place_is_said_so(tmp_path, wave, face, refuses):
    (tmp_path / "run").write_text("a file")
    with refuses(OutputError, "run"):
        list(Recorder(tmp_path / "run", wave, 0.5, T, face).watch(make_chunks()))
    assert (tmp_path / "run").read_text() == "a file"


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path, wave, face, refuses):
    with refuses(OutputError, "nowhere"):
        list(Recorder(tmp_path / "nowhere" / "run", wave, 0.5, T, face).watch(make_chunks()))


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path, wave, face, refuses, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with refuses(DiskFullError, "No space left"):
        list(Recorder(tmp_path / "run", wave, 0.5, T, face).watch(make_chunks()))
    assert list(tmp_path.iterdir()) == []


def damage_index(folder):
    (folder / "recording.json").write_text("{")


def damage_count(folder):
    (folder / "recording.json").write_text(json.dumps({"beta": 0.5, "frames": T + 1}))


def lose_an_array(folder):
    (folder / "motion.npy").unlink()


def cut_an_array(folder):
    with (folder / "frames.npy").open("r+b") as file:
        file.truncate(100_000)


def empty_an_array(folder):
    (folder / "codes.npy").write_bytes(b"")


def scramble_an_array(folder):
    (folder / "landmarks.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + b"{(" * 200)


def lose_the_teeth(folder):
    (folder / "teeth.npz").unlink()


def scramble_the_teeth(folder):
    (folder / "teeth.npz").write_bytes(b"PK" + bytes(100))


def lose_the_face(folder):
    (folder / "points.npy").write_bytes((folder / "codes.npy").read_bytes())


def swap_an_array(folder):
    (folder / "frames.npy").write_bytes((folder / "attention.npy").read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        damage_index, damage_count, lose_an_array, cut_an_array, empty_an_array, scramble_an_array, swap_an_array,
        lose_the_teeth, scramble_the_teeth, lose_the_face,
    ],
)  # fmt: skip
def test_a_damaged_recording_is_refused(record, tmp_path, refuses, damage):
    record(make_chunks())
    damage(tmp_path / "run")
    with refuses(RecordingError, "generate it again"):
        Recording.open(tmp_path / "run")


@pytest.mark.parametrize("folder", ["missing", "a\0b", ""])
def test_a_recording_that_is_not_there_is_refused(tmp_path, refuses, folder):
    with refuses(RecordingError, "no longer here"):
        Recording.open(tmp_path / folder)


@pytest.mark.parametrize("t", [-1, T, 1.0, True, None])
def test_a_frame_that_is_not_there_is_refused(record, refuses, t):
    recording = record(make_chunks())
    with refuses(BadSettingError, f"from 0 to {T - 1}"):
        recording[t]


def test_the_envelope_is_the_peak_of_each_frame():
    wave = np.zeros(5 * 640, np.float32)
    wave[[0, 639, 640, 3 * 640 + 5]] = 0.1, -0.5, 0.25, 1
    np.testing.assert_allclose(envelope(wave, 5), [0.5, 0.25, 0, 1, 0])
    np.testing.assert_allclose(envelope(wave[:700], 5), [0.5, 0.25, 0, 0, 0]), "silence where the sound has ended"
    np.testing.assert_allclose(envelope(wave, 1), [0.5])


NTSC = Fraction(30000, 1001)


def film_picture(number: int) -> np.ndarray:
    return np.full((90, 120, 3), number, np.uint8)


def make_film_chunks():
    """Two shots, of 12 and of 11 frames; the film runs from its frame 2 on and back. Only the first shows teeth."""
    random = np.random.default_rng(3)
    numbers = [*range(2, 15), *range(13, 3, -1)]
    (whole,) = make_chunks(size=T)
    whole = replace(whole, photos=random.integers(0, 256, (T, 128, 128, 3), np.uint8))
    filmed = Filmed(*torch.rand(6, 3, 4, generator=torch.Generator().manual_seed(1)))
    scenes = tuple(
        Scene(
            film_picture(number), random.random((2, 3)), *random.random((2, 68, 2)).astype(np.float32),
            random.random(3).astype(np.float32), filmed if t < 12 else None, number,
        )
        for t, number in enumerate(numbers)
    )  # fmt: skip
    teeth = [whole.teeth, Teeth(*(part + 1 for part in whole.teeth))]
    for first, last, shot in ((0, 10, 0), (10, 12, 0), (12, 20, 1), (20, T, 1)):
        yield replace(replace(whole, scenes=scenes, teeth=teeth[shot]).cut(first, last), start=first)


class TestAFilm:
    @pytest.fixture
    def folder(self, tmp_path, wave, face) -> Path:
        list(Recorder(tmp_path / "run", wave, 0.5, T, face, NTSC).watch(make_film_chunks()))
        return tmp_path / "run"

    def test_a_frame_comes_back_with_its_scene_and_the_mouth_of_its_shot(self, folder):
        recording = Recording.open(folder, film_picture)
        for chunk in make_film_chunks():
            for i, meant in enumerate(chunk.scenes):
                kept = recording.chunk(chunk.start + i)
                assert np.array_equal(kept.photos[0], chunk.photos[i]) and not kept.turns
                assert all(torch.equal(a, b) for a, b in zip(kept.teeth, chunk.teeth, strict=True))
                (scene,) = kept.scenes
                assert scene.number == meant.number
                for name in ("picture", "matrix", "landmarks", "rest", "light"):
                    assert np.array_equal(getattr(scene, name), getattr(meant, name)), name
                    assert getattr(scene, name).dtype == getattr(meant, name).dtype, name
                if meant.filmed is None:
                    assert scene.filmed is None
                else:
                    assert all(torch.equal(a, b) for a, b in zip(scene.filmed, meant.filmed, strict=True))

    def test_it_is_played_again_shot_by_shot(self, folder):
        chunks = list(replayed(Recording.open(folder, film_picture)))
        assert [(chunk.start, len(chunk)) for chunk in chunks] == [(0, 10), (10, 2), (12, 10), (22, 1)]
        assert [scene.number for chunk in chunks for scene in chunk.scenes] == [*range(2, 15), *range(13, 3, -1)]
        assert torch.equal(chunks[2].teeth.upper, chunks[1].teeth.upper + 1)

    def test_its_time_is_the_films(self, folder, wave):
        recording = Recording.open(folder)
        assert recording.fps == NTSC
        assert recording[3].seconds == pytest.approx(3 * 1001 / 30000)
        assert np.array_equal(recording.envelope, envelope(wave, T, NTSC))

    def test_no_picture_is_stored_and_none_is_needed_for_a_moment(self, folder, refuses):
        recording = Recording.open(folder)
        (chunk, *_) = make_film_chunks()
        assert np.array_equal(recording[4].photo, chunk.photos[4])
        assert (folder / "scenes.npy").stat().st_size < T * 2000
        with refuses(RecordingError, "give picture_of"):
            recording.chunk(4)

    def test_a_mouth_is_stored_once_a_shot_and_goes_with_the_run(self, folder, wave, face):
        assert sorted(path.name for path in folder.glob("mouth*")) == ["mouth-0.npz", "mouth-1.npz"]
        list(Recorder(folder, wave, 0.5, T, face).watch(make_chunks()))
        assert not list(folder.glob("mouth*")) and not (folder / "scenes.npy").exists()
        assert Recording.open(folder).numbers is None

    def test_stopping_early_leaves_nothing(self, tmp_path, wave, face):
        watched = Recorder(tmp_path / "run", wave, 0.5, T, face, NTSC).watch(make_film_chunks())
        next(watched)
        assert (tmp_path / "run" / "mouth-0.npz").exists()
        watched.close()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["scenes.npy", "mouth-1.npz"])
    def test_a_damaged_one_is_refused(self, folder, refuses, name):
        (folder / name).rename(folder / "elsewhere")
        with refuses(RecordingError, "generate it again"):
            Recording.open(folder, film_picture)
        (folder / name).write_bytes(b"PK" + bytes(100))
        with refuses(RecordingError, "generate it again"):
            Recording.open(folder, film_picture).chunk(T - 1)

    def test_the_envelope_has_the_films_rate(self):
        wave = np.zeros(1600, np.float32)
        wave[[799, 800]] = 0.5, 0.25
        np.testing.assert_allclose(envelope(wave, 3, Fraction(20)), [0.5, 0.25, 0])
