"""What all tabs share: the networks, the visitors' files, the live faces, and who is let in."""

import asyncio
from collections.abc import Callable, Sized
from typing import Any

import gradio as gr

from atvg.animator import Animator
from atvg.config import SAMPLE_RATE
from atvg.errors import ATVGError, TooLongError
from atvg.face.face import Face
from atvg.studio.broadcast import Broadcasts
from atvg.studio.examples import FREE
from atvg.studio.explaining import sorry
from atvg.studio.files import Upload, open_photo, open_voice, path_of, typed_place
from atvg.studio.guests import Guests
from atvg.studio.settings import (
    LIVE_AT_ONCE,
    LIVE_PATIENCE,
    LIVE_SECONDS,
    MAX_SECONDS,
    MAX_WAITING,
    PAGE,
    PREVIEW_SIDE,
)
from atvg.studio.waiting import remember_voice


class Studio:
    """Visitors share nothing in it but the networks, which nobody changes."""

    def __init__(self, animator: Animator):
        self.animator, self.guests = animator, Guests()
        self.broadcasts = Broadcasts(animator, LIVE_AT_ONCE, LIVE_SECONDS, LIVE_PATIENCE, PREVIEW_SIDE)
        self.jobs: Sized = ()  # that wait; the page gives its queue
        self._entering = 0  # jobs that are let in and not yet among those; only the server's event loop counts them

    @property
    def busy(self) -> bool:
        """Whether so many jobs wait that no more are let in."""
        return len(self.jobs) + self._entering >= MAX_WAITING

    def admit(self, consent: bool, *uploads: Upload) -> None:
        """Lets a visitor of the page in who may use faces and voice; the examples are free to use."""
        if self.busy:
            raise sorry(PAGE["busy"])
        own = [path for path in map(path_of, uploads) if path and path not in map(str, FREE)]
        if own and not consent:
            raise sorry(PAGE["no_consent"])

    def validator(self, at: int, most: float) -> Callable:
        """`validate` for inputs of which those at `at` and after it are start and end of what is used of the voice."""

        async def validate(request: gr.Request, *inputs: Any) -> list[dict[str, Any]]:
            return await self.validate(request, *inputs, part=inputs[at : at + 2], most=most)

        return validate

    async def validate(
        self, request: gr.Request, *inputs: Any, part: tuple = (), most: float = MAX_SECONDS
    ) -> list[dict[str, Any]]:
        """Turns a job away before it waits for its turn: too many do, or the voice, the second input, is too long.

        Of the voice `most` seconds at most are drawn, and so much is remembered.

        In the event loop, one job after the other: of many that come at once each must see those before it.
        """
        self.guests.remember(request, *inputs)  # those of a job that is turned away, or leaves the queue, go too
        verdicts = [gr.validate(True, "")] * len(inputs)
        if self.busy:
            verdicts[0] = gr.validate(False, PAGE["busy"])
            return verdicts
        if not self.guests.may_use(request, *inputs):  # the job itself says so
            return verdicts
        self._entering += 1
        try:
            _, wave = await asyncio.to_thread(open_voice, inputs[1], *part)
            remember_voice(request, min(len(wave) / SAMPLE_RATE, most))
        except TooLongError as error:
            verdicts[1] = gr.validate(False, str(error))
        except (ATVGError, gr.Error, OSError):
            pass  # the job itself says it better
        finally:
            self._entering -= 1
        return verdicts

    def read_face(self, photo: Upload, box: str = "", points: str = "") -> Face:
        """The face in a photo, found or placed by hand.

        Raises:
            BadImageError, NoFaceError, SeveralFacesError, BadSettingError: what they say.
        """
        picture, scale = open_photo(photo)
        return self.animator.read_face(picture, **typed_place(box, points, scale))

    def leave(self, request: gr.Request) -> None:
        """A visitor has closed the page; not if another connection is open, for Gradio says this of each that ends."""
        if self.guests.is_here(request):
            return
        self.broadcasts.leave(self.guests.name(request))
        self.guests.leave(request)
