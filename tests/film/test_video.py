"""The finished file: frames, sound, label, tags, and what is left when something goes wrong."""

import os
import re
import subprocess
from fractions import Fraction

import imageio_ffmpeg
import numpy as np
import pytest

from atvg.config import FPS, SAMPLE_RATE
from atvg.dub.footage import frames, open_footage
from atvg.errors import BadAudioError, OutputError
from atvg.film import video
from atvg.film.colour import Colour
from atvg.film.label import label, sign
from atvg.film.output import check_output
from atvg.film.video import VideoWriter
from atvg.voice.audio import load_audio, n_video_frames

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments, feed: bytes = b"") -> bytes:
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, input=feed, stdout=subprocess.PIPE, check=True).stdout


def about(path) -> str:
    """What ffmpeg says about a file."""
    return subprocess.run([FFMPEG, "-nostdin", "-i", str(path)], capture_output=True, text=True).stderr


def read(path) -> np.ndarray:
    """Every frame of an mp4, uint8 RGB (T, H, W, 3)."""
    width, height = map(int, re.search(r"Video: .* (\d+)x(\d+)", about(path)).groups())
    raw = ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def moving(n_frames: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Smooth colours that wander, so that compression hardly changes them."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    return np.stack([128 + 90 * np.sin((x + y * k + 3 * t) / 20) for k in (0, 1, 2)], axis=-1).astype(np.uint8)


def clicks(seconds: float, *times: float) -> np.ndarray:
    """Silence with a 5 ms burst of noise at each time."""
    wave = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, SAMPLE_RATE // 200)
    for time in times:
        start = round(time * SAMPLE_RATE)
        wave[start : start + len(noise)] = noise
    return wave


def first_click(wave: np.ndarray) -> float:
    """Seconds to the first sample that is as loud as half the loudest."""
    return int(np.argmax(np.abs(wave) > 0.5 * np.abs(wave).max())) / SAMPLE_RATE


def write(path, frames, **options) -> None:
    with VideoWriter(path, frames.shape[2:0:-1], **options) as writer:
        writer.write(frames)


@pytest.mark.parametrize("n_frames", [1, 10])
def test_comes_back_as_written_without_a_word_and_silent(tmp_path, capfd, n_frames):
    frames = moving(n_frames)
    write(tmp_path / "out.mp4", frames)
    assert capfd.readouterr() == ("", "")
    back = read(tmp_path / "out.mp4")
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames).mean() < 3
    assert re.search(r"h264 .*yuv420p\(.*25 fps", said := about(tmp_path / "out.mp4")) and "Audio:" not in said
    assert b"moov" in (tmp_path / "out.mp4").read_bytes().split(b"mdat")[0], "plays while it downloads"


@pytest.mark.parametrize("seconds", [0.2, 1.0, 1.27, 2.333])
def test_has_exactly_the_frames_written_and_sound_as_long(tmp_path, seconds):
    wave = clicks(seconds, 0.1)
    frames = moving(n_video_frames(wave))
    write(tmp_path / "out.mp4", frames, audio=wave)
    assert len(read(tmp_path / "out.mp4")) == round(FPS * seconds)
    assert len(load_audio(tmp_path / "out.mp4")) / SAMPLE_RATE == pytest.approx(len(frames) / FPS, abs=0.1 / FPS)


@pytest.mark.parametrize("n_frames", [20, 90])
def test_sound_is_cut_or_padded_to_the_frames_and_stays_in_place(tmp_path, n_frames):
    write(tmp_path / "out.mp4", moving(n_frames), audio=clicks(3.0, 0.5, 2.6))
    assert len(read(tmp_path / "out.mp4")) == n_frames
    sound = load_audio(tmp_path / "out.mp4")
    assert len(sound) / SAMPLE_RATE == pytest.approx(n_frames / FPS, abs=0.1 / FPS)
    assert first_click(sound) == pytest.approx(0.5, abs=0.5 / FPS)
    if n_frames == 90:
        assert 1 + first_click(sound[SAMPLE_RATE:]) == pytest.approx(2.6, abs=0.5 / FPS)


@pytest.fixture
def recording(tmp_path):
    """A stereo WAV at 44.1 kHz, 2 s, with a click at 0.6 s."""
    path = tmp_path / "in.wav"
    samples = np.repeat(clicks(2.0, 0.6)[:, None], 2, axis=1)
    ffmpeg("-f", "f32le", "-ar", SAMPLE_RATE, "-ac", 2, "-i", "-", "-ar", 44100, path, feed=samples.tobytes())
    return path


def test_a_file_keeps_its_own_rate_and_channels(tmp_path, recording):
    write(tmp_path / "out.mp4", moving(50), audio=recording)
    assert re.search(r"Audio: aac.* 44100 Hz, stereo", about(tmp_path / "out.mp4"))
    assert first_click(load_audio(tmp_path / "out.mp4")) == pytest.approx(0.6, abs=0.5 / FPS)


def test_song_with_cover_picture_and_tags(tmp_path, recording):
    song = tmp_path / "song.mp3"
    ffmpeg("-i", recording, "-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-map", "0", "-map", "1",
           "-c:v", "png", "-disposition:v", "attached_pic", "-metadata", "artist=Somebody", song)  # fmt: skip
    write(tmp_path / "out.mp4", moving(50), audio=song)
    said = about(tmp_path / "out.mp4")
    assert said.count("Video:") == 1 and "Somebody" not in said
    assert first_click(load_audio(tmp_path / "out.mp4")) == pytest.approx(0.6, abs=1 / FPS)


def test_film_whose_sound_starts_late_is_heard_as_the_network_heard_it(tmp_path, recording):
    film = tmp_path / "film.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=blue:s=64x64:d=3", "-itsoffset", "0.7", "-i", recording, film)
    write(tmp_path / "out.mp4", moving(50), audio=film)
    assert first_click(load_audio(tmp_path / "out.mp4")) == pytest.approx(first_click(load_audio(film)), abs=0.5 / FPS)


def test_surround_sound_becomes_stereo(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=1:r=96000,aformat=channel_layouts=5.1", tmp_path / "in.wav")
    write(tmp_path / "out.mp4", moving(25), audio=tmp_path / "in.wav")
    assert "stereo" in about(tmp_path / "out.mp4")


@pytest.mark.parametrize(("height", "width"), [(63, 64), (64, 65), (33, 47)])
def test_odd_sides_grow_by_a_copy_of_the_edge(tmp_path, height, width):
    frames = moving(3, height, width)
    write(tmp_path / "out.mp4", frames)
    back = read(tmp_path / "out.mp4").astype(int)
    assert back.shape[1:3] == (height + height % 2, width + width % 2)
    assert np.abs(back[:, :height, :width] - frames).mean() < 4


def test_chunks_make_the_same_file_as_one_piece(tmp_path):
    frames = moving(30)
    write(tmp_path / "whole.mp4", frames)
    with VideoWriter(tmp_path / "parts.mp4", (64, 64)) as writer:
        for first in range(0, 30, 7):
            writer.write(frames[first : first + 7])
            assert not (tmp_path / "parts.mp4").exists(), "it appears when it is finished"
    assert writer.frames_written == 30
    assert np.array_equal(read(tmp_path / "whole.mp4"), read(tmp_path / "parts.mp4"))


def test_tags_say_that_it_is_generated_whatever_the_caller_says(tmp_path):
    write(tmp_path / "out.mp4", moving(2), metadata={"artist": "Hello", "comment": "filmed by me"})
    said = re.sub(r" +", " ", about(tmp_path / "out.mp4"))
    assert "comment : AI-generated" in said and "title : AI-generated" in said and "artist : Hello" in said
    assert "filmed by me" not in said


@pytest.mark.parametrize(("height", "width"), [(128, 128), (600, 800), (1500, 700), (32, 32), (40, 300), (12, 20)])
def test_label_changes_a_corner_only(height, width):
    frames = np.full((2, height, width, 3), 120, np.uint8)
    before = frames.copy()
    labelled = label(frames)
    assert np.array_equal(frames, before)
    assert np.array_equal(labelled[0], labelled[1])
    y, x = np.nonzero((labelled[0] != 120).any(axis=-1))
    assert y.min() >= height / 2 or height < 40
    assert x.min() >= width * 0.45 or width < 128
    assert labelled.max() > 180 and labelled.min() < 90 or width < 64, "light text on a dark plate"


@pytest.mark.parametrize("level", [0, 120, 255])
def test_label_grows_with_the_picture_and_is_legible_on_any(level):
    def share(side):
        labelled = label(np.full((1, side, side, 3), level, np.uint8)).astype(int)
        assert np.ptp(labelled) > 110
        return np.ptp(np.nonzero((labelled[0] != level).any(axis=-1))[1]) / side

    assert share(2000) == pytest.approx(share(1000), abs=0.01)
    assert share(128) < 0.55


def test_failure_inside_the_block_leaves_what_was_there(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"yesterday's")
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "out.mp4", (64, 64)) as writer:
        writer.write(moving(3))
        raise RuntimeError("the network broke")
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"yesterday's"


def test_ffmpeg_failing_is_one_line_with_its_own_words(tmp_path, capfd):
    with pytest.raises(OutputError, match="ffmpeg could not write out.mp4: .*[a-z]{4}") as caught:
        write(tmp_path / "out.mp4", np.zeros((3, 16, 20_000, 3), np.uint8))  # wider than H.264 can be
    assert "\n" not in str(caught.value)
    assert "without a word" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_no_frames_and_wrong_frames_are_refused(tmp_path):
    with pytest.raises(OutputError, match="no frames"), VideoWriter(tmp_path / "out.mp4", (64, 64)):
        pass
    for wrong in (moving(2, 64, 66), moving(2).astype(np.float32), moving(2)[0]):
        with pytest.raises(ValueError, match="frames are"), VideoWriter(tmp_path / "out.mp4", (64, 64)) as writer:
            writer.write(wrong)
    assert list(tmp_path.iterdir()) == []


def test_sound_that_is_none_is_refused_before_any_frame(tmp_path):
    (tmp_path / "in.wav").write_bytes(b"no sound at all" * 100)
    for audio in (tmp_path / "in.wav", tmp_path / "missing.wav", "http://127.0.0.1:9/a.wav"):
        with pytest.raises(BadAudioError), VideoWriter(tmp_path / "out.mp4", (64, 64), audio=audio):
            pytest.fail("the block must not begin")
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("out.avi", "does not end in .mp4"),
        ("out", "does not end in .mp4"),
        ("nowhere/out.mp4", "there is no folder"),
        ("folder.mp4", "is a folder"),
        ("file.txt/out.mp4", "cannot write"),
        ("x" * 300 + ".mp4", "cannot write"),
        ("a\0b.mp4", "cannot write"),
        ("/proc/out.mp4", "writ"),  # takes no files, even of root
    ],
)
def test_bad_paths_are_told_before_the_work(tmp_path, name, complaint):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(OutputError, match=complaint), VideoWriter(os.path.join(tmp_path, name), (64, 64)):
        pytest.fail("the block must not begin")


def test_other_outputs_are_checked_the_same_way(tmp_path):
    assert check_output(tmp_path / "a.npz", ".npz") == tmp_path / "a.npz"
    with pytest.raises(OutputError, match="does not end in .npz"):
        check_output(tmp_path / "a.mp4", ".npz")


@pytest.mark.parametrize("name", ["-o.mp4", "a b'c\"d;$(e).mp4", "100%d.mp4", "a:b.mp4", "späße 口.mp4", "OUT.MP4"])
def test_odd_names_are_only_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(name, moving(2))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("size", [(128, 128), (960, 836), (200, 2000)])
def test_a_signed_picture_keeps_all_its_pixels(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    picture[-1, -1] = (17, 19, 24)
    signed = sign(picture)
    assert np.array_equal(signed[: size[0]], picture)
    band = signed[size[0] :]
    assert band.max() > 150, "there is no label"
    assert (band[:, : size[1] // 4] == picture[-1, -1]).all(), "the band has another colour"


class TestEncodersInHardware:
    """A software encoder stands for one in hardware: what matters is that it is tried, and used if it works."""

    @pytest.fixture
    def candidates(self, monkeypatch, tmp_path):
        def set_candidates(*names: str) -> None:
            there = tmp_path / "device"
            there.touch()
            monkeypatch.setattr(video, "_HARDWARE", tuple((str(there), (name, "medium", ())) for name in names))

        monkeypatch.setattr(video, "_failed", set())
        monkeypatch.setattr(video, "_LEAST", 32)
        return set_candidates

    def test_the_first_that_works_is_used(self, candidates, tmp_path):
        candidates("h264_nvenc_of_nobody", "libopenh264")
        write(tmp_path / "a.mp4", moving(5))
        assert b"x264" not in (tmp_path / "a.mp4").read_bytes()
        assert read(tmp_path / "a.mp4").shape == (5, 64, 64, 3)

    def test_one_that_is_not_there_is_not_tried(self, candidates, monkeypatch):
        candidates("libopenh264")
        monkeypatch.setattr(video, "_HARDWARE", (("/nowhere", ("libopenh264", "medium", ())),))
        assert video._encoder(64, 48)[0] == "libx264"

    def test_one_that_fails_later_is_not_tried_again(self, candidates, tmp_path, refuses):
        candidates("libopenh264")
        with refuses(OutputError, "without it"), VideoWriter(tmp_path / "a.mp4", (64, 64)) as writer:
            writer._ffmpeg.proc.kill()
            writer._ffmpeg.proc.wait()
            for _ in range(50):
                writer.write(moving(50))
        assert video._encoder(64, 64)[0] == "libx264"

    def test_pictures_too_small_for_it_are_encoded_by_software(self, candidates):
        candidates("libopenh264")
        assert video._encoder(16, 640)[0] == "libx264"

    def test_without_any_that_works_software_encodes(self, candidates):
        candidates("h264_nvenc_of_nobody")
        assert video._encoder(64, 48)[0] == "libx264"


class TestRateAndColour:
    """What the films of photos do without: another rate, and the colour of a film that is dubbed."""

    @pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "120000/1001", "60", "50", "12", "25", "12.5", "7/3"])
    def test_times_in_the_file_are_exact(self, tmp_path, rate):
        fps = Fraction(rate)
        n_frames = 40
        write(tmp_path / "out.mp4", moving(n_frames), fps=fps, audio=clicks(9, 0.2))
        said = ffmpeg("-i", tmp_path / "out.mp4", "-map", "0:v", "-c", "copy", "-f", "framecrc", "-").decode()
        num, den = map(int, re.search(r"#tb 0: (\d+)/(\d+)", said).groups())
        times = sorted(int(pts) * Fraction(num, den) for pts in re.findall(r"^0, *-?\d+, *(\d+),", said, re.M))
        assert times == [k / fps for k in range(n_frames)]
        heard = len(load_audio(tmp_path / "out.mp4", max_seconds=60)) / SAMPLE_RATE
        assert heard == pytest.approx(float(n_frames / fps), abs=0.005)

    @pytest.mark.parametrize(
        "colour",
        [
            Colour("bt709", "bt709", "bt709", "tv"),
            Colour("bt709", "bt709", "bt709", "pc"),
            Colour("smpte170m", "smpte170m", "smpte170m", "tv"),
            Colour("bt470bg", "bt470bg", "bt470bg", "pc"),
            Colour("bt2020nc", "bt2020", "smpte2084", "tv"),
            Colour("bt2020nc", "bt2020", "arib-std-b67", "tv"),
            Colour("ictcp", "bt2020", "log100", "tv"),  # which ffmpeg itself does not make RGB of
            Colour("", "", "", ""),
        ],
        ids=lambda colour: " ".join((colour.matrix, colour.transfer, colour.range)),
    )
    def test_colours_come_back_with_their_tags(self, tmp_path, colour):
        """A grid of colours, each as large as compression's blocks."""
        levels = np.stack(np.meshgrid([40, 120, 210], [50, 130, 220], [30, 140, 200]), axis=-1).reshape(1, 3, 9, 3)
        grid = levels.repeat(32, 1).repeat(32, 2).repeat(4, 0).astype(np.uint8)
        write(tmp_path / "out.mp4", grid, colour=colour)
        found = open_footage(tmp_path / "out.mp4")
        assert found.colour == colour
        back = next(frames(found)).astype(int)
        centres = np.s_[16::32, 16::32]
        assert np.abs(back[centres] - grid[0][centres]).max() <= 2

    def test_4k_is_written(self, tmp_path):
        picture = np.full((1, 2304, 4096, 3), 90, np.uint8)
        write(tmp_path / "out.mp4", picture, fps=60)
        assert open_footage(tmp_path / "out.mp4").size == (4096, 2304)

    def test_those_of_photos_are_as_ever(self, tmp_path):
        write(tmp_path / "out.mp4", moving(3))
        found = open_footage(tmp_path / "out.mp4")
        assert found.fps == 25
        assert found.colour == Colour("smpte170m", "bt709", "bt709", "tv")
