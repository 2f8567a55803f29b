"""Whatever bytes, arrays and texts come in: a valid value or an `ATVGError`, and nothing else.

The same examples on every machine; to look farther, raise the numbers of examples.
"""

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from atvg import checkpoint
from atvg.cli import main
from atvg.config import ATNetConfig, VGNetConfig, with_overrides
from atvg.errors import ATVGError
from atvg.face.image import MIN_SIDE, load_image
from atvg.face.placing import parse_place
from atvg.motion.idle import IdleModel
from atvg.motion.shape import ShapeModel
from atvg.nets.at_net import ATNet
from atvg.nets.vg_net import VGNet
from atvg.voice.audio import load_audio
from tests import bad_inputs as bad

VG_SMALL = VGNetConfig(photo_widths=(4, 4, 4, 4), landmark_widths=(4, 4, 4), decoder_widths=(4, 4, 4), hidden=4)
AT_SMALL = ATNetConfig(ear="none", identity_codes=2, motion_codes=2, widths=(4, 4, 4), hidden=4)


def bounded(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=slow
    )  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, wholes: tuple[bytes, ...]) -> bytes:
    """One of `wholes` with bits flipped, bytes overwritten, cut out, or pieces of it put elsewhere."""
    data = bytearray(draw(st.sampled_from(wholes)))
    # Most of what decoders believe stands at the beginning.
    places = st.one_of(st.integers(0, min(120, len(data))), st.integers(0, len(data)))
    for _ in range(draw(st.integers(1, 5))):
        at = min(draw(places), len(data))
        change = draw(st.sampled_from(("flip", "write", "cut", "splice", "end")))
        if change == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "write":
            piece = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from((b"\0" * 4, b"\xff" * 4))))
            data[at : at + len(piece)] = piece
        elif change == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif change == "splice":
            start = draw(st.integers(0, max(0, len(data) - 1)))
            data[at:at] = data[start : start + draw(st.integers(1, 200))]
        else:
            del data[max(1, at) :]
    return bytes(data)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _pictures() -> tuple[bytes, ...]:
    y, x = np.mgrid[:48, :40]
    array = np.stack([5 * x, 5 * y, (x * y) % 256], axis=-1).astype(np.uint8)
    picture, exif, files = Image.fromarray(array), Image.Exif(), []
    exif[0x0112] = 6
    for kind, options in (
        ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {"save_all": True, "append_images": [picture.rotate(90)]}), ("TIFF", {}), ("BMP", {}), ("JPEG2000", {}),
        ("AVIF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {}),
    ):  # fmt: skip
        file = io.BytesIO()
        picture.save(file, kind, **options)
        files.append(file.getvalue())
    file = io.BytesIO()
    picture.quantize(16).save(file, "PNG", transparency=0)
    return *files, file.getvalue()


PICTURES = _pictures()
MAGIC = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM", b"RIFF")
MAGIC_OF_SOUND = (b"", b"RIFF\xff\0\0\0WAVE", b"OggS", b"fLaC", b"ID3", b"#EXTM3U\n", b"ffconcat ")
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
    @bounded(700)
    @given(mutated(PICTURES))
    def test_damaged_files(self, folder, data):
        path = folder / "photo"
        path.write_bytes(data)
        assert_picture(path)

    @bounded(150)
    @given(
        st.sampled_from((b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM", b"RIFF")), st.binary()
    )
    def test_random_bytes(self, folder, magic, data):
        path = folder / "photo"
        path.write_bytes(magic + data)
        assert_picture(path)

    @bounded(300)
    @given(hnp.arrays(ANYTHING, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)))
    @example(np.array([], np.uint8))
    def test_random_arrays(self, array):
        assert_picture(array)
        if array.ndim:  # and large enough
            assert_picture(np.resize(array, (33, 35, *array.shape[-1:])))

    def test_most_of_the_examples_are_not_simply_refused(self, folder):
        """Or nothing but the first check would be tested."""
        path, kept = folder / "photo", 0
        for data in PICTURES:
            path.write_bytes(data)
            kept += load_image(path).shape[2] == 3
        assert kept == len(PICTURES)


class TestSounds:
    @bounded(120)
    @given(mutated(VOICES))
    def test_damaged_files(self, folder, data):
        path = folder / "voice"
        path.write_bytes(data)
        assert_wave(path)

    @bounded(40)
    @given(
        st.sampled_from((b"", b"RIFF\xff\0\0\0WAVE", b"OggS", b"fLaC", b"ID3", b"#EXTM3U\n", b"ffconcat ")), st.binary()
    )
    def test_random_bytes(self, folder, magic, data):
        path = folder / "voice"
        path.write_bytes(magic + data)
        assert_wave(path)

    @bounded(200)
    @given(
        hnp.arrays(ANYTHING, hnp.array_shapes(min_dims=0, max_dims=3, max_side=5)),
        st.one_of(st.floats(), st.integers(), st.sampled_from((8_000, 16_000, 44_100)), st.none(), st.text()),
    )  # fmt: skip
    def test_random_arrays(self, array, rate):
        assert_wave(array)
        assert_wave((rate, array))
        if array.size:
            assert_wave((16_000, np.resize(array, 4_000)))


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

    @bounded(200)
    @given(
        st.sampled_from(("--beta", "--yaw", "--seed", "--smoothing", "--frame", "--box", "--points", "--wings", "-o")),
        st.one_of(st.text(), st.floats().map(str), st.integers().map(str)),
    )
    def test_options(self, capsys, option, text):
        """There is no photo, so whatever the option says, the answer is one line."""
        capsys.readouterr()
        assert main(["animate", "nowhere.png", "nowhere.wav", "-o", "nowhere/out.mp4", f"{option}={text}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.endswith("\n") and said[:-1].isprintable()

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
    torch.manual_seed(0)
    folder, rng = tmp_path_factory.mktemp("weights"), np.random.default_rng(0)
    shape = ShapeModel(
        rng.normal(0, 30, (68, 3)), rng.normal(size=(2, 204)), np.ones(2), rng.normal(size=(2, 204)),
        rng.normal(size=(204, 2)),
    )  # fmt: skip
    checkpoint.save_at_net(folder, ATNet(AT_SMALL), shape, {})
    checkpoint.save_net(folder, "vg_net", VGNet(VG_SMALL), {"beta": 0.5})
    idle = IdleModel(
        np.zeros((50, 3), np.float32), np.array([25, 25]), np.zeros(8, np.float32), np.array([8]),
        np.ones(3, np.float32),
    )  # fmt: skip
    checkpoint.save_idle(folder, idle, {})
    return folder


LOADERS = {"at_net": checkpoint.load_at_nets, "vg_net": checkpoint.load_vg_nets, "idle": checkpoint.load_idle}


def assert_weights(folder: Path, name: str) -> None:
    try:
        loaded = LOADERS[name](folder)
    except ATVGError as error:
        assert str(error).isprintable()
        return
    if name == "vg_net":
        assert all(type(beta) is float and 0 <= beta for beta in loaded)
        assert all(torch.isfinite(p).all() for net in loaded.values() for p in net.parameters())


JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=6,
)


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
    def test_damaged_files(self, copied, name, ending):
        path = copied / f"{name}.{ending}"
        whole = path.read_bytes()

        @bounded(60)
        @given(mutated((whole,)))
        def check(data: bytes) -> None:
            path.unlink()  # or the original, which it is linked to, would be overwritten
            path.write_bytes(data)
            assert_weights(copied, name)

        check()

    @pytest.mark.parametrize(("name", "config"), [("at_net", AT_SMALL), ("vg_net", VG_SMALL)])
    def test_other_configs(self, copied, name, config):
        path = copied / f"{name}.json"

        @bounded(120)
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
