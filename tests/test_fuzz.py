"""Whatever bytes, arrays and texts come in: a valid value or an `ATVGError`, and nothing else.

The same examples on every machine; to look farther, `tests.fuzz` is led by coverage.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atvg import checkpoint
from atvg.cli import main
from atvg.config import with_overrides
from atvg.errors import ATVGError
from atvg.face.image import MIN_SIDE, load_image
from atvg.face.placing import parse_place
from atvg.voice.audio import load_audio
from tests import bad_inputs as bad
from tests.fuzz.doors.image import pictures
from tests.fuzz.doors.weights import AT_SMALL, LOADERS, VG_SMALL, save_small
from tests.fuzz.mutation import bounded, mutated
from tests.fuzz.structured import JSONS
from tests.marks import quick


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


PICTURES = pictures()
MAGIC = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM", b"RIFF")
MAGIC_OF_SOUND = (b"", b"RIFF\xff\0\0\0WAVE", b"OggS", b"fLaC", b"ID3", b"#EXTM3U\n", b"ffconcat ")
OPTIONS = ("--beta", "--yaw", "--seed", "--smoothing", "--frame", "--box", "--points", "--wings", "-o")
ANYTHING = st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes())
VOICES = (bad.wav_header(data=bad._pcm(0.25)), bad.recorded(".mp3", ()), bad.recorded(".ogg", ()))


def assert_picture(source: object) -> None:
    try:
        picture = load_image(source)
    except ATVGError as error:
        assert str(error).isprintable()
        return
    assert type(picture) is np.ndarray and picture.dtype == np.uint8
    assert picture.ndim == 3 and picture.shape[2] == 3 and min(picture.shape[:2]) >= MIN_SIDE


def assert_wave(source: object) -> None:
    try:
        wave = load_audio(source, 30)
    except ATVGError as error:
        assert str(error).isprintable()
        return
    assert type(wave) is np.ndarray and wave.dtype == np.float32 and wave.ndim == 1
    assert 0.2 * 16_000 <= len(wave) <= 30 * 16_000
    assert np.isfinite(wave).all() and np.abs(wave).max() <= 1


class TestImages:
    @pytest.mark.parametrize("examples", quick((150, 700), 150))
    def test_damaged_files(self, folder, examples):
        path = folder / "photo"

        @bounded(examples)
        @given(mutated(PICTURES))
        def check(data: bytes) -> None:
            path.write_bytes(data)
            assert_picture(path)

        check()

    @bounded(150)
    @given(st.sampled_from(MAGIC), st.binary())
    def test_random_bytes(self, folder, magic, data):
        path = folder / "photo"
        path.write_bytes(magic + data)
        assert_picture(path)

    @pytest.mark.parametrize("examples", quick((100, 300), 100))
    def test_random_arrays(self, examples):
        @bounded(examples)
        @given(hnp.arrays(ANYTHING, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)))
        @example(np.array([], np.uint8))
        def check(array: np.ndarray) -> None:
            assert_picture(array)
            if array.ndim:  # and large enough
                assert_picture(np.resize(array, (33, 35, *array.shape[-1:])))

        check()

    def test_most_of_the_examples_are_not_simply_refused(self, folder):
        """Or nothing but the first check would be tested."""
        path, kept = folder / "photo", 0
        for data in PICTURES:
            path.write_bytes(data)
            kept += load_image(path).shape[2] == 3
        assert kept == len(PICTURES)


class TestSounds:
    @pytest.mark.parametrize("examples", quick((30, 120), 30))
    def test_damaged_files(self, folder, examples):
        path = folder / "voice"

        @bounded(examples)
        @given(mutated(VOICES))
        def check(data: bytes) -> None:
            path.write_bytes(data)
            assert_wave(path)

        check()

    @pytest.mark.parametrize("examples", quick((15, 40), 15))
    def test_random_bytes(self, folder, examples):
        path = folder / "voice"

        @bounded(examples)
        @given(st.sampled_from(MAGIC_OF_SOUND), st.binary())
        def check(magic: bytes, data: bytes) -> None:
            path.write_bytes(magic + data)
            assert_wave(path)

        check()

    @pytest.mark.parametrize("examples", quick((60, 200), 60))
    def test_random_arrays(self, examples):
        @bounded(examples)
        @given(
            hnp.arrays(ANYTHING, hnp.array_shapes(min_dims=0, max_dims=3, max_side=5)),
            st.one_of(st.floats(), st.integers(), st.sampled_from((8_000, 16_000, 44_100)), st.none(), st.text()),
        )  # fmt: skip
        def check(array: np.ndarray, rate: object) -> None:
            assert_wave(array)
            assert_wave((rate, array))
            if array.size:
                assert_wave((16_000, np.resize(array, 4_000)))

        check()


class TestTexts:
    @bounded(300)
    @given(st.one_of(st.none(), st.text(), st.lists(st.floats()).map(str)), st.one_of(st.none(), st.text()))
    def test_places(self, box, points):
        try:
            place = parse_place(box, points)
        except ATVGError as error:
            assert str(error).isprintable()
        else:
            assert all(isinstance(number, float) for numbers in place.values() for number in numbers)

    @pytest.mark.parametrize("examples", quick((70, 200), 70))
    def test_options(self, capsys, examples):
        """There is no photo, so whatever the option says, the answer is one line."""

        @bounded(examples)
        @given(st.sampled_from(OPTIONS), st.one_of(st.text(), st.floats().map(str), st.integers().map(str)))
        def check(option: str, text: str) -> None:
            capsys.readouterr()
            assert main(["animate", "nowhere.png", "nowhere.wav", "-o", "nowhere/out.mp4", f"{option}={text}"]) == 2
            said = capsys.readouterr().err
            assert said.startswith("error: ") and said.endswith("\n") and said[:-1].isprintable()

        check()

    @bounded(200)
    @given(st.sampled_from((VG_SMALL, AT_SMALL)), st.dictionaries(st.text(), st.text(), max_size=2), st.text())
    def test_settings(self, config, overrides, text):
        for key in asdict(config):
            with contextlib.suppress(ATVGError):
                assert type(with_overrides(config, {key: text})) is type(config)
        if overrides:
            with pytest.raises(ATVGError):
                with_overrides(config, overrides)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Tiny networks and idle motion."""
    folder = tmp_path_factory.mktemp("weights")
    save_small(folder)
    return folder


def assert_weights(folder: Path, name: str) -> None:
    try:
        loaded = LOADERS[name](folder)
    except ATVGError as error:
        assert str(error).isprintable()
        return
    if name == "vg_net":
        assert all(type(beta) is float and 0 <= beta for beta in loaded)
        assert all(torch.isfinite(p).all() for net in loaded.values() for p in net.parameters())


class TestWeights:
    @pytest.fixture
    def copied(self, weights, folder) -> Path:
        copy = folder / "weights"
        copy.mkdir(exist_ok=True)
        for path in weights.iterdir():
            target = copy / path.name
            target.unlink(missing_ok=True)
            os.link(path, target)
        return copy

    @pytest.mark.parametrize("name", ["at_net", "vg_net", "idle"])
    @pytest.mark.parametrize("ending", ["safetensors", "json"])
    @pytest.mark.parametrize("examples", quick((20, 60), 20))
    def test_damaged_files(self, copied, name, ending, examples):
        path = copied / f"{name}.{ending}"
        whole = path.read_bytes()

        @bounded(examples)
        @given(mutated((whole,)))
        def check(data: bytes) -> None:
            path.unlink()  # or the original, which it is linked to, would be overwritten
            path.write_bytes(data)
            assert_weights(copied, name)

        check()

    @pytest.mark.parametrize(("name", "config"), [("at_net", AT_SMALL), ("vg_net", VG_SMALL)])
    @pytest.mark.parametrize("examples", quick((40, 120), 40))
    def test_other_configs(self, copied, name, config, examples):
        path = copied / f"{name}.json"

        @bounded(examples)
        @given(st.sampled_from(sorted(asdict(config))), JSONS, JSONS)
        def check(key: str, value: object, beta: object) -> None:
            path.unlink()
            path.write_text(json.dumps({"config": asdict(config) | {key: value}, "notes": {"beta": beta}}))
            assert_weights(copied, name)

        check()

    def test_what_is_whole_is_loaded(self, copied):
        """Or the tests above would prove nothing."""
        assert set(checkpoint.load_vg_nets(copied)) == {0.5}
        assert checkpoint.load_at_net(copied)[0].config == AT_SMALL
        assert len(checkpoint.load_idle(copied).pose_lengths) == 2
