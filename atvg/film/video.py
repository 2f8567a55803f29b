"""Frames and sound → a finished mp4.

Three runs of ffmpeg. The first turns whatever sound was brought (a film, an MP3 with a cover picture, samples) into a
plain FLAC that starts at its first sample, as `atvg.voice.audio.load_audio` heard it; only it touches a foreign file.
The second encodes the frames while they are being made. The third, when their number is known, joins the two.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np

from atvg.box.command import Limits, limited
from atvg.config import FPS, MAX_SECONDS, SAMPLE_RATE
from atvg.errors import BadAudioError, OutputError
from atvg.film.colour import OF_PHOTOS, Colour
from atvg.film.output import check_output, disk_full, unwritable
from atvg.scratch import ROOM, has_room, remove_abandoned, under_way
from atvg.voice.audio import Cut
from atvg.voice.decoding import PATIENCE, ffmpeg_input, find_voice

if TYPE_CHECKING:
    from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

Sound = str | os.PathLike | np.ndarray | Cut

COMMENT = "AI-generated video (ATVG)"

# Name, preset and quality. Visually lossless; of a 12-megapixel photo "veryfast" makes 6 frames/s in 1.3 GB, "medium"
# 1.8 frames/s in 2.6 GB.
_SOFTWARE = ("libx264", "veryfast", ("-crf", "18"))
# Encoders in hardware of about the same quality, each with a file that tells that there may be one.
_HARDWARE = (
    ("/dev/nvidiactl", ("h264_nvenc", "p4", ("-rc", "vbr", "-cq", "19"))),
    ("/System/Library/Frameworks/VideoToolbox.framework", ("h264_videotoolbox", "medium", ("-q:v", "70"))),
    ("/dev/dri/renderD128", ("h264_qsv", "veryfast", ("-global_quality", "20"))),
)
_LEAST, _MOST = 160, 4096  # pixels of a side: what all of them can encode
_PATIENCE = 20  # seconds for one to prove itself
_failed: set[str] = set()  # those that did, but failed later: they take few videos at once
_SOUND = "sound.flac"
_MAX_SOUND = 2**29  # bytes of the FLAC; ten minutes of 192 kHz stereo have 460 MB before they are packed


class VideoWriter:
    """Streams frames into an mp4: H.264 yuv420p and AAC, ready to be played while it downloads.

    ::

        with VideoWriter("out.mp4", (width, height), audio="speech.wav") as writer:
            for chunk in chunks:
                writer.write(label(chunk))

    The video has exactly the frames written. The sound starts with the first of them and is cut, or padded with
    silence, to end with the last. An odd side is made even (H.264) by repeating the last row or column. The file
    appears at `path` when the block ends; if anything goes wrong, what was there before stays and nothing new does.
    Memory does not grow with the number of frames.

    Args:
        path: ends in ``.mp4``; its folder exists.
        size: (width, height) of the frames, pixels.
        audio: a file whose voice (see `atvg.voice.decoding.find_voice`) is used as it is, or a `Cut` of one; float32
            samples in [−1, 1] (N,) at 16 kHz; or None for a silent film.
        metadata: further tags, such as ``{"title": …}``. The comment that says AI-generated cannot be replaced.
        fps: frames a second; their times in the file are exact, of 24000/1001 too.
        colour: by which matrix and in which range they are written, and tagged; None is that of photos.

    Raises:
        OutputError: `path` cannot be written, no frame came, or ffmpeg failed.
        BadAudioError: `audio` holds no sound.
    """

    ending = ".mp4"
    channels = 3  # of a frame
    hears = True  # or the file is without sound, whatever is given
    silent = "silent.mp4"  # what the frames are encoded into

    def __init__(
        self,
        path: str | os.PathLike,
        size: tuple[int, int],
        audio: Sound | None = None,
        metadata: Mapping[str, str] | None = None,
        fps: Fraction | int = FPS,
        colour: Colour | None = None,
    ):
        self.path = check_output(path, self.ending)
        self.width, self.height = size
        self.fps = Fraction(fps)
        self.frames_written = 0
        self._colour = colour or OF_PHOTOS
        self._audio = audio if self.hears else None
        self._tags = {"title": "AI-generated video", **(metadata or {}), "comment": COMMENT}

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            try:  # beside the output, so that the finished file only has to be renamed
                remove_abandoned(self.path.parent, ".atvg-*")  # of runs that were killed; others are left alone
                folder = tempfile.TemporaryDirectory(prefix=".atvg-", dir=self.path.parent)
                self._folder = Path(stack.enter_context(folder))
                stack.enter_context(under_way(self._folder))
                log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", dir=self._folder)
            except OSError as error:
                raise unwritable(self.path, error) from None
            self._log = stack.enter_context(log)
            if self._audio is not None:
                try:
                    _extract_sound(self._audio, self._folder / _SOUND)
                except BadAudioError:
                    if has_room(self._folder):
                        raise
                if not has_room(self._folder):  # the beginning of the sound may have fitted
                    raise disk_full(self.path)
            self._ffmpeg = self._encode((self.width + self.width % 2, self.height + self.height % 2))
            stack.callback(self._stop)
            self._cleanup = stack.pop_all()
        return self

    def write(self, frames: np.ndarray) -> None:
        """Appends uint8 frames (T, H, W, channels); RGB.

        Raises:
            ValueError: another type or size.
            OutputError: ffmpeg failed.
        """
        expected = (self.height, self.width, self.channels)
        if frames.dtype != np.uint8 or frames.shape[1:] != expected:
            raise ValueError(
                f"frames are {frames.dtype} {frames.shape}, not uint8 (T, {', '.join(map(str, expected))})"
            )
        missing = ((0, self.height % 2), (0, self.width % 2), (0, 0))
        for frame in frames:
            if np.any(missing):
                frame = np.pad(frame, missing, mode="edge")
            try:
                self._ffmpeg.write_frame(frame)
            except OSError:
                raise self._failure() from None
            self.frames_written += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._cleanup:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        if not self.frames_written:
            raise OutputError(f"no frames were made for {self.path.name}; give longer audio")
        self._ffmpeg.proc.communicate()  # closes the pipe, which is how ffmpeg learns of the end, and waits
        if self._ffmpeg.proc.returncode != 0 or self._join() != 0:
            raise self._failure()
        try:
            os.replace(self._finished, self.path)
        except OSError as error:
            raise unwritable(self.path, error) from None

    @property
    def _finished(self) -> Path:
        return self._folder / f"finished{self.ending}"

    def _encode(self, size: tuple[int, int]) -> "FFMPEG_VideoWriter":
        """Starts the encoder for pictures (width, height); what it writes is `silent`."""
        self._codec, preset, quality = _encoder(*size)
        return self._encoding(size, self._codec, preset, list(quality), self._colour.filters())

    def _encoding(
        self, size: tuple[int, int], codec: str, preset: str, options: list[str], filters: str = "null"
    ) -> "FFMPEG_VideoWriter":
        # Imported here because moviepy costs half a second, and `label` alone does not need it.
        from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

        if (
            Fraction(f"{float(self.fps):.2f}") != self.fps
        ):  # moviepy tells ffmpeg two digits: frames get their times anew
            exact = f"{self.fps.numerator}/{self.fps.denominator}"
            filters = f"settb={self.fps.denominator}/{self.fps.numerator},setpts=N,fps={exact},{filters}"
        return FFMPEG_VideoWriter(
            str(self._folder / self.silent), size, float(self.fps), codec=codec, preset=preset, logfile=self._log,
            with_mask=self.channels == 4,
            ffmpeg_params=["-hide_banner", "-loglevel", "error", *options, "-vf", filters],
        )  # fmt: skip

    def _join(self) -> int:
        """Adds sound and tags, and moves the index to the front. Returns ffmpeg's exit status."""
        return self._run(
            "-i", self._folder / self.silent, *self._heard("aac"), *self._tagged(), "-movflags", "+faststart"
        )

    def _heard(self, codec: str) -> list[str | Path]:
        """Options that put the sound beside the first input's frames."""
        if self._audio is None:
            return ["-c:v", "copy"]
        # Cut here because ffmpeg's own -shortest lets it run on by up to a second.
        exact = f"apad,atrim=end={float(self.frames_written / self.fps)}"
        sound: list[str | Path] = [
            "-i",
            self._folder / _SOUND,
            "-map",
            "0:v:0",
            "-map",
            "1:a:0",
            "-c:a",
            codec,
            "-af",
            exact,
        ]
        return [*sound, "-c:v", "copy"]

    def _tagged(self) -> list[str]:
        """Options that leave no tags but ours."""
        tags = (part for key, value in self._tags.items() for part in ("-metadata", f"{key}={value}"))
        return ["-map_metadata", "-1", *tags]

    def _run(self, *options: str | Path, to: Path | None = None) -> int:
        """Has ffmpeg make the finished file, or another one. Returns its exit status."""
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *options, to or self._finished]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log).returncode

    def _stop(self) -> None:
        self._ffmpeg.proc.kill()  # does nothing to a process that has ended
        self._ffmpeg.proc.communicate()

    def _failure(self) -> OutputError:
        if not has_room(self._folder):
            return disk_full(self.path)
        if self._codec in (name for _, (name, *_) in _HARDWARE):
            _failed.add(self._codec)
            return OutputError(f"the encoder {self._codec} could not write {self.path.name}; try again without it")
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        reason = lines[-1] if lines else "it stopped without a word"
        return OutputError(f"ffmpeg could not write {self.path.name}: {reason}; check the free space and picture size")


def _encoder(width: int, height: int) -> tuple[str, str, tuple[str, ...]]:
    """Name, preset and quality of an encoder for pictures of this size: one in hardware, if it proves that it works."""
    if _LEAST <= min(width, height) and max(width, height) <= _MOST:
        for sign, encoder in _HARDWARE:
            if os.path.exists(sign) and encoder[0] not in _failed and _works(*encoder):
                return encoder
    return _SOFTWARE


@lru_cache(maxsize=8)
def _works(name: str, preset: str, quality: tuple[str, ...]) -> bool:
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-nostdin", "-f", "lavfi", "-i", "color=gray:s=640x480:r=25",
        "-frames:v", "3", "-vcodec", name, "-preset", preset, *quality, "-vf", OF_PHOTOS.filters(), "-f", "null", "-",
    ]  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False).returncode == 0
    return False


def _extract_sound(audio: Sound, flac: Path) -> None:
    """The voice of a file, or 16 kHz samples → FLAC, mono or stereo, without a lead-in, tags or pictures."""
    if isinstance(audio, np.ndarray):
        source = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
        samples, stdin, reads = np.ascontiguousarray(audio, np.float32).tobytes(), None, []
    else:
        cut = audio if isinstance(audio, Cut) else Cut(audio)
        path, place = find_voice(cut.audio)
        source = [*ffmpeg_input(path, cut.seconds(MAX_SECONDS), cut.start, place.arguments), *place.mapped(cut.start)]
        samples, stdin, reads = None, subprocess.DEVNULL, [path]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", *source, "-fs", str(_MAX_SOUND),
        "-af", "aformat=channel_layouts=mono|stereo", "-c:a", "flac", "-map_metadata", "-1", "-map_chapters", "-1",
        flac,
    ]  # fmt: skip
    boxed = limited(command, reads, writes=[flac.parent], limits=Limits(written=_MAX_SOUND + ROOM))
    try:
        subprocess.run(
            boxed, input=samples, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False, timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BadAudioError("the audio takes too long to decode; save it as WAV or MP3 and try again") from None
    # ffmpeg also complains about files it could read all but the end of, so its exit status is no judge.
    if not flac.exists() or not flac.stat().st_size:
        raise BadAudioError("the audio holds no sound that can be decoded; give a WAV, MP3, M4A or OGG file")
