"""A film and a voice become a film that says something else; on the Talk tab, and as an endpoint of its own."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from atvg.config import EARS, SAMPLE_RATE
from atvg.face.detection import Detection
from atvg.film.output import Outputs
from atvg.film.provenance import Source, provenance, write_provenance
from atvg.film.recording import Recorder
from atvg.film.render import rendering
from atvg.studio import on_gpu
from atvg.studio.behind import behind
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, check_frames, keep_film, open_film, open_voice, typed_place
from atvg.studio.progress import Progress, preview
from atvg.studio.result import made_of, videos
from atvg.studio.settings import PAGE, RECORDING
from atvg.studio.studio import Studio
from atvg.studio.voice import cues_of
from atvg.voice.audio import Cut

_OFTEN = 0.5  # seconds between two words about the looking, which goes on frame by frame


class Dubbing:
    """Makes a video of a film. What it gives is what `Talk.animate` gives."""

    def __init__(self, studio: Studio):
        self._animator, self._guests = studio.animator, studio.guests
        self._draw_anywhere = on_gpu(behind(self._draw))

    def dub(
        self, film: Upload, audio: Upload, beta: float = 0.5, mouth_gain: float = 1, smoothing: float = 0.8,
        frame: str = "full", hold: bool = False, arrays: bool = False, box: str = "", teeth: float = 1,
        ear: str = EARS[0], start: float = 0, end: float = 0, request: gr.Request | None = None,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Makes a filmed person say something else. By calling this you say that this person has agreed to be shown
        saying exactly this, and that you may use this face and this voice.

        Only the mouth is drawn anew; head, eyes and all else stay as filmed, at the film's own size and rate. Its own
        sound gives way to the voice. Every frame is labelled as AI-generated, and the settings name the film's hash.

        Args:
            film: at most two minutes, 1920 pixels a side; MP4, MOV, MKV, WebM or another that ffmpeg reads.
            audio: speech; of a longer recording up to two minutes are chosen with `start` and `end`.
            beta: β of the weights, 0..2.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, standard deviation in frames of 25 a second, 0..5.
            frame: "full" for the whole film, "face" for a close-up that follows the face, "crop" for the 128×128 face.
            hold: where the voice is longer, the film stays at its last frame instead of going to and fro.
            arrays: also return every frame, map, landmark and code.
            box: whose face, if the first picture that shows any shows several: x, y, width, height in its pixels.
            teeth: how much shows of those that neither the frame nor the film shows, 0..1.
            ear: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            What `animate` returns, in its order. While it is drawn, how far the film is looked through, then the newest
            frame, with progress bars (HTML); at the end how many frames were left as they are, if any were, because
            they do not show the person.
        """
        key, folder = self._guests.new_run(request, film, audio)
        settings = {
            "beta": beta, "mouth_gain": mouth_gain, "smoothing": smoothing, "teeth": teeth, "ear": ear, "hold": hold,
            "frame": frame,
        }  # fmt: skip
        part = {"start": start or 0, "end": end or 0}
        kept, later = (gr.skip(),) * 5, (gr.skip(),) * 4
        with self._guests.removed_on_error(folder), explaining():
            videos(folder, frame)  # says at once what cannot be asked for
            chosen = typed_place(box, None, 1).get("box")
            footage = open_film(film)
            speech, wave = open_voice(audio, start, end)
            check_frames(footage, wave)
            keep_film(footage, folder)
            yield *kept, PAGE["listening"], *later
            bars: dict[str, Progress] = {}
            for step in self._draw_anywhere(str(footage.path), speech, wave, chosen, settings, arrays, folder):
                if isinstance(step, Source):
                    source = step
                    continue
                text, done, total, newest = step
                yield *kept, bars.setdefault(text, Progress(total, text)).show(done, newest), *later
            data = provenance(self._animator, settings | part | {"box": chosen}, source, wave)
            write_provenance(folder / "settings.json", data)
            alone, said = source.left_alone, ""
            if alone:
                said = PAGE["left_alone"].format(alone, source.frames)
            made = made_of(folder, key, frame, arrays, cues_of(speech, len(wave) / SAMPLE_RATE, folder.parent), said)
            self._guests.forget_recordings(folder)
            yield made  # within, or it could be deleted while Gradio looks at it

    def _draw(
        self, film: str, speech: Cut, wave: np.ndarray, box: list[float] | None, settings: dict[str, Any],
        arrays: bool, folder: Path,
    ) -> Iterator[tuple[str, int, int, bytes] | Source]:  # fmt: skip
        """The part that a GPU may do; all that goes in and out can be sent to another process.

        Steps: which of the page's texts tells of it, how many frames are done, of how many, and the newest picture.
        What the film was comes last.
        """
        settings = dict(settings)
        frame, talker = settings.pop("frame"), self._animator.read_film(film, box=box)
        dub, footage = self._animator.dub(talker, speech, **settings), talker.footage
        fps = footage.fps
        known = int(footage.seconds * fps) or dub.to_look_at
        due = 0.0
        for seen in dub.look():
            if time.monotonic() >= due:
                due = time.monotonic() + _OFTEN
                yield "looking", seen, max(seen, min(dub.to_look_at, known)), b""
        recorder = Recorder(folder / RECORDING, wave, settings["beta"], dub.n_frames, talker.face, fps)
        npz = folder / "arrays.npz" if arrays else None
        wanted = Outputs(**videos(folder, frame), panels=folder / "panels.mp4", arrays=npz)
        chunks = recorder.watch(dub.chunks())
        for done, newest in rendering(talker.face, chunks, speech, wanted, fps=fps, colour=footage.colour):
            yield "drawing", done, dub.n_frames, preview(newest)
        found = Detection(talker.face.landmarks, talker.face.mesh).box
        used = min(dub.n_frames, len(dub.subject))
        yield Source(film, footage.size, fps, used, talker.at, found, dub.left_alone)
