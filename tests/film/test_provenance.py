"""What is written beside a result is enough to make it again, and says nothing about whose it is."""

import hashlib
import json
import shlex
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from atvg import Animator, Pose, cli
from atvg.config import SAMPLE_RATE
from atvg.errors import OutputError
from atvg.face.placing import parse_place
from atvg.film.provenance import Source, provenance, write_provenance
from atvg.film.render import render
from atvg.motion.turn import turn_face
from atvg.voice.audio import load_audio

SETTINGS = {
    "beta": 0.75, "yaw": -12.5, "pitch": 1e-5, "roll": 0.1 + 0.2, "mouth_gain": 1.5, "smoothing": 0.0, "teeth": 0.25,
    "natural": True, "seed": 2**32 - 1, "liveliness": 1.75, "frame": "crop", "box": None, "points": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return np.sin(np.arange(SAMPLE_RATE // 2, dtype=np.float32) / 20)


@pytest.fixture(scope="module")
def made(animator, astronaut, wave) -> dict:
    return provenance(animator, SETTINGS, astronaut, wave)


def parsed(data: dict) -> dict:
    words = shlex.split(data["command"])
    assert words[:6] == ["atvg", "animate", "PHOTO", "AUDIO", "-o", "OUT.mp4"]
    return vars(cli._parser().parse_args(words[1:]))


class TestTheCommand:
    def test_it_has_every_setting_to_the_last_digit(self, made):
        options = parsed(made)
        assert {name: options[name] for name in SETTINGS} == SETTINGS
        assert options["detector"] == "auto"

    def test_defaults_too(self, animator, astronaut, wave):
        options = vars(cli._parser().parse_args(["animate", "PHOTO", "AUDIO", "-o", "OUT.mp4"]))
        data = provenance(animator, {name: options[name] for name in SETTINGS}, astronaut, wave)
        assert parsed(data) == options | {"engine": data["versions"]["engine"]}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("box", [-3.25, 40, 200.125, 210]),
            ("box", (1 / 3, 40.0, 200.0, 1e3)),
            ("points", np.arange(10, dtype=np.float32).reshape(5, 2)),
            ("points", [[170, 130], [270, 130], [220, 190], [180, 240], [260, 240]]),
        ],
    )
    def test_a_place_comes_back_as_it_was(self, name, value, animator, astronaut, wave):
        data = provenance(animator, SETTINGS | {name: value}, astronaut, wave)
        options = parsed(data)
        assert parse_place(options["box"], options["points"]) == {name: np.ravel(value).tolist()}
        assert json.loads(json.dumps(data))["settings"][name] == np.asarray(value).tolist()

    @pytest.mark.long
    def test_numbers_of_numpy_are_numbers(self, animator, astronaut, wave):
        settings = SETTINGS | {"beta": np.float64(2), "seed": np.int64(7), "natural": np.bool_(False)}
        data = provenance(animator, settings, astronaut, wave)
        assert json.loads(json.dumps(data)) == data
        assert parsed(data)["seed"] == 7 and parsed(data)["beta"] == 2 and not parsed(data)["natural"]

    @pytest.mark.long
    def test_it_makes_the_same_frames(self, animator, astronaut, astronaut_path, voice_path, tmp_path, monkeypatch):
        voice = tmp_path / "voice.wav"
        wavfile.write(voice, SAMPLE_RATE, load_audio(voice_path)[SAMPLE_RATE : SAMPLE_RATE * 3 // 2])
        monkeypatch.chdir(tmp_path)
        wave = load_audio(voice)
        settings = SETTINGS | {"frame": "full", "box": [170.0, 70.0, 110.0, 140.0]}
        pose = Pose(*(settings[angle] for angle in ("yaw", "pitch", "roll")))
        face = turn_face(animator.read_face(astronaut, box=settings["box"]), pose)
        names = ("beta", "mouth_gain", "smoothing", "teeth", "natural", "seed", "liveliness")
        kept = {name: settings[name] for name in names}
        render(face, animator.stream(face, wave, **kept), str(voice), "app.mp4", settings["frame"], arrays="app.npz")

        command = provenance(animator, settings, astronaut, wave)["command"]
        files = {"PHOTO": str(astronaut_path), "AUDIO": str(voice)}
        words = [files.get(word, word) for word in shlex.split(command)]
        assert cli.main([*words[1:], "--arrays", "cli.npz"]) == 0
        with np.load("app.npz") as one, np.load("cli.npz") as other:
            assert set(one) == set(other) and len(one["frames"]) == 12
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
        assert (tmp_path / "OUT.mp4").read_bytes() == (tmp_path / "app.mp4").read_bytes()


class TestWhatWentIn:
    def test_photo_and_voice_are_sizes_and_hashes(self, made):
        assert made["photo"]["size"] == [512, 512] and made["voice"]["seconds"] == 0.5
        assert all(len(made[name]["sha256"]) == 64 for name in ("photo", "voice"))
        assert set(made["photo"]) == {"size", "sha256"} and set(made["voice"]) == {"seconds", "sha256"}

    def test_one_pixel_or_sample_makes_another_hash(self, made, animator, astronaut, wave):
        photo, sound = astronaut.copy(), wave.copy()
        photo[3, 5, 1] ^= 1
        sound[100] += 1e-4
        other = provenance(animator, SETTINGS, photo, sound)
        assert other["photo"]["sha256"] != made["photo"]["sha256"]
        assert other["voice"]["sha256"] != made["voice"]["sha256"]
        assert other["weights"] == made["weights"]

    def test_how_an_array_lies_in_memory_does_not_matter(self, made, animator, astronaut, wave):
        backwards = np.asfortranarray(astronaut), np.repeat(wave, 2)[::2].astype(np.float64)
        assert provenance(animator, SETTINGS, *backwards) == made

    def test_nothing_tells_who_or_when(self, made, animator, astronaut, wave):
        assert provenance(animator, SETTINGS, astronaut, wave) == made
        text = json.dumps(made)
        assert "/home" not in text and "/tmp" not in text and "\\\\" not in text
        assert set(made) == {"settings", "versions", "weights", "photo", "voice", "command"}

    def test_versions_of_all_that_matters(self, made):
        libraries = {"torch", "openvino", "numpy", "scipy", "mediapipe", "soxr", "opencv"}
        assert set(made["versions"]) == libraries | {"atvg", "python", "platform", "device", "engine"}
        assert f"--engine {made['versions']['engine']}" in made["command"]
        assert made["versions"]["torch"] == torch.__version__ or torch.__version__.startswith(made["versions"]["torch"])


class TestWeights:
    def test_every_network_and_every_beta_has_a_hash(self, made, animator):
        assert set(made["weights"]) == {"at_net", "shape", "vg_net", "teeth", "idle"}
        assert list(made["weights"]["vg_net"]) == [f"{beta:g}" for beta in sorted(animator.vg_nets)]
        assert list(made["weights"]["at_net"]) == list(animator.ears)
        hashes = [made["weights"][name]["sha256"] for name in ("shape", "teeth", "idle")]
        hashes += [part["sha256"] for name in ("at_net", "vg_net") for part in made["weights"][name].values()]
        assert len(set(hashes)) == len(hashes)

    def test_one_weight_makes_another_hash(self, made, astronaut, wave):
        changed = Animator.from_pretrained()
        next(changed.at_nets["whisper"].parameters()).view(-1)[0] += 1e-3
        changed.idle = None
        weights = provenance(changed, SETTINGS, astronaut, wave)["weights"]
        assert weights["at_net"] != made["weights"]["at_net"] and weights["vg_net"] == made["weights"]["vg_net"]
        assert "idle" not in weights


class TestWriting:
    def test_it_is_read_back_as_it_was(self, made, tmp_path):
        path = write_provenance(tmp_path / "settings.json", made | {"note": "β, é, 中"})
        assert path == tmp_path / "settings.json"
        text = path.read_text(encoding="utf-8")
        assert json.loads(text) == made | {"note": "β, é, 中"}
        assert "β" in text and text.endswith("}\n") and text.count("\n") > 30
        assert list(tmp_path.iterdir()) == [path]

    def test_what_cannot_be_written_leaves_what_was_there(self, made, tmp_path, refuses):
        path = write_provenance(tmp_path / "settings.json", made)
        before = path.read_bytes()
        with pytest.raises(TypeError):
            write_provenance(path, {"beta": object()})
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
        for wrong in (tmp_path / "settings.txt", tmp_path / "nowhere/settings.json", tmp_path):
            with refuses(OutputError):
                write_provenance(wrong, made)


class TestAFilm:
    SETTINGS = {"beta": 0.5, "mouth_gain": 1.25, "hold": True, "frame": "full", "box": [10.5, 20, 30, 40]}

    @pytest.fixture
    def film(self, tmp_path):
        path = tmp_path / "holidays in Rome.mp4"
        path.write_bytes(bytes(range(256)) * 5000)  # more than is read at once
        return path

    @pytest.fixture
    def dubbed(self, animator, film, wave) -> dict:
        source = Source(film, (1920, 1081), Fraction(30000, 1001), 90, 12, (np.float64(10.5), 20.0, 30.0, 40.0), 7)
        return provenance(animator, self.SETTINGS, source, wave)

    def test_its_bytes_are_hashed_and_its_person_is_named(self, dubbed, film):
        assert json.loads(json.dumps(dubbed))["film"] == {
            "size": [1920, 1081], "fps": "30000/1001", "frames": 90, "left_alone": 7,
            "face": {"frame": 12, "box": [10.5, 20, 30, 40]},
            "sha256": hashlib.sha256(film.read_bytes()).hexdigest(),
        }  # fmt: skip
        assert set(dubbed) == {"settings", "versions", "weights", "film", "voice", "command"}

    def test_its_command_names_a_film(self, dubbed):
        words = shlex.split(dubbed["command"])
        assert words[:6] == ["atvg", "animate", "FILM", "AUDIO", "-o", "OUT.mp4"]
        assert "--hold" in words and words[words.index("--box") + 1] == "10.5,20,30,40"
        assert "PHOTO" not in words and "--yaw" not in words
        options = vars(cli._parser().parse_args(words[1:]))
        asked = {name: value for name, value in self.SETTINGS.items() if name != "box"}
        assert {name: options[name] for name in asked} == asked

    def test_its_name_is_nobodys_business(self, dubbed):
        assert "Rome" not in json.dumps(dubbed)
