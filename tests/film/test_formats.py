"""Every format in which a result can be taken away: of one rendering, labelled, and as players expect it."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from atvg.bench.samples import sample_voice
from atvg.errors import BadSettingError, OutputError
from atvg.face.landmarks import mouth_opening
from atvg.film.animations import GifWriter, WebpWriter
from atvg.film.close_up import CloseUp
from atvg.film.cutout import head_outline
from atvg.film.label import label, label_layer
from atvg.film.output import Outputs
from atvg.film.paste import Paster
from atvg.film.poster import save_poster, speaking
from atvg.film.recording import Recorder, Recording
from atvg.film.render import render
from atvg.film.replay import replayed

ENDINGS = {"full": "mp4", "face": "mp4", "panels": "mp4", "gif": "gif", "webp": "webp", "webm": "webm"}


@pytest.fixture(scope="module")
def made(animator, face, tmp_path_factory):
    """All formats of 0.8 s at once, and the recording of that run."""
    folder, wave = tmp_path_factory.mktemp("formats"), sample_voice(0.8)
    files = {name: folder / f"{name}.{ending}" for name, ending in ENDINGS.items()}
    chunks = Recorder(folder / "recording", wave, 0.5, 20, face).watch(animator.stream(face, wave, natural=True))
    assert render(face, chunks, wave, Outputs(**files)) == 20
    return files, folder / "recording"


def probed(path) -> str:
    """What ffmpeg says of a file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-c:v", "libvpx-vp9", "-i", path]
    command = command if path.suffix == ".webm" else [part for part in command if part not in ("-c:v", "libvpx-vp9")]
    return subprocess.run(command, capture_output=True, text=True).stderr


def decoded(path, pixels: str = "rgb24") -> np.ndarray:
    """Frames (T, H, W, channels)."""
    coder = ["-c:v", "libvpx-vp9"] if path.suffix == ".webm" else []
    reader = imageio_ffmpeg.read_frames(
        str(path), pix_fmt=pixels, bits_per_pixel=8 * len(pixels.strip("24")), input_params=coder
    )
    width, height = next(reader)["size"]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, -1) for frame in reader])


@pytest.mark.parametrize("name", ["full", "face", "panels"])
def test_an_mp4_plays_everywhere(made, name):
    path = made[0][name]
    said = probed(path)
    assert "h264" in said and "yuv420p" in said and "aac" in said and "AI-generated" in said
    height, width = decoded(path).shape[1:3]
    assert height % 2 == width % 2 == 0
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "it plays only when all of it has come"


def test_the_close_up_is_what_the_whole_photo_shows_there(made, animator, face):
    whole, close = decoded(made[0]["full"]), decoded(made[0]["face"])
    assert len(whole) == len(close) == 20
    (chunk,) = [chunk for chunk in replayed(Recording.open(made[1])) if chunk.start == 0]
    square = CloseUp.of(face).shrunk(next(Paster(face).paste(chunk)))
    assert np.abs(label(square[None])[0].astype(int) - close[0]).mean() < 3, "encoded, it is still that picture"


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_an_animation_is_small_labelled_and_goes_on_for_ever(made, name):
    path = made[0][name]
    with Image.open(path) as animation:
        assert animation.n_frames == 10 and animation.info["loop"] == 0 and max(animation.size) <= 480
        said = animation.info["comment"] if name == "gif" else animation.info["xmp"]
        assert b"AI-generated" in said
        layer = label_layer(*animation.size[::-1])
        first = np.asarray(animation.convert("RGB")).astype(float)
    covered, ink = layer[..., 3] > 120, layer[..., :3].max(axis=2)
    text = first.mean(axis=2)[covered]
    assert np.corrcoef(text, ink[covered])[0, 1] > 0.8, "the label cannot be read"


@pytest.mark.parametrize("writer", [GifWriter, WebpWriter])
def test_the_longer_the_smaller_but_never_enlarged(writer, tmp_path):
    def size(frames: int, side: int) -> tuple[int, int]:
        made = writer(tmp_path / f"a{writer.ending}", (side, side))
        made.frames_written = frames
        return made._shrunk()

    assert size(100, 156) == (156, 156) and size(100, 512) == (480, 480)
    assert 96 <= size(3000, 512)[0] < size(1500, 512)[0] <= 480
    assert size(10**6, 512) == (96, 96)


def test_the_head_is_cut_out_wherever_it_turns(made):
    frames = decoded(made[0]["webm"], "rgba")
    assert len(frames) == 20 and "ALPHA_MODE" in (said := probed(made[0]["webm"])).upper()
    assert "vp9" in said and "opus" in said and "AI-generated" in said
    side = frames.shape[1]
    alpha = frames[..., 3]
    assert alpha[:, side // 2, side // 2].min() > 250, "the nose is not to be seen through"
    assert alpha[:, side - 30 : side - 20, :5].max() < 5 and alpha[:, 5:20, :3].max() < 5, "the ground is to be gone"
    assert ((alpha > 20) & (alpha < 235)).any(axis=(1, 2)).all(), "the edge is hard"
    label_only = label_layer(side, side)[..., 3] > 100
    assert alpha[:, label_only].min() > 60, "the label lies on nothing"


def test_an_outline_follows_the_head_and_not_the_lips(face):
    at_rest = face.crop_landmarks[:, :2]
    dropped = at_rest.copy()
    dropped[4:13, 1] += 8
    above = slice(27, 44)
    moved = np.abs(head_outline(dropped)[above] - head_outline(at_rest)[above])
    assert moved.max() < 4, "the forehead rises with the chin"
    assert head_outline(at_rest)[:, 1].min() < at_rest[:, 1].min() - 10, "there is no forehead"
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert np.allclose(head_outline(at_rest @ turn.T), head_outline(at_rest) @ turn.T, atol=1e-3)


def test_a_poster_speaks(made, tmp_path):
    recording = Recording.open(made[1])
    frame = speaking(recording.landmarks)
    assert mouth_opening(recording.landmarks)[frame] == mouth_opening(recording.landmarks).max()
    poster = save_poster(tmp_path / "poster.jpg", made[0]["face"], frame)
    with Image.open(poster) as picture:
        assert b"AI-generated" in picture.info["comment"]
        errors = np.abs(decoded(made[0]["face"]).astype(int) - np.asarray(picture)).mean(axis=(1, 2, 3))
    assert errors.argmin() == frame and errors.min() < 4
    with pytest.raises(OutputError, match="no frame 999"):
        save_poster(tmp_path / "poster.jpg", made[0]["face"], 999)


def test_speech_after_the_first_seconds_is_no_beginning(face):
    landmarks = np.repeat(face.crop_landmarks[None, :, :2], 200, axis=0)
    landmarks[40, 60:68, 1] += np.linspace(0, 5, 8)
    landmarks[150, 55:60, 1] += 30
    assert speaking(landmarks) < 75


def test_what_is_taken_from_the_recording_is_what_was_drawn(made, tmp_path):
    """Later, and without the networks."""
    recording = Recording.open(made[1])
    again = tmp_path / "again.mp4"
    assert render(recording.face, replayed(recording), str(made[0]["full"]), Outputs(face=again)) == 20
    assert np.abs(decoded(again).astype(int) - decoded(made[0]["face"])).mean() < 0.5


def test_what_cannot_be_written_is_said_before_the_work(tmp_path):
    with pytest.raises(BadSettingError, match="name a file"):
        Outputs()
    with pytest.raises(BadSettingError, match="the same"):
        Outputs(full=tmp_path / "a.mp4", face=tmp_path / "." / "a.mp4")
    with pytest.raises(OutputError, match="gif"):
        Outputs(gif=tmp_path / "a.webp")
