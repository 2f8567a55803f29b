"""The Look inside tab: what the networks computed for every frame of the newest video."""

from typing import Any

import gradio as gr

from atvg.animate.settings import make_settings
from atvg.config import FPS
from atvg.face.landmarks import mouth_opening
from atvg.film.label import sign
from atvg.show.equations import AMPLIFIED, equation, layers, layers_equation
from atvg.show.maps import attention_over, landmarks_over, loss_weight
from atvg.show.plots import paths, trajectory
from atvg.studio.explaining import explaining
from atvg.studio.files import open_recording, save_png
from atvg.studio.settings import PAGE, PRIVATE, QUICK, RAW, asset
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk


class Inside:
    """Opens the recording of a run, takes its frames apart and draws its curves."""

    def __init__(self, studio: Studio):
        self._guests = studio.guests

    def show(self) -> None:
        """The panels, one frame as pictures and equations, and the curves of all."""
        self.panels = gr.Video(**PAGE["panels"])
        gr.Markdown(PAGE["about_panels"], elem_classes="caption")
        with gr.Row():
            self.moment = gr.Slider(**PAGE["moment_slider"])
            self.weight_beta = gr.Slider(**PAGE["weight_beta"])
        self.rate = gr.Number(FPS, visible=False)
        self.moment_said = gr.Markdown(PAGE["no_moment"], **PAGE["moment_said"])
        with gr.Row(elem_id="maps"):
            names = ("landmarks", "attention", "weight", "motion")
            self.maps = [gr.Image(**PAGE["map"] | PAGE[f"map_{name}"]) for name in names]
        self.equations = [gr.Image(**PAGE["map"] | PAGE[name]) for name in ("map_equation", "map_equation_tall")]
        gr.Markdown(PAGE["about_equation"], elem_classes="caption")
        self.layers = [gr.Image(**PAGE["map"] | PAGE[name]) for name in ("map_layers", "map_layers_tall")]
        gr.Markdown(PAGE["about_layers"].format(AMPLIFIED), elem_classes="caption")
        with gr.Row():
            self.curves, self.paths = gr.Plot(**PAGE["trajectory"]), gr.Plot(**PAGE["paths"])
        gr.Markdown(PAGE["about_curves"], elem_classes="caption")

    def wire(self, talk: Talk, *made: gr.events.Dependency) -> None:
        """The sliders; and whenever a video is `made`, in one way or another, it is opened."""
        looking: dict[str, Any] = {
            "fn": self.look_inside, "inputs": [talk.result.run, self.moment, self.weight_beta],
            "outputs": [*self.maps, *self.equations, self.moment_said, *self.layers],
            "concurrency_id": "looking", "show_progress": "hidden",
        } | RAW  # fmt: skip
        self.moment.input(**looking, api_name="look_inside", trigger_mode="always_last")
        self.weight_beta.input(**looking, api_visibility="private", trigger_mode="always_last")
        self.moment.input(None, [self.moment, self.rate], None, js=asset("seek.js"), **PRIVATE)
        inputs = [talk.result.run, talk.controls.beta]
        for at, event in enumerate(made):
            opened = event.success(self.open_inside, inputs, [self.moment, self.weight_beta, self.rate], **QUICK)
            named: dict[str, Any] = {"api_visibility": "private"} if at else {"api_name": "trajectory"}
            opened.success(**looking, api_visibility="private").success(
                self.trajectory, talk.result.run, [self.curves, self.paths],
                concurrency_id="looking", show_progress="hidden", **named,
            )  # fmt: skip

    def look_inside(
        self, run: str, frame: int = 0, beta: float = 0.5, request: gr.Request | None = None
    ) -> tuple[str, ...]:
        """Shows what the networks computed for one frame of a video.

        Args:
            run: the key that `animate` or `dub` gave; the three newest of a session can be opened.
            frame: which frame, from 0; 25 a second, or as many as the film has.
            beta: β of the loss weight that is shown, 0..2.

        Returns:
            Pictures: the landmarks that were asked for; attention α over the photo; the weight α + β of the
            dynamic pixel-wise loss; the motion map m; α·m + (1 − α)·photo as an equation of pictures, wide and tall.
            One line that says which frame this is. And the layers of the frame on the photo's own pixels, in the face's
            close-up, as equations, wide and tall: base + residual = m, and α·m + (1 − α)·photo.
        """
        with explaining():
            folder = self._guests.run(run, request)
            with self._guests.in_use(folder):
                recording = open_recording(folder)
                beta = round(make_settings({"beta": beta}).beta, 2)
                moment = recording[frame]
                pictures = {
                    "landmarks": landmarks_over(moment.photo, recording.example, moment.landmarks),
                    "attention": attention_over(moment.photo, moment.attention),
                    f"weight-{beta:g}": loss_weight(moment.attention, beta),
                    "motion": moment.motion.repeat(4, axis=0).repeat(4, axis=1),
                    "equation": sign(equation(moment)),
                    "equation-tall": sign(equation(moment, stacked=True)),
                }
                tiles = layers(recording, frame)
                pictures |= {f"layers{end}": sign(layers_equation(tiles, bool(end))) for end in ("", "-tall")}
                *saved, wide, tall = (
                    save_png(picture, folder / f"{name}-{frame}.png") for name, picture in pictures.items()
                )
                return *saved, PAGE["moment"].format(frame, len(recording) - 1, f"{moment.seconds:.2f}"), wide, tall

    def open_inside(self, run: str, beta: float, request: gr.Request | None = None) -> tuple[Any, float, float]:
        """The scrubber of a new video, at the moment when the mouth is widest open; β as it was drawn; and its rate."""
        with explaining():
            recording = open_recording(self._guests.run(run, request))
            widest = int(mouth_opening(recording.landmarks).argmax())
            return gr.update(maximum=len(recording) - 1, value=widest, interactive=True), beta, float(recording.fps)

    def trajectory(self, run: str, request: gr.Request | None = None) -> tuple[Any, Any]:
        """Shows a whole video as curves that can be zoomed into.

        Args:
            run: the key that `animate` or `dub` gave; the three newest of a session can be opened.

        Returns:
            Interactive figures: lip opening against the sound with AT-net's PCA codes; the path of every landmark.
        """
        with explaining():
            recording = open_recording(self._guests.run(run, request))
            fps = float(recording.fps)
            codes = trajectory(recording.landmarks, recording.codes, recording.envelope, fps)
            return codes, paths(recording.landmarks, recording.example, fps)
