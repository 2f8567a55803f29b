"""The controls on the Talk tab: the head's pose, and how a video is drawn."""

from typing import Any

import gradio as gr

from atvg.studio.settings import PAGE
from atvg.studio.studio import Studio


class Controls:
    """What can be turned; other tabs read some of it too."""

    def __init__(self, studio: Studio):
        self._animator = studio.animator

    def show(self) -> None:
        """Two accordions: the head, and what is seldom needed."""
        with gr.Accordion(**PAGE["head"]):
            self.head = [gr.Slider(**PAGE[name]) for name in ("yaw", "pitch", "roll", "mouth_gain")]
            self.mouth_gain = self.head[-1]
            self.natural, self.liveliness = gr.Checkbox(**PAGE["natural"]), gr.Slider(**PAGE["liveliness"])
        with gr.Accordion(**PAGE["advanced"]):
            self.frame, self.smoothing = gr.Radio(**PAGE["frame"]), gr.Slider(**PAGE["smoothing"])
            self.beta, self.teeth = self._beta(), gr.Slider(**PAGE["teeth"])
            ears = self._animator.ears
            self.ear = gr.Radio([(PAGE["ears"][ear], ear) for ear in ears], value=ears[0], **PAGE["ear"])
            self.seed, self.arrays = gr.Number(**PAGE["seed"]), gr.Checkbox(**PAGE["arrays"])

    def named(self) -> dict[str, Any]:
        """Those that a link carries, by the names that they have in `animate`."""
        head = dict(zip(("yaw", "pitch", "roll", "mouth_gain"), self.head, strict=True))
        return head | {
            "natural": self.natural, "liveliness": self.liveliness, "frame": self.frame, "smoothing": self.smoothing,
            "beta": self.beta, "teeth": self.teeth, "ear": self.ear, "seed": self.seed,
        }  # fmt: skip

    def _beta(self) -> gr.Slider:
        """Says what it does with these weights."""
        betas = self._animator.vg_nets
        effect = PAGE["beta_one" if len(betas) == 1 else "beta_family"]
        effect = effect.format(", ".join(f"{beta:g}" for beta in sorted(betas)))
        return gr.Slider(**PAGE["beta"] | {"info": PAGE["beta"]["info"].format(effect)})
