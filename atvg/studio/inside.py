"""The Look inside tab: what the networks computed for every frame of the newest video."""

from typing import Any

import gradio as gr
from plotly.graph_objects import Figure

from atvg.animate.settings import make_settings
from atvg.face.landmarks import mouth_opening
from atvg.film.label import sign
from atvg.film.recording import Recording
from atvg.show.equations import AMPLIFIED, equation, layers, layers_equation
from atvg.show.maps import attention_over, landmarks_over, loss_weight
from atvg.show.plots import paths, trajectory
from atvg.studio.explaining import explaining
from atvg.studio.files import save_png
from atvg.studio.settings import PAGE, PRIVATE, QUICK, RAW, RECORDING, asset
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

    def wire(self, talk: Talk, made: gr.events.Dependency) -> None:
        """The sliders; and whenever a video is `made`, it is opened."""
        looking: dict[str, Any] = {
            "fn": self.look_inside, "inputs": [talk.result.run, self.moment, self.weight_beta],
            "outputs": [*self.maps, *self.equations, self.moment_said, *self.layers],
            "concurrency_id": "looking", "show_progress": "hidden",
        } | RAW  # fmt: skip
        self.moment.input(**looking, api_name="look_inside", trigger_mode="always_last")
        self.weight_beta.input(**looking, api_visibility="private", trigger_mode="always_last")
        self.moment.input(None, self.moment, None, js=asset("seek.js"), **PRIVATE)
        beta = talk.controls.beta
        opened = made.success(self.open_inside, [talk.result.run, beta], [self.moment, self.weight_beta], **QUICK)
        opened.success(**looking, api_visibility="private").success(
            self.trajectory, talk.result.run, [self.curves, self.paths], api_name="trajectory",
            concurrency_id="looking", show_progress="hidden",
        )  # fmt: skip

    def look_inside(self, run: str, frame: int = 0, beta: float = 0.5) -> tuple[str, ...]:
        """Shows what the networks computed for one frame of a video.

        Args:
            run: the key that `animate` gave; the three newest of a session can be opened.
            frame: which frame, from 0; 25 a second.
            beta: β of the loss weight that is shown, 0..2.

        Returns:
            Pictures: the landmarks that were asked for; attention α over the photo; the weight α + β of the
            dynamic pixel-wise loss; the motion map m; α·m + (1 − α)·photo as an equation of pictures, wide and tall.
            One line that says which frame this is. And the layers of the frame on the photo's own pixels, in the face's
            close-up, as equations, wide and tall: base + residual = m, and α·m + (1 − α)·photo.
        """
        with explaining():
            folder = self._guests.run(run)
            recording = Recording.open(folder / RECORDING)
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

    def open_inside(self, run: str, beta: float) -> tuple[Any, float]:
        """The scrubber of a new video, at the moment when the mouth is widest open; and β as it was drawn."""
        with explaining():
            recording = Recording.open(self._guests.run(run) / RECORDING)
            widest = int(mouth_opening(recording.landmarks).argmax())
            return gr.update(maximum=len(recording) - 1, value=widest, interactive=True), beta

    def trajectory(self, run: str) -> tuple[Figure, Figure]:
        """Shows a whole video as curves that can be zoomed into.

        Args:
            run: the key that `animate` gave; the three newest of a session can be opened.

        Returns:
            Interactive figures: lip opening against the sound with AT-net's PCA codes; the path of every landmark.
        """
        with explaining():
            recording = Recording.open(self._guests.run(run) / RECORDING)
            codes = trajectory(recording.landmarks, recording.codes, recording.envelope)
            return codes, paths(recording.landmarks, recording.example)
