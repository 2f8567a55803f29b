"""The page: all tabs, and the events that reach across them."""

import json
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import gradio as gr
import numpy as np
from gradio.block_function import BlockFunction

from atvg.animator import Animator
from atvg.box.decoders import stand_ready
from atvg.config import SAMPLE_RATE
from atvg.face import pixels
from atvg.studio.ablations import Ablations
from atvg.studio.about import About
from atvg.studio.broadcast import Broadcasts
from atvg.studio.compare import Compare
from atvg.studio.examples import FREE, PORTRAITS
from atvg.studio.explaining import sorry
from atvg.studio.files import uploads_in
from atvg.studio.guests import Guests
from atvg.studio.inside import Inside
from atvg.studio.link import Link
from atvg.studio.live import Live
from atvg.studio.memory import give_back, settle
from atvg.studio.settings import MAX_WAITING, PAGE, PRIVATE, asset
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk
from atvg.studio.trouble import Trouble
from atvg.studio.undelivered import Undelivered
from atvg.studio.waiting import Turns

OF_PHOTOS = ("live", "ablations", "compare", "trouble")  # tabs that take a film's first picture as a photo


class Page(gr.Blocks):
    """The page, with those who have to leave when it is closed, and what makes it ready for the first of them."""

    guests: Guests
    broadcasts: Broadcasts
    undelivered: Undelivered
    leave: Callable[[gr.Request], None]
    warm_up: Callable[[], None]

    async def process_api(self, block_fn: Any, inputs: list[Any], *given: Any, **named: Any) -> dict[str, Any]:
        """Does what an endpoint does, whichever it is, unless a file of another visitor is named in its inputs.

        Raises:
            gr.Error: one is; also if there is none of that name.
        """
        # Of what only validates, Gradio tells clients no error; the endpoint itself will.
        if block_fn in self.fns.values() and not self.guests.may_use(named.get("request"), *uploads_in(inputs)):
            raise sorry(PAGE["not_yours"])
        return await super().process_api(block_fn, inputs, *given, **named)

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Refuses calls that lack some; Gradio would write all that came into the log.

        Raises:
            gr.Error: fewer than the endpoint takes.
        """
        if len(inputs) < len(block_fn.inputs):
            raise sorry(PAGE["few_inputs"].format(len(block_fn.inputs), len(inputs)))


class Tab(Protocol):
    """What stands in one."""

    def show(self) -> None:
        """Makes its components."""


def build(animator: Animator | None = None) -> Page:
    """The page, with its guests and broadcasts; loads the weights, or raises `CheckpointError`, unless they are given.

    ``ATVG_WEIGHTS`` names others than the shipped ones: a folder or a Hub id.
    """
    studio = Studio(animator or Animator.from_pretrained(os.environ.get("ATVG_WEIGHTS")))
    gr.set_static_paths(FREE)  # or Gradio would serve copies, and `Guests.tidy` delete those
    with Page(title=PAGE["title"], analytics_enabled=False) as page:
        gr.HTML(asset("header.html"))
        _add_tabs(studio, page)
        gr.Markdown(asset("footer.md"), elem_id="note")
        page.unload(studio.leave)  # Gradio misses some: where there is a doorkeeper, it says so of all
        names = [portrait["name"] for portrait in PAGE["portraits"].values()]
        page.load(js=asset("bring.js"), api_visibility="private")
        page.load(js=asset("names.js").replace("$NAMES", json.dumps(names)), api_visibility="private")
        page.load(js=asset("wait.js").replace("$TEXTS", json.dumps(PAGE["wait"])), api_visibility="private")
        page.load(js=asset("access.js"), api_visibility="private")
    page.queue(api_open=False)  # closed: nobody gets past the queue
    page._queue = studio.jobs = Turns(page, 2 * MAX_WAITING)
    page.undelivered = Undelivered(page._queue)
    page.guests, page.broadcasts, page.leave = studio.guests, studio.broadcasts, studio.leave
    page.warm_up = partial(_warm_up, studio.animator)
    studio.guests.keep_tidy(page.temp_file_sets, page.undelivered.tidy)
    return page


def _warm_up(animator: Animator) -> None:
    """Loads now, and not for the first visitor, what is only loaded when it is needed.

    Raises:
        CheckpointError: the ear's weights are missing or damaged.
    """
    stand_ready(pixels.decode)  # it is loaded meanwhile, by a process of its own
    face, silent = animator.read_face(PORTRAITS[0]), np.zeros(SAMPLE_RATE // 2, np.float32)
    for _ in animator.stream(face, silent, ear=animator.ears[0], natural=animator.idle is not None):
        pass
    settle()
    give_back()  # of what compiling took, a hundred megabytes


def _add_tabs(studio: Studio, page: Page) -> None:
    """All are shown before the first is wired, for what one tab does may need what another shows.

    The API's documentation lists the endpoints in the order in which they are wired.
    """
    talk, live, inside = Talk(studio), Live(studio), Inside(studio)
    ablations, compare, trouble = Ablations(studio), Compare(studio), Trouble(studio)
    shown: dict[str, Tab] = {
        "talk": talk, "live": live, "inside": inside, "ablations": ablations, "compare": compare, "trouble": trouble,
        "about": About(),
    }  # fmt: skip
    notes = []
    with gr.Tabs(elem_id="tabs") as tabs:
        for name, tab in shown.items():
            with gr.Tab(PAGE["tabs"][name], id=name, elem_id=f"tab-{name}"):
                gr.Markdown(PAGE["leads"][name], elem_classes="lead")
                if name in OF_PHOTOS:
                    notes.append(gr.Markdown(PAGE["film_note"], visible=False, elem_classes="message"))
                tab.show()
    talk.wire_checks(notes)
    _wire_consent(talk, live, trouble)
    live.wire(talk)
    made = talk.wire(inside.panels)
    inside.wire(talk, *made)
    for tab in (ablations, compare, trouble):
        tab.wire(talk)
    for tab in (ablations, trouble):
        tab.wire_choice()
    talk.result.wire_formats()
    tabs.select(js=asset("resize.js"), api_visibility="private")
    Link(talk).wire(page, tabs)


def _wire_consent(talk: Talk, live: Live, trouble: Trouble) -> None:
    """Whoever brings another face or voice has to say anew that they may use it."""
    voice = talk.voice.field
    brought = [
        talk.photo.field.upload,
        talk.photo.film.field.upload,
        trouble.other.upload,
        voice.upload,
        voice.stop_recording,
    ]
    gr.on(brought, lambda: (False, False), None, [talk.consent, live.consent], **PRIVATE)
