"""The library's front door: photo + audio → a stream of chunks, or a film."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from atvg.animate.chunk import CHUNK, Chunk, join, regroup
from atvg.animate.listener import Listener, batches, frames_of, smoothed
from atvg.animate.performance import Performance
from atvg.animate.pipeline import Pipeline
from atvg.animate.settings import Settings, make_settings
from atvg.config import EARS, shown
from atvg.dub.dub import Dub
from atvg.dub.talker import Talker, read_talker
from atvg.errors import BadSettingError
from atvg.face.face import Face, read_face
from atvg.face.image import Photo
from atvg.face.placing import Numbers
from atvg.film.output import Outputs
from atvg.film.render import render
from atvg.motion.carry import Carried
from atvg.motion.pose import Pose
from atvg.motion.turn import turn_face
from atvg.voice import audio as speech
from atvg.voice.hearing import stored_rows
from atvg.voice.prosody import around, loudness_of


class Animator(Pipeline):
    """Animates any number of faces with the networks of one set of weights; see `Animator.from_pretrained`."""

    def read_face(self, photo: Photo, *, box: Numbers | None = None, points: Numbers | None = None) -> Face:
        """Finds the face in a photo, or takes the one placed by hand.

        Args:
            photo: path, PIL image, or array (H, W, 3) uint8 RGB; see `atvg.face.image.load_image` for others.
            box: x, y, width, height in pixels of the upright photo: from the brows to the chin, jaw to jaw.
            points: (5, 2) likewise, or ten numbers: left and right eye, nose tip, left and right mouth corner, left as
                you see it. Give one of box and points, or neither.

        Raises:
            BadImageError: unreadable photo.
            BadSettingError: a box or points that no face of this photo can have, or both.
            LyingPhotoError: the only face lies, so that the photo has to be turned; one placed by hand may lie.
            NoFaceError, SeveralFacesError, FaceTooSmallError: what they say.
            DetectorUnavailableError: the detector that was chosen cannot be loaded.
        """
        return read_face(photo, self.detector, box=box, points=points, template=self.shape.mean)

    def stream(
        self, face: Face, audio: speech.Audio, chunk: int = CHUNK, start: float = 0, end: float | None = None,
        **settings: Any,
    ) -> Iterator[Chunk]:  # fmt: skip
        """Animates a face, chunk by chunk; the frames do not depend on ``chunk`` and memory not on the length.

        What is given is checked before the iterator is returned.

        Args:
            face: from `read_face`.
            audio: path of anything ffmpeg reads, a film's sound too; ``(rate, samples)``, Hz and an array (N,) or
                (N, channels) of floats in [−1, 1] or integers; samples (N,) at 16 kHz; or an `atvg.voice.audio.Cut`.
                Between 0.2 s and ten minutes of it.
            chunk: frames in each chunk, at least 1; the last may have fewer.
            start, end: seconds between which the voice is heard; to its end for 0 or None. A `Cut` has its own.
            settings: the fields of `atvg.animate.settings.Settings`.

        Raises:
            BadAudioError, TooLongError, BadSettingError: what they say.
            CheckpointError: the ear's weights are missing or damaged; or, when the first chunk is asked for, those of
                a VG-net of another β.
        """
        chosen = self.settings(settings)
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise BadSettingError(f"chunk is {shown(chunk)}; give a whole number of frames, at least 1")
        wave = speech.load_audio(audio, start=start, end=end)
        # Always drawn in the same stretches: sums of other lengths end in other last digits, and 8 bits round those up.
        face = turn_face(face, chosen.pose)
        chunks = self._stream(face, self.listener(face.crop_landmarks, chosen.ear), wave, chosen)
        return chunks if chunk == CHUNK else regroup(chunks, chunk)

    def __call__(
        self, photo: Photo | Face, audio: speech.Audio, start: float = 0, end: float | None = None, **settings: Any
    ) -> "Result":
        """Animates a photo and collects every frame; for long audio use `stream`, whose memory stays flat.

        Args:
            photo: as of `read_face`, or a face from it.
            audio, start, end, settings: as of `stream`.

        Returns:
            All frames, 25 a second; they take 6 MB a second, and 7 where the head moves.

        Raises:
            BadImageError and others: as `read_face`.
            BadAudioError and others: as `stream`.
        """
        audio = speech.Cut(audio, start, end) if start or end else audio
        face = photo if isinstance(photo, Face) else self.read_face(photo)
        chosen = make_settings(settings)
        turned = turn_face(face, chosen.pose)
        chunks = list(self.stream(turned, audio, **settings | {"pose": Pose()}))
        return Result(face=turned, audio=audio, start=0, **join(chunks))

    def _stream(self, face: Face, listener: Listener, wave: np.ndarray, settings: Settings) -> Iterator[Chunk]:
        performance, shown = Performance(self, face, settings), 0
        heard = around(loudness_of(wave, speech.n_video_frames(wave)))
        for codes in batches(listener.speak(wave, settings.mouth_gain, settings.smoothing), CHUNK):
            yield performance.show(codes, heard[shown : shown + len(codes)])
            shown += len(codes)

    def read_film(self, film: Any, *, box: Numbers | None = None) -> Talker:
        """Finds the face in the first picture of a film that shows one, or the one that is chosen among several.

        Args:
            film: path of any film that ffmpeg reads, of up to ten minutes and 4096×2304 pixels.
            box: x, y, width, height of the face in pixels of that picture, if it shows several.

        Raises:
            BadFilmError, TooLongError: it cannot be read, or is too long.
            BadSettingError: a box that no face can have.
            NoFaceError, SeveralFacesError, FaceTooSmallError, LyingPhotoError: what they say, of that picture.
        """
        return read_talker(film, self.detector, box=box)

    def dub(
        self, film: Any, audio: speech.Audio, hold: bool = False, start: float = 0, end: float | None = None,
        **settings: Any,
    ) -> Dub:  # fmt: skip
        """Has somebody who was filmed say something else: only the mouth is drawn anew, the rest stays bit for bit.

        Everything is checked before it returns, and nothing drawn: take its `Dub.chunks`, or `Dub.save` it.

        Args:
            film: path of a film, or a talker from `read_film`.
            audio, start, end: as of `stream`; the voice, which the film's own sound gives way to.
            hold: where the voice is longer than the film, this stays at its last frame, instead of going to and fro.
            settings: the fields of `atvg.animate.settings.Settings` but pose and natural motion, which the film has of
                its own.

        Raises:
            BadFilmError, BadAudioError, TooLongError, BadSettingError: what they say.
            NoFaceError: no face in the film, or none before the voice has ended.
            SeveralFacesError, FaceTooSmallError, LyingPhotoError: of the film's first face.
        """
        chosen = self.settings(settings)
        wave = speech.load_audio(audio, start=start, end=end)
        talker = film if isinstance(film, Talker) else self.read_film(film)
        voice = speech.Cut(audio, start, end) if start or end else audio
        return Dub(self, talker, voice, wave, chosen, hold)

    def codes(
        self,
        photo_landmarks: np.ndarray,
        wave: np.ndarray,
        mouth_gain: float = 1.0,
        smoothing: float = 0.8,
        ear: str = EARS[0],
    ) -> np.ndarray:
        """Shape codes of every frame, (T, K) float32: AT-net, then rest in silence, gain and smoothing.

        Args:
            photo_landmarks: (68, 3) crop pixels and depth.
            wave: float32 samples, 16 kHz mono.
        """
        return np.concatenate(list(self.listener(photo_landmarks, ear).speak(wave, mouth_gain, smoothing)))

    def landmarks_from_rows(
        self, rows: np.ndarray, photo_landmarks: np.ndarray, smoothing: float = 0.8, ear: str = EARS[0]
    ) -> np.ndarray:
        """`Clip.heard` of a pack's clip and the photo's landmarks (68, 3) → landmarks (T, 68, 2), crop pixels."""
        return self.landmarks(self.codes_from_rows(rows, photo_landmarks, smoothing, ear), photo_landmarks)

    def codes_from_rows(
        self, rows: np.ndarray, photo_landmarks: np.ndarray, smoothing: float = 0.8, ear: str = EARS[0]
    ) -> np.ndarray:
        """The same, → shape codes (T, K)."""
        listener = self.listener(photo_landmarks, ear)
        parts = listener.codes(stored_rows(rows), frames_of(listener.net, rows))
        return np.concatenate(list(smoothed(parts, smoothing)))

    @torch.inference_mode()
    def draw(
        self,
        photo_crop: np.ndarray,
        example: np.ndarray,
        landmarks: np.ndarray,
        beta: float = 0.5,
        moved: Carried | None = None,
    ) -> np.ndarray:
        """VG-net alone.

        Args:
            photo_crop: (128, 128, 3) uint8.
            example: (68, 2+) its landmarks, crop pixels.
            landmarks: (T, 68, 2) those of the frames.
            moved: how the head moves, from `atvg.motion.carry`; it stays as in the photo if None.

        Returns:
            (T, 128, 128, 3) uint8.
        """
        drawer = self.drawer(photo_crop, example, beta)
        parts = []
        for first in range(0, len(landmarks), CHUNK):
            part = slice(first, first + CHUNK)
            turned = moved and drawer.carried(Carried(moved.sources[part], moved.targets[part]))
            parts.append(drawer.draw(landmarks[part], turned).frames)
        return np.concatenate(parts)


@dataclass(frozen=True)
class Result(Chunk):
    """A whole clip: all frames, the (turned) face they were drawn from, and the audio they were drawn for."""

    face: Face
    audio: speech.Audio

    def save(
        self, path: str | os.PathLike | Outputs, frame: str = "full", panels: str | os.PathLike | None = None
    ) -> None:
        """Writes an MP4 with the sound, or several files at once; none of them stays if anything goes wrong.

        Args:
            path: an ``.mp4``; or `atvg.film.output.Outputs`, also of GIF, WebP and WebM, with which ``frame`` and
                ``panels`` do nothing.
            frame: ``"full"``: the whole photo at its own resolution; ``"face"``: a square close-up of the face in the
                photo's own pixels, at most 512; ``"crop"``: the network's 128×128.
            panels: another ``.mp4``, of landmarks, attention, motion and result side by side, 1348×386 pixels.

        Raises:
            OutputError: a file cannot be written; DiskFullError, one of these, where there is no room.
            BadSettingError: an unknown ``frame``, or one name for two files.
            BadAudioError: the file of the sound cannot be read any more.
        """
        render(self.face, [self], self.audio, path, frame=frame, panels=panels)
