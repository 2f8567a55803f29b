"""Foreign files → samples: which of their tracks holds the voice, what one channel makes of several, and from where to
where they are wanted. Nothing but ffmpeg opens such a file, in a box (`atvg.box`), and ffmpeg nothing but that."""

import os
import re
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atvg.box import program
from atvg.config import FPS, SAMPLE_RATE
from atvg.errors import BadAudioError, existing_file
from atvg.voice.kinds import kind_of, wav_inside

# What a foreign file may be: sound and films that lie in one file, by the names of ffmpeg's demuxers. It knows hundreds
# more, and of those some are lists (concat, hls, dash, imf, …) that would make it open other files, or addresses.
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"
)
_MAX_BLOCK = 2**28  # bytes ffmpeg may ask for at once; an index of ten hours takes a tenth
PATIENCE = 60.0  # seconds for one file; ten minutes of an MP3 take 1
_LEAD = 1.0  # seconds: of some kinds of file ffmpeg finds a moment late
_MOST_TRACKS = 8  # that are tried
_ENDLESS = 1e6  # seconds; longer than any file
_ROOM = 1 << 20  # bytes by which ffmpeg may write more than it is told to
_MOST_SAID = 1 << 24  # bytes of how far it is

_CANCELLED = 0.4  # level of a mean, of that of the louder channel; 0.5 if the other is silent, 0.7 if it is a stranger
_CLEARER = 6.0  # dB between loud and soft moments that a single channel must have more than the mean
_RANGE = 60.0  # dB; what lies further below is silence, digital or not


@dataclass(frozen=True)
class Place:
    """Where in a file the voice lies, as `ffmpeg_input` and ``-map`` of ffmpeg want it."""

    track: int
    arguments: tuple[str, ...] = ()

    def mapped(self, start: float = 0.0) -> list[str]:
        """ffmpeg's options that take this track from `start` on, and no other, no cover picture either."""
        return ["-map", f"0:a:{self.track}", *(["-ss", f"{min(start, _LEAD):.6f}"] if start else [])]


def ffmpeg_input(
    path: str | os.PathLike, seconds: float, start: float = 0.0, before: tuple[str, ...] = ()
) -> list[str]:
    """Arguments of ffmpeg: a foreign file and nothing but that, `seconds` of it from `start` on.

    What it finds begins up to `_LEAD` earlier, which `Place.mapped` cuts off.
    """
    lead = min(start, _LEAD)
    return [
        "-nostdin", "-max_alloc", str(_MAX_BLOCK), "-protocol_whitelist", "file,pipe",
        "-format_whitelist", _CONTAINERS, *before, *(["-ss", f"{start - lead:.6f}"] if start > lead else []),
        "-t", f"{seconds + lead:.6f}",
        "-i", f"file:{os.fspath(path)}",
    ]  # fmt: skip


def containers() -> str:
    """What a foreign file may be, by the names of ffmpeg's demuxers."""
    return _CONTAINERS


def announced_seconds(path: str | os.PathLike) -> float:
    """How long a file says that it is, 0 if it does not."""
    said = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", _said_of(Path(path), ()))
    return sum(float(part) * unit for part, unit in zip(said.groups(), (3600, 60, 1), strict=True)) if said else 0.0


def find_voice(path: Any) -> tuple[Path, Place]:
    """The file, and where in it the voice lies: in the first of its audio tracks that can be decoded and is not empty.

    Raises:
        BadAudioError: no such file, it holds no sound, or none that can be decoded; the message says what it is.
    """
    path, place, _ = _found(path, lambda path, place: (None, _said_of(path, place.arguments)))
    return path, place


def read_voice(path: Any, seconds: float, start: float = 0.0) -> tuple[Path, Place, np.ndarray]:
    """`find_voice` and `decode` in one: of a file with a single track ffmpeg is started once.

    Raises:
        BadAudioError: as they do.
    """
    path, place, channels = _found(path, lambda path, place: _decoded(path, place, seconds, start))
    return path, place, decode(path, place, seconds, start) if channels is None else channels


def _found(path: Any, look: Callable[[Path, Place], tuple[Any, str]]) -> tuple[Path, Place, Any]:
    """File and place of the voice, and what comes of looking there; None if it lies elsewhere than was looked first.

    Args:
        look: gives that, and what ffmpeg says meanwhile.
    """
    path = existing_file(path, BadAudioError, "audio file", "give a WAV, MP3, M4A, OGG or video file")
    for before in ((), wav_inside(path)):
        if before is None:
            continue
        first = Place(0, before)
        result, said = look(path, first)
        tracks = len(re.findall(r"^ *Stream #.*: Audio: ", said.partition("\nOutput #")[0], re.MULTILINE))
        if tracks == 1:
            return path, first, result
        for track in range(min(tracks, _MOST_TRACKS)):
            if _sounds(path, Place(track, before)):
                return path, Place(track, before), None
        if tracks:  # all of them silent, or none to be decoded
            return path, first, result
    raise refusal(path)


def refusal(path: Path) -> BadAudioError:
    """Why a file in which nothing can be heard is no voice."""
    if not path.exists():  # any more: its visitor has left
        return BadAudioError(f"{path.name} is gone; give it again")
    kind = kind_of(path)
    why = f": it is {kind}" if kind else " that can be decoded"
    return BadAudioError(f"{path.name} holds no audio{why}; give a WAV, MP3, M4A, OGG or video file with speech")


def decode(path: Path, place: Place, seconds: float, start: float = 0.0) -> np.ndarray:
    """Its sound, float32 (channels, N) at 16 kHz, of at most two channels and `seconds`; more of them are mixed to two.

    Raises:
        BadAudioError: nothing can be decoded, it takes too long, or ffmpeg was killed meanwhile.
    """
    return _decoded(path, place, seconds, start)[0]


def _decoded(path: Path, place: Place, seconds: float, start: float) -> tuple[np.ndarray, str]:
    """The same, and what ffmpeg says of the file."""
    # The times in a file may be wrong, and ffmpeg cuts by them: so what comes out is limited too, in bytes.
    most = round((seconds + 1) * SAMPLE_RATE) * 4 * 2
    # Sun's format tells the number of channels in the plainest of headers.
    out, said = _run(
        ["-hide_banner", "-nostats", *ffmpeg_input(path, seconds, start, place.arguments), *place.mapped(start),
         "-map_metadata", "-1", "-af", "aformat=channel_layouts=mono|stereo",
         "-ar", str(SAMPLE_RATE), "-c:a", "pcm_f32be", "-fs", str(most), "-f", "au", "pipe:1"], path, most + _ROOM,
    )  # fmt: skip
    if len(out) < 24:
        return np.zeros((1, 0), np.float32), said
    begin, channels = struct.unpack(">4xI12xI", out[:24])
    count = max(0, len(out) - begin) // (4 * channels) if channels in (1, 2) else 0
    if not count:
        return np.zeros((1, 0), np.float32), said
    samples = np.frombuffer(out, ">f4", count * channels, begin)
    return samples.reshape(count, channels).T.astype(np.float32, order="C"), said


def seconds_of(path: Path, place: Place) -> float:
    """How long its sound is: read through, but not decoded, for what headers say is often wrong."""
    out, _ = _run(
        ["-v", "quiet", "-progress", "pipe:1", *ffmpeg_input(path, _ENDLESS, 0, place.arguments), *place.mapped(),
         "-c", "copy", "-f", "null", "-"], path,
    )  # fmt: skip
    times = re.findall(r"^out_time_us=(\d+)", out.decode(errors="replace"), re.MULTILINE)
    return int(times[-1]) / 1e6 if times else 0.0


def _sounds(path: Path, place: Place) -> bool:
    return bool(decode(path, place, 120.0).any())


def _said_of(path: Path, before: tuple[str, ...]) -> str:
    """What ffmpeg tells of a file."""
    return _run(["-hide_banner", *ffmpeg_input(path, 1, 0, before)], path)[1]


def _run(options: list[str], path: Path, most: int = _MOST_SAID) -> tuple[bytes, str]:
    """What ffmpeg writes, and what it says."""
    import imageio_ffmpeg  # a machine that only trains needs neither it nor ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), *options]
    try:
        out, said = program.run(command, [path], seconds=PATIENCE, most=most)
    except subprocess.TimeoutExpired:
        raise BadAudioError(f"{path.name} takes too long to decode; save it as WAV or MP3 and try again") from None
    except program.Killed as error:
        why = f"the decoder of {path.name} was stopped ({error})"
        raise BadAudioError(f"{why}; try again, or save it as WAV or MP3") from None
    return out, said.decode(errors="replace")


def mixed(channels: np.ndarray, rate: float = SAMPLE_RATE) -> np.ndarray:
    """One channel of several: their mean, or where that cancels or drowns the voice, the one that tells it best.

    Args:
        channels: (C, N).
        rate: samples a second.

    Returns:
        (N,) of the same type.
    """
    mean = channels.mean(axis=0)
    if len(channels) == 1:
        return mean
    frame = max(1, round(rate / FPS))
    levels, ranges = np.transpose([_loud_and_range(wave, frame) for wave in (*channels, mean)])
    heard = levels[-1] >= _CANCELLED * levels[:-1].max() and ranges[-1] >= ranges[:-1].max() - _CLEARER
    if heard or not levels.any():
        return mean
    return channels[np.argmax(20 * np.log10(np.maximum(levels[:-1], 1e-9)) + ranges[:-1])]


def _loud_and_range(wave: np.ndarray, frame: int) -> tuple[float, float]:
    """RMS of the loud moments, and how many dB they lie above the soft ones."""
    whole = wave[: max(1, len(wave) // frame) * frame]
    frames = whole.reshape(-1, min(frame, len(whole)))
    levels = np.sqrt(np.einsum("tn,tn->t", frames, frames) / frames.shape[1])
    soft, loud = np.percentile(levels, [10, 90])
    return float(loud), min(_RANGE, 20 * np.log10(loud / soft)) if soft > 0 else _RANGE * (loud > 0)
