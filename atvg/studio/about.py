"""The About tab: what this is, and the model card of the weights."""

import os

import gradio as gr

from atvg.box.layers import layers
from atvg.checkpoint import locate
from atvg.studio.settings import PAGE, asset


class About:
    """Nothing happens on it."""

    def show(self) -> None:
        """A text about all, and the model card of the weights in use."""
        gr.Markdown(asset("about.md"), elem_classes="prose-narrow")
        gr.Markdown(PAGE["decoders"].format(layers()), elem_classes="prose-narrow")
        with gr.Accordion(**PAGE["model_card"]):
            card = locate(os.environ.get("ATVG_WEIGHTS")) / "README.md"
            gr.Markdown(card.read_text(encoding="utf-8") if card.is_file() else PAGE["no_model_card"])
