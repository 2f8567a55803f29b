"""Foreign films: what they are, their frames one by one wherever reading begins, and what is no film."""

import contextlib
import gc
import itertools
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import psutil
import pytest

from atvg.box.ready import READY
from atvg.dub import footage as module
from atvg.dub.footage import Footage, frames, open_footage
from atvg.dub.kinds import is_film
from atvg.errors import BadFilmError, TooLongError
from atvg.film.colour import OF_PHOTOS
from tests.marks import quick

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")
B_FRAMES = (*H264, "-preset", "veryfast", "-bf", "3")


def ffmpeg(*arguments) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def film(path, *options, size: str = "128x96", rate: object = 25, seconds: float = 1.0):
    """A moving test picture with a counter."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}", *(options or H264), path)
    return path


def children() -> list[psutil.Process]:
    """Of ffmpeg, begun by this process or by the one that stands ready."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] * ("ffmpeg" in child.name())
    return found


def left() -> list[psutil.Process]:
    """Those that do not end: of one that is to end now, another process takes care."""
    end = time.monotonic() + 10
    while (found := children()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class TestWhatAFilmIs:
    @pytest.mark.parametrize(
        "rate",
        quick(
            ["24000/1001", "30000/1001", "60000/1001", "48000/1001", "120000/1001", "60", "50", "12", "24", "12.5"],
            "24000/1001",
            "120000/1001",
            "60",
            "12.5",
        ),
    )
    def test_its_rate_is_exact(self, tmp_path, rate):
        found = open_footage(film(tmp_path / "a.mp4", rate=rate))
        assert found.fps == Fraction(rate)
        assert found.seconds == pytest.approx(1, abs=0.1)
        assert len(list(frames(found))) == pytest.approx(float(found.fps), abs=0.5)

    @pytest.mark.parametrize("turn, size", [(90, (96, 128)), (180, (128, 96)), (270, (96, 128))])
    def test_it_is_turned_upright(self, tmp_path, turn, size):
        plain = film(tmp_path / "plain.mp4")
        ffmpeg("-display_rotation:v:0", turn, "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
        found = open_footage(tmp_path / "turned.mp4")
        assert found.size == size
        upright = next(frames(found)).astype(int)
        assert np.abs(upright - np.rot90(next(frames(open_footage(plain))), turn // 90)).mean() < 2

    @pytest.mark.parametrize("aspect, size", [("2", (256, 96)), ("1/2", (128, 192)), ("0", (128, 96))])
    def test_its_pixels_become_square(self, tmp_path, aspect, size):
        found = open_footage(film(tmp_path / "a.mp4", "-vf", f"setsar={aspect}", *H264))
        assert found.size == size
        assert next(frames(found)).shape == (size[1], size[0], 3)

    def test_almost_square_ones_stay_as_they_are(self, tmp_path):
        assert open_footage(film(tmp_path / "a.mp4", "-vf", "setsar=388/393", *H264)).size == (128, 96)

    def test_odd_sides_stay(self, tmp_path):
        path = film(tmp_path / "a.mp4", "-vf", "scale=131:97", "-pix_fmt", "yuv444p", "-c:v", "libx264")
        assert open_footage(path).size == (131, 97)
        assert next(frames(open_footage(path))).shape == (97, 131, 3)

    @pytest.mark.parametrize("size", quick(["3840x2160", "4096x2304", "2160x3840"], "4096x2304"))
    def test_4k_goes(self, tmp_path, size):
        path = film(tmp_path / "a.mp4", size=size, seconds=0.12)
        width, height = map(int, size.split("x"))
        assert [frame.shape for frame in frames(open_footage(path))] == [(height, width, 3)] * 3

    def test_a_cover_picture_is_not_the_film(self, tmp_path):
        film(tmp_path / "cover.png", "-frames:v", "1", size="300x300")
        film(tmp_path / "film.mp4")
        ffmpeg("-i", tmp_path / "cover.png", "-i", tmp_path / "film.mp4", "-map", 0, "-map", 1, "-c", "copy",
               "-disposition:v:0", "attached_pic", tmp_path / "both.mp4")  # fmt: skip
        assert open_footage(tmp_path / "both.mp4").size == (128, 96)

    def test_one_frame_is_a_film_too(self, tmp_path):
        found = open_footage(film(tmp_path / "a.mp4", "-frames:v", "1", *H264))
        assert len(list(frames(found))) == 1

    def test_colours_are_named_as_the_film_names_them(self, tmp_path):
        said = "setparams=range=pc:colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1"
        colour = open_footage(film(tmp_path / "a.mp4", "-vf", said, *H264)).colour
        assert (colour.matrix, colour.primaries, colour.transfer, colour.range) == (
            "bt709", "bt709", "iec61966-2-1", "pc",
        )  # fmt: skip
        assert open_footage(film(tmp_path / "b.mp4")).colour.matrix == ""

    def test_what_says_that_it_is_interlaced_is_deinterlaced(self, tmp_path):
        """A bar moves from field to field, which leaves a comb."""
        moving = (
            "-f", "lavfi", "-i",
            "color=black:s=128x96:r=50:d=0.4,geq=lum='if(between(X-4*N,0,30),235,16)':cb=128:cr=128"
            ",tinterlace=interleave_top",
        )  # fmt: skip
        combs = []
        for field in ("prog", "tff"):
            flags = ("-flags", "+ildct+ilme") if field == "tff" else ()
            ffmpeg(*moving, "-vf", f"setfield={field}", *H264, "-qp", 1, *flags, tmp_path / f"{field}.mp4")
            picture = list(frames(open_footage(tmp_path / f"{field}.mp4")))[3].astype(int)
            combs.append(np.abs(np.diff(picture[..., 1], axis=0)).mean())
        assert combs[1] < 0.5 * combs[0]


class TestARateThatVaries:
    LEFT_OUT = "select='not(eq(mod(n,5),3))*not(between(n,40,60))'"

    @pytest.mark.parametrize("ending", [".mp4", ".mkv"])
    def test_becomes_constant_and_frames_stay_in_place(self, tmp_path, ending):
        plain = list(frames(open_footage(film(tmp_path / "plain.mp4", *H264, "-qp", 4, rate=30, seconds=3))))
        path = film(
            tmp_path / f"a{ending}", "-vf", self.LEFT_OUT, "-fps_mode", "vfr", *H264, "-qp", 4, rate=30, seconds=3
        )
        found = open_footage(path)
        assert found.fps == 30
        shown = [n for n in range(90) if n % 5 != 3 and not 40 <= n <= 60]
        for k, frame in enumerate(frames(found)):
            due = max(n for n in shown if n <= k)
            assert np.abs(frame.astype(int) - plain[due]).mean() < 3, f"frame {k}"

    def test_a_long_pause_is_filled_with_what_is_shown_before_it(self, tmp_path):
        """Also where reading begins within it."""
        pause = "setts=pts='if(lt(N,40),PTS,PTS+120/TB)'"
        path = film(tmp_path / "a.mkv", *H264, "-bsf:v", pause, size="640x360", seconds=2)
        reading = frames(open_footage(path))
        before, *_, within = itertools.islice(reading, 38, 60)
        reading.close()
        np.testing.assert_allclose(within, next(frames(open_footage(path), 39)), atol=0)
        assert np.abs(within.astype(int) - before).mean() < 20

    def test_a_film_without_a_length_is_read_through(self, tmp_path):
        path = film(tmp_path / "a.webm", "-c:v", "libvpx", "-deadline", "realtime", "-live", "1", seconds=2)
        found = open_footage(path)
        assert found.fps == 25 and found.seconds == pytest.approx(2, abs=0.1)


SEEKS = {
    "one key frame": ("mp4", (*B_FRAMES, "-g", "250")),
    "open groups": ("mp4", (*B_FRAMES, "-x264-params", "open-gop=1:keyint=40:scenecut=0")),
    "a transport stream": ("ts", (*B_FRAMES, "-g", "70")),
    "MPEG-2": ("mpg", ("-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-q:v", "4")),
    "an old AVI": ("avi", ("-c:v", "mpeg4", "-bf", "2", "-q:v", "5")),
    "VP9": ("webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    "gaps": ("mp4", ("-vf", "select='not(between(n,20,70))'", "-fps_mode", "vfr", *B_FRAMES)),
}
HARDEST = ("one key frame", "a transport stream", "gaps")


class TestSeeking:
    @pytest.mark.parametrize("ending, options", quick(SEEKS.values(), *map(SEEKS.get, HARDEST)), ids=SEEKS.keys())
    def test_a_frame_is_the_same_wherever_reading_begins(self, tmp_path, ending, options):
        self.same(film(tmp_path / f"a.{ending}", *options, rate=30, seconds=5))

    @pytest.mark.parametrize(
        "before, after", [(("-ss", "1.3"), ()), (("-itsoffset", "1.5"), ("-f", "lavfi", "-i", "sine=d=5"))]
    )
    @pytest.mark.parametrize("ending", quick(["mp4", "mkv"], "mp4"))
    def test_with_an_edit_list_or_a_late_start_too(self, tmp_path, before, after, ending):
        film(tmp_path / "a.mp4", *B_FRAMES, "-g", "60", rate=30, seconds=4)
        ffmpeg(*before, "-i", tmp_path / "a.mp4", *after, "-c:v", "copy", tmp_path / f"b.{ending}")
        self.same(tmp_path / f"b.{ending}")

    def same(self, path) -> None:
        found = open_footage(path)
        whole = list(frames(found))
        assert len(whole) > 70
        for first in (1, 31, 45, 61, len(whole) - 1):
            part = list(frames(found, first, 3))
            assert len(part) == min(3, len(whole) - first)
            assert all(map(np.array_equal, part, whole[first:])), f"from {first} on"


class TestColour:
    @pytest.mark.parametrize("said", ["bt709", "smpte170m", "bt2020nc"])
    @pytest.mark.parametrize("levels", ["tv", "pc"])
    def test_rgb_is_made_by_the_films_own_matrix_and_range(self, tmp_path, said, levels):
        """Of one colour, Y 120, U 90, V 160, by hand."""
        ffmpeg(
            "-f", "lavfi", "-i", "color=gray:s=64x64:d=0.1,format=yuv420p,geq=120:90:160", "-vf",
            f"setparams=range={levels}:colorspace={said}", *H264, "-qp", 0, tmp_path / "a.mp4",
        )  # fmt: skip
        red, blue = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}[said]
        y, u, v = (120 - 16) / 219 * 255, (90 - 128) / 224 * 255, (160 - 128) / 224 * 255
        if levels == "pc":
            y, u, v = 120, 90 - 128, 160 - 128
        r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
        g = (y - red * r - blue * b) / (1 - red - blue)
        assert next(frames(open_footage(tmp_path / "a.mp4")))[32, 32] == pytest.approx(
            [r, g, b], abs=2.5
        )  # it truncates

    @pytest.mark.parametrize(
        "options",
        [
            ("-c:v", "png", "-pix_fmt", "rgb24"),
            ("-c:v", "libx264rgb", "-qp", "0"),
            ("-c:v", "ffv1", "-pix_fmt", "bgr0"),
        ],
    )
    def test_a_film_of_rgb_keeps_it_and_becomes_what_photos_become(self, tmp_path, options):
        ffmpeg("-f", "lavfi", "-i", "color=0xC83C5A:s=64x64:d=0.1,format=rgb24", *options, tmp_path / "a.mkv")
        found = open_footage(tmp_path / "a.mkv")
        assert next(frames(found))[32, 32].tolist() == [0xC8, 0x3C, 0x5A]
        assert found.colour == OF_PHOTOS


class TestNoFilm:
    def refused(self, path, words) -> None:
        with pytest.raises(BadFilmError, match=words) as caught:
            open_footage(path)
        assert "\n" not in str(caught.value)

    def test_no_file_and_an_empty_one(self, tmp_path):
        (tmp_path / "empty.mp4").touch()
        self.refused(tmp_path / "none.mp4", "no such film")
        self.refused(tmp_path / "empty.mp4", "is empty")
        self.refused(tmp_path, "is not a file")

    def test_other_things_are_named(self, tmp_path):
        (tmp_path / "text.mp4").write_text("Once upon a time\n" * 9)
        film(tmp_path / "picture.png", "-frames:v", "1")
        ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.m4a")
        (tmp_path / "damaged.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)) * 9)
        self.refused(tmp_path / "text.mp4", "a text file")
        self.refused(tmp_path / "picture.png", "a picture")
        self.refused(tmp_path / "sound.m4a", "holds sound, but no film; give it as the voice")
        self.refused(tmp_path / "damaged.mp4", "damaged")

    def test_a_list_that_names_a_film_is_not_followed(self, tmp_path):
        film(tmp_path / "hidden.mp4")
        (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile hidden.mp4\n")
        (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhidden.mp4\n#EXT-X-ENDLIST\n")
        self.refused(tmp_path / "list.mp4", "cannot be decoded")
        self.refused(tmp_path / "list.m3u8", "a playlist")

    @pytest.mark.parametrize(
        "size, rate, words",
        [("48x96", 25, "48x96 pixels; give"), ("4160x64", 25, "smaller"), ("64x64", 300, "rate|second")],
    )
    def test_sizes_and_rates_that_are_not_taken(self, tmp_path, size, rate, words):
        self.refused(film(tmp_path / "a.mp4", size=size, rate=rate, seconds=0.2), words)

    def test_one_that_is_too_long(self, tmp_path, monkeypatch):
        path = film(tmp_path / "a.mp4", seconds=2)
        found = open_footage(path)
        monkeypatch.setattr(module, "MAX_SECONDS", 1.0)
        with pytest.raises(TooLongError, match="cut it"):
            open_footage(path)
        assert len(list(frames(found))) == 25, "nor does one that says less than it is run on"

    def test_a_film_that_breaks_off_just_ends(self, tmp_path):
        path = film(tmp_path / "a.ts", seconds=4)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert 20 < len(list(frames(open_footage(path)))) < 80

    def test_damage_in_the_middle_is_survived(self, tmp_path):
        path = film(tmp_path / "a.ts", seconds=4)
        found, data = open_footage(path), bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
        path.write_bytes(data)
        assert len(list(frames(found))) > 50


class TestTimesThatAreDamaged:
    """ffmpeg would fill what lies between with millions of frames."""

    @pytest.fixture
    def whole(self, tmp_path) -> Path:
        return film(tmp_path / "a.mp4", seconds=1.5)

    @pytest.mark.parametrize("length", [0x1000000, 0x10000000, 0x7FFFFFFF])
    def test_each_frame_lasts_for_hours(self, whole, length):
        """The time to sample box says how long its 38 frames are shown."""
        data = bytearray(whole.read_bytes())
        at = data.index(b"stts")
        assert struct.unpack_from(">2I", data, at + 8) == (1, 38)
        struct.pack_into(">I", data, at + 16, length)
        whole.write_bytes(data)
        self.ends(whole)

    @pytest.mark.long
    @pytest.mark.parametrize("late", ["eq(N,0)", "gt(N,0)", "gt(N,20)"])
    @pytest.mark.parametrize("ending", ["mkv", "ts", "flv", "mp4"])
    @pytest.mark.parametrize("by", [-100_000_000, 100_000_000, 1_000_000_000])
    def test_some_are_shown_at_another_time(self, whole, late, ending, by):
        path = whole.with_name(f"damaged.{ending}")
        with contextlib.suppress(subprocess.CalledProcessError):  # it complains, and writes them as they are
            ffmpeg("-i", whole, "-c", "copy", "-bsf:v", f"setts=pts='if({late},PTS+{by},PTS)':dts=DTS", path)
        self.ends(path)

    def test_times_that_floats_cannot_tell_apart(self, tmp_path, monkeypatch):
        """As an FLV that fuzzing found has them; the gap is 1024 of a thousand units a second."""
        said = "#tb 0: 1/1000\n0, {0}, {0}, 0, 9, 0x0\n0, {1}, {1}, 0, 9, 0x0\n0, {1}, {1}, 40, 9, 0x0\n"
        said = said.format(-9223372032559808512, -9223372032559807488)
        monkeypatch.setattr(module, "_run", lambda *_: (said, ""))
        np.testing.assert_allclose(module._gaps(tmp_path), [1.024])

    def ends(self, path: Path) -> None:
        """In a line, or some frames."""
        began = time.monotonic()
        with contextlib.suppress(BadFilmError, TooLongError):
            found = open_footage(path)
            for first, count in ((0, None), (30, 60)):
                assert all(frame.shape == (96, 128, 3) for frame in itertools.islice(frames(found, first, count), 3))
        assert time.monotonic() - began < 20


class TestTheChild:
    @pytest.fixture
    def footage(self, tmp_path) -> Footage:
        return open_footage(film(tmp_path / "a.mp4", size="640x480", seconds=20))

    def test_is_gone_when_the_iterator_is_closed_or_forgotten(self, footage):
        for end in ("close", "forget", "throw"):
            reading = frames(footage)
            next(reading)
            assert children(), "or nothing is proved"
            if end == "close":
                reading.close()
            elif end == "throw":
                with pytest.raises(KeyError):
                    reading.throw(KeyError())
            del reading
            gc.collect()
            assert not left(), end

    def test_killed_it_is_no_shorter_film_and_leaves_no_zombie(self, footage, refuses):
        reading = frames(footage)
        next(reading)
        children()[0].kill()
        with refuses(BadFilmError, "the decoder of a.mp4 was stopped (signal 9)"):
            list(reading)
        assert not left()

    @pytest.mark.skipif(sys.platform != "linux", reason="there is no such process elsewhere")
    def test_nor_is_it_one_when_what_began_it_is_killed(self, footage, refuses):
        reading = frames(footage)
        next(reading)
        READY.process.kill()
        with refuses(BadFilmError, "was stopped"):
            list(reading)
        assert not left()

    def test_one_that_hangs_is_given_up(self, footage, tmp_path, monkeypatch):
        hanging = tmp_path / "ffmpeg"
        hanging.write_text("#!/bin/sh\nexec sleep 60\n")
        hanging.chmod(0o755)
        monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(hanging))
        monkeypatch.setattr(module, "PATIENCE", 0.3)
        began = time.monotonic()
        with pytest.raises(BadFilmError, match="too long to decode"):
            next(frames(footage))
        with pytest.raises(BadFilmError, match="too long to decode"):
            open_footage(footage.path)
        assert time.monotonic() - began < 10

    def test_patience_does_not_run_out_between_frames(self, footage, monkeypatch):
        reading = frames(footage)
        next(reading)
        monkeypatch.setattr(module, "PATIENCE", 0.5)
        next(reading)
        time.sleep(0.8)
        assert next(reading).shape == (480, 640, 3)
        assert threading.active_count() < 20

    def test_frames_are_arrays_of_their_own(self, footage):
        first, second = (frame for _, frame in zip(range(2), frames(footage), strict=False))
        before = first.copy()
        second[:] = 0
        assert np.array_equal(first, before) and first.flags.writeable


class TestFirstBytes:
    @pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "avi", "flv", "mpg", "ts", "wmv", "3gp", "m2ts"])
    def test_films(self, tmp_path, ending):
        codec = {"webm": "libvpx", "flv": "flv1", "mpg": "mpeg1video", "wmv": "wmv2", "avi": "mpeg4"}.get(ending)
        path = film(tmp_path / f"a.{ending}", *(("-c:v", codec) if codec else H264), size="176x144", seconds=0.4)
        assert is_film(path)

    @pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp", "avif"])
    def test_pictures_are_none(self, tmp_path, ending):
        assert not is_film(film(tmp_path / f"a.{ending}", "-frames:v", "1", "-c:v", "libaom-av1", "-cpu-used", "8")
                           if ending == "avif" else film(tmp_path / f"a.{ending}", "-frames:v", "1"))  # fmt: skip

    @pytest.mark.parametrize("ending", ["wav", "mp3", "m4a", "ogg", "flac", "aac"])
    def test_sounds_are_none(self, tmp_path, ending):
        ffmpeg("-f", "lavfi", "-i", "sine=d=1", tmp_path / f"a.{ending}")
        assert not is_film(tmp_path / f"a.{ending}")

    @pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"crx "])
    def test_pictures_in_a_films_container_are_none(self, tmp_path, brand):
        (tmp_path / "a").write_bytes(b"\0\0\0\x20ftyp" + brand + bytes(99))
        assert not is_film(tmp_path / "a")

    def test_text_and_nothing_are_none(self, tmp_path):
        (tmp_path / "a").write_text("Good morning. " * 99)
        (tmp_path / "b").touch()
        assert not is_film(tmp_path / "a") and not is_film(tmp_path / "b")
