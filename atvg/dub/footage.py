"""Foreign films → frames: RGB, upright, in square pixels, at a constant rate, frame k always the same picture.

Nothing but ffmpeg opens a foreign film, in a box (`atvg.box`), and ffmpeg nothing but that (`ffmpeg_input`). What a
film is, its filter ``showinfo`` tells of the first frame that can be decoded: unlike the lines about streams, which
round rates to two digits, it tells the exact ones, and everything as it is after a turn by metadata.
"""

import itertools
import os
import re
import subprocess
import threading
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np

from atvg.box import program
from atvg.box.command import Limits
from atvg.config import MAX_SECONDS
from atvg.dub.kinds import kind_of
from atvg.errors import BadFilmError, TooLongError, existing_file
from atvg.film.colour import OF_PHOTOS, Colour
from atvg.voice.decoding import PATIENCE, ffmpeg_input

LEAST_SIDE, MOST_SIDE = 64, 4096  # pixels
MOST_PIXELS = 4096 * 2304  # of a frame
LEAST_RATE, MOST_RATE = 1, 240  # frames a second

_TRACK = ["-map", "0:V:0"]  # the first that is no cover picture
_LIMITS = Limits(memory=4 << 30, cpu=3600)  # a core's thread keeps pictures, and those of 4K have 25 MB each
_PIPE = 2**20  # bytes that wait between ffmpeg and here, where the system lets it be chosen: a frame of 1080p has six
_ENDLESS = 1e6  # seconds; longer than any film
_SAFE = 0.5  # seconds before a wanted frame at which decoding must have begun: the first frames may lack references

# Rates that films have. A film whose rate varies gets the nearest of these.
_NTSC = Fraction(1000, 1001)
_RATES = [
    *(Fraction(rate) for rate in (10, 12, 15, 18, 20, 24, 25, 30, 48, 50, 60, 72, 75, 90, 100, 120, 144, 200, 240)),
    *(rate * _NTSC for rate in (24, 30, 48, 60, 120, 240)),
]
_SAME = (
    2e-4  # by how much a rate may differ from one of these and still be meant to be it; 24 and 23.976 differ by 1e-3
)
_STEADY = 0.01  # by how much the mean may differ from the rate that all times fit, which is told too
_SQUARE = 0.02  # pixels this near to square are left: tools make them when they round sides, and nobody sees it
_UNKNOWN = ("unknown", "unspecified", "reserved")


@dataclass(frozen=True)
class Footage:
    """A film that can be read.

    Attributes:
        size: (width, height) of its frames, upright and in square pixels; either may be odd.
        fps: frames a second, the rate that `frames` gives them at.
        seconds: how long it says that it is; 0 if it does not.
        colour: what it says of its colours.
        start: when its first frame is shown, in the units of its track.
    """

    path: Path
    size: tuple[int, int]
    fps: Fraction
    seconds: float
    colour: Colour
    start: int


def open_footage(path: Any) -> Footage:
    """What a film is.

    The rate is the one that all of its frames' times fit, if the mean is the same within 1%. If not, the film's rate
    varies, and is made constant: at the usual rate that is nearest to that of the stretches in which it moves (of less
    than 10, the nearest whole number), each frame where its time rounds to, so none is off by more than half a frame.

    Raises:
        BadFilmError: no such file, no film, only sound, not to be decoded, or a size or rate that is not taken.
        TooLongError: longer than `MAX_SECONDS`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise BadFilmError(f"film must be a path, not {type(path).__name__}; save it, and give the file")
    path = existing_file(path, BadFilmError, "film", "give an MP4, MOV, MKV or WebM with a face")
    said = _shown(path, ffmpeg_input(path, _ENDLESS))
    shown = re.search(
        r"showinfo.* n: *0 pts: *(-?\d+) .* sar:(\d+)/(\d+) s:(\d+)x(\d+) (?s:.*?)"
        r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)",
        said,
    )
    if shown is None:
        raise _refusal(path, said)
    start, across, down, width, height = map(int, shown.groups()[:5])
    wide = Fraction(across, down) if across and down else Fraction(1)
    if abs(wide - 1) < _SQUARE:
        wide = Fraction(1)
    # One side grows, so that no pixel is lost.
    size = (round(width * wide), height) if wide > 1 else (width, round(height / wide))
    if min(size) < LEAST_SIDE:
        raise BadFilmError(f"{path.name} is {_by(size)} pixels; give a film of at least {LEAST_SIDE} pixels a side")
    if max(size) > MOST_SIDE or size[0] * size[1] > MOST_PIXELS:
        raise BadFilmError(f"{path.name} is {_by(size)} pixels; make it smaller, at most {MOST_SIDE}x2304")
    fps, seconds = _rate_and_seconds(path, said)
    if not LEAST_RATE <= fps <= MOST_RATE:
        raise BadFilmError(
            f"{path.name} has {float(fps):g} frames a second; give a film of {LEAST_RATE} to {MOST_RATE}"
        )
    if seconds > MAX_SECONDS:
        raise TooLongError(f"the film lasts {seconds:.0f} s; cut it to at most {MAX_SECONDS:.0f} s")
    levels, matrix, primaries, transfer = ("" if word in _UNKNOWN else word for word in shown.groups()[5:])
    # A film of RGB itself becomes what photos become.
    colour = OF_PHOTOS if matrix == "gbr" else Colour(matrix, primaries, transfer, levels)
    return Footage(path, size, fps, seconds, colour, start)


def frames(footage: Footage, first: int = 0, count: int | None = None) -> Generator[np.ndarray, None, None]:
    """Its frames from number `first` on, one after the other: uint8 RGB (height, width, 3), each an array of its own.

    Frame k is what is shown at k / fps after the first, the same bit for bit wherever reading began. Interlaced frames
    (those that say so) are deinterlaced. RGB is made by the film's own matrix and range. A damaged film ends early, and
    one that is longer than it says ends at `MAX_SECONDS`. Close the iterator, or forget it, and ffmpeg is gone.

    Args:
        count: at most so many; None for all.

    Raises:
        BadFilmError: no new frame comes for a minute, or ffmpeg was killed before the last.
    """
    width, height = footage.size
    most = max(0, int(MAX_SECONDS * footage.fps) - first)
    count = most if count is None else min(count, most)
    if count <= 0:
        return
    rate = f"{footage.fps.numerator}/{footage.fps.denominator}"
    # Times from the first frame on, so that the grid of the rate lies the same wherever reading begins; then its
    # numbers are those of the frames. Gaps are filled from there to the last frame wanted and no further: where times
    # are damaged they hold millions.
    times = f"setpts=PTS-({footage.start}),bwdif=mode=send_frame:deint=interlaced"
    grid = f"fps={rate}:round=near:start_time=0,trim=start_pts={first}:end_pts={first + count}"
    # Without rounding all would be a level too dark; into planes it takes half the time that it takes into pixels.
    pixels = f"{footage.colour.readable()},scale={width}:{height}:flags=bicubic+accurate_rnd,setsar=1,format=gbrp"
    # ffmpeg fills a gap before much of it can be read. Filled last, what fills it becomes pixels once; but what
    # comes before a frame within the film need not become pixels at all.
    drawn = f"{times},{grid},{pixels}" if first else f"{times},{pixels},{grid}"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-copyts", *_input_before(footage, first), *_TRACK,
        "-vf", drawn, "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip
    child = program.Program(command, [footage.path], _LIMITS, pipe=_PIPE)
    planes: np.ndarray = np.empty((3, height, width), np.uint8)
    green, blue, red = planes
    try:
        for _ in range(count):
            if not _filled(planes, child, footage.path):
                return
            yield cv2.merge([red, green, blue])
    finally:
        child.close()


def _filled(frame: np.ndarray, child: program.Program, path: Path) -> bool:
    """Whether a whole frame came."""
    hung = threading.Event()

    def give_up() -> None:
        hung.set()
        child.kill()

    timer = threading.Timer(PATIENCE, give_up)
    timer.daemon = True
    timer.start()
    try:
        left = memoryview(frame.data).cast("B")
        while left:
            got = child.output.readinto(left)
            if not got:
                break
            left = left[got:]
    finally:
        timer.cancel()
    if hung.is_set():
        raise _too_slow(path)
    if left:
        try:
            child.check()
        except program.Killed as error:  # and the film is longer than what came
            raise _stopped(path, error) from None
    return not left


def _input_before(footage: Footage, frame: int) -> list[str]:
    """ffmpeg's input from so early on that a frame and all after it are decoded as they are from the beginning.

    Where ffmpeg gets to is looked at rather than believed: in a transport stream it lands anywhere, and has nothing to
    show before the next key frame.
    """
    wanted, back = float(frame / footage.fps), 0.0
    while wanted - back > 1:
        source = ffmpeg_input(footage.path, _ENDLESS, wanted - back, ("-noaccurate_seek",))
        shown = re.search(
            r"config in time_base: (\d+)/(\d+)(?s:.*?) n: *0 pts: *(-?\d+) ", _shown(footage.path, source)
        )
        if shown:
            unit = Fraction(int(shown[1]), int(shown[2]))
            if (int(shown[3]) - footage.start) * unit <= wanted - _SAFE:
                return source
        back = 2 * back + 1
    return ffmpeg_input(footage.path, _ENDLESS)


def _shown(path: Path, source: list[str]) -> str:
    """What ffmpeg says of a film, and of the first frame that comes from there."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-copyts", *source, *_TRACK, "-vf", "showinfo=checksum=0",
        "-frames:v", "1", "-f", "null", "-",
    ]  # fmt: skip
    return _run(command, path)[1]


def _rate_and_seconds(path: Path, said: str) -> tuple[Fraction, float]:
    """Frames a second, and how long the film is, from its headers if these agree with themselves."""
    exact = re.search(r"config in time_base: \S+, frame_rate: (\d+)/(\d+)", said)
    rate = Fraction(int(exact[1]), int(exact[2])) if exact and int(exact[2]) else Fraction(0)
    track = re.search(r"^ *Stream #0:(\d+).* -> #0:0", said, re.MULTILINE)
    mean = re.search(rf"^ *Stream #0:{track[1]}\D.*?([\d.]+) fps", said, re.MULTILINE) if track else None
    announced = re.search(r"Duration: (\d+):(\d\d):(\d\d\.\d+)", said)
    seconds = float(int(announced[1]) * 3600 + int(announced[2]) * 60 + float(announced[3])) if announced else 0.0
    steady = rate and mean and abs(float(mean[1]) / rate - 1) <= _STEADY and rate <= MOST_RATE
    if not steady or not announced:
        gaps = _gaps(path)
        if not announced:
            seconds = float(gaps.sum())
        if not steady and len(gaps):
            moving = gaps[gaps < 1.5 * np.median(gaps)]  # pauses, and frames that a busy phone left out, do not count
            return _usual(Fraction(1 / moving.mean())), seconds
    return (_meant(rate) if steady else Fraction(25)), seconds


def _meant(rate: Fraction) -> Fraction:
    nearest = min(_RATES, key=lambda usual: abs(usual - rate))
    return nearest if abs(nearest / rate - 1) <= _SAME else rate.limit_denominator(100_000)


def _usual(rate: Fraction) -> Fraction:
    """The usual rate that is nearest to one that varies; below and above all of these, the nearest whole number."""
    if not 0.95 * min(_RATES) < rate < 1.05 * max(_RATES):
        return Fraction(round(rate))
    return min(_RATES, key=lambda usual: abs(usual - rate))


def _gaps(path: Path) -> np.ndarray:
    """How long each frame but the last is shown, seconds, all above 0: read through, but not decoded."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-copyts", *ffmpeg_input(path, _ENDLESS), *_TRACK,
        "-c", "copy", "-t", f"{MAX_SECONDS + 1:g}", "-f", "framecrc", "-",
    ]  # fmt: skip
    said, _ = _run(command, path)
    unit = re.search(r"^#tb 0: (\d+)/(\d+)", said, re.MULTILINE)
    shown = sorted({int(pts) for pts in re.findall(r"^0, *-?\d+, *(-?\d+),", said, re.MULTILINE)})
    # Between whole numbers, for those of a damaged film may be so large that floats would not tell them apart.
    gaps = np.array([after - before for before, after in itertools.pairwise(shown)], float)
    return gaps * (int(unit[1]) / int(unit[2])) if unit else np.zeros(0)


def _run(command: list[str], path: Path) -> tuple[str, str]:
    """What ffmpeg writes, and what it says."""
    try:
        out, said = program.run(command, [path], _LIMITS, PATIENCE)
    except subprocess.TimeoutExpired:
        raise _too_slow(path) from None
    except program.Killed as error:
        raise _stopped(path, error) from None
    return out.decode(errors="replace"), said.decode(errors="replace")


def _too_slow(path: Path) -> BadFilmError:
    return BadFilmError(f"{path.name} takes too long to decode; save it as MP4 (H.264) and try again")


def _stopped(path: Path, error: program.Killed) -> BadFilmError:
    return BadFilmError(f"the decoder of {path.name} was stopped ({error}); try again, or save it as MP4 (H.264)")


def _refusal(path: Path, said: str) -> BadFilmError:
    """Why a file of which no frame can be shown is no film."""
    advice = "give an MP4, MOV, MKV or WebM with a face"
    tracks = re.findall(r"^  Stream #0:\d.*?: (Video|Audio): (.*)", said, re.MULTILINE)
    pictures = [about for kind, about in tracks if kind == "Video" and "(attached pic)" not in about]
    if tracks and not pictures:
        return BadFilmError(f"{path.name} holds sound, but no film; give it as the voice, and here {advice}")
    kind = kind_of(path)
    return BadFilmError(f"{path.name} cannot be decoded as a film{f': it is {kind}' if kind else ''}; {advice}")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
