"""The voice on the Talk tab: its field, what is heard in it, and a typed text to be spoken."""

import gradio as gr
import numpy as np
from scipy.io import wavfile

from atvg.config import SAMPLE_RATE
from atvg.errors import ATVGError
from atvg.studio.examples import VOICES_AT_HAND
from atvg.studio.explaining import explaining
from atvg.studio.files import Upload, open_voice
from atvg.studio.settings import PAGE, RAW
from atvg.studio.studio import Studio
from atvg.voice.audio import n_video_frames, silence
from atvg.voice.speak import VOICES, available, say


class Voice:
    """Brings a voice, recorded or synthetic, and says before any work what is heard in it."""

    def __init__(self, studio: Studio):
        self._guests = studio.guests

    def show(self) -> None:
        """The voice, what was heard, examples, and a text to be spoken."""
        gr.Markdown(PAGE["step_voice"], elem_classes="step")
        self.field = gr.Audio(**PAGE["voice"])
        self.heard = gr.Markdown(PAGE["voice_hint"], **PAGE["heard"])
        names = list(PAGE["voices"].values())
        gr.Examples(
            list(map(str, VOICES_AT_HAND)), self.field, label=PAGE["try"], elem_id="voices", example_labels=names
        )
        with gr.Accordion(**PAGE["type"], visible=available()):
            self.text = gr.Textbox(**PAGE["text"])
            with gr.Row():
                self.speaker = gr.Dropdown(list(VOICES), value=next(iter(VOICES)), **PAGE["speaker"])
                self.speed = gr.Slider(**PAGE["speed"])
            self.speak = gr.Button(**PAGE["speak"])

    def wire_check(self) -> None:
        """Every new voice is listened to."""
        self.field.change(
            self.check_voice, self.field, self.heard, api_name="check_voice", show_progress="hidden",
            concurrency_id="checks", **RAW,
        )  # fmt: skip

    def wire_speak(self) -> None:
        """A spoken text takes the place of the voice."""
        typed = [self.text, self.speaker, self.speed]
        self.speak.click(self.say, typed, self.field, api_name="say", concurrency_id="checks", **RAW)

    def check_voice(self, audio: Upload, request: gr.Request | None = None) -> str:
        """Listens to a voice before any work is done.

        Args:
            audio: speech of up to two minutes.

        Returns:
            How long it is, or what is wrong with it.
        """
        if not audio:
            return PAGE["voice_hint"]
        try:
            self._guests.new_run(request, audio)
            _, wave = open_voice(audio)
        except ATVGError as error:
            return PAGE["voice_problem"].format(error)
        frames = n_video_frames(wave)
        seconds, spoken = len(wave) / SAMPLE_RATE, 1 - silence(wave, frames).mean()
        said = PAGE["voice_found" if spoken > 0.2 else "voice_silent" if spoken == 0 else "voice_quiet"]
        return said.format(f"{seconds:.1f}", f"{100 * spoken:.0f}")

    def say(
        self, text: str, voice: str = next(iter(VOICES)), speed: float = 160, request: gr.Request | None = None
    ) -> str:
        """Speaks a typed text with a synthetic voice (eSpeak NG), offline.

        Args:
            text: up to 1000 characters.
            voice: language and speaker.
            speed: words a minute, 80..300.

        Returns:
            The speech, 16 kHz WAV.
        """
        _, folder = self._guests.new_run(request)
        with self._guests.removed_on_error(folder), explaining():
            wave = say(text, voice, speed)
            wavfile.write(folder / "speech.wav", SAMPLE_RATE, (wave * 32767).astype(np.int16))
            return str(folder / "speech.wav")
