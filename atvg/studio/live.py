"""The Live tab: a face speaks along with whoever speaks into the microphone."""

import base64
from collections.abc import Callable
from typing import Any

import gradio as gr

from atvg.animate.live import look_ahead
from atvg.config import EARS, FPS
from atvg.motion.pose import Pose
from atvg.studio.broadcast import Aired, sound_of
from atvg.studio.explaining import explaining, sorry
from atvg.studio.files import Upload
from atvg.studio.settings import (
    LIVE_AT_ONCE,
    LIVE_LONGEST,
    LIVE_PATIENCE,
    LIVE_PIECE,
    LIVE_SECONDS,
    LIVE_WAITING,
    PAGE,
    PREVIEW_SIDE,
    PRIVATE,
    QUICK,
    RAW,
    asset,
)
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk


class Live:
    """Lets live faces begin, speak and end; what they show comes past Gradio's queue."""

    def __init__(self, studio: Studio):
        self._studio, self._broadcasts = studio, studio.broadcasts

    def show(self) -> None:
        """The microphone on the left, the live face on the right."""
        with gr.Row(elem_id="live-desk"):
            with gr.Column(scale=5, min_width=320):
                gr.Markdown(PAGE["step_speak"], elem_classes="step")
                self.consent = gr.Checkbox(**PAGE["live_consent"])
                self.start, self.stop = gr.Button(**PAGE["live_start"]), gr.Button(**PAGE["live_stop"])
                times = {"piece": LIVE_PIECE, "ahead": look_ahead(self._studio.animator.ears[0]), "frame": 1 / FPS}
                times = {name: round(1000 * seconds) for name, seconds in times.items()}
                about = PAGE["about_live"].format(seconds=LIVE_SECONDS, patience=LIVE_PATIENCE, **times)
                gr.Markdown(about, elem_classes="caption")
            with gr.Column(scale=7, min_width=320):
                gr.Markdown(PAGE["step_live"], elem_classes="step")
                self.stage = gr.HTML(
                    html_template=asset("live.html"), js_on_load=asset("live.js"),
                    server_functions=self._past_the_queue(), texts=PAGE["live_texts"], piece=LIVE_PIECE,
                    longest=LIVE_LONGEST, fps=FPS, most=LIVE_WAITING, side=PREVIEW_SIDE, **PAGE["live_stage"],
                )  # fmt: skip
                self.key = gr.Textbox(visible=False, label=PAGE["live_key"])

    def _past_the_queue(self) -> list[Callable]:
        """What the stage asks the server itself: a piece that waits in the queue comes too late."""

        def live_piece(piece: list[Any]) -> dict[str, Any]:
            key, rate, sound = piece if isinstance(piece, list) and len(piece) == 3 else ("", 0, "")
            try:
                return self.live(key, rate, sound)
            except gr.Error as error:
                return {"said": error.message}

        def live_end(keys: list[str]) -> None:
            for key in keys if isinstance(keys, list) else ():
                self._broadcasts.close(key)

        return [live_piece, live_end]

    def wire(self, talk: Talk) -> None:
        """Start and Stop, with the face and the settings of the Talk tab; and the same for other programs."""
        call = "document.querySelector('#live-face').{}"
        live = {"concurrency_id": "live", "concurrency_limit": LIVE_AT_ONCE}
        self.start.click(None, js=f"() => {call.format('begin()')}", **PRIVATE)
        self.stop.click(None, js=f"() => {call.format('stop()')}", **PRIVATE)
        # The stage says so once it has the microphone.
        admitted = self.stage.submit(self.admit_live, self.consent, None, **QUICK)
        controls = talk.controls
        started = admitted.success(
            self.live_start,
            [talk.photo.field, controls.beta, *controls.head, controls.smoothing, controls.seed, *talk.photo.place,
             controls.natural, controls.teeth, controls.ear, controls.liveliness],
            self.key,
            api_name="live_start", show_progress="hidden", **live, **RAW,
        )  # fmt: skip
        for step in (admitted, started):
            step.failure(None, js=f"() => {call.format('stop()')}", **PRIVATE)
        started.success(None, self.key, js=f"(key) => {call.format('speak(key)')}", **PRIVATE)
        gr.api(self.live, api_name="live", **live)
        gr.api(self.live_stop, api_name="live_stop", **live)

    def admit_live(self, consent: bool) -> None:
        """The voice is nobody's example, so it always needs consent."""
        if not consent:
            raise sorry(PAGE["no_live_consent"])

    def live_start(
        self, photo: Upload, beta: float = 0.5, yaw: float = 0, pitch: float = 0, roll: float = 0,
        mouth_gain: float = 1, smoothing: float = 0.8, seed: int = 0, box: str = "", points: str = "",
        natural: bool = True, teeth: float = 1, ear: str = EARS[0],
        liveliness: float = 1, request: gr.Request | None = None,
    ) -> str:  # fmt: skip
        """Prepares the face in a photo to speak live. By calling this you say that you may use this face and voice.

        Args:
            photo: a picture with one face, seen from the front.
            beta: β of the weights, 0..2.
            yaw: turn of the head in degrees, −45..45; + to the viewer's right.
            pitch: nod, −30..30; + looks down.
            roll: tilt, −30..30; + counter-clockwise.
            mouth_gain: movement of the mouth, 0..3; 1 as heard.
            smoothing: of the landmarks over time, 0..5; live, only the frames beside each one count.
            seed: of the natural motion.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            natural: let the head move a little and the eyes blink.
            teeth: how much shows of those that the photo hides, 0..1.
            ear: "whisper" hears through the trained ear, "none" reads windows of MFCC, as in the paper.
            liveliness: of the natural motion, 0..2: 0 none, 1 as real people move.

        Returns:
            The key of this live face, for `live` and `live_stop`. It ends after a minute, or ten seconds without sound.
        """
        self._studio.guests.remember(request, photo)
        owner = self._studio.guests.name(request)
        with explaining():
            self._broadcasts.check_room(owner)
            face = self._studio.read_face(photo, box, points)
            return self._broadcasts.open(
                owner, face, beta=beta, pose=Pose(yaw, pitch, roll), mouth_gain=mouth_gain, smoothing=smoothing,
                seed=seed, natural=natural, teeth=teeth, ear=ear, liveliness=liveliness,
            )  # fmt: skip

    def live(self, key: str, rate: float, sound: str) -> dict[str, Any]:
        """Gives the next piece of a voice to a live face, and gets the frames that this completes, 25 a second.

        Args:
            key: from `live_start`.
            rate: samples a second, the same every time.
            sound: base64 of 16-bit little-endian samples of one channel, at most two seconds; 0.2 are a good choice.
                Send one at a time: the next when the frames of the last are back.

        Returns:
            "frames": JPEG pictures in base64, labelled as AI-generated, maybe none. "start": which frame of this live
            face the first of them is. "heard", "left": seconds of sound so far, and until it ends. "computing":
            seconds that this took. A frame comes as soon as the 0.24 s of sound after it have been heard.
        """
        with explaining():
            return _aired(self._broadcasts.feed(key, rate, sound_of(sound)))

    def live_stop(self, key: str) -> dict[str, Any]:
        """Ends a live face, and gets its last frames: those that waited for what is said next.

        Args:
            key: from `live_start`.

        Returns:
            As `live` does.
        """
        with explaining():
            return _aired(self._broadcasts.finish(key))


def _aired(aired: Aired) -> dict[str, Any]:
    """As an answer in JSON."""
    frames = [base64.b64encode(picture).decode() for picture in aired.pictures]
    return {"frames": frames} | {name: getattr(aired, name) for name in ("start", "heard", "left", "computing")}
