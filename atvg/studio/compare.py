"""The Compare tab: the same photo and voice through ATVG and the systems its paper was compared with."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from atvg.config import EARS
from atvg.lab import compare
from atvg.lab.judge import FIGURES
from atvg.motion.pose import Pose
from atvg.show.plots import lips
from atvg.studio.behind import behind, set_back
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_voice
from atvg.studio.settings import PAGE
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk


class Compare:
    """Draws and measures all systems, in step."""

    def __init__(self, studio: Studio):
        self._studio, self._animator, self._guests = studio, studio.animator, studio.guests

    def show(self) -> None:
        """All systems in one video, a table of measures, and curves of the lips."""
        with gr.Row():
            titles = " and ".join([", ".join(compare.SYSTEMS[2:-1]), compare.SYSTEMS[-1]])
            gr.Markdown(PAGE["about_compare"].format(seconds=f"{compare.SECONDS:g}", titles=titles))
            self.button = gr.Button(**PAGE["compare"])
        self.video = gr.Video(**PAGE["contest"])
        names = [title.split()[0] for title in compare.SYSTEMS]  # six columns share a phone's width
        self.figures = gr.Dataframe(headers=["Measure", *names], **PAGE["contest_figures"])
        figures = "\n".join(PAGE["figure"].format(**vars(figure)) for figure in FIGURES.values())
        gr.Markdown(PAGE["about_figures"].format(figures=figures), elem_classes="caption")
        self.lips = gr.Plot(**PAGE["contest_lips"])

    def wire(self, talk: Talk) -> None:
        """The button; the head and the other controls are those of the Talk tab."""
        controls = talk.controls
        talk.on_press(
            self.button, self.compare,
            [controls.beta, *controls.head, controls.smoothing, *talk.photo.place, controls.teeth, controls.ear,
             *talk.voice.part],
            [self.video, self.figures, self.lips], most=compare.SECONDS,
        )  # fmt: skip

    def compare(
        self, photo: Upload, audio: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, box: str = "", points: str = "", teeth: float = 1,
        ear: str = EARS[0], start: float = 0, end: float = 0, request: gr.Request | None = None,
    ) -> Iterator[tuple[str | None, list[list[str]], Any]]:  # fmt: skip
        """Draws one input with ATVG and three compared systems. You say that you may use this face and this voice.

        Those are compact re-implementations, trained by this project for less time on the same clips.

        Args:
            photo: a picture with one face.
            audio: speech; up to two minutes of it can be used; the most spoken six seconds are used.
            beta: β of ATVG's weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right. All systems get the turned photo.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of ATVG's mouth, 0..3; 1 as heard.
            smoothing: of ATVG's landmarks over time, standard deviation in frames, 0..5.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            teeth: how much shows of those that the photo hides, 0..1; of ATVG's mouth.
            ear: ATVG's: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            An MP4 of the photo, ATVG and the others in sync, with their mouths enlarged; a table of measures, one
            column each; curves of their lips above the sound. The last two grow as the work goes on.
        """
        _, folder = self._guests.new_run(request, photo, audio)
        with self._guests.removed_on_error(folder), explaining():
            face, wave = self._studio.read_face(photo, box, points), open_voice(audio, start, end)[1]
            pose = Pose(yaw, pitch, roll)
            for comparison in behind(compare.compare)(
                self._animator, face, wave, pose=pose, beta=beta, mouth_gain=mouth_gain, smoothing=smoothing,
                teeth=teeth, ear=ear,
            ):  # fmt: skip
                measured = comparison.table(), lips(comparison.openings(), comparison.envelope())
                yield None, *measured
            yield str(set_back(compare.side_by_side)(folder / "side-by-side.mp4", comparison)), *measured
