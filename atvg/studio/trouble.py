"""The Break it tab: one stage is disturbed and measured, and the known failures are made to happen."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from atvg.film.label import sign
from atvg.lab import failures, troubles
from atvg.lab.disturbances import TROUBLES
from atvg.studio.behind import set_back
from atvg.studio.examples import STRANGER
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_voice, save_png
from atvg.studio.settings import PAGE, PRIVATE, RAW
from atvg.studio.studio import Studio
from atvg.studio.talk import Talk


class Trouble:
    """Makes things go wrong, on purpose."""

    def __init__(self, studio: Studio):
        self._studio, self._animator, self._guests = studio, studio.animator, studio.guests

    def show(self) -> None:
        """What to disturb, what comes of it, and a gallery of failures."""
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                choices = [(trouble.title, name) for name, trouble in TROUBLES.items()]
                self.trouble = gr.Radio(choices, value="silence", **PAGE["trouble"])
                self.explained = gr.Markdown(TROUBLES["silence"].explanation, elem_classes="caption")
                self.snr, self.size = gr.Slider(**PAGE["snr"]), gr.Slider(**PAGE["size"])
                self.other = gr.Image(**PAGE["other"])
                self.break_button = gr.Button(**PAGE["break_it"])
            with gr.Column(scale=7, min_width=320):
                self.compared = gr.Video(**PAGE["compared"])
        self.finding = gr.Markdown(PAGE["no_finding"], **PAGE["finding"])
        self.measures = gr.Dataframe(**PAGE["measures"])
        gr.Markdown(PAGE["step_failures"])
        self.fail_button = gr.Button(**PAGE["fail"])
        self.gallery = gr.Gallery(**PAGE["gallery"])

    def wire(self, talk: Talk) -> None:
        """Both buttons, and the other person's photo."""
        self.other.change(talk.photo.visible, self.other, self.other, **PRIVATE | RAW)
        place, part = talk.photo.place, talk.voice.part
        talk.on_press(
            self.break_button, self.break_it, [self.trouble, self.snr, self.size, self.other, *place, *part],
            [self.compared, self.finding, self.measures], others=[self.other], most=troubles.SECONDS,
        )  # fmt: skip
        talk.on_press(self.fail_button, self.show_failures, [*place, *part], self.gallery, most=failures.SECONDS)

    def wire_choice(self) -> None:
        """Every trouble is explained, and asks for what it needs."""
        outputs = [self.explained, self.snr, self.size, self.other]
        self.trouble.change(self._explain, self.trouble, outputs, **PRIVATE)

    @staticmethod
    def _explain(trouble: str) -> tuple[Any, ...]:
        needed = (("noise", "babble"), ("occluded",), ("other_landmarks",))  # by SNR, size of the box, other face
        shown = (gr.update(visible=trouble in names) for names in needed)
        return TROUBLES[trouble].explanation, *shown

    def break_it(
        self, photo: Upload, audio: Upload, trouble: str = "silence", snr: float = 5, size: float = 0.5,
        other: Upload = None, box: str = "", points: str = "", start: float = 0,
        end: float = 0, request: gr.Request | None = None,
    ) -> tuple[str, str, list[list[str]]]:  # fmt: skip
        """Disturbs one stage and measures what changes. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech; up to two minutes of it can be used; the most spoken seconds are used.
            trouble: one of shuffled, reversed, silence, music, noise, babble, other_landmarks, frozen, attention_0,
                attention_1, occluded.
            snr: of noise and babble, dB, −20..60.
            size: width of the box that hides the mouth, as a share of the crop's, 0.1..1.
            other: the photo of another person, whose landmarks are used; an example portrait if there is none.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            An MP4, undisturbed beside disturbed; what was found, in words; a table of measures.
        """
        _, folder = self._guests.new_run(request, photo, audio, other)
        with self._guests.removed_on_error(folder), explaining():
            face, wave = self._studio.read_face(photo, box, points), open_voice(audio, start, end)[1]
            stranger = self._studio.read_face(other or STRANGER) if trouble == "other_landmarks" else None
            outcome = set_back(troubles.disturb)(self._animator, face, wave, trouble, snr=snr, box=size, other=stranger)
            video = set_back(troubles.compare_video)(folder / "compared.mp4", outcome)
            return str(video), outcome.finding, troubles.table(outcome)

    def show_failures(
        self,
        photo: Upload,
        audio: Upload,
        box: str = "",
        points: str = "",
        start: float = 0,
        end: float = 0,
        request: gr.Request | None = None,
    ) -> Iterator[list[tuple[str, str]]]:
        """Makes the known failures happen to a face. You say that you may use this face and this voice.

        Args:
            photo: a picture with one face.
            audio: speech; up to two minutes of it can be used.
            box: where the face is, if it is not found: x, y, width, height in pixels of the photo.
            points: or x, y of its eyes, nose tip and mouth corners; left as seen comes first.
            start: where the part of the voice that is used begins, seconds.
            end: where it ends; 0 for the end of the recording.

        Returns:
            Pictures, each with its cause and what helps.
        """
        _, folder = self._guests.new_run(request, photo, audio)
        made: list[tuple[str, str]] = []
        with self._guests.removed_on_error(folder), explaining():
            face, wave = self._studio.read_face(photo, box, points), open_voice(audio, start, end)[1]
            for name, failure in failures.FAILURES.items():
                picture = set_back(failures.make)(self._animator, face, wave, name)
                path = save_png(sign(picture), folder / f"{name}.png")
                made.append((path, f"{failure.title}. {failure.cause} {failure.remedy}"))
                yield made
