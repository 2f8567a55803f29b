"""The Talk tab: a photo, a voice and some controls become a video."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from atvg.config import EARS, SAMPLE_RATE
from atvg.film.output import Outputs
from atvg.film.provenance import provenance, write_provenance
from atvg.film.recording import Recorder
from atvg.film.render import rendering
from atvg.motion.pose import Pose
from atvg.motion.turn import turn_face
from atvg.studio import on_gpu
from atvg.studio.behind import behind
from atvg.studio.controls import Controls
from atvg.studio.dubbing import Dubbing
from atvg.studio.examples import PAIRS
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_photo, open_voice, typed_place
from atvg.studio.photo import Photo
from atvg.studio.progress import Progress, preview
from atvg.studio.result import Result, made_of, videos
from atvg.studio.settings import DRAWING, MAX_SECONDS, PAGE, PRIVATE, QUICK, RECORDING
from atvg.studio.studio import Studio
from atvg.studio.voice import Voice, cues_of
from atvg.voice.audio import Cut, n_video_frames


class Talk:
    """Makes a video. The photo, the voice, the consent and the controls are every other tab's too."""

    def __init__(self, studio: Studio):
        self._studio, self._animator, self._guests = studio, studio.animator, studio.guests
        self.photo, self.voice, self.controls = Photo(studio), Voice(studio), Controls(studio)
        self.result, self.dubbing = Result(studio), Dubbing(studio)
        self._draw_anywhere = on_gpu(behind(self._draw))

    def show(self) -> None:
        """What is brought on the left, what is made of it on the right."""
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=320):
                self.photo.show()
                self.voice.show()
                with self.photo.examples:
                    gr.Examples(
                        PAIRS, self._source, label=PAGE["try_both"], elem_id="portraits", visible_columns=[0],
                        examples_per_page=len(PAIRS),
                    )  # fmt: skip
                self.controls.show()
            with gr.Column(scale=7, min_width=320, elem_id="column-result"):
                gr.Markdown(PAGE["step_result"], elem_classes="step")
                with gr.Row(elem_id="start"):
                    self.consent, self.generate = gr.Checkbox(**PAGE["consent"]), gr.Button(**PAGE["generate"])
                    self.dub = gr.Button(visible=False, **PAGE["dub"])  # in its place, of a film
                self.progress = gr.HTML(**PAGE["progress"])
                self.result.show()

    @property
    def _source(self) -> list[gr.components.Component]:
        return [self.photo.field, self.voice.field]

    def wire_checks(self, notes: list[gr.Markdown]) -> None:
        """What is brought is checked at once; `notes` are seen as long as that is a film."""
        self.photo.film.wire(self.photo.field, self.consent, self.generate, self.dub, notes)
        self.photo.wire()
        self.voice.wire_check()

    def wire(self, panels: gr.Video) -> list[gr.events.Dependency]:
        """The buttons; returns the events of a video that is made, whose `panels` another tab shows."""
        self.voice.wire_speak()
        controls, result, film = self.controls, self.result, self.photo.film
        outputs = [
            result.video, panels, result.npz, result.settings, result.run, self.progress, result.close_up,
            result.whole, result.posters, result.captions,
        ]  # fmt: skip
        options: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": self.progress}
        animated = self.on_press(
            self.generate, self.animate,
            [controls.beta, *controls.head, controls.smoothing, controls.frame, controls.seed, controls.arrays,
             *self.photo.place, controls.natural, controls.teeth, controls.ear, *self.voice.part, controls.liveliness],
            outputs, **options,
        )  # fmt: skip
        dubbed = self.on_press(
            self.dub, self.dubbing.dub,
            [controls.beta, controls.mouth_gain, controls.smoothing, controls.frame, film.hold, controls.arrays,
             self.photo.place[0], controls.teeth, controls.ear, *self.voice.part],
            outputs, face=film.field, **options,
        )  # fmt: skip
        for button, made in ((self.generate, animated), (self.dub, dubbed)):
            made.failure(lambda: "", None, self.progress, **PRIVATE)
            result.wire(button, made, panels)
        return [animated, dubbed]

    def on_press(
        self, button: gr.Button, action: Callable, more: list, outputs: Any, others: list | tuple = (),
        face: gr.components.Component | None = None, most: float = MAX_SECONDS, **options: Any,
    ) -> gr.events.Dependency:  # fmt: skip
        """Has a button do what is drawn of photo and voice, for those who may use them; also on other tabs.

        Args:
            action: an endpoint of its own name, which gets photo, voice and then `more`, the voice's `part` among it.
            others: components with faces of still other people.
            face: whose face it is, if it is not the photo's.
            most: seconds of the voice that are drawn, if not all are.
        """
        source = [face or self.photo.field, self.voice.field]
        inputs = [*source, *more]
        starts = next(at for at, field in enumerate(inputs) if field is self.voice.part[0])
        admitted = button.click(self._studio.admit, [self.consent, *source, *others], None, **QUICK)
        return admitted.success(
            action, inputs, outputs, api_name=action.__name__, validator=self._studio.validator(starts, most),
            **DRAWING, **options,
        )  # fmt: skip

    def animate(
        self, photo: Upload, audio: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, frame: str = "full", seed: int = 0, arrays: bool = False,
        box: str = "", points: str = "", natural: bool = True, teeth: float = 1, ear: str = EARS[0],
        start: float = 0, end: float = 0, liveliness: float = 1, request: gr.Request | None = None,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Makes the face in a photo speak. By calling this you say that you may use this face and this voice.

        Args:
            photo: a picture with one face, seen from the front.
            audio: speech; of a longer recording up to two minutes are chosen with `start` and `end`.
            beta: β of the weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, standard deviation in frames, 0..5.
            frame: "full" for the whole photo, "face" for a close-up in its own pixels, "crop" for the 128×128 face.
            seed: of the natural motion.
            arrays: also return every frame, map, landmark and code.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            natural: let the head move a little and the eyes blink.
            teeth: how much shows of those that the photo hides, 0..1.
            ear: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.
            liveliness: of the natural motion, 0..2: 0 none, 1 as real people move.

        Returns:
            The finished MP4, labelled as AI-generated; an MP4 of landmarks, attention, motion and result; the arrays
            (NPZ), if asked for; all settings and versions (JSON); the key of this run, for `look_inside` and
            `trajectory`; while it is drawn, the newest frame with a progress bar (HTML), at the end nothing; the MP4s
            of the close-up and of the whole photo, one of which is the first again; of both a still that speaks (JPEG);
            and captions (SRT and WebVTT), if the voice is one that `say` made.
        """
        key, folder = self._guests.new_run(request, photo, audio)
        settings = {
            "beta": beta, "yaw": yaw, "pitch": pitch, "roll": roll, "mouth_gain": mouth_gain, "smoothing": smoothing,
            "teeth": teeth, "ear": ear, "natural": natural, "seed": seed,
            "liveliness": liveliness, "frame": frame,
        }  # fmt: skip
        part = {"start": start or 0, "end": end or 0}
        kept, later = (gr.skip(),) * 5, (gr.skip(),) * 4
        with self._guests.removed_on_error(folder), explaining():
            picture, scale = open_photo(photo)
            place = typed_place(box, points, scale)
            speech, wave = open_voice(audio, start, end)
            yield *kept, PAGE["listening"], *later
            progress = Progress(n_video_frames(wave))
            for done, newest in self._draw_anywhere(picture, speech, wave, place, settings, arrays, folder):
                yield *kept, progress.show(done, newest), *later
            original = {name: [value / scale for value in numbers] for name, numbers in place.items()}
            data = provenance(self._animator, settings | part | {"box": None, "points": None} | original, picture, wave)
            data["photo"]["shrunk_by"] = scale
            write_provenance(folder / "settings.json", data)
            made = made_of(folder, key, frame, arrays, cues_of(speech, len(wave) / SAMPLE_RATE, folder.parent))
            self._guests.forget_recordings(folder)
            yield made  # within, or it could be deleted while Gradio looks at it

    def _draw(
        self, picture: np.ndarray, speech: Cut, wave: np.ndarray, place: dict[str, list[float]],
        settings: dict[str, Any], arrays: bool, folder: Path,
    ) -> Iterator[tuple[int, bytes]]:  # fmt: skip
        """The part that a GPU may do; all that goes in and out can be sent to another process."""
        settings = dict(settings)
        frame, pose = settings.pop("frame"), Pose(*(settings.pop(angle) for angle in ("yaw", "pitch", "roll")))
        face = turn_face(self._animator.read_face(picture, **place), pose)
        chunks = self._animator.stream(face, wave, **settings)
        chunks = Recorder(folder / RECORDING, wave, settings["beta"], n_video_frames(wave), face).watch(chunks)
        npz = folder / "arrays.npz" if arrays else None
        wanted = Outputs(**videos(folder, frame), panels=folder / "panels.mp4", arrays=npz)
        for done, newest in rendering(face, chunks, speech, wanted):
            yield done, preview(newest)
