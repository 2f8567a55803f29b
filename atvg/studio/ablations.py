"""The Ablations tab: one thing changes at a time, and the quality of each result is measured."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from atvg.errors import BadSettingError
from atvg.film.label import sign
from atvg.lab import sweeps
from atvg.lab.run import excerpt
from atvg.show.plots import curves
from atvg.studio.behind import behind, set_back
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_voice, save_png
from atvg.studio.settings import BETA_SECONDS, PAGE, PRIVATE
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk

SWEEPS: dict[str, Callable[..., Iterator[sweeps.Sweep]]] = {
    "noise": sweeps.noise_sweep, "pose": sweeps.pose_sweep, "snr": sweeps.snr_sweep, "beta": sweeps.beta_sweep
}  # fmt: skip


class Ablations:
    """Draws one input many times."""

    def __init__(self, studio: Studio):
        self._studio, self._animator, self._guests = studio, studio.animator, studio.guests

    def show(self) -> None:
        """What to change, the faces side by side, and curves."""
        choices = [(text, name) for name, text in PAGE["sweeps"].items()]
        with gr.Row():
            self.sweep = gr.Radio(choices, value="noise", **PAGE["sweep"])
            self.button = gr.Button(**PAGE["ablate"])
        self.strip = gr.Image(**PAGE["map"] | PAGE["strip"])
        self.video = gr.Video(**PAGE["sweep_video"])
        self.curves = gr.Plot(**PAGE["sweep_curves"])
        gr.Markdown(PAGE["about_sweeps"], elem_classes="caption")

    def wire(self, talk: Talk) -> None:
        """The button."""
        outputs = [self.strip, self.curves, self.video]
        inputs = [self.sweep, *talk.photo.place, *talk.voice.part]
        talk.on_press(self.button, self.ablate, inputs, outputs, most=BETA_SECONDS)

    def wire_choice(self) -> None:
        """Only β is also a video."""
        self.sweep.change(lambda sweep: gr.update(visible=sweep == "beta"), self.sweep, self.video, **PRIVATE)

    def ablate(
        self, photo: Upload, audio: Upload, sweep: str = "noise", box: str = "", points: str = "",
        start: float = 0, end: float = 0, request: gr.Request | None = None,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Draws one input many times while one thing changes. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech; up to two minutes of it can be used; the most spoken second or two are used.
            sweep: "noise": the landmarks that VG-net is given are disturbed; "pose": the head turns; "snr": noise is
                added to the voice; "beta": the loss that the weights were trained with.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            The faces side by side; curves of the measured quality; for "beta" also an MP4 of all in sync. They grow as
            the work goes on.
        """
        _, folder = self._guests.new_run(request, photo, audio)
        with self._guests.removed_on_error(folder), explaining():
            if sweep not in list(SWEEPS):  # what is no name may not be hashable
                raise BadSettingError(f"sweep is {str(sweep)[:80]!r}; choose from: {', '.join(SWEEPS)}")
            face, wave = self._studio.read_face(photo, box, points), open_voice(audio, start, end)[1]
            strip, figure, video = None, None, None
            for step, growing in enumerate(behind(SWEEPS[sweep])(self._animator, face, wave)):
                strip = save_png(sign(growing.strip()), folder / f"{sweep}-{step}.png")
                values, measured = growing.series()
                figure = curves(values, measured, PAGE["sweep_axes"][sweep])
                yield strip, figure, None
            if sweep == "beta":
                wave = excerpt(wave, BETA_SECONDS)
                video = str(set_back(sweeps.side_by_side)(folder / "betas.mp4", self._animator, face, wave))
            yield strip, figure, video  # within, or it could be deleted while Gradio looks at it
